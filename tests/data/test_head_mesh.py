"""Geometry that guides painting, on small shapes with known answers."""

import numpy as np

from jaxtalk.data import head_mesh


def test_directions_are_unit_vectors_spread_over_the_sphere():
    directions = head_mesh.fibonacci_sphere(300)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(directions.mean(0), 0, atol=0.01)
    np.testing.assert_allclose((directions[:, :, None] * directions[:, None]).mean(0), np.eye(3) / 3, atol=0.01)


def test_distance_to_a_polyline_and_place_along_it():
    line = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]])
    distance, along = head_mesh.polyline_distance(np.array([[1.0, 1.0], [3.0, 2.0], [-1.0, 0.0]]), line)
    np.testing.assert_allclose(distance, [1.0, 1.0, 1.0])
    np.testing.assert_allclose(along[1:], [1.0, 0.0])


def test_inside_polygon_counts_area_of_an_l_shape():
    shape = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], float)
    points = np.random.default_rng(0).uniform(0, 2, (4000, 2))
    inside = head_mesh.inside_polygon(points, shape)
    np.testing.assert_array_equal(inside, (points[:, 0] < 1) | (points[:, 1] < 1))


def test_light_from_above_does_not_reach_what_a_roof_covers():
    roof = np.array([[-1, 1, -1], [1, 1, -1], [1, 1, 1], [-1, 1, 1]], float)
    floor = np.array([[-2, 0, -2], [2, 0, -2], [2, 0, 2], [-2, 0, 2], [0, 0, 0]], float)
    triangles = np.array([[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]])
    visible = head_mesh.visibility(np.concatenate([roof, floor]), triangles, np.array([[0.0, 1.0, 0.0]]))
    middle, corner = visible[8, 0], visible[4, 0]
    assert middle == 0 and corner == 1
