"""The grid encoding against the published kernels, against loops written from the paper, and under jax's transforms."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_fixture import compare, inputs, load, weight
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxtalk.errors import InputError
from jaxtalk.render.grid_encoding import Config, GridEncoding, encode

SMALL = dict(levels=3, base=3, finest=11, log2_rows=6)
VARIANTS = {  # of the fixture
    "tiled3": dict(dims=3),
    "hash3": dict(dims=3, kind="hashed"),
    "tiled2": dict(dims=2),
    "hash3_ac": dict(dims=3, kind="hashed", align_corners=True),
    "tiled2_ac": dict(dims=2, align_corners=True),
}
MODES = [
    Config(dims=dims, kind=kind, smoothstep=smoothstep, align_corners=align, **SMALL)
    for dims, kind, smoothstep, align in [
        (3, "tiled", False, False),
        (3, "hashed", True, False),
        (2, "hashed", False, True),
        (2, "tiled", True, True),
        (1, "tiled", True, False),
        (4, "hashed", False, False),
    ]
]


def name(config: Config) -> str:
    words = f"{config.kind} {config.dims}d" + " smooth" * config.smoothstep + " corners" * config.align_corners
    return words.replace(" ", "_")


def operands(config: Config, count: int = 24):
    """A lively table and points, every fifth of which is outside."""
    points = jax.random.uniform(jax.random.key(1), (count, config.dims), minval=-0.97, maxval=0.97)
    points = points.at[::5, -1].set(1.2)
    return jax.random.normal(jax.random.key(0), (config.rows, config.features)), points


def corners(config: Config, level: int, point: np.ndarray):
    """(row of the whole table, weight, slope of the weight along each axis) of each corner, from the specification."""
    growth = np.float32(np.log2(config.growth))
    power = np.float32(2 ** float(np.float32(level) * growth))
    scale = power * np.float32(config.base) - np.float32(1)
    resolution = int(np.ceil(scale)) + 1
    start, rows = config.offsets[level], config.offsets[level + 1] - config.offsets[level]
    unit = (point + np.float32(1)) / np.float32(2)
    place = unit * scale + np.float32(0 if config.align_corners else 0.5)
    low = np.floor(place).astype(int)
    part = (place - low).astype(np.float64)
    for corner in itertools.product((0, 1), repeat=config.dims):
        index, stride, scattered = 0, 1, 0
        for axis, step in enumerate(corner):
            cell = int(low[axis]) + step
            scattered ^= cell * (1, 2654435761, 805459861, 3674653429)[axis] % 2**32
            if stride <= rows:
                index += cell * stride
                stride *= resolution + (not config.align_corners)
        if config.kind == "hashed" and stride > rows:
            index = scattered
        blend = part**2 * (3 - 2 * part) if config.smoothstep else part
        change = (6 * part * (1 - part) if config.smoothstep else np.ones_like(part)) * scale / 2  # along the point
        sides = np.where(corner, blend, 1 - blend)
        slopes = [
            np.prod(np.delete(sides, axis)) * (change[axis] if step else -change[axis])
            for axis, step in enumerate(corner)
        ]
        yield start + index % 2**32 % rows, np.prod(sides), np.array(slopes)


def by_loops(config: Config, table, points, cotangent):
    """Features, the gradient of <features, cotangent> in the table, and that in the points."""
    table, points = np.asarray(table, np.float64), np.asarray(points)
    features, of_table = np.zeros((len(points), config.width)), np.zeros_like(table)
    of_points = np.zeros(points.shape)
    for i, point in enumerate(points):
        if np.any(np.abs(point) > 1):
            continue
        for level in range(config.levels):
            part = slice(level * config.features, (level + 1) * config.features)
            for row, share, slopes in corners(config, level, point):
                features[i, part] += share * table[row]
                of_table[row] += share * cotangent[i, part]
                of_points[i] += slopes * (table[row] @ cotangent[i, part])
    return features, of_table, of_points


@functools.cache
def pulled(config: Config):
    """Compiled: features and both gradients."""

    def run(table, points, cotangent):
        features, pull = jax.vjp(lambda *given: encode(*given, config), table, points)
        return features, *pull(cotangent)

    return jax.jit(run)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("weights", ["linear", "smoothstep"])
def test_published_kernels(variant, weights):
    manifest, arrays = load("radnerf_gridencoder")
    config = Config(**VARIANTS[variant], smoothstep=weights == "smoothstep")
    np.testing.assert_array_equal(config.offsets, arrays[f"keep/{variant}.offsets"])
    table = weight(f"{variant}.embeddings", (config.rows, 2), salt=manifest["salt"], gain=manifest["gain"])
    points = inputs(manifest)["position"][:, : config.dims]
    features = jax.jit(encode, static_argnums=2)(jnp.asarray(table), jnp.asarray(points), config)
    # The tolerance allows for places rounded otherwise at the finest level; these are the same operations.
    compare(manifest, arrays, f"{variant}_{weights}", features, factor=0.2)


@pytest.mark.parametrize("config", MODES, ids=name)
def test_features_and_gradients_are_those_of_loops(config):
    table, points = operands(config)
    cotangent = jax.random.normal(jax.random.key(2), (len(points), config.width))
    ours = pulled(config)(table, points, cotangent)
    expected = by_loops(config, table, points, np.asarray(cotangent, np.float64))
    for value, wanted in zip(ours, expected, strict=True):
        np.testing.assert_allclose(value, wanted, atol=2e-5 * max(1, np.abs(wanted).max()))


def test_rows_wrap_where_a_level_has_more_corners_than_rows_and_no_power_of_two():
    """With corners on the faces, a point on the last one has an upper neighbour (of no weight) outside of the table."""
    config = Config(dims=3, levels=3, base=6, finest=20, log2_rows=9, align_corners=True)
    table, points = operands(config)
    points = points.at[1].set(1.0)
    cotangent = np.ones((len(points), config.width), np.float32)
    ours, expected = (run(table, points, cotangent) for run in (pulled(config), functools.partial(by_loops, config)))
    np.testing.assert_allclose(ours[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(ours[1], expected[1], atol=1e-5)
    np.testing.assert_allclose(ours[2], expected[2], atol=1e-3)  # that neighbour's part in the slope is not 0


def test_outside_points_have_no_features_and_no_gradients_and_nan_stays_nan():
    config = MODES[0]
    table, points = operands(config, 4)
    points = jnp.array([[1.01, 0, 0], [0, -jnp.inf, 0], [0.2, 0.3, 0.4], [0.1, jnp.nan, 0]])
    features, of_table, of_points = pulled(config)(table, points, jnp.ones((4, config.width)))
    assert (features[:2] == 0).all() and (of_points[:2] == 0).all() and (features[2] != 0).all()
    assert jnp.isnan(features[3]).all()
    only = pulled(config)(table, points.at[3].set(5.0), jnp.ones((4, config.width)))[1]
    np.testing.assert_allclose(only.sum(), config.width, rtol=1e-5)  # the weights of one point, which sum to 1


def test_fine_levels_of_a_tiled_grid_do_not_see_the_last_axis_and_those_of_a_hashed_one_do():
    moved = {}
    for kind in ("tiled", "hashed"):
        config = Config(dims=3, kind=kind, levels=4, base=4, finest=64, log2_rows=9)
        table, points = operands(config)
        slopes = jax.jvp(lambda x: encode(table, x, config), (points,), (jnp.zeros_like(points).at[:, 2].set(1),))[1]  # noqa: B023
        moved[kind] = [bool(jnp.any(slopes[:, 2 * level : 2 * level + 2])) for level in range(4)]
    assert moved == {"tiled": [True, True, False, False], "hashed": [True] * 4}


def test_forward_mode_is_the_transpose_of_reverse_mode():
    config = MODES[2]
    table, points = operands(config)
    cotangent = jax.random.normal(jax.random.key(2), (len(points), config.width))
    ways = jax.random.normal(jax.random.key(3), table.shape), jax.random.normal(jax.random.key(4), points.shape)
    push = jax.jit(lambda given, ways: jax.jvp(lambda *given: encode(*given, config), given, ways))
    features, slope = push((table, points), ways)
    ours = pulled(config)(table, points, cotangent)
    np.testing.assert_allclose(features, ours[0], atol=1e-6)
    pulls = sum(jnp.vdot(gradient, way) for gradient, way in zip(ours[1:], ways, strict=True))
    np.testing.assert_allclose(jnp.vdot(slope, cotangent), pulls, rtol=1e-4)


def test_gradients_of_each_point_sum_to_those_of_all():
    config = MODES[2]
    table, points = operands(config)
    energy = lambda table, x: 0.5 * jnp.sum(encode(table, x, config) ** 2)  # noqa: E731
    each = jax.jit(jax.vmap(jax.grad(energy), (None, 0)))(table, points)
    all_points = pulled(config)(table, points, encode(table, points, config))[1]
    np.testing.assert_allclose(each.sum(0), all_points, atol=1e-5)


def test_second_derivatives_are_those_of_finite_differences():
    config = MODES[4]
    table, points = operands(config)
    slope = jax.grad(lambda x: jnp.sum(jnp.sin(encode(table, x, config))))
    way = jnp.where(jnp.abs(points) <= 1, 1e-3, 0.0)
    gradient, curved = jax.jit(lambda x: jax.jvp(slope, (x,), (way,)))(points)
    ends = [jax.jit(slope)(points + sign * way) for sign in (0.1, -0.1)]
    assert jnp.abs(curved).max() > 1e-2
    np.testing.assert_allclose(curved, (ends[0] - ends[1]) / 0.2, atol=0.02 * float(jnp.abs(curved).max()))


def test_points_over_devices_give_the_gradients_of_one_device():
    config = MODES[2]
    table, points = operands(config)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))

    def loss(table, points):
        return jnp.mean(encode(table, points, config) ** 2)

    def share(table, points):
        return jax.grad(lambda *given: jax.lax.pmean(loss(*given), "data"), (0, 1))(table, points)

    split = jax.shard_map(share, mesh=mesh, in_specs=(P(), P("data")), out_specs=(P(), P("data")))
    for ours, one in zip(jax.jit(split)(table, points), jax.jit(jax.grad(loss, (0, 1)))(table, points), strict=True):
        np.testing.assert_allclose(ours, one, atol=1e-6)


def test_module_owns_a_small_table_and_takes_any_axes():
    config = MODES[0]
    model = GridEncoding(config)
    points = operands(config)[1].reshape(2, 3, 4, 3)
    variables = model.init(jax.random.key(0), points)
    table = variables["params"]["table"]
    assert table.shape == (config.rows, 2) and 0 < jnp.abs(table).max() <= 1e-4
    np.testing.assert_array_equal(
        model.apply(variables, points).reshape(24, -1), encode(table, points.reshape(24, 3), config)
    )


def test_needs_no_memory_for_the_corners():
    config = Config(dims=3, levels=8, log2_rows=8)
    given = jax.ShapeDtypeStruct((config.rows, 2), jnp.float32), jax.ShapeDtypeStruct((4096, 3), jnp.float32)
    memory = jax.jit(encode, static_argnums=2).lower(*given, config).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 3 * memory.output_size_in_bytes


@pytest.mark.parametrize(
    "wrong, message",
    [({"dims": 5}, "dims of 1 to 4, not 5"), ({"finest": 8}, "base <= finest")],
)
def test_says_which_grid_is_impossible(wrong, message):
    with pytest.raises(InputError, match=message):
        Config(**wrong)


def test_a_table_of_another_grid_is_refused():
    table, points = operands(MODES[0])
    with pytest.raises(ValueError, match="this grid takes a table"):
        encode(table[:-8], points, MODES[0])
