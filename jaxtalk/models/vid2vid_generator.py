"""SadTalker's renderer: a portrait moved by keypoints (face-vid2vid, Wang et al., CVPR 2021; SadTalker, CVPR 2023).

    encode: picture [h, w, 3] --conv, 2 blocks down--> [h/4, w/4, 256] --1 x 1, reshape--> volume of depth 16
                --6 residual blocks in 3-D--> [16, h/4, w/4, 32]
    draw:   volume, keypoints of source and driving --dense motion--> places, occlusion
            volume at the places --flattened, conv--> [h/4, w/4, 256] * occlusion --decoder--> picture [h, w, 3]

The volume depends on the portrait only: encode it once, draw each frame. Keypoints come from
`jaxtalk.models.keypoints`. SadTalker decodes with SPADE; face-vid2vid's first generator does not ("plain": a stem of
7 x 7, and a decoder of a seventh of the parameters).
"""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.errors import InputError
from jaxtalk.models import dense_motion
from jaxtalk.models.plain_decoder import PlainDecoder
from jaxtalk.models.spade_decoder import SpadeDecoder
from jaxtalk.nn.blocks import Down, ResBlock, Same
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.depth import deepen, flatten_depth
from jaxtalk.render.sample_volume import sample_volume


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network; `width` scales all layers of the encoder and decoder."""

    width: int = 64
    downs: int = 2  # halvings of the picture before the volume, made good by as many enlargements in the decoder
    depth: int = 16
    volume_blocks: int = 6
    middle_blocks: int = 6
    hidden: int = 128  # of SPADE's modulation
    decoder: Literal["spade", "plain"] = "spade"
    motion: dense_motion.Config = dense_motion.Config()
    dtype: DTypeLike = jnp.float32

    @property
    def multiple(self) -> int:
        """The sides of a picture must be multiples of this."""
        return 1 << self.downs + self.motion.blocks


class Generator(nn.Module):
    config: Config = Config()

    def setup(self):
        c = self.config
        plain = c.decoder == "plain"
        self.stem = Same(c.width, 7 if plain else 3, dtype=c.dtype)
        self.down = [Down(2 * c.width << level, c.dtype) for level in range(c.downs)]
        self.widen = Conv(8 * c.width, (1, 1), dtype=c.dtype)
        self.volume = [ResBlock(c.dtype) for _ in range(c.volume_blocks)]
        self.motion = dense_motion.DenseMotion(c.motion, c.dtype)
        self.flat_1 = Same(4 * c.width, activation=nn.leaky_relu, dtype=c.dtype)
        self.flat_2 = Conv(4 * c.width, (1, 1), dtype=c.dtype)
        if plain:
            self.decoder = PlainDecoder(c.width, c.middle_blocks, c.downs, c.dtype)
        else:
            self.decoder = SpadeDecoder(c.width, c.middle_blocks, c.hidden, c.downs, c.dtype)

    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        source: Float[Array, "b k 3"],
        driving: Float[Array, "b k 3"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """The portrait as the driving keypoints have it; see `draw`."""
        return self.draw(self.encode(image, train=train), source, driving, train=train)

    def encode(self, image: Float[Array, "b h w 3"], *, train: bool = False) -> Float[Array, "b d h2 w2 c"]:
        """The portrait's volume: `Generator().apply(variables, image, method="encode")`."""
        c = self.config
        height, width = image.shape[1:3]
        if height % c.multiple or width % c.multiple:
            raise InputError(f"cannot draw {height} x {width} pixels; resize the picture to multiples of {c.multiple}")
        x = self.stem(image, train=train)
        for down in self.down:
            x = down(x, train=train)
        x = deepen(self.widen(x), c.depth)
        for block in self.volume:
            x = block(x, train=train)
        return x

    def draw(
        self,
        volume: Float[Array, "b d h w c"],
        source: Float[Array, "b k 3"],
        driving: Float[Array, "b k 3"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b h2 w2 3"], dict[str, Array]]:
        """A picture from 0 to 1, float32.

        aux has `volume`, `mask` [b, d, h, w, k + 1], `places` [b, d, h, w, 3], `occlusion` [b, h, w], the decoder's
        input `feature` and its `middle_0`.
        """
        places, occlusion, aux = self.motion(volume, source, driving, train=train)
        x = flatten_depth(sample_volume(volume, places))
        x = self.flat_2(self.flat_1(x, train=train))
        feature = x * occlusion[..., None].astype(x.dtype)
        picture, inner = self.decoder(feature, train=train)
        return picture, {"volume": volume, "places": places, "occlusion": occlusion, "feature": feature} | aux | inner
