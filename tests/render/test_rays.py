"""Rays against the camera's own projection, and the box against sampling and against the published kernel."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.render import rays as rays_
from jaxtalk.render.rays import Rays

CAMERA = Pinhole(jnp.asarray(300.0), jnp.asarray([31.0, 17.5]), jnp.asarray(0.8))


def test_points_of_a_ray_project_onto_its_pixel():
    places = rays_.pixels(24, 40).reshape(-1, 2)
    rays = rays_.through(CAMERA, places)
    for distance in (0.3, 2.0):
        screen = CAMERA.project(rays.at(jnp.full((len(places), 1), distance))[:, 0])
        np.testing.assert_allclose(screen[:, :2], places, atol=1e-3)
        assert (screen[:, 2] > 0).all()
    np.testing.assert_allclose(jnp.linalg.norm(rays.direction, axis=-1), 1.0, atol=1e-6)


def test_one_camera_for_each_frame_of_a_batch():
    cameras = jax.tree.map(lambda one: jnp.stack([one, 1.1 * one]), CAMERA)
    places = jnp.stack([rays_.pixels(2, 3).reshape(-1, 2)] * 2)
    both = rays_.through(cameras, places)
    for frame in range(2):
        one = rays_.through(jax.tree.map(lambda field, frame=frame: field[frame], cameras), places[frame])
        jax.tree.map(lambda a, b, frame=frame: np.testing.assert_allclose(a[frame], b, atol=1e-6), both, one)


def test_a_head_that_moves_sees_rays_that_move_the_other_way():
    turn, shift = rotation.matrix(jnp.asarray([0.2, -0.5, 0.1])), jnp.asarray([0.02, -0.01, 0.05])
    places = rays_.pixels(3, 4).reshape(-1, 2)
    rays = rays_.through(CAMERA, places)
    seen = rays_.relative(rays, turn, shift)
    points = seen.at(jnp.full((12, 1), 0.7))[:, 0]
    screen = CAMERA.project(points @ turn.T + shift[None])
    np.testing.assert_allclose(screen[:, :2], places, atol=1e-3)
    back = rays_.moved(seen, turn, shift)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), back, rays)


def test_the_box_holds_the_piece_between_near_and_far_and_nothing_else():
    origin, direction = np.random.default_rng(0).normal(size=(2, 200, 3)).astype(np.float32)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    low, high = jnp.asarray([-1.0, -0.5, -0.8]), jnp.asarray([1.0, 0.7, 0.9])
    rays = Rays(jnp.asarray(origin), jnp.asarray(direction))
    near, far = rays_.box(rays, low, high)
    distance = np.linspace(0.05, 6, 1000, dtype=np.float32)[None]
    points = rays.at(jnp.broadcast_to(distance, (200, 1000)))
    inside = ((points >= low[None, None]) & (points <= high[None, None])).all(-1)
    between = (distance >= near[:, None] - 1e-5) & (distance <= far[:, None] + 1e-5) & (far > near)[:, None]
    edge = np.minimum(abs(distance - near[:, None]), abs(distance - far[:, None])) < 1e-3
    assert ((inside == between) | edge).all()
    assert 20 < (far > near).sum() < 180  # some hit, some miss


def test_rays_along_the_faces_or_away_are_finite_and_empty_where_they_miss():
    origin = jnp.asarray([[0.0, 0.0, 3.0], [0.99, 0.0, 3.0], [2.0, 0.0, 3.0], [0.0, 0.0, -3.0], [0.0, 0.0, 0.0]])
    direction = jnp.broadcast_to(jnp.asarray([[0.0, 0.0, -1.0]]), origin.shape)
    near, far = rays_.box(Rays(origin, direction), -jnp.ones(3), jnp.ones(3))
    np.testing.assert_allclose(near, [2.0, 2.0, 0.05, 0.05, 0.05], atol=1e-6)
    np.testing.assert_allclose(far, [4.0, 4.0, 0.05, 0.05, 1.0], atol=1e-6)


@pytest.mark.parametrize("name, bound", [("b1", 1.0), ("b2", 2.0)])
def test_near_and_far_are_the_published_kernels(name, bound):
    manifest, arrays = golden_fixture.load("radnerf_raymarching")
    given = golden_fixture.inputs(manifest)
    rays = Rays(
        jnp.asarray(given["rays_o"] - np.float32([0, 0, 3])), jnp.asarray(given["rays_d"] + np.float32([0, 0, 1]))
    )
    half = jnp.asarray([bound, bound / 2, bound])
    near, far = rays_.box(rays, -half, half)
    hit = far > near
    golden_fixture.compare(manifest, arrays, f"{name}_near", jnp.where(hit, near, -1.0))
    golden_fixture.compare(manifest, arrays, f"{name}_far", jnp.where(hit, far, -1.0))
