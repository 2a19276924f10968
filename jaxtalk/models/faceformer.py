"""FaceFormer: speech to the motion of a face's vertices, frame by frame (Fan et al., CVPR 2022).

speech, style, motion so far --`MotionDecoder`--> [t, d] --linear--> motion [t, 3 v]

Each frame is fed back as it was predicted. The original computes all frames anew for each; here the decoder keeps its
past, so a frame costs the same however long the clip is, and the numbers are the same.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxtalk.models.motion_decoder import Config, MotionDecoder, Progress, Speech


class FaceFormer(nn.Module):
    config: Config = Config()

    def setup(self):
        self.decoder = MotionDecoder(self.config)
        self.write = nn.Dense(self.config.coordinates, kernel_init=nn.initializers.zeros)

    def __call__(
        self,
        sound: Float[Array, "b n *f"],
        motion: Float[Array, "b t c"],
        style: Float[Array, "b s"],
        lengths: tuple[Int[Array, "b"], Int[Array, "b"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b t c"]:
        """The motion of every frame, each after the true one before it; see `MotionDecoder`."""
        return self.write(self.decoder(sound, motion, style, lengths, train=train))

    def listen(self, sound: Float[Array, "b n *f"], frames: int | None = None, *, train: bool = False) -> Speech:
        return self.decoder.listen(sound, frames, train=train)

    def attend(self, speech: Float[Array, "b t r e"]) -> Speech:
        return self.decoder.attend(speech)

    def start(self, batch: int, frames: int) -> Progress:
        return self.decoder.start(batch, frames)

    def step(
        self, progress: Progress, heard, style: Float[Array, "b s"], *, train: bool = False
    ) -> tuple[Progress, Float[Array, "b c"]]:
        progress, x = self.decoder.step(progress, heard, style, train=train)
        motion = self.write(x.astype(jnp.float32))
        return progress._replace(before=motion), motion


def generate(
    model: FaceFormer,
    variables: dict,
    speech: Speech,
    style: Float[Array, "b s"],
    past: int | None = None,
    rng: Key[Array, ""] | None = None,
) -> Float[Array, "b t c"]:
    """Animates a clip; differentiable, as the original was trained through it. Pure.

    Args:
        speech: from `FaceFormer.listen`.
        past: frames that are seen before each; all, where it is not given.
        rng: with it things drop out, as in training.
    """
    progress = model.apply(variables, len(style), past or speech.frames, method="start")
    return advance(model, variables, progress, speech, style, rng)[1]


def advance(
    model: FaceFormer,
    variables: dict,
    progress: Progress,
    speech: Speech,
    style: Float[Array, "b s"],
    rng: Key[Array, ""] | None = None,
) -> tuple[Progress, Float[Array, "b t c"]]:
    """The frames of a chunk of speech, after those before it."""

    def frame(progress: Progress, heard):
        rngs = None if rng is None else {"dropout": jax.random.fold_in(rng, progress.frame)}
        return model.apply(variables, progress, heard, style, train=rng is not None, rngs=rngs, method="step")

    progress, motion = jax.lax.scan(frame, progress, speech.layers)
    return progress, jnp.swapaxes(motion, 0, 1)
