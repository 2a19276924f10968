"""FaceDetector: where faces of about 12 to 40 pixels are in a picture, and how large; run over a pyramid of scales.

    picture [b, h, w, 3] --convolutions--> [b, h/8, w/8]: face or not, offset of its middle, size

Fully convolutional: any height and width that are multiples of 8. One answer for each cell of 8 x 8 pixels, as in
CenterNet (Zhou et al., "Objects as points", 2019), at the scale where a face is a few cells large.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models.landmark_net import Block, space_to_depth
from jaxtalk.nn.conv import Conv

STRIDE = 8  # pixels of a cell
SIZE_UNIT = 20.0  # pixels: a box of this side has log size 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    widths: tuple[int, ...] = (16, 24, 48)  # at a half, a quarter and an eighth of the picture
    blocks: tuple[int, ...] = (0, 1, 2)
    dtype: DTypeLike = jnp.float32


class Cells(NamedTuple):
    """For each cell of the picture."""

    face: Float[Array, "b y x"]  # logit: a face's middle lies in this cell
    middle: Float[Array, "b y x 2"]  # pixels (x, y) of the picture
    side: Float[Array, "b y x"]  # pixels: longer side of the upright bounding box of the face's 68 points


class FaceDetector(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, picture: Float[Array, "b h w 3"], *, train: bool = False) -> Cells:
        """`picture` holds colours from 0 to 1."""
        c = self.config
        x = (picture.astype(c.dtype) - 0.5) / 0.25
        for level, (width, blocks) in enumerate(zip(c.widths, c.blocks, strict=True)):
            x = space_to_depth(x)
            window = 3 if level == 0 else 1
            x = Conv(width, (window, window), padding=window // 2, dtype=c.dtype, name=f"halve_{level}")(x)
            norm = nn.BatchNorm(use_running_average=not train, momentum=0.95, dtype=jnp.float32, name=f"norm_{level}")
            x = nn.relu(norm(x))
            for block in range(blocks):
                x = Block(width, c.dtype, name=f"block_{level}_{block}")(x, train=train)
        out = Conv(4, (1, 1), dtype=c.dtype, name="out")(x).astype(jnp.float32)
        middle = (cell_centres(*out.shape[1:3])[None] + out[..., 1:3]) * STRIDE
        return Cells(out[..., 0] - 4.0, middle, SIZE_UNIT * jnp.exp(jnp.clip(out[..., 3], -2.0, 2.0)))


def cell_centres(rows: int, columns: int) -> Float[Array, "y x 2"]:
    """(x, y) of the middle of each cell, in cells."""
    y, x = jnp.mgrid[:rows, :columns]
    return jnp.stack([x, y], axis=-1) + 0.5
