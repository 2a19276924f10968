"""Compositing against integrals, closed forms, brute force and the published code; gradients against differences."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxtalk.render import compositing, ray_samples


def operands(rays=6, samples=12, seed=0):
    """Density, width (some zero), values and increasing distances."""
    rng = np.random.default_rng(seed)
    density, width = rng.exponential(4.0, (rays, samples)), rng.uniform(0.05, 0.2, (rays, samples))
    width[:, -3:] *= rng.random((rays, 3)) < 0.5
    given = density, width, rng.normal(size=(rays, samples, 2)), np.cumsum(width, -1)
    return [jnp.asarray(array, jnp.float32) for array in given]


def by_products(density, width, values, distance):
    """The same in float64, sample after sample."""
    light, total = np.ones(density.shape[0]), 0.0
    for i in range(density.shape[1]):
        alpha = 1 - np.exp(-density[:, i] * width[:, i])
        each = np.concatenate([values[:, i], distance[:, i, None], np.ones((len(light), 1))], -1)
        total, light = total + (light * alpha)[:, None] * each, light * (1 - alpha)
    return total


def test_approaches_the_integral_over_a_smooth_field():
    field = lambda t: (3 * np.exp(-4 * (t - 1.2) ** 2), np.stack([np.sin(2 * t), np.cos(t)], -1))  # noqa: E731

    def ours(count):
        middle = (np.arange(count) + 0.5) * 2 / count
        density, values = field(middle)
        given = density, np.full(count, 2 / count), values, middle
        return compositing.composite(*(jnp.asarray(array, jnp.float32) for array in given))

    step = 2 / 200_000
    density, values = field((np.arange(200_000) + 0.5) * step)
    light = np.exp(-(np.cumsum(density) - density / 2) * step)
    expected = np.sum((light * density)[:, None] * values, 0) * step
    coarse, fine = (np.abs(ours(count).values - expected).max() for count in (20, 80))
    assert fine < 2e-4 and fine < coarse / 10  # second order


def test_constant_density_dims_exponentially_and_a_wall_is_seen_where_it_stands():
    width = jnp.full((500,), 0.01)
    distance = (jnp.arange(500) + 0.5) * 0.01
    fog = compositing.composite(jnp.full((500,), 0.4), width, jnp.ones((500, 1)), distance)
    np.testing.assert_allclose(fog.opacity, 1 - np.exp(-0.4 * 5), rtol=1e-5)
    np.testing.assert_allclose(fog.depth, 2.5 - (5 + 2.5) * np.exp(-2), rtol=1e-4)  # the integral of t f exp(-f t)
    wall = compositing.composite(jnp.where(distance > 3, 1e8, 0.0), width, jnp.ones((500, 1)), distance)
    np.testing.assert_allclose([wall.opacity, wall.depth], [1, 3.005], rtol=1e-6)


def test_weights_sum_to_one_minus_what_gets_through():
    density, width, *_ = operands()
    weights = compositing.weights(density, width)
    through = np.exp(-np.sum(np.asarray(density, np.float64) * width, -1))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1 - through, atol=1e-6)
    light = compositing.transmittance(density, width)
    np.testing.assert_allclose(light, 1 - compositing.before(weights), atol=1e-6)


def test_a_sample_split_in_two_changes_nothing():
    density, width, values, distance = operands()
    whole = compositing.composite(density, width, values, distance)
    share = jnp.asarray(np.random.default_rng(1).random(width.shape), jnp.float32)
    halves = jnp.stack([share * width, (1 - share) * width], -1).reshape(6, -1)
    split = compositing.composite(
        jnp.repeat(density, 2, -1), halves, jnp.repeat(values, 2, -2), jnp.repeat(distance, 2, -1)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), split, whole)


def test_small_densities_and_what_stands_behind_a_wall_keep_their_digits():
    thin = compositing.weights(jnp.full((4,), 1e-6), jnp.full((4,), 1e-3))
    np.testing.assert_allclose(thin, 1e-9, rtol=1e-6)
    behind = compositing.weights(jnp.asarray([0.3, 1e9, 1.0]), jnp.ones(3))
    np.testing.assert_allclose(behind, [1 - np.exp(-0.3), np.exp(-0.3), 0.0], rtol=1e-6)


def test_what_the_field_says_where_no_sample_is_does_not_matter():
    density, width, values, distance = operands()
    pull = jax.grad(lambda density: jnp.sum(compositing.composite(density, width, values, distance).values))
    wild = jnp.where(width > 0, density, jnp.asarray([[jnp.inf, jnp.nan] * 6]))
    assert (width == 0).any()
    np.testing.assert_array_equal(pull(wild), pull(density))


def test_stops_behind_the_sample_that_takes_nearly_all_light():
    density = jnp.asarray([1.0, 5.0, 5.0, 5.0, 5.0])
    weights = compositing.weights(density, jnp.ones(5), stop=compositing.STOP)
    np.testing.assert_array_equal(weights > 0, [True, True, True, False, False])  # light: 1, e^-1, e^-6, e^-11
    np.testing.assert_array_equal(weights[:3], compositing.weights(density, jnp.ones(5))[:3])


def test_float32_whatever_the_field_computed_in():
    given = [array.astype(jnp.bfloat16) for array in operands()]
    result = compositing.composite(given[0], *(array.astype(jnp.float32) for array in given[1:]))
    expected = compositing.composite(*(array.astype(jnp.float32) for array in given))
    jax.tree.map(np.testing.assert_array_equal, result, expected)
    assert {array.dtype for array in result} == {jnp.dtype(jnp.float32)}


def test_gradients_are_those_of_differences_and_of_the_forward_mode():
    given = operands()
    exact = [np.asarray(array, np.float64) for array in given]
    outer = np.random.default_rng(3).normal(size=(6, 4))

    def value(density, values):
        result = compositing.composite(density, given[1], values, given[3])
        stacked = jnp.concatenate([result.values, result.depth[:, None], result.opacity[:, None]], -1)
        return jnp.sum(stacked * jnp.asarray(outer, jnp.float32))

    gradients = jax.jit(jax.grad(value, (0, 1)))(given[0], given[2])
    for k, array in enumerate((0, 2)):
        numeric = np.zeros(exact[array].shape)
        for i in np.ndindex(*exact[array].shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = list(exact)
                moved[array] = exact[array].copy()
                moved[array][i] += step
                ends.append(np.sum(outer * by_products(*moved)))
            numeric[i] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradients[k], numeric, atol=2e-5)
    tangents = operands(seed=5)[0], operands(seed=5)[2]
    slope = jax.jit(lambda *tangents: jax.jvp(value, (given[0], given[2]), tangents)[1])(*tangents)
    np.testing.assert_allclose(slope, sum(jnp.vdot(g, t) for g, t in zip(gradients, tangents, strict=True)), rtol=1e-4)


def test_rays_do_not_see_each_other_under_vmap_and_spread_over_devices():
    given = operands(rays=16)
    together = compositing.composite(*given)
    order = jnp.asarray(np.random.default_rng(2).permutation(16))
    apart = jax.vmap(compositing.composite)(*(array[order] for array in given))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[order], atol=1e-6), apart, together)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    pull = lambda *given: jax.grad(lambda *g: jnp.sum(jnp.sin(compositing.composite(*g).values)))(*given)  # noqa: E731
    spread = jax.jit(jax.shard_map(pull, mesh=mesh, in_specs=(P("data"),) * 4, out_specs=P("data")))
    np.testing.assert_allclose(spread(*given), pull(*given), atol=1e-6)


def test_needs_memory_for_a_few_arrays_of_the_samples():
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((512, 64),) * 2 + ((512, 64, 3), (512, 64))]
    pull = jax.grad(lambda *given: jnp.sum(compositing.composite(*given).values), (0, 2))
    memory = jax.jit(pull).lower(*shapes).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 16 * 512 * 64 * 4


def test_distortion_is_the_double_sum():
    density, width, _, distance = (np.asarray(array, np.float64) for array in operands())
    weights, middle = np.asarray(compositing.weights(*operands()[:2]), np.float64), 100 + distance - width / 2
    pairs = weights[:, :, None] * weights[:, None] * np.abs(middle[:, :, None] - middle[:, None])
    expected = pairs.sum((1, 2)) + (weights**2 * width).sum(-1) / 3
    given = (jnp.asarray(array, jnp.float32) for array in (weights, middle, width))
    np.testing.assert_allclose(compositing.distortion(*given), expected, rtol=1e-4)


def test_normals_of_a_ball_point_outwards_and_are_zero_where_it_is_flat():
    points = jnp.asarray(np.random.default_rng(0).normal(size=(4, 5, 3)), jnp.float32)
    ball = lambda points: 3 * jnp.exp(-jnp.sum(points**2, -1))  # noqa: E731
    outwards = points / jnp.linalg.norm(points, axis=-1, keepdims=True)
    np.testing.assert_allclose(compositing.normals(ball, points), outwards, atol=1e-5)
    assert not compositing.normals(lambda points: 0 * points[..., 0], points).any()
    curved = jax.grad(lambda points: jnp.sum(compositing.normals(ball, points)[..., 0]))(points)
    assert jnp.isfinite(curved).all() and curved.any()


@pytest.fixture(scope="module")
def published():
    return golden_fixture.load("geneface_lm3d_nerf")


def test_composites_as_genefaces_raw2outputs(published):
    manifest, arrays = published
    given = golden_fixture.inputs(manifest)
    raw = arrays["out/raw_fine"].reshape(6, 24, 4)
    distance = jnp.sort(jnp.asarray(0.3 + 0.6 * given["z_vals"]), -1)
    length = jnp.linalg.norm(given["rays_d"], axis=-1, keepdims=True)
    width = ray_samples.widths(distance) * length
    density = jax.nn.relu(20 * raw[..., 3]) + 1e-6
    colour = jax.nn.sigmoid(jnp.asarray(raw[..., :3]))
    weights = compositing.weights(density, width)
    golden_fixture.compare(manifest, arrays, "weights", weights)
    # The last sample reaches to infinity and is the background.
    front = compositing.accumulate(weights[:, :-1], colour[:, :-1], distance[:, :-1])
    golden_fixture.compare(manifest, arrays, "rgb_map_fg", front.values)
    golden_fixture.compare(manifest, arrays, "rgb_map", compositing.over(front, jnp.asarray(given["bc_rgb"])))
    whole = compositing.composite(density, width, colour, distance)
    golden_fixture.compare(manifest, arrays, "acc_map", whole.opacity)
    golden_fixture.compare(manifest, arrays, "depth_map", whole.depth)
    golden_fixture.compare(manifest, arrays, "disp_map", whole.opacity / whole.depth)
