"""CPBD: how sharp is an image? (Narvekar and Karam, IEEE TIP 2011.) From 0 to 1, higher is sharper; no reference.

The share of edge pixels at which a viewer is not expected to see blur. In blocks of 64 x 64 pixels with edges, every
edge that runs up and down has a width w, the length of the rise or fall of grey along its row (Marziliano et al.
2002), and blur is seen at it with probability

    P = 1 - exp(-(w / w_jnb)^3.6)

w_jnb is 5 pixels in a block whose grey levels span at most 50, else 3; at that width P is 63 %. CPBD is the share of
edges with P <= 63 %, rounded to whole per cent: those no wider than w_jnb.

The authors' program is MATLAB and finds edges with its toolbox. This follows the Python package `cpbd` 1.0.7, which
code for talking faces calls, to the last edge. Its Canny filter takes any block that is not flat, MATLAB's the
strongest 30 % of the gradients, and MATLAB's Sobel edges are some more: on the package's own test picture this gives
0.109, as the package does, and the authors' program 0.135. Later versions of the package count a block's Sobel edges.

Traps: noise and the blocks of compression are sharp edges and raise it, so read it beside a measure of noise. It
depends on size: compare frames of one resolution. Only whole blocks from the top left count, and only grey
(`luma.grey_levels`). A step from one pixel to the next, as computers draw, has two equal gradients and so no edge. A
frame without an edge, black or white, gives 0.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxtalk.metrics import windows
from jaxtalk.metrics.luma import grey_levels

BLOCK = 64
_EDGE_SHARE = 0.002  # of the pixels of a block, above which it has edges
_LONGEST = 100  # pixels to each side of an edge
_SMOOTH = windows.gaussian(9, 1.0)  # of the Canny filter, cut off at four sigma
_WEAK = 0.1  # grey levels of a Sobel sum: what the Canny filter keeps
_STEEP = 0.41421356  # tan(22.5 degrees): gradients up to there from horizontal belong to edges that run up and down


def cpbd(image: Float[Array, "*b h w 3"]) -> Float[Array, "*b"]:
    """CPBD of each frame. ValueError for less than 64 pixels a side."""
    *batch, height, width, _ = image.shape
    if min(height, width) < BLOCK:
        raise ValueError(f"CPBD needs {BLOCK} pixels a side, the images are {height} x {width}")
    grey = grey_levels(image).reshape(-1, height, width)
    pixels = _blocks(grey)
    contrast = pixels.max(-1) - pixels.min(-1)
    has_edges = _blocks(_canny(grey)).sum(-1) > _EDGE_SHARE * BLOCK**2
    widths = _blocks(edge_widths(grey))
    counted = (widths > 0) & has_edges[..., None]
    seen = -jnp.expm1(-((widths / jnp.where(contrast <= 50, 5.0, 3.0)[..., None]) ** 3.6))
    unseen = counted & (jnp.round(100 * seen) <= 63)
    return (unseen.sum((-3, -2, -1)) / jnp.maximum(counted.sum((-3, -2, -1)), 1)).reshape(batch)


def edge_widths(grey: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """Pixels from foot to top of each edge that runs up and down, at its steepest pixel; 0 elsewhere.

    From the neighbours of that pixel on, the width grows while grey goes on to rise, or to fall, strictly.
    """
    down, right = jnp.gradient(grey, axis=(1, 2))
    flat_enough = jnp.abs(down) <= _STEEP * jnp.abs(right)
    rises = (right > 0) & flat_enough | (right == 0)  # as in the package: no slope along the row counts as a rise
    falls = (right < 0) & flat_enough
    width = jnp.where(rises, _extent(grey), jnp.where(falls, _extent(-grey), 0))
    return jnp.pad(jnp.where(_sobel_edges(grey), width, 0)[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)))


def _extent(grey: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """Width of a rise at every pixel but the first and last of a row: steps of 1 from both neighbours outwards."""
    step = jnp.pad(grey[..., 1:] > grey[..., :-1], ((0, 0), (0, 0), (1, 1)))  # step[k]: up from k - 1 to k
    before = _run(step)[..., :-1]  # rising steps in a row that end at pixel k
    after = _run(step[..., ::-1])[..., ::-1][..., 1:]  # that begin at pixel k
    before, after = (
        jnp.pad(before, ((0, 0), (0, 0), (1, 0)))[..., :-1],
        jnp.pad(after, ((0, 0), (0, 0), (0, 1)))[..., 1:],
    )
    return (2 + jnp.minimum(before, _LONGEST) + jnp.minimum(after, _LONGEST)).astype(grey.dtype)


def _run(true: Bool[Array, "b h n"]):
    """How many are true in a row up to each place."""
    place = jnp.broadcast_to(jnp.arange(true.shape[-1]), true.shape)
    return place - jax.lax.cummax(jnp.where(true, -1, place), axis=2)


def _sobel_edges(grey: Float[Array, "b h w"]) -> Bool[Array, "b h w"]:
    """Where the squared horizontal gradient is above its threshold and a maximum along the row or the column."""
    around = jnp.pad(grey, ((0, 0), (1, 1), (1, 1)), "edge")
    rows = around[:, :-2] + 2 * around[:, 1:-1] + around[:, 2:]
    strength = ((rows[..., 2:] - rows[..., :-2]) / 8) ** 2
    threshold = 2 * jnp.sqrt(strength.mean((-2, -1), keepdims=True))  # Octave's, which mixes squares and roots
    strength = jnp.where(strength > threshold, strength, 0)
    around = jnp.pad(strength, ((0, 0), (1, 1), (1, 1)))
    along_row = jnp.maximum(around[:, 1:-1, :-2], around[:, 1:-1, 2:])
    along_column = jnp.maximum(around[:, :-2, 1:-1], around[:, 2:, 1:-1])
    return strength > jnp.minimum(along_row, along_column)


def _canny(grey: Float[Array, "b h w"]) -> Bool[Array, "b h w"]:
    """Maxima of the smoothed gradient along its own direction.

    The last step of Canny's filter, which drops chains of weak maxima without a strong one, is left out: such chains
    lie in blocks without Sobel edges, which do not count in any case.
    """
    smooth = jnp.pad(windows.everywhere(grey[..., None], _SMOOTH)[..., 0], ((0, 0), (1, 1), (1, 1)), "edge")
    rows = smooth[:, :-2] + 2 * smooth[:, 1:-1] + smooth[:, 2:]
    columns = smooth[..., :-2] + 2 * smooth[..., 1:-1] + smooth[..., 2:]
    right, down = rows[..., 2:] - rows[..., :-2], columns[:, 2:] - columns[:, :-2]
    size = jnp.hypot(right, down)
    flat = jnp.abs(right) >= jnp.abs(down)
    along = jnp.where(flat, jnp.abs(down), jnp.abs(right)) / jnp.maximum(
        jnp.maximum(jnp.abs(right), jnp.abs(down)), 1e-9
    )
    same_sign = right * down >= 0
    ahead, behind = (_beside(size, side, flat, same_sign, along) for side in (1, -1))
    inside = jnp.zeros(size.shape[1:], bool).at[1:-1, 1:-1].set(True)
    return (size >= _WEAK) & (size >= ahead) & (size >= behind) & jnp.broadcast_to(inside, size.shape)


def _beside(size, side, flat, same_sign, along):
    """The size one step along the gradient, between the two pixels nearest to there."""
    straight = jnp.where(flat, _shifted(size, 0, side), _shifted(size, side, 0))
    diagonal = jnp.where(
        same_sign,
        _shifted(size, side, side),
        jnp.where(flat, _shifted(size, -side, side), _shifted(size, side, -side)),
    )
    return straight + along * (diagonal - straight)


def _shifted(image, down, right):
    return jnp.roll(image, (-down, -right), (1, 2))


def _blocks(image: Float[Array, "b h w"] | Bool[Array, "b h w"]):
    """Whole blocks from the top left: [b, rows, columns, BLOCK * BLOCK]."""
    batch, rows, columns = image.shape[0], image.shape[1] // BLOCK, image.shape[2] // BLOCK
    image = image[:, : rows * BLOCK, : columns * BLOCK].reshape(batch, rows, BLOCK, columns, BLOCK)
    return jnp.swapaxes(image, 2, 3).reshape(batch, rows, columns, -1)
