"""Audio2Motion: speech to the motion of 68 points in 3-D, a variational autoencoder (GeneFace, ICLR 2023).

HuBERT rows [2t, 1024], 50 a second --every other row, 2 convolutions--> condition [t, c], 25 a second
    (pitch [2t] in hertz --256 steps, embedding, 2 convolutions--> more of it)      l = t / 4
    condition [t, c] --convolution of stride 4--> short condition [l, c]
encoder: motion [t, 204] --convolution of stride 4, WaveNet--> mean, log deviation [l, 16] --noise--> z
prior:   z --flow, given the short condition--> standard normal                    (`jaxtalk.models.motion_flow`)
decoder: z [l, 16] --transposed convolution, WaveNet, given the condition--> motion [t, 204]

The motion is how the points differ from the person's neutral ones (`idexp_lm3d` there). In training motions are heard
and seen; in use noise goes through the flow backwards and the decoder draws what was heard. Lengths that the stride
does not divide are padded inside. The masks say which frames are a clip's own, so that clips can share a batch.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.audio import pitch
from jaxtalk.models.motion_flow import MotionFlow
from jaxtalk.nn.conv import Conv, ConvTranspose
from jaxtalk.nn.mel_encoder import batch_norm
from jaxtalk.nn.wavenet import WaveNet

_PITCHES = 300  # rows of the embedding; `pitch.coarse` uses 1 to 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network without pitch; `pitch=True` is the one with it."""

    motion: int = 204
    """Numbers in a frame of motion."""
    features: int = 1024
    """Numbers in a row of HuBERT's."""
    pitch: bool = False
    latent: int = 16
    stride: int = 4
    """Frames to a latent; even."""
    width: int = 256
    window: int = 5
    encoder_layers: int = 8
    decoder_layers: int = 4
    condition: int = 64
    pitch_condition: int = 32
    flow_width: int = 64
    flow_window: int = 3
    flow_layers: int = 4
    couplings: int = 4
    # The published code lets the sound and, in use, the motion run on into the padding, so clips that share a batch
    # differ a little at their ends from clips alone. Clips without padding are the same either way.
    published_masks: bool = False
    dtype: DTypeLike = jnp.float32


class Latents(NamedTuple):
    """What the encoder made of a motion; `losses.vae.kl_by_sample` compares z with the prior."""

    mean: Float[Array, "b l k"]
    log_deviation: Float[Array, "b l k"]
    z: Float[Array, "b l k"]
    normal: Float[Array, "b l k"]  # z through the flow: by the prior, standard normal noise
    mask: Float[Array, "b l"]


