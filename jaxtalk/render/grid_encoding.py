"""Features of places from trainable grids of many resolutions: the encoding of Instant NGP, as RAD-NeRF has it.

Each of `levels` grids holds `features` numbers at its corners, and a place gets those of the 2^D corners around it,
weighted (Müller et al. 2022, section 3). A fine grid has more corners than its table has rows. "hashed" scatters
the corners over the rows (eq. 4). "tiled" wraps around, and leaves out every axis whose stride exceeds the table: the
fine levels of a tiled 3-D grid do not see z at all. That is how RAD-NeRF's and GeneFace's weights were trained.

Each corner is one gather and one product, never an axis of corners. The levels are a scan whose body is computed again
for the gradient. Sixteen of them unrolled compile up to ten times as long, and their gradient takes three times as
long on CPUs; rules by hand (slopes as differences of faces) were slower than differentiating the sum of corners.
So there is none: forward mode, reverse mode and higher orders all hold.

The table's gradient is a scatter-add. jaxlib 0.10.2 and 0.11.0 compile it for NVIDIA GPUs to a loop of compare and
swap, hundreds of times slower where many places share a row; train on GPUs with 0.11.1 or newer.
"""

import dataclasses
import functools
import itertools
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from jaxtalk.errors import InputError

PRIMES = np.array([1, 2654435761, 805459861, 3674653429], np.uint32)  # one for each axis


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published ones; in brackets the symbols of Instant NGP's table 1."""

    dims: int = 3
    levels: int = 16  # L
    features: int = 2  # F, at each level
    base: int = 16  # N_min
    finest: int = 2048  # N_max
    log2_rows: int = 16  # log2 T, at most, for each level
    kind: Literal["tiled", "hashed"] = "tiled"
    smoothstep: bool = False  # weights with no kinks at the corners
    align_corners: bool = False  # the outermost corners lie on the faces of the box
    start: float = 1e-4  # features begin anywhere within plus and minus this

    def __post_init__(self):
        if not 1 <= self.dims <= len(PRIMES):
            raise InputError(f"a grid encoding has dims of 1 to {len(PRIMES)}, not {self.dims}")
        if not (self.levels >= 2 and self.features >= 1 and 1 < self.base <= self.finest and 3 <= self.log2_rows <= 24):
            raise InputError(f"give 2 or more levels, 1 < base <= finest and log2_rows of 3 to 24, instead of {self}")

    @property
    def growth(self) -> float:
        """Cells along an axis, over those of the level before (eq. 3)."""
        return float(2 ** (np.log2(self.finest / self.base) / (self.levels - 1)))

    @property
    def level_rows(self) -> tuple[int, ...]:
        """Rows of each level, a multiple of 8."""
        cells = [int(np.ceil(self.base * self.growth**level)) for level in range(self.levels)]
        corners = [(side + (not self.align_corners)) ** self.dims for side in cells]
        return tuple(-(-min(2**self.log2_rows, number) // 8) * 8 for number in corners)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The first row of each level, and last the number of all rows."""
        return (0, *itertools.accumulate(self.level_rows))

    @property
    def rows(self) -> int:
        return self.offsets[-1]

    @property
    def width(self) -> int:
        """Features of a place."""
        return self.levels * self.features


def encode(table: Float[Array, "r f"], points: Float[Array, "*p d"], config: Config) -> Float[Array, "*p w"]:
    """Features of points in [-1, 1]^D, one level after another; zeros for points outside."""
    if table.shape != (config.rows, config.features) or points.shape[-1] != config.dims:
        expected = f"a table {(config.rows, config.features)} and points of {config.dims}"
        raise ValueError(f"this grid takes {expected}, not {table.shape} and {points.shape}")
    unit = (points.reshape(-1, config.dims) + 1) / 2
    outside = jnp.any((unit < 0) | (unit > 1), -1, keepdims=True)
    unit = jnp.where(outside, 0.0, unit)

    @functools.partial(jax.checkpoint, prevent_cse=False)  # a scan's passes are apart anyway
    def one(unit: Array, rows: Array, level: _Levels) -> Array:
        return _interpolate(rows, unit, level, config)

    tables, levels = _split(table, config), _levels(config)
    _, each = jax.lax.scan(lambda _, given: (None, one(unit, *given)), None, (tables, levels))
    features = jnp.moveaxis(each, 0, 1).reshape(-1, config.width)
    return jnp.where(outside, 0.0, features).reshape(*points.shape[:-1], -1)


class GridEncoding(nn.Module):
    """`encode` with a table of its own."""

    config: Config = Config()

    @nn.compact
    def __call__(self, points: Float[Array, "*p d"]) -> Float[Array, "*p w"]:
        within = self.config.start
        start = functools.partial(jax.random.uniform, minval=-within, maxval=within)
        table = self.param("table", start, (self.config.rows, self.config.features))
        return encode(table, points, self.config)


class _Levels(NamedTuple):
    """What is different from level to level; the scan takes one row of each."""

    scale: np.ndarray  # l: cells along an axis
    strides: np.ndarray  # l d: rows between neighbours along an axis; 0 where it has no part in the index
    rows: np.ndarray  # l
    mask: np.ndarray | None  # l: `index & mask` is `index % rows`, where masks can say so at all levels
    hashed: np.ndarray  # l


@functools.cache
def _levels(config: Config) -> _Levels:
    """In float32 as published: more precise arithmetic gives another resolution at some levels, so other rows."""
    octaves = np.arange(config.levels, dtype=np.float32) * np.float32(np.log2(config.growth))
    power = np.exp2(octaves.astype(np.float64)).astype(np.float32)  # numpy's own of float32 can be an ulp off
    scale = power * np.float32(config.base) - np.float32(1)
    shift = np.float32(0 if config.align_corners else 0.5)
    strides, hashed, masks = np.zeros((config.levels, config.dims), np.uint32), np.zeros(config.levels, bool), []
    for level, rows in enumerate(config.level_rows):
        side, stride = int(np.ceil(scale[level])) + 1 + (not config.align_corners), 1
        for axis in range(config.dims):
            if stride <= rows:
                strides[level, axis] = stride
                stride *= side
        hashed[level] = config.kind == "hashed" and stride > rows
        farthest = (int(scale[level] + shift) + 1) * int(strides[level].sum())  # the index of the last corner
        fits = farthest < rows and not hashed[level]
        masks.append(rows - 1 if rows & (rows - 1) == 0 else 2**32 - 1 if fits else None)
    # A remainder takes about as long as the rest of a corner; the published sizes do without.
    mask = None if None in masks else np.array(masks, np.uint32)
    return _Levels(scale, strides, np.array(config.level_rows, np.uint32), mask, hashed)


def _split(table: Array, config: Config) -> Float[Array, "l r f"]:
    """The rows of each level, up to the longest; shorter ones are followed by rows that nobody reads."""
    longest = max(config.level_rows)
    table = jnp.pad(table, ((0, longest), (0, 0)))
    return jnp.stack([table[start : start + longest] for start in config.offsets[:-1]])


def _interpolate(
    rows: Float[Array, "r f"], unit: Float[Array, "n d"], level: _Levels, config: Config
) -> Float[Array, "n f"]:
    """The features of one level at places in [0, 1]^D."""
    shift = 0.0 if config.align_corners else 0.5
    places = [unit[:, axis] * level.scale + shift for axis in range(config.dims)]
    lows = [jnp.floor(place) for place in places]
    upper = [place - low for place, low in zip(places, lows, strict=True)]
    if config.smoothstep:
        upper = [part**2 * (3 - 2 * part) for part in upper]
    cells = [low.astype(jnp.uint32) for low in lows]
    total = jnp.zeros((len(unit), rows.shape[-1]), rows.dtype)
    for corner in itertools.product((0, 1), repeat=config.dims):
        parts = [part if step else 1 - part for part, step in zip(upper, corner, strict=True)]
        row = _row([cell + np.uint32(step) for cell, step in zip(cells, corner, strict=True)], level, config)
        weight = functools.reduce(jnp.multiply, parts)
        total = total + weight[:, None] * rows.at[row].get(mode="promise_in_bounds")
    return total


def _row(corner: list[UInt[Array, "n"]], level: _Levels, config: Config) -> UInt[Array, "n"]:
    """Which of a level's rows belongs to a corner. Products wrap at 2^32."""
    index = functools.reduce(jnp.add, (cell * level.strides[axis] for axis, cell in enumerate(corner)))
    if config.kind == "hashed":
        scattered = functools.reduce(jnp.bitwise_xor, (cell * PRIMES[axis] for axis, cell in enumerate(corner)))
        index = jnp.where(level.hashed, scattered, index)
    return index % level.rows if level.mask is None else index & level.mask
