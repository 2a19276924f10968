"""Dense motion: from moved keypoints to where each cell of a volume comes from (face-vid2vid, CVPR 2021, sec. 3).

    volume [d, h, w, c] --1 x 1, norm--> 4 channels --moved by each keypoint's shift, and not at all--> k + 1 candidates
    candidates and differences of Gaussians at the keypoints --hourglass--> [d, h, w, 112]
        --7 x 7 x 7 conv, softmax--> mask [d, h, w, k + 1];  deformation = sum of mask * (identity + shift)
        --7 x 7 conv over all depths, sigmoid--> occlusion [h, w]: how much of the warped feature may be used

All motions are translations (the published networks have no Jacobians), so they are moved without gathers.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.blocks import Down, Same, Up
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.depth import flatten_depth
from jaxtalk.render.sample_volume import grid, line, sample_moved

VARIANCE = 0.01  # of the Gaussians
THRESHOLD = 1e-3  # of the mask, below which a motion has no part


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    compressed: int = 4
    width: int = 32
    max_width: int = 1024
    blocks: int = 5
    window: int = 7  # of the convolutions that give mask and occlusion; odd


class DenseMotion(nn.Module):
    config: Config = Config()
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        volume: Float[Array, "b d h w c"],
        source: Float[Array, "b k 3"],
        driving: Float[Array, "b k 3"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b d h w 3"], Float[Array, "b h w"], dict[str, Array]]:
        """Places in the source volume, the occlusion from 0 (hidden) to 1, and aux["mask"]; float32.

        Height and width must be multiples of 2^blocks.
        """
        c, dtype = self.config, self.dtype
        _, depth, height, width, _ = volume.shape
        shifts = jnp.pad(source - driving, ((0, 0), (1, 0), (0, 0)))  # first the background, which stays
        small = Same(c.compressed, 1, dtype=dtype, name="compress")(volume, train=train)
        candidates = sample_moved(small.astype(jnp.float32), shifts)  # [b, d, h, w, k + 1, c]
        heat = gaussians(driving, (depth, height, width)) - gaussians(source, (depth, height, width))
        heat = jnp.pad(heat, ((0, 0), (0, 0), (0, 0), (0, 0), (1, 0)))
        x = jnp.concatenate([heat[..., None], candidates], -1)
        x = Hourglass(c, dtype, name="hourglass")(x.reshape(*x.shape[:4], -1).astype(dtype), train=train)
        window, reach = c.window, c.window // 2
        logits = Conv(shifts.shape[1], (window,) * 3, padding=reach, dtype=dtype, name="mask")(x)
        mask = jax.nn.softmax(logits.astype(jnp.float32))
        occlusion = Conv(1, (window,) * 2, padding=reach, dtype=dtype, name="occlusion")(flatten_depth(x))
        places = deformation(mask, shifts)
        return places, nn.sigmoid(occlusion[..., 0].astype(jnp.float32)), {"mask": mask}


def gaussians(points: Float[Array, "b k 3"], shape: tuple[int, int, int]) -> Float[Array, "b d h w k"]:
    """exp(-|place - point|^2 / (2 VARIANCE)) over the identity grid: a product of one per axis."""
    z, y, x = (
        jnp.exp(-((line(size)[None, :, None] - points[:, None, :, axis]) ** 2) / (2 * VARIANCE))
        for axis, size in zip((2, 1, 0), shape, strict=True)
    )
    return z[:, :, None, None] * y[:, None, :, None] * x[:, None, None]


def deformation(mask: Float[Array, "b d h w n"], shifts: Float[Array, "b n 3"]) -> Float[Array, "b d h w 3"]:
    """The sum of mask * (identity + shift) over the motions, those of little weight left out.

    What is left out is not made up for, so places shrink towards the middle by up to n THRESHOLD, as published.
    """
    mask = jnp.where(mask < THRESHOLD, 0.0, mask)
    identity = grid(*mask.shape[1:4])[None]
    return mask.sum(-1, keepdims=True) * identity + jnp.einsum("bzyxn,bnc->bzyxc", mask, shifts, precision="highest")


class Hourglass(nn.Module):
    """Down and up again with skips, the input among them: [b, d, h, w, i] -> [b, d, h, w, width + i]."""

    config: Config
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b d h w i"], *, train: bool) -> Float[Array, "b d h w o"]:
        c, dtype = self.config, self.dtype
        skips = []
        for level in range(c.blocks):
            skips.append(x)
            x = Down(min(c.max_width, 2 * c.width << level), dtype, name=f"down_{level}")(x, train=train)
        for k, level in enumerate(reversed(range(c.blocks))):
            x = Up(min(c.max_width, c.width << level), dtype, name=f"up_{k}")(x, train=train)
            x = jnp.concatenate([x, skips[level]], -1)
        return Same(x.shape[-1], dtype=dtype, name="out")(x, train=train)
