import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.face.camera import Pinhole
from jaxtalk.render.rasterise import interpolate, rasterise


def soup(seed, count, size, span=1.0):
    """Unconnected random triangles, some tiny, some larger than the picture."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-0.1 * size, 1.1 * size, (count, 1, 2))
    extent = span * size * 10 ** rng.uniform(-2, 0, (count, 1, 1))
    xy = centre + extent * rng.normal(size=(count, 3, 2))
    screen = np.concatenate([xy, rng.uniform(1, 2, (count, 3, 1))], -1).reshape(-1, 3)
    return jnp.asarray(screen, jnp.float32), jnp.arange(3 * count, dtype=jnp.int32).reshape(-1, 3)


def brute_force(screen, triangles, height, width, perspective=False):
    """Nearest depth at each pixel in float64, and how far (in barycentric units) the pixel is from any edge."""
    y, x = np.mgrid[:height, :width] + 0.5
    nearest, which, clear = (
        np.full((height, width), np.inf),
        np.full((height, width), -1),
        np.full((height, width), 9.0),
    )
    for number, corners in enumerate(np.asarray(screen, np.float64)[np.asarray(triangles)]):
        matrix = np.concatenate([corners[:, :2].T, np.ones((1, 3))])
        if abs(np.linalg.det(matrix)) < 1e-6:
            continue
        weights = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), np.stack([x, y, np.ones_like(x)]))
        values = corners[:, 2, None, None]
        depth = 1 / (weights / values).sum(0) if perspective else (weights * values).sum(0)
        seen = (weights >= 0).all(0) & (depth < nearest)
        nearest, which = np.where(seen, depth, nearest), np.where(seen, number, which)
        clear = np.minimum(clear, np.abs(weights).min(0))
    return nearest, which, clear


@given(st.integers(0, 10_000), st.sampled_from([1, 200]), st.booleans())
@settings(max_examples=8, deadline=None)
def test_random_triangles_agree_with_brute_force(seed, count, perspective):
    screen, triangles = soup(seed, count, 40)
    fragments = rasterise(screen, triangles, 32, 48, perspective=perspective)
    nearest, which, clear = brute_force(screen, triangles, 32, 48, perspective)
    sure = clear > 1e-3
    assert sure.mean() > 0.5
    np.testing.assert_array_equal(np.asarray(fragments.triangle >= 0)[sure], (which >= 0)[sure])
    np.testing.assert_allclose(np.asarray(fragments.depth)[sure], nearest[sure], rtol=1e-4)
    assert (np.asarray(fragments.triangle) == which)[sure].mean() > 0.999


def test_barycentrics_place_the_corners_at_the_pixel_and_sum_to_one():
    screen, triangles = soup(1, 50, 40)
    fragments = rasterise(screen, triangles, 32, 48)
    seen = np.asarray(fragments.triangle >= 0)
    place = np.asarray(interpolate(fragments, triangles, screen))
    y, x = np.mgrid[:32, :48] + 0.5
    np.testing.assert_allclose(place[seen, 0], x[seen], atol=2e-3)
    np.testing.assert_allclose(place[seen, 1], y[seen], atol=2e-3)
    np.testing.assert_allclose(place[seen, 2], np.asarray(fragments.depth)[seen], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(fragments.barycentric).sum(-1), seen, atol=1e-5)
    assert np.asarray(fragments.barycentric).min() >= 0


@given(st.integers(0, 10_000))
@settings(max_examples=12, deadline=None)
def test_a_quad_and_a_fan_have_no_cracks(seed):
    rng = np.random.default_rng(seed)
    corners = np.array([[-3, -3], [70, -5], [69, 71], [-9, 66]]) + rng.uniform(-2, 2, (4, 2))
    centre = rng.uniform(5, 59, (1, 2))  # anywhere: each of the four edges to it crosses the picture
    place = np.concatenate([corners, centre])
    screen = jnp.asarray(np.concatenate([place, np.ones((5, 1))], 1), jnp.float32)
    quad = jnp.array([[0, 1, 2], [0, 2, 3]], jnp.int32)
    fan = jnp.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], jnp.int32)
    for triangles in (quad, fan):
        assert (np.asarray(rasterise(screen, triangles, 64, 64).triangle) >= 0).all()


def test_a_fine_grid_has_no_cracks():
    """Vertices on pixel centres, where every pixel lies exactly on several edges."""
    n = 33
    y, x = np.mgrid[:n, :n]
    screen = jnp.asarray(np.stack([x + 0.5, y + 0.5, np.sin(x)], -1).reshape(-1, 3), jnp.float32)
    at = np.arange(n * n).reshape(n, n)
    a, b, c, d = (v.ravel() for v in (at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]))
    triangles = jnp.asarray(np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]), jnp.int32)
    fragments = rasterise(screen, triangles, n, n)
    np.testing.assert_allclose(np.asarray(fragments.depth), np.sin(x), atol=1e-5)


def test_order_of_triangles_does_not_matter():
    screen, triangles = soup(3, 200, 64)
    order = np.random.default_rng(0).permutation(200)
    one = rasterise(screen, triangles, 64, 64)
    two = rasterise(screen, triangles[order], 64, 64)
    np.testing.assert_allclose(one.depth, two.depth, rtol=1e-5)
    again = np.where(np.asarray(two.triangle) >= 0, order[np.asarray(two.triangle)], -1)
    assert (again == np.asarray(one.triangle)).mean() > 0.999  # but for ties


def test_nearer_triangle_wins_and_culling_leaves_out_those_that_face_away():
    far = [[0, 0, 2.0], [0, 20, 2], [20, 0, 2]]  # counter-clockwise to the viewer, y points down
    near = [[0, 0, 1.0], [20, 0, 1], [0, 20, 1]]  # clockwise
    screen = jnp.array(far + near)
    triangles = jnp.arange(6, dtype=jnp.int32).reshape(2, 3)
    assert rasterise(screen, triangles, 16, 16).triangle[3, 3] == 1
    assert rasterise(screen, triangles, 16, 16, cull=True).triangle[3, 3] == 0


def test_many_windows_and_more_triangles_than_a_chunk_holds():
    screen, triangles = soup(5, 6000, 96, span=0.3)
    nearest, _, clear = brute_force(screen, triangles, 64, 96)
    depth = np.asarray(rasterise(screen, triangles, 64, 96).depth)
    sure = clear > 2e-5
    assert sure.mean() > 0.5
    np.testing.assert_allclose(depth[sure], nearest[sure], rtol=1e-4)


def test_vmap_is_a_loop():
    screens = jnp.stack([soup(seed, 80, 48)[0] for seed in range(6)]).reshape(2, 3, -1, 3)
    triangles = soup(0, 80, 48)[1]
    draw = functools.partial(rasterise, triangles=triangles, height=48, width=40)
    batch = jax.vmap(jax.vmap(draw))(screens)
    for i in range(2):
        for j in range(3):
            alone = draw(screens[i, j])
            np.testing.assert_array_equal(batch.triangle[i, j], alone.triangle)
            np.testing.assert_allclose(batch.barycentric[i, j], alone.barycentric, atol=1e-5)


def test_perspective_agrees_with_ray_casting():
    """A steep plane through a pinhole camera: attributes equal the point where the pixel's ray meets the plane."""
    camera = Pinhole(jnp.float32(60.0), jnp.array([32.0, 32.0]), jnp.float32(1.0))
    corners = jnp.array([[-0.5, -0.5, 0.6], [0.5, -0.5, 0.6], [0.5, 0.5, -1.0], [-0.5, 0.5, -1.0]])
    triangles = jnp.array([[0, 1, 2], [0, 2, 3]], jnp.int32)
    fragments = rasterise(camera.project(corners), triangles, 64, 64, perspective=True)
    seen = np.asarray(fragments.triangle >= 0)
    assert 100 < seen.sum() < 64 * 64
    y, x = np.mgrid[:64, :64] + 0.5
    ray = np.stack([(x - 32) / 60, -(y - 32) / 60, -np.ones_like(x)], -1)  # from the camera at z = 1
    normal = np.cross(corners[1] - corners[0], corners[3] - corners[0])
    along = (normal @ (np.asarray(corners[0]) - [0, 0, 1.0])) / (ray @ normal)
    hit = np.array([0, 0, 1.0]) + ray * along[..., None]
    np.testing.assert_allclose(np.asarray(interpolate(fragments, triangles, corners))[seen], hit[seen], atol=1e-4)
    np.testing.assert_allclose(np.asarray(fragments.depth)[seen], along[seen], rtol=1e-4)


