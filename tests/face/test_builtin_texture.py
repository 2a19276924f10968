"""The painted look: right colours in the right places, wide variety, reproducible."""

import numpy as np
import pytest

from jaxtalk.face import builtin, builtin_lips, builtin_texture, builtin_texture_map
from jaxtalk.face.model import REGIONS

SIZE = 256


@pytest.fixture(scope="module")
def image():
    return builtin_texture.paint(builtin_texture.Look(), np.random.default_rng(0), SIZE)


def colour_at(image, vertices):
    """Mean colour at the texture places of vertices of the mesh."""
    mesh, _ = builtin.mesh()
    corner = np.isin(mesh.triangles, vertices)
    uv = mesh.uv[mesh.uv_triangles[corner]]
    row = np.clip(((1 - uv[:, 1]) * SIZE).astype(int), 0, SIZE - 1)
    column = np.clip((uv[:, 0] * SIZE).astype(int), 0, SIZE - 1)
    return image[row, column].mean(0)


def test_texture_is_finite_and_in_range(image):
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.float32
    assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1


def test_parts_have_their_colours(image):
    mesh, _ = builtin.mesh()
    grids = mesh.grids
    cheek = colour_at(image, np.asarray(builtin.model().landmarks)[[3, 13]])
    lips = colour_at(image, grids["mouth"][builtin_lips.FULLEST, 3:9])
    pupil, sclera = colour_at(image, grids["pupil"]), colour_at(image, grids["eyeball"][5])
    teeth, tongue = colour_at(image, grids["teeth_upper"][0]), colour_at(image, grids["tongue"][-3:])
    crown = colour_at(image, grids["loose"][np.argsort(-mesh.points[grids["loose"], 1])[:10]])
    throat = colour_at(image, grids["throat"])
    assert lips[0] / lips[1] > 1.2 * cheek[0] / cheek[1]
    assert pupil.max() < 0.1 < 0.6 < sclera.min()
    assert teeth.min() > 0.5 and tongue[0] > 1.4 * tongue[1]
    assert crown.mean() < 0.6 * cheek.mean() and throat.max() < 0.1


def test_same_seed_same_face_other_seed_other_face():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return builtin_texture.paint(builtin_texture.sample_look(rng), rng, 64)

    np.testing.assert_array_equal(draw(1), draw(1))
    assert np.abs(draw(1) - draw(2)).mean() > 0.02


def test_looks_span_human_tones_and_paint_without_failing():
    looks = [builtin_texture.sample_look(np.random.default_rng(k)) for k in range(200)]
    brightness = np.array([np.mean(look.skin) for look in looks])
    assert brightness.min() < 0.35 and brightness.max() > 0.75
    assert 0 < np.mean([look.bald for look in looks]) < 0.2 < np.mean([look.stubble > 0 for look in looks]) < 0.7
    for k in range(0, 200, 40):
        painted = builtin_texture.paint(looks[k], np.random.default_rng(k), 64)
        assert np.isfinite(painted).all()


def test_map_knows_what_lies_under_each_texel():
    under = builtin_texture_map.build(SIZE)
    mesh, _ = builtin.mesh()
    triangle = np.flatnonzero(mesh.region == REGIONS.index("hair"))[100]
    middle = mesh.uv[mesh.uv_triangles[triangle]].mean(0)
    row, column = int((1 - middle[1]) * SIZE), int(middle[0] * SIZE)
    place = np.array([under.guides[axis][row, column] for axis in "xyz"])
    assert np.linalg.norm(place - mesh.points[mesh.triangles[triangle]].mean(0)) < 12  # mm; coarse triangles behind
    assert set(np.unique(under.region)) == set(range(7))


def test_cover_agrees_with_a_point_in_triangle_test():
    rng = np.random.default_rng(0)
    corners = rng.random((1, 3, 2))
    triangle, weights = builtin_texture_map.cover(corners, 32)
    rows, columns = np.nonzero(triangle == 0)
    texel = np.stack([(columns + 0.5) / 32, 1 - (rows + 0.5) / 32], -1)
    np.testing.assert_allclose((weights[rows, columns][..., None] * corners[0]).sum(1), texel, atol=1e-9)
    area = abs(np.linalg.det(corners[0, 1:] - corners[0, :1])) / 2
    assert abs(len(rows) / 32**2 - area) < 0.02
