"""Samples of a volume against scipy, their gradients, their export and their memory."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import map_coordinates

from jaxtalk.render.sample_volume import grid, sample_moved, sample_volume

SHAPE = (2, 3, 4, 5, 2)  # b, d, h, w, c


def operands(reach=1.6):
    """A volume and places of which many are outside."""
    volume = jax.random.normal(jax.random.key(0), SHAPE)
    return volume, reach * jax.random.uniform(jax.random.key(1), (2, 3, 2, 4, 3), minval=-1.0)


def test_is_trilinear_with_zeros_outside():
    volume, places = operands()
    cells = (np.asarray(places[..., ::-1], np.float64) + 1) * SHAPE[1:4] / 2 - 0.5  # z, y, x
    expected = [
        [
            map_coordinates(np.asarray(volume[b, ..., c], np.float64), np.moveaxis(cells[b], -1, 0), order=1,
                            mode="grid-constant")
            for c in range(SHAPE[-1])
        ]
        for b in range(SHAPE[0])
    ]  # fmt: skip
    values = sample_volume(volume, places)
    np.testing.assert_allclose(np.moveaxis(values, -1, 1), expected, atol=1e-5)
    assert (np.abs(values).max(-1) == 0).any()


def test_cell_centres_give_the_volume_and_the_published_grid_its_faces():
    volume, _ = operands()
    z, y, x = ((2 * np.arange(n) + 1) / n - 1 for n in SHAPE[1:4])
    places = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], -1).astype(np.float32)
    np.testing.assert_allclose(sample_volume(volume, jnp.stack([places] * 2)), volume, atol=1e-5)
    corner = sample_volume(volume, jnp.stack([grid(*SHAPE[1:4])] * 2))[:, 0, 0, 0]
    np.testing.assert_allclose(corner, volume[:, 0, 0, 0] / 8, atol=1e-6)


def test_gradients_are_those_of_finite_differences():
    volume, places = operands()
    cells = (places + 1) * jnp.asarray(SHAPE[3:0:-1], jnp.float32)[None, None, None, None] / 2 - 0.5
    smooth = jnp.abs(cells - jnp.round(cells)) > 0.05  # between cells the derivative jumps
    places = jnp.where(smooth, places, places + 0.1)
    value = jax.jit(lambda *given: jnp.sum(jnp.sin(sample_volume(*given))))
    gradients = jax.jit(jax.grad(value, (0, 1)))(volume, places)
    for k in range(2):
        direction = jax.random.normal(jax.random.key(2 + k), (volume, places)[k].shape)
        for part in jnp.eye(direction.size, dtype=bool)[::7] if k else [jnp.ones(direction.size, bool)]:
            step = 1e-2 * jnp.where(part.reshape(direction.shape), direction, 0.0)
            step = jnp.clip(step, -0.01, 0.01)
            ends = [
                value(*(v + sign * step if i == k else v for i, v in enumerate((volume, places)))) for sign in (1, -1)
            ]
            slope = float((ends[0] - ends[1]) / 2)
            np.testing.assert_allclose(jnp.vdot(gradients[k], step), slope, atol=3e-4)


def test_exports_to_stablehlo_and_runs_from_there():
    given = operands()
    shapes = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in given]
    platforms = ("cpu", "cuda", "tpu")  # lowered for all of them here, without a device
    exported = jax.export.export(jax.jit(sample_volume), platforms=platforms)(*shapes)
    assert exported.platforms == platforms
    text = exported.mlir_module()
    assert "stablehlo.gather" in text and "custom_call" not in text
    np.testing.assert_allclose(exported.call(*given), jax.jit(sample_volume)(*given), atol=1e-6)


def test_needs_no_memory_for_the_corners():
    volume, places = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 16, 32, 32, 32), (1, 16, 32, 32, 3)))
    memory = jax.jit(sample_volume).lower(volume, places).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2 * memory.output_size_in_bytes


def test_moved_samples_are_those_of_the_moved_grid():
    volume, _ = operands()
    shifts = jax.random.normal(jax.random.key(3), (2, 4, 3)).at[:, 0].set(0.0)

    def by_gathers(volume, shifts):
        places = grid(*SHAPE[1:4])[None, None] + shifts[:, :, None, None, None]
        each = [sample_volume(volume, places[:, k]) for k in range(shifts.shape[1])]
        return jnp.stack(each, -2)

    def run(sampler):
        values, pull = jax.vjp(sampler, volume, shifts)
        return values, pull(jnp.cos(values))

    ours, expected = jax.jit(lambda: run(sample_moved))(), jax.jit(lambda: run(by_gathers))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), ours, expected)
