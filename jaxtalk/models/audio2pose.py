"""PoseVAE: head motion in the rhythm of speech, in one of 46 styles (SadTalker, CVPR 2023, sec. 3.3).

    mel windows [s, 80, 16] --mel encoder--> sound [s, 16 width]                   s = 32 frames at a time
    encoder: (reference [6], U-Net(motion [s, 6]), linear(sound) [s, 6], style [l]) --MLP--> mean, log variance [l]
    decoder: (reference [6], z + style [l], linear(sound) [s, 6]) --MLP--> U-Net --linear--> motion [s, 6]

A pose is three angles and three coordinates; motion is relative to the reference, which is the first frame's pose.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jaxtalk.nn.conv import Conv, ConvTranspose
from jaxtalk.nn.mel_encoder import MelEncoder, batch_norm

POSE = 6
# Our own weights speak of tenths of a radian and of centimetres, so that all six components are about 1.
UNIT = np.array([0.1, 0.1, 0.1, 0.01, 0.01, 0.01], np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published sizes; `width` scales all layers."""

    sequence: int = 32  # frames in a chunk, a multiple of 8
    latent: int = 64
    styles: int = 46
    width: int = 32
    ear_width: int | None = None  # of the mel encoder, if it has another
    # The published code takes the log variance from the layer of the mean. Only its own weights need that.
    published_logvar: bool = False
    dtype: DTypeLike = jnp.float32


