"""IP-LAP's renderer: a face after sketched landmarks, from several pictures of the person (Zhong et al., CVPR 2023).

    r references and their sketches --encode--> h1 [s, s, n], h2 [s/2, s/2, 8 n]       (s = 128 pixels, n = 32)
    h2, sketches of 5 frames --SPADE--> of each reference a flow and a weight [s, s] --> mean of the warped ones
    upper half of the face, sketches --convolutions--> [s/2, s/2, 8 n] --SPADE by warped h2, AdaIN by sound, twice
        the size, SPADE by warped h1, AdaIN, SPADE by the warped picture--> face [s, s, 3]

What a reference looks like does not depend on the frame: `encode` the references of a video once and `draw` each frame.
Nor does SPADE's modulation of the flow depend on the reference, so it is computed once for all of them. As published:
BGR from 0 to 1, the third of the 5 sketches is of the frame to be drawn, up to 25 references from shut to wide open.
"""

import dataclasses
import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.instance_norm import normalised
from jaxtalk.nn.mel_encoder import MelEncoder, batch_norm
from jaxtalk.nn.pool import average_pool
from jaxtalk.render import texture

FRAMES = 5  # of sketches for one face
SLOPE = 0.2  # of the leaky ReLUs within blocks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 32
    dtype: DTypeLike = jnp.float32


class Shown(NamedTuple):
    """References, and what `encode` makes of them."""

    pictures: Float[Array, "b r h w 3"]
    fine: Float[Array, "b r h w n"]
    coarse: Float[Array, "b r h2 w2 m"]