@pytest.mark.parametrize("perspective", [False, True])
def test_gradients_agree_with_finite_differences(perspective):
    rng = np.random.default_rng(7)
    screen = jnp.array([[4.2, 3.1, 1.0], [27.7, 6.3, 1.4], [12.9, 29.2, 2.0]])
    triangles = jnp.array([[0, 1, 2]], jnp.int32)
    attributes = jnp.asarray(rng.normal(size=(3, 2)), jnp.float32)
    inner = np.asarray(rasterise(screen, triangles, 32, 32).barycentric).min(-1) > 0.05  # away from edges
    weight = jnp.asarray(rng.normal(size=(32, 32, 2)) * inner[..., None], jnp.float32)

    @jax.jit
    def value(screen, attributes):
        fragments = rasterise(screen, triangles, 32, 32, perspective=perspective)
        drawn = (interpolate(fragments, triangles, attributes) * weight).sum()
        return drawn + jnp.where(fragments.triangle >= 0, fragments.depth * weight[..., 0], 0.0).sum()

    gradients = jax.grad(value, (0, 1))(screen, attributes)
    for argument, gradient in enumerate(gradients):
        for i in np.ndindex(gradient.shape):
            step = 1e-2 * np.eye(gradient.size, dtype=np.float32)[np.ravel_multi_index(i, gradient.shape)]
            step = step.reshape(gradient.shape)
            ends = [value(*[a + s * step if n == argument else a for n, a in enumerate((screen, attributes))])
                    for s in (1, -1)]  # fmt: skip
            np.testing.assert_allclose(gradient[i], (ends[0] - ends[1]) / 2e-2, rtol=2e-2, atol=2e-2)


def test_nothing_to_draw_gives_background():
    screen = jnp.array([[1.0, 1, 1], [9, 1, 1], [jnp.nan, 9, 1], [5, 5, 1], [5, 5, 1], [5, 5, 1], [1, 9, -1]])
    fragments = rasterise(screen, jnp.array([[0, 1, 2], [3, 4, 5]], jnp.int32), 10, 10)
    assert (np.asarray(fragments.triangle) == -1).all()
    assert np.isinf(np.asarray(fragments.depth)).all()
    assert not np.asarray(fragments.barycentric).any()
    behind = rasterise(screen, jnp.array([[0, 1, 6]], jnp.int32), 10, 10, perspective=True)
    assert (np.asarray(behind.triangle) == -1).all()
