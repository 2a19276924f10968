"""Deep3DFaceRecon's R-Net: from a picture of a face to the coefficients of a 3D one (Deng et al., CVPRW 2019, sec. 3).

crop [b, 224, 224, 3] --convolution, pooling--> [b, 56, 56, 64] --ResNet-50's 16 bottlenecks--> [b, 7, 7, 2048]
    --mean--> [b, 2048] --a linear layer for each kind--> Coefficients (published: 257 in all)

The crop is RGB in [0, 1], not normalised further, cut by `jaxtalk.face.recon_crop`. What the coefficients mean is in
`jaxtalk.face.recon_geometry`. A bottleneck strides in its 3x3 convolution, as torchvision's does.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.face.recon_geometry import Coefficients
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.mel_encoder import batch_norm
from jaxtalk.nn.pool import max_pool

# The linear layers in the order of the published output. The translation has two: across the picture, along the view.
HEADS = ("identity", "expression", "texture", "angles", "light", "across", "along")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    identity: int = 80  # coefficients: as many as the face model has
    expression: int = 64
    texture: int = 80
    dtype: DTypeLike = jnp.float32

    @property
    def heads(self) -> dict[str, int]:
        """Outputs of the linear layers, named as HEADS."""
        return dict(zip(HEADS, (self.identity, self.expression, self.texture, 3, 27, 2, 1), strict=True))


class Bottleneck(nn.Module):
    features: int
    stride: int
    project: bool  # the input needs a convolution to be added
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], *, train: bool) -> Float[Array, "b h2 w2 {4*self.features}"]:
        def layer(x, name, features, window, stride=1):
            sizes = (features, (window, window), stride, window // 2)
            x = Conv(*sizes, bias=False, dtype=self.dtype, name=f"conv_{name}")(x)
            return batch_norm(train, name=f"norm_{name}")(x).astype(self.dtype)

        y = nn.relu(layer(x, 1, self.features, 1))
        y = nn.relu(layer(y, 2, self.features, 3, self.stride))
        y = layer(y, 3, 4 * self.features, 1)
        if self.project:
            x = layer(x, "skip", 4 * self.features, 1, self.stride)
        return nn.relu(x + y)


class FaceRecon(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, crop: Float[Array, "b h w 3"], *, train: bool = False) -> tuple[Coefficients, dict[str, Array]]:
        """The coefficients, and aux["features"] [b, 2048] that they are read from."""
        c = self.config
        x = Conv(c.width, (7, 7), 2, 3, bias=False, dtype=c.dtype, name="conv")(crop)
        x = nn.relu(batch_norm(train, name="norm")(x).astype(c.dtype))
        x = max_pool(x, 3, 2, 1)
        for level, blocks in enumerate(c.blocks):
            for k in range(blocks):
                stride = 2 if level > 0 and k == 0 else 1
                block = Bottleneck(c.width << level, stride, k == 0, c.dtype, name=f"block_{level + 1}_{k}")
                x = block(x, train=train)
        features = x.astype(jnp.float32).mean((1, 2))
        # Training starts from the mean face, unturned.
        zeros = nn.initializers.zeros
        heads = {name: nn.Dense(n, kernel_init=zeros, name=name)(features) for name, n in c.heads.items()}
        translation = jnp.concatenate([heads.pop("across"), heads.pop("along")], -1)
        return Coefficients(**heads, translation=translation), {"features": features}