class Renderer(nn.Module):
    config: Config = Config()

    def setup(self):
        self.flow, self.translation = Flow(self.config), Translation(self.config)

    def __call__(
        self,
        face: Float[Array, "b h w 3"],
        sketches: Float[Array, "b 5 h w 3"],
        references: Float[Array, "b r h w 3"],
        reference_sketches: Float[Array, "b r h w 3"],
        mel: Float[Array, "b 80 16"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """A face from 0 to 1, float32. See `draw`."""
        shown = self.encode(references, reference_sketches, train=train)
        return self.draw(face, sketches, shown, mel, train=train)

    def encode(
        self, references: Float[Array, "b r h w 3"], sketches: Float[Array, "b r h w 3"], *, train: bool = False
    ) -> Shown:
        """What is needed of the references; height and width are even."""
        return self.flow.encode(references, sketches, train)

    def draw(
        self,
        face: Float[Array, "b h w 3"],
        sketches: Float[Array, "b 5 h w 3"],
        shown: Shown,
        mel: Float[Array, "b 80 16"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """A face whose upper half is that of `face`; aux has the mean of the warped `picture`, `fine` and `coarse`."""
        sketched = jnp.moveaxis(sketches, 1, 3).reshape(*face.shape[:3], -1)  # frames, then colours
        warped = self.flow(shown, sketched)
        hidden = face.at[:, face.shape[1] // 2 :].set(0.0)
        return self.translation(jnp.concatenate([hidden, sketched], -1), warped, mel, train), warped


class Flow(nn.Module):
    """Where each pixel comes from in each reference, and how much that reference counts."""

    config: Config

    def setup(self):
        n, dtype = self.config.width, self.config.dtype
        self.conv_1, self.conv_2 = Conv(n, (7, 7), 1, 3, dtype=dtype), Conv(8 * n, (3, 3), 2, 1, dtype=dtype)
        norm = functools.partial(
            nn.BatchNorm, momentum=0.9, epsilon=1e-5, dtype=jnp.float32
        )  # whether in training: later
        self.norm_1, self.norm_2 = norm(), norm()
        self.spade_1, self.spade_2 = Spade(8 * n, 8 * n, dtype), Spade(8 * n, 8 * n, dtype)
        self.spade_3 = Spade(2 * n, 8 * n, dtype)
        self.shift = Conv(2, (7, 7), padding=3, dtype=dtype)
        self.trust_1, self.trust_2 = Conv(n, (7, 7), padding=3, dtype=dtype), Conv(1, (7, 7), padding=3, dtype=dtype)

    def encode(self, references: Array, sketches: Array, train: bool) -> Shown:
        x = jnp.concatenate([references, sketches], -1)
        x = x.reshape(-1, *x.shape[2:])
        fine = nn.relu(self.norm_1(self.conv_1(x), use_running_average=not train))
        coarse = nn.relu(self.norm_2(self.conv_2(fine), use_running_average=not train))
        fine, coarse = (h.reshape(*references.shape[:2], *h.shape[1:]) for h in (fine, coarse))
        return Shown(references, fine, coarse)

    def __call__(self, shown: Shown, sketched: Float[Array, "b h w 15"]) -> dict[str, Array]:
        lead, half = shown.coarse.shape[:2], sketched[:, ::2, ::2]
        x = self.spade_1(shown.coarse.reshape(-1, *shown.coarse.shape[2:]), half)
        x = self.spade_3(shuffle(self.spade_2(x, half)), sketched)
        shift = self.shift(x).astype(jnp.float32)
        trust = nn.sigmoid(self.trust_2(nn.relu(self.trust_1(x))).astype(jnp.float32))
        height, width = shift.shape[1:3]
        pixel = jnp.stack(jnp.meshgrid(jnp.arange(width), jnp.arange(height)), -1)
        # From 0 to 1 between the middles of the outer pixels, but looked up as if between the picture's edges, as
        # published.
        place = (shift + pixel[None]) / jnp.array([width - 1, height - 1]).reshape(1, 1, 1, 2)

        def mean(features: Array, place: Array, trust: Array) -> Array:
            warped = warp(features.reshape(-1, *features.shape[2:]).astype(jnp.float32), place) * trust
            total = [x.reshape(*lead, *x.shape[1:]).sum(1) for x in (warped, trust)]
            return total[0] / (total[1] + 1e-5)

        return {
            "picture": mean(shown.pictures, place, trust),
            "fine": mean(shown.fine, place, trust),
            "coarse": mean(shown.coarse, average_pool(place, 2, 2), trust[:, ::2, ::2]),
        }


class Translation(nn.Module):
    """A face from its upper half, its sketches and what the references have for it."""

    config: Config

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w 18"], warped: dict[str, Array], mel: Float[Array, "b 80 16"], train: bool
    ) -> Float[Array, "b h w 3"]:
        n, dtype = self.config.width, self.config.dtype
        for k, (features, window, stride) in enumerate(((n, 7, 1), (8 * n, 3, 2)), 1):
            sizes = (window, window), stride, window // 2
            x = Conv(features, *sizes, bias=False, dtype=dtype, name=f"conv_{k}")(x)
            x = nn.relu(batch_norm(train, name=f"norm_{k}")(x)).astype(dtype)
        sound = MelEncoder(n, dtype, name="hear")(mel, train=train)
        x = Spade(8 * n, 8 * n, dtype, name="spade_1")(x, warped["coarse"])
        x = shuffle(AdaIn(8 * n, 4 * n, dtype, name="sound_1")(x, sound))
        x = Spade(2 * n, 8 * n, dtype, name="spade_2")(x, warped["fine"])
        x = AdaIn(2 * n, 4 * n, dtype, name="sound_2")(x, sound)
        x = Spade(2 * n, 8 * n, dtype, name="spade_3")(x, warped["picture"])
        x = Conv(3, (7, 7), padding=3, bias=False, dtype=dtype, name="out")(nn.leaky_relu(x, 0.01))
        return nn.sigmoid(x.astype(jnp.float32))


class Spade(nn.Module):
    """conv(leaky(SPADE(conv(leaky(SPADE(x)))))), modulated by a picture; one for each r rows of x, or one for each."""

    features: int
    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "br h w c"], label: Float[Array, "b h w l"]) -> Float[Array, "br h w c"]:
        for k in (1, 2):
            hidden = Conv(self.hidden, (3, 3), padding=1, dtype=self.dtype, name=f"hidden_{k}")(label)
            scale, shift = (
                Conv(self.features, (3, 3), padding=1, dtype=self.dtype, name=f"{name}_{k}")(hidden)
                for name in ("scale", "shift")
            )
            x = _modulated(x, scale, shift).astype(self.dtype)
            x = Conv(self.features, (3, 3), padding=1, dtype=self.dtype, name=f"conv_{k}")(nn.leaky_relu(x, SLOPE))
        return x


class AdaIn(nn.Module):
    """The same, with one scale and shift for all pixels of a channel, from an embedding."""

    features: int
    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], embedding: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        for k in (1, 2):
            hidden = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name=f"hidden_{k}")(embedding))
            scale, shift = (
                nn.Dense(self.features, dtype=self.dtype, name=f"{name}_{k}")(hidden)[:, None, None]
                for name in ("scale", "shift")
            )
            x = _modulated(x, *(jnp.broadcast_to(m, x.shape) for m in (scale, shift))).astype(self.dtype)
            x = Conv(self.features, (3, 3), padding=1, dtype=self.dtype, name=f"conv_{k}")(nn.leaky_relu(x, SLOPE))
        return x


def warp(image: Float[Array, "b h w c"], place: Float[Array, "b h2 w2 2"]) -> Float[Array, "b h2 w2 c"]:
    """Bilinear samples at (x, y), each from 0 to 1 between the picture's edges; zero beyond."""
    height, width = image.shape[1:3]
    pixel = place * jnp.array([width, height], jnp.float32).reshape(1, 1, 1, 2)
    return jax.vmap(texture.at)(jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0))), pixel + 1)


def shuffle(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 d"]:
    """Each run of four channels as 2 x 2 pixels of one."""
    b, height, width, _ = x.shape
    x = jnp.moveaxis(x.reshape(b, height, width, -1, 2, 2), (4, 5), (2, 4))  # b h 2 w 2 d
    return x.reshape(b, 2 * height, 2 * width, -1)


def _modulated(x: Array, scale: Array, shift: Array) -> Array:
    """Instance norm of x, times 1 + scale, plus shift; float32."""
    normal = normalised(x).reshape(len(scale), -1, *x.shape[1:])
    scale, shift = (jnp.broadcast_to(m[:, None].astype(jnp.float32), normal.shape) for m in (scale, shift))
    return (normal * (1 + scale) + shift).reshape(x.shape)
