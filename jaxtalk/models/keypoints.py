"""Keypoints of face-vid2vid (Wang et al., CVPR 2021, sec. 3), which SadTalker's renderer is driven by.

    picture [h, w, 3] --Gaussian, 1/4--> --5 blocks down--> [h/128, w/128, 1024] --1 x 1, reshape--> depth 16
        --5 blocks up, in 3-D--> [16, h/4, w/4, 32] --conv--> a heatmap for each point, whose mean is its place [k, 3]

These are canonical: the face without its pose and expression. `transform` puts a pose and an expression on them.
Places are (x, y, z) from -1 to 1, x to the right, y down.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.blocks import Down, Up
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.depth import deepen
from jaxtalk.nn.shrink import shrink
from jaxtalk.render.sample_volume import line

BIN = 3.0  # degrees
FIRST_BIN = -99.0
PI = 3.14  # as in the published code, with which the published networks were trained
SADTALKER_AXES = np.array([0.0, 1.0, 0.0], np.float32)  # of the translation: SadTalker draws only what is vertical


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    points: int = 15
    shrink: int = 4
    width: int = 32
    max_width: int = 1024
    blocks: int = 5
    depth: int = 16
    temperature: float = 0.1
    dtype: DTypeLike = jnp.float32

    @property
    def multiple(self) -> int:
        """The sides of a picture must be multiples of this."""
        return self.shrink << self.blocks


class KeypointDetector(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w 3"], *, train: bool = False
    ) -> tuple[Float[Array, "b k 3"], dict[str, Array]]:
        """Canonical keypoints; aux has `features` [b, d, h, w, c] and the heatmaps' `logits` [b, d, h, w, k]."""
        c = self.config
        widths = [min(c.max_width, c.width << level) for level in range(c.blocks + 1)]
        x = shrink(image, c.shrink)
        for level in range(c.blocks):
            x = Down(widths[level + 1], c.dtype, name=f"down_{level}")(x, train=train)
        x = Conv(widths[-1] * c.depth, (1, 1), dtype=c.dtype, name="widen")(x)
        x = deepen(x, c.depth)
        for level in range(c.blocks):
            x = Up(widths[-2 - level], c.dtype, name=f"up_{level}")(x, train=train)
        logits = Conv(c.points, (3, 3, 3), padding=1, dtype=c.dtype, name="heatmap")(x).astype(jnp.float32)
        return mean_places(jax.nn.softmax(logits / c.temperature, (1, 2, 3))), {"features": x, "logits": logits}


def mean_places(heatmaps: Float[Array, "b d h w k"]) -> Float[Array, "b k 3"]:
    """The expected place under each heatmap, which sums to 1."""
    each = [
        jnp.einsum("bnk,n->bk", heatmaps.sum(others), line(heatmaps.shape[axis]), precision="highest")
        for axis, others in ((3, (1, 2)), (2, (1, 3)), (1, (2, 3)))
    ]
    return jnp.stack(each, -1)


class KeypointMotion(NamedTuple):
    """What moves canonical keypoints, as networks say it: see `transform`."""

    yaw: Float[Array, "*b n"]  # scores of bins of 3 degrees, the first at -99
    pitch: Float[Array, "*b n"]
    roll: Float[Array, "*b n"]
    translation: Float[Array, "*b 3"]
    expression: Float[Array, "*b k 3"]  # displacement of each keypoint

    def angles(self) -> Float[Array, "*b 3"]:
        """Yaw, pitch and roll in degrees: the mean of the bins under their probabilities."""
        scores = jnp.stack([self.yaw, self.pitch, self.roll], -2).astype(jnp.float32)
        bins = jnp.arange(scores.shape[-1], dtype=jnp.float32)
        return BIN * jnp.einsum("...n,n->...", jax.nn.softmax(scores), bins, precision="highest") + FIRST_BIN

    def place(self, canonical: Float[Array, "*b k 3"]) -> Float[Array, "*b k 3"]:
        """Where canonical keypoints are moved to, along all axes; see `transform`."""
        return transform(canonical, self.angles(), self.translation, self.expression)


def rotation(angles: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """R = R_x(pitch) R_y(yaw) R_z(roll) for (yaw, pitch, roll) in degrees."""
    yaw, pitch, roll = jnp.moveaxis(angles / 180 * PI, -1, 0)

    def about(axis: int, angle: Array) -> Array:
        """Turns the axis after this one to the one after that."""
        one, zero, cos, sin = jnp.ones_like(angle), jnp.zeros_like(angle), jnp.cos(angle), jnp.sin(angle)
        rows = [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]  # about x
        turned = [[rows[(i - axis) % 3][(j - axis) % 3] for j in range(3)] for i in range(3)]
        return jnp.stack([jnp.stack(row, -1) for row in turned], -2)

    turns = about(0, pitch), about(1, yaw), about(2, roll)
    return jnp.einsum("...ij,...jk,...kl->...il", *turns, precision="highest")


def transform(
    canonical: Float[Array, "*b k 3"],
    angles: Float[Array, "*b 3"],
    translation: Float[Array, "*b 3"],
    expression: Float[Array, "*b k 3"],
) -> Float[Array, "*b k 3"]:
    """R(angles) canonical + translation + expression (eq. 1 of face-vid2vid).

    SadTalker leaves out the translation along x and z: give it `translation * SADTALKER_AXES`.
    """
    turned = jnp.einsum("...ij,...kj->...ki", rotation(angles), canonical, precision="highest")
    return turned + translation[..., None, :] + expression