def latents(config: Config, frames: int) -> int:
    """How many latents a number of frames has."""
    return -(-frames // config.stride)


class Audio2Motion(nn.Module):
    config: Config = Config()

    def setup(self):
        c = self.config
        self.sound = FeatureEncoder(c.condition, c.condition, c.dtype)
        width = c.condition
        if c.pitch:
            self.pitch_embedding = nn.Embed(_PITCHES, c.condition)
            self.melody = FeatureEncoder(c.condition, c.pitch_condition, c.dtype)
            width += c.pitch_condition
        self.shorten = Conv(width, (2 * c.stride,), c.stride, c.stride // 2, dtype=c.dtype)
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.flow = MotionFlow(c.latent, c.flow_width, c.flow_window, c.flow_layers, c.couplings, c.dtype)

    def __call__(
        self,
        motion: Float[Array, "b t m"],
        hubert: Float[Array, "b 2*t f"],
        mask: Float[Array, "b t"],
        noise: Float[Array, "b l k"],
        hertz: Float[Array, "b 2*t"] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b t m"], Latents]:
        """The motion again, 0 where masked, through z = mean + noise * deviation. With `train`, `batch_stats` change.

        `hertz` is 0 where nothing is voiced. `noise`: standard normal, l = `latents(config, t)`.
        """
        frames = motion.shape[1]
        motion, hubert, mask, hertz = self._padded(motion, hubert, mask, hertz)
        condition, short = self._listen(mask, hubert, hertz, train)
        seen = motion if self.config.published_masks else motion * mask[..., None]
        own = mask[:, :: self.config.stride]
        mean, log_deviation = self.encoder(seen, short, own)
        z = mean + noise * jnp.exp(log_deviation)
        again = self.decoder(z, condition, mask)
        return again[:, :frames], Latents(mean, log_deviation, z, self.flow(z, short, own), own)

    def generate(
        self,
        mask: Float[Array, "b t"],
        hubert: Float[Array, "b 2*t f"],
        noise: Float[Array, "b l k"],
        hertz: Float[Array, "b 2*t"] | None = None,
    ) -> Float[Array, "b t m"]:
        """A motion for speech alone; `noise` is standard normal times a temperature, 0 for the prior's mode."""
        frames = mask.shape[1]
        _, hubert, mask, hertz = self._padded(None, hubert, mask, hertz)
        condition, short = self._listen(mask, hubert, hertz, train=False)
        inside = self._inside(mask)
        z = self.flow.reverse(noise, short, inside[:, :: self.config.stride])
        return (self.decoder(z, condition, inside) * mask[..., None])[:, :frames]

    def embed_pitch(self, hertz: Float[Array, "b rows"]) -> Float[Array, "b t c"]:
        """The pitch at each frame as GeneFace's PostNet with pitch hears it too."""
        return self.pitch_embedding(pitch.coarse(hertz[:, ::2]))

    def _listen(self, mask, hubert, hertz, train):
        """The condition [b t c] and, a row for each latent, the short one [b l c]."""
        inside = self._inside(mask)
        condition = self.sound(hubert[:, ::2], inside, train=train)
        if self.config.pitch:
            melody = self.melody(self.embed_pitch(hertz), inside, train=train)
            condition = jnp.concatenate([condition, melody], axis=-1)
        return condition, self.shorten(condition)

    def _inside(self, mask):
        return jnp.ones_like(mask) if self.config.published_masks else mask

    def _padded(self, motion, hubert, mask, hertz):
        """All of them up to a length that the stride divides."""
        more = -mask.shape[1] % self.config.stride

        def longer(x, count):
            return None if x is None else jnp.pad(x, ((0, 0), (0, count), *[(0, 0)] * (x.ndim - 2)))

        return longer(motion, more), longer(hubert, 2 * more), longer(mask, more), longer(hertz, 2 * more)


class FeatureEncoder(nn.Module):
    """Two convolutions over three moments with a batch norm and GELU between them, 0 where masked."""

    width: int
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t i"], mask: Float[Array, "b t"], *, train: bool) -> Float[Array, "b t o"]:
        own = mask[..., None]
        x = Conv(self.width, (3,), padding=1, bias=False, dtype=self.dtype, name="conv_1")(x * own)
        x = nn.gelu(batch_norm(train, name="norm")(x, mask=own > 0), approximate=False) * own
        x = Conv(self.features, (3,), padding=1, bias=False, dtype=self.dtype, name="conv_2")(x)
        return x * own.astype(self.dtype)


class Encoder(nn.Module):
    """Motion to mean and log deviation of each latent, float32."""

    config: Config

    @nn.compact
    def __call__(
        self, motion: Float[Array, "b t m"], short: Float[Array, "b l c"], mask: Float[Array, "b l"]
    ) -> tuple[Float[Array, "b l k"], Float[Array, "b l k"]]:
        c = self.config
        x = Conv(c.width, (2 * c.stride,), c.stride, c.stride // 2, dtype=c.dtype, name="shorten")(motion)
        x = x * mask[..., None].astype(c.dtype)
        x = WaveNet(c.width, c.window, c.encoder_layers, c.dtype, name="wavenet")(x, short, mask)
        mean, log_deviation = jnp.split(nn.Dense(2 * c.latent, name="latent")(x.astype(jnp.float32)), 2, axis=-1)
        return mean, log_deviation


class Decoder(nn.Module):
    """Latents to motion, float32, 0 where masked."""

    config: Config

    @nn.compact
    def __call__(
        self, z: Float[Array, "b l k"], condition: Float[Array, "b t c"], mask: Float[Array, "b t"]
    ) -> Float[Array, "b t m"]:
        c = self.config
        x = ConvTranspose(c.width, (c.stride,), c.stride, dtype=c.dtype, name="lengthen")(z)
        x = x * mask[..., None].astype(c.dtype)
        x = WaveNet(c.width, c.window, c.decoder_layers, c.dtype, name="wavenet")(x, condition, mask)
        return nn.Dense(c.motion, name="motion")(x.astype(jnp.float32)) * mask[..., None]
