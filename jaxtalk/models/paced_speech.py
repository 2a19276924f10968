"""Speech at the pace of an animation: wav2vec 2.0 with its frames stretched before they learn of each other.

wave [n], 16 kHz --feature encoder--> [m, 512], 50 a second --linear interpolation--> r moments for each frame
    --context network--> [t r, d]

As FaceFormer and CodeTalker have it. VOCASET's 30 frames a second have a moment each, between two of the encoder's
50; the first and last stay first and last. BIWI's 25 have two each, which are the encoder's own, so nothing is
stretched. Parameters are those of `SpeechEncoder`.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxtalk.errors import InputError
from jaxtalk.models.speech_encoder import RATE, Config, ContextNetwork, FeatureEncoder


class PacedSpeech(nn.Module):
    config: Config
    fps: float  # of the animation
    moments: int = 1  # for each of its frames

    def setup(self):
        self.ear = FeatureEncoder(self.config)
        self.context = ContextNetwork(self.config)

    def __call__(
        self,
        wave: Float[Array, "b n"],
        frames: int | None = None,
        lengths: tuple[Int[Array, "b"], Int[Array, "b"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b t r d"]:
        """
        Args:
            wave: at 16 kHz, as the encoder was trained to get it (`config.normalise`).
            frames: of the animation; as many as the speech is long, where it is not given.
            lengths: samples and frames of each clip, in a batch of padded ones.
        """
        features = self.ear(wave, None if lengths is None else lengths[0])
        frames = frames_of(self.config, self.fps, self.moments, wave.shape[1]) if frames is None else frames
        if frames < 1:
            raise InputError(f"{wave.shape[1]} samples are too short for a frame at {self.fps:g} a second; give more")
        count = frames * self.moments
        if lengths is None:
            have, want, own = jnp.full(len(wave), features.shape[1]), jnp.full(len(wave), count), None
        else:
            have, want = self.config.frames(lengths[0]), lengths[1] * self.moments
            own = jnp.arange(count)[None] < want[:, None]
        stretched = self.fps * self.moments != RATE / self.config.hop
        features = paced(features, have, want, count, stretched)
        x = self.context(features, own, train=train)[0]
        return x.reshape(len(wave), frames, self.moments, -1)


def frames_of(config: Config, fps: float, moments: int, samples: int) -> int:
    """Frames for so many samples: the published product in double precision, which may round a whole number down."""
    features, rate = config.frames(samples), RATE / config.hop
    wanted = features if fps * moments == rate else int(features / rate * fps * moments)
    return wanted // moments


def paced(
    features: Float[Array, "b m c"], have: Int[Array, "b"], want: Int[Array, "b"], count: int, stretched: bool
) -> Float[Array, "b count c"]:
    """The first `have` rows of each clip as `want` ones, evenly from its first to its last; or not stretched.

    Rows beyond the end of a clip are its last.
    """
    at = jnp.arange(count, dtype=jnp.float32)[None]
    if stretched:
        at = at * ((have - 1) / jnp.maximum(want - 1, 1)).astype(jnp.float32)[:, None]
    at = jnp.clip(at, 0, (have - 1)[:, None])
    before = jnp.floor(at).astype(jnp.int32)
    after = jnp.minimum(before + 1, (have - 1)[:, None])
    part = (at - before)[..., None].astype(features.dtype)
    early, late = (jnp.take_along_axis(features, place[..., None], axis=1) for place in (before, after))
    return early * (1 - part) + late * part