class PoseVAE(nn.Module):
    """Conditional VAE over chunks of `sequence` frames; `generate` strings chunks together."""

    config: Config = Config()

    def setup(self):
        config = self.config
        self.ear = MelEncoder(config.ear_width or config.width, config.dtype)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def __call__(
        self,
        mel: Float[Array, "b s 80 16"],
        reference: Float[Array, "b 6"],
        motion: Float[Array, "b s 6"],
        style: Int[Array, "b"],
        noise: Float[Array, "b l"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b s 6"], dict[str, Array]]:
        """The motion again, through the latent mean + noise * deviation; aux has `mean` and `log_variance`."""
        sound = self.listen(mel, train=train)
        mean, log_variance = self.encode(sound, reference, motion, style, train=train)
        z = mean + noise * jnp.exp(0.5 * log_variance)
        return self.decode(sound, reference, z, style, train=train), {"mean": mean, "log_variance": log_variance}

    def listen(self, mel: Float[Array, "*b 80 16"], *, train: bool = False) -> Float[Array, "*b a"]:
        """Embeddings of the sound."""
        return self.ear(mel, train=train).astype(jnp.float32)

    def encode(self, sound, reference, motion, style, *, train: bool = False):
        """Mean and log variance [b, l] of the latent for a chunk's motion."""
        return self.encoder(sound, reference, motion, style, train=train)

    def decode(self, sound, reference, z, style, *, train: bool = False):
        """A chunk's motion [b, s, 6] for a latent z [b, l]."""
        return self.decoder(sound, reference, z, style, train=train)


class Encoder(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, sound, reference, motion, style, *, train: bool):
        config, b = self.config, motion.shape[0]
        shape = UNet(config.width, config.dtype, name="unet")(motion[..., None], train=train)
        sound = nn.Dense(POSE, dtype=config.dtype, name="sound")(sound)
        bias = self.param("style", nn.initializers.normal(1.0), (config.styles, config.latent), jnp.float32)
        features = [reference, shape.reshape(b, -1), sound.reshape(b, -1), jnp.asarray(bias)[style]]
        hidden = nn.relu(nn.Dense(4 * config.width, name="hidden")(jnp.concatenate(features, axis=-1)))
        mean_layer = nn.Dense(config.latent, name="mean")
        variance_layer = mean_layer if config.published_logvar else nn.Dense(config.latent, name="log_variance")
        return mean_layer(hidden), variance_layer(hidden)


class Decoder(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, sound, reference, z, style, *, train: bool):
        config, b = self.config, z.shape[0]
        sound = nn.Dense(POSE, dtype=config.dtype, name="sound")(sound)
        bias = self.param("style", nn.initializers.normal(1.0), (config.styles, config.latent), jnp.float32)
        features = jnp.concatenate([reference, z + jnp.asarray(bias)[style], sound.reshape(b, -1)], axis=-1)
        hidden = nn.relu(nn.Dense(4 * config.width, name="hidden")(features))
        plan = nn.sigmoid(nn.Dense(POSE * config.sequence, name="plan")(hidden))
        plan = plan.reshape(b, config.sequence, POSE, 1)
        shape = UNet(config.width, config.dtype, name="unet")(plan, train=train)
        return nn.Dense(POSE, name="pose")(shape[..., 0])


class UNet(nn.Module):
    """Residual U-Net over (time, pose component) as an image with one channel; only time is halved, three times."""

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b s 6 1"], *, train: bool) -> Float[Array, "b s 6 1"]:
        w, dtype = self.width, self.dtype
        y = Conv(w, (3, 3), 1, 1, dtype=dtype, name="in_1")(x)
        y = nn.relu(batch_norm(train, name="in_norm")(y))
        y = Conv(w, (3, 3), 1, 1, dtype=dtype, name="in_2")(y)
        levels = [y + Conv(w, (3, 3), 1, 1, dtype=dtype, name="in_skip")(x)]
        for i in (1, 2, 3):
            levels.append(Residual(2**i * w, 2, dtype, name=f"down_{i}")(levels[-1], train=train))
        y = levels.pop()
        for i in (1, 2, 3):
            y = ConvTranspose(y.shape[-1], (2, 1), (2, 1), dtype=dtype, name=f"upsample_{i}")(y)
            y = jnp.concatenate([y, levels.pop()], axis=-1)
            y = Residual(2 ** (3 - i) * w, 1, dtype, name=f"up_{i}")(y, train=train)
        y = Conv(1, (1, 1), dtype=dtype, name="out")(y)
        return nn.sigmoid(y.astype(jnp.float32))


class Residual(nn.Module):
    """Norm, ReLU, convolution, twice, beside a normed convolution; `stride` is over time."""

    features: int
    stride: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b s p i"], *, train: bool) -> Float[Array, "b s2 p o"]:
        y = nn.relu(batch_norm(train, name="norm_1")(x))
        y = Conv(self.features, (3, 3), (self.stride, 1), 1, dtype=self.dtype, name="conv_1")(y)
        y = nn.relu(batch_norm(train, name="norm_2")(y))
        y = Conv(self.features, (3, 3), 1, 1, dtype=self.dtype, name="conv_2")(y)
        skip = Conv(self.features, (3, 3), (self.stride, 1), 1, dtype=self.dtype, name="skip")(x)
        return y + batch_norm(train, name="skip_norm")(skip).astype(self.dtype)


class Discriminator(nn.Module):
    """Judges a chunk of motion, a score for each four frames (least squares GAN)."""

    width: int = 32
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, motion: Float[Array, "b s 6"], *, train: bool = False) -> Float[Array, "b s4"]:
        x = motion
        for i, (units, window, stride) in enumerate([(8, 4, 2), (16, 4, 2), (32, 3, 1)]):
            x = Conv(units * self.width, (window,), stride, 1, bias=False, dtype=self.dtype, name=f"conv_{i}")(x)
            x = nn.relu(batch_norm(train, name=f"norm_{i}")(x))
        return Conv(1, (3,), 1, 1, dtype=self.dtype, name="score")(x)[..., 0].astype(jnp.float32)


def chunks(frames: int, sequence: int) -> int:
    """How many latents `generate` needs for a number of frames."""
    return -(-(frames - 1) // sequence)


def generate(
    model: PoseVAE,
    variables: dict,
    reference: Float[Array, "b 6"],
    style: Int[Array, "b"],
    mel: Float[Array, "b t 80 16"],
    z: Float[Array, "b c l"],
) -> Float[Array, "b t 6"]:
    """Poses for speech of any length: frame 0 is the reference, chunk after chunk follows with its own latent z.

    A remainder is the end of a chunk over the last windows; where even the first chunk is short, the first sound is
    repeated before it. Memory does not grow with the length but for the arguments and the result. Pure; z is
    normal(0, 1) with c = chunks(t, sequence).
    """
    frames, sequence = mel.shape[1], model.config.sequence
    count = chunks(frames, sequence)
    starts = [min(1 + sequence * k, frames - sequence) for k in range(count)]
    windows = np.maximum(1, np.asarray(starts, int)[:, None] + np.arange(sequence))  # [c, s], frame 0 is never heard

    def chunk(given):
        window, latent = given
        sound = model.apply(variables, mel[:, window], method="listen")
        return model.apply(variables, sound, reference, latent, style, method="decode")

    if count == 0:
        return reference[:, None]
    motion = jax.lax.map(chunk, (jnp.asarray(windows), jnp.swapaxes(z, 0, 1)))  # [c, b, s, 6]
    rest = frames - 1 - sequence * (count - 1)
    whole = jnp.moveaxis(motion[:-1], 0, 1).reshape(mel.shape[0], -1, POSE)
    motion = jnp.concatenate([jnp.zeros_like(reference)[:, None], whole, motion[-1, :, sequence - rest :]], axis=1)
    return reference[:, None] + motion


def smooth(poses: Float[Array, "*b t p"], window: int = 13) -> Float[Array, "*b t p"]:
    """Savitzky-Golay filter over time: each value becomes that of the parabola through the window around it.

    The published recipe applies it to generated poses. The first and last half window lie on one parabola each;
    shorter tracks use the longest odd window that fits, and fewer than three frames stay as they are.
    """
    frames = poses.shape[-2]
    window = min(window, (frames - 1) // 2 * 2 + 1)
    if window < 3:
        return poses
    half = window // 2
    powers = np.vander(np.arange(window) - half, 3)
    fit = jnp.asarray(powers @ np.linalg.pinv(powers), poses.dtype)  # values of the parabola from values in the window
    start = jnp.einsum("vw,...wp->...vp", fit[:half], poses[..., :window, :])
    end = jnp.einsum("vw,...wp->...vp", fit[half + 1 :], poses[..., -window:, :])
    count = frames - window + 1
    middle = sum(fit[half, k] * poses[..., k : k + count, :] for k in range(window))
    return jnp.concatenate([start, middle, end], axis=-2)
