"""Trilinear samples of a volume, as gathers and products only, so that it can be exported wherever XLA goes.

A place is (x, y, z) with x along the width, y along the height, z along the depth; -1 and 1 are the outer faces of the
first and last cell, so cell i of n has its centre at (2 i + 1) / n - 1, and outside there is zero. This is PyTorch's
`grid_sample(padding_mode="zeros", align_corners=False)`. The published face-vid2vid networks feed it with `grid`, whose
ends lie on the faces instead of the outer centres; so their identity grid is slightly larger than the volume.
"""

import itertools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def line(size: int) -> Float[Array, "n"]:
    """Equal steps from -1 to 1."""
    return jnp.linspace(-1.0, 1.0, size)


def grid(depth: int, height: int, width: int) -> Float[Array, "d h w 3"]:
    """The published identity grid: each axis in equal steps from -1 to 1."""
    z, y, x = jnp.meshgrid(line(depth), line(height), line(width), indexing="ij")
    return jnp.stack([x, y, z], -1)


def sample_volume(
    volume: Float[Array, "b d h w c"], places: Float[Array, "b d2 h2 w2 3"]
) -> Float[Array, "b d2 h2 w2 c"]:
    """Trilinear interpolation at each place, zero outside. Differentiable in the volume and in the places.

    One gather and product per corner: an array with an axis of eight corners would take 20 times as long.
    """
    sizes = volume.shape[1:4]
    cells = [_cells(places[..., 2 - axis], size) for axis, size in enumerate(sizes)]
    lows = [jnp.floor(cell) for cell in cells]
    table = volume.reshape(len(volume), -1, volume.shape[-1])
    total = jnp.zeros((*places.shape[:-1], volume.shape[-1]), jnp.float32)
    for corner in itertools.product((0, 1), repeat=3):
        index = jnp.zeros(places.shape[:-1], jnp.int32)
        weight = jnp.ones(places.shape[:-1], jnp.float32)
        for step, cell, low, size in zip(corner, cells, lows, sizes, strict=True):
            inside = (low + step >= 0) & (low + step < size)
            weight = weight * jnp.where(inside, cell - low if step else 1 - (cell - low), 0.0)
            index = index * size + jnp.clip(low + step, 0, size - 1).astype(jnp.int32)
        rows = jax.vmap(lambda rows, i: rows.at[i].get(mode="promise_in_bounds"))(table, index)
        total = total + weight[..., None] * rows
    return total.astype(volume.dtype)


def sample_moved(volume: Float[Array, "b d h w c"], shifts: Float[Array, "b k 3"]) -> Float[Array, "b d h w k c"]:
    """`sample_volume(volume, grid(d, h, w) + shift)` for each of k shifts, without gathers.

    A moved grid is separable: each axis is interpolated by a small matrix. Gradients are matrix products
    too, where those of gathers would be scatters: an eighth of the time on a CPU, though without gradients three times.
    """

    def taps(axis: int, size: int) -> Float[Array, "b k n n"]:
        cells = _cells(line(size)[None, None] + shifts[..., axis, None], size)
        low = jnp.floor(cells)
        rest, low = (cells - low)[..., None], low[..., None]
        index = jnp.arange(size, dtype=jnp.float32)[None, None, None]
        return jnp.where(index == low, 1 - rest, 0.0) + jnp.where(index == low + 1, rest, 0.0)

    depth, height, width = volume.shape[1:4]
    x = jnp.einsum("bkxX,bZYXc->bkZYxc", taps(0, width), volume, precision="highest")
    x = jnp.einsum("bkyY,bkZYxc->bkZyxc", taps(1, height), x, precision="highest")
    return jnp.einsum("bkzZ,bkZyxc->bzyxkc", taps(2, depth), x, precision="highest")


def _cells(place: Array, size: int) -> Array:
    """In cells, the first centre at 0."""
    return ((place + 1) * size - 1) / 2
