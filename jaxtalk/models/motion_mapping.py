"""MappingNet: from face coefficients to the motion that face-vid2vid's keypoints make (SadTalker, CVPR 2023, sec. 3.3).

coefficients of 27 frames [27, c] --convolution over 7--> [21, d] --3 residual convolutions, dilated--> [3, d]
    --mean--> [d] --linear--> yaw, pitch, roll [66 bins each], translation [3], expression [k, 3]

The motion is that of the window's middle frame. A row is Deep3DFaceRecon's expression (64), angles (3) and translation
(3), c = 70; the network for whole pictures (SadTalker's "full" mode) also has the crop's scale and place (3), c = 73,
as `jaxtalk.face.recon_crop.published` gives them. A portrait is a clip of one frame.

Everything before the linear layers looks at a fixed number of neighbours, so a clip is padded once and goes through as
a whole: a tenth of the work of a window for each frame, with the same result.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models.keypoints import KeypointMotion
from jaxtalk.nn.conv import Conv

_MEAN = 3  # neighbours that are averaged at last


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network of the modes "crop" and "resize"; "full" has 73 coefficients."""

    coefficients: int = 70
    width: int = 1024
    layers: int = 3
    bins: int = 66
    keypoints: int = 15
    dtype: DTypeLike = jnp.float32

    @property
    def window(self) -> int:
        """Frames that one output sees; odd."""
        return 7 + 6 * self.layers + _MEAN - 1


def padded(config: Config, coefficients: Float[Array, "b t c"]) -> Float[Array, "b t2 c"]:
    """A clip with its first and last frame repeated, so that each of its frames is the middle of a window."""
    reach = config.window // 2
    return jnp.pad(coefficients, ((0, 0), (reach, reach), (0, 0)), mode="edge")


class MappingNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, coefficients: Float[Array, "b n c"]) -> KeypointMotion:
        """The motion of the middle of each window, so of n - 26 frames: see `padded`."""
        c = self.config
        x = Conv(c.width, (7,), dtype=c.dtype, name="first")(coefficients)
        for k in range(c.layers):
            y = Conv(c.width, (3,), dilation=3, dtype=c.dtype, name=f"conv_{k}")(nn.leaky_relu(x, 0.1))
            x = y + x[:, 3:-3]
        frames = x.shape[1] - _MEAN + 1
        x = sum(x[:, k : k + frames].astype(jnp.float32) for k in range(_MEAN)) / _MEAN

        def out(name: str, size: int) -> Float[Array, "b t size"]:
            return nn.Dense(size, name=name)(x)

        return KeypointMotion(
            yaw=out("yaw", c.bins),
            pitch=out("pitch", c.bins),
            roll=out("roll", c.bins),
            translation=out("translation", 3),
            expression=out("expression", 3 * c.keypoints).reshape(*x.shape[:2], c.keypoints, 3),
        )
