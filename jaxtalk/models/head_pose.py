"""HEEstimator: head pose and expression of a picture (face-vid2vid, Wang et al., CVPR 2021, sec. 3 and appendix).

    picture [h, w, 3] --7 x 7 conv, maximum: 1/4--> --4 levels of bottlenecks, 1/8 more--> --mean--> [2048]
        --linear--> scores of 66 bins for yaw, pitch and roll, a translation [3], an expression [k, 3]

A ResNet-50 whose levels start with a convolution to the new width. SadTalker's MappingNet says the same from 3DMM
coefficients. The published layers named roll and yaw give yaw and roll; ours are named by what they give.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models.keypoints import KeypointMotion
from jaxtalk.nn.blocks import Same
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.mel_encoder import batch_norm
from jaxtalk.nn.pool import max_pool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    points: int = 15
    bins: int = 66
    width: int = 64  # level s has 4 * 2^s times as many channels
    blocks: tuple[int, ...] = (3, 4, 6, 3)  # of each level; the first of all but the first level halves
    dtype: DTypeLike = jnp.float32


class HeadPoseEstimator(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], *, train: bool = False) -> KeypointMotion:
        """What `jaxtalk.models.keypoints.transform` needs, float32."""
        c = self.config
        x = Same(c.width, 7, 2, dtype=c.dtype, name="stem")(image, train=train)
        x = max_pool(x, 3, 2, 1)
        for level, blocks in enumerate(c.blocks):
            x = Same(4 * c.width << level, 1, dtype=c.dtype, name=f"widen_{level}")(x, train=train)
            for k in range(blocks):
                stride = 2 if level and not k else 1
                x = Bottleneck(stride, c.dtype, name=f"block_{level}_{k}")(x, train=train)
        x = x.astype(jnp.float32).mean((1, 2))
        yaw, pitch, roll = (nn.Dense(c.bins, name=name)(x) for name in ("yaw", "pitch", "roll"))
        expression = nn.Dense(3 * c.points, name="expression")(x).reshape(-1, c.points, 3)
        return KeypointMotion(yaw, pitch, roll, nn.Dense(3, name="translation")(x), expression)


class Bottleneck(nn.Module):
    """relu(x + norm(conv)) of three convolutions, the middle one of a quarter of the channels."""

    stride: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h2 w2 c"]:
        features = x.shape[-1]

        def last(name, y, window, stride=1):
            y = Conv(features, (window, window), stride, dtype=self.dtype, name=f"conv_{name}")(y)
            return batch_norm(train, name=f"norm_{name}")(y)

        y = Same(features // 4, 1, dtype=self.dtype, name="narrow")(x, train=train)
        y = Same(features // 4, 3, self.stride, dtype=self.dtype, name="middle")(y, train=train)
        y = last("wide", y, 1)
        skip = x if self.stride == 1 else last("skip", x, 1, self.stride)
        return nn.relu(y + skip).astype(self.dtype)
