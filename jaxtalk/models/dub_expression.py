"""From speech and a rough picture of it to expressions (Chen and Xiong, Acta Electronica Sinica 2025).

    MFCC windows [t, 13, 20] --VGG-M--> sound [t, d]       faces by Wav2Lip [t, 96, 96, 3] --VGG-M--> face [t, d]
    each frame's sound attends to the faces of 2 k + 1 frames around it, and each face to the sounds: added to it
    [t, 2 d] --LSTM, forwards and backwards--> [t, 2 l] --linear--> expression [t, e]

Wav2Lip's faces are a teacher of what a mouth means, however blurred; the 3D model and the renderer make the picture.
Trained by L1 on the coefficients and, with half the weight, on projected landmarks (`jaxtalk.losses`). The towers are
SyncNet's kind of VGG-M (Chatfield et al., BMVC 2014); windows begin as theirs do (`jaxtalk.models.syncnet`).
Coefficients may be any face model's; the paper has 64. Its text was not at hand: known are these parts in this order
and 12.5 million parameters; layers here are ours (12.2 million).
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models import syncnet

# As `syncnet`'s: (channels in units of the width, window, stride, padding, (strides, padding) of the pooling).
SOUND = (
    (2, (3, 3), 1, 1, None),
    (6, (3, 3), 1, 1, ((1, 2), 0)),
    (12, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, ((2, 2), 0)),
    (16, (5, 4), 1, 0, None),
)
FACE = (
    (3, (7, 7), 2, 0, ((2, 2), 0)),
    (8, (5, 5), 2, 1, ((2, 2), 1)),
    (8, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, ((2, 2), 0)),
    (16, (2, 2), 1, 0, None),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    expression: int = 64
    width: int = 32  # of the towers
    embedding: int = 512
    memory: int = 128  # of each LSTM
    reach: int | None = 2
    """k, frames to either side that attention sees; None: no attention (the paper's table 3)."""
    faces: bool = True
    """Whether Wav2Lip's faces are seen at all (the same table)."""
    dtype: DTypeLike = jnp.float32


class ExpressionNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, mfcc: Float[Array, "b t 13 20"], faces: Float[Array, "b t 96 96 3"], *, train: bool = False
    ) -> tuple[Float[Array, "b t e"], dict[str, Array]]:
        """Expressions, float32; faces are from 0 to 1. aux has attention's weights `hears_faces`, `sees_sounds`.

        With `train`, `batch_stats` are used and updated.
        """
        c, aux = self.config, {}
        sizes = syncnet.Config(width=c.width, embedding=c.embedding, dtype=c.dtype)

        def tower(layers: tuple, name: str, x: Array) -> Float[Array, "b t d"]:
            y = syncnet.Tower(sizes, layers, name=name)(x.reshape(-1, *x.shape[2:]), train=train)
            return y.reshape(*x.shape[:2], -1).astype(c.dtype)

        x = sound = tower(SOUND, "hear", mfcc[..., None])
        if c.faces:
            face = tower(FACE, "see", 2 * faces - 1)
            heard, seen = sound, face
            if c.reach is not None:
                attended, aux["hears_faces"] = LocalAttention(c.reach, c.dtype, name="hears_faces")(sound, face)
                heard = sound + attended
                attended, aux["sees_sounds"] = LocalAttention(c.reach, c.dtype, name="sees_sounds")(face, sound)
                seen = face + attended
            x = jnp.concatenate([heard, seen], -1)
        forwards, backwards = (
            nn.RNN(nn.OptimizedLSTMCell(c.memory, dtype=c.dtype, name=name)) for name in ("forwards", "backwards")
        )
        x = nn.Bidirectional(forwards, backwards, name="remember")(x)
        return nn.Dense(c.expression, name="expression")(x.astype(jnp.float32)), aux


class LocalAttention(nn.Module):
    """What each frame asks of the other sense within `reach` frames, and the weights [b, t, 2 reach + 1]."""

    reach: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, asking: Float[Array, "b t d"], asked: Float[Array, "b t d"]
    ) -> tuple[Float[Array, "b t d"], Float[Array, "b t n"]]:
        frames, width = asking.shape[1:]
        query, key, value = (
            nn.Dense(width, dtype=self.dtype, name=name)(x)
            for name, x in (("query", asking), ("key", asked), ("value", asked))
        )
        shifts = np.arange(-self.reach, self.reach + 1)
        padded = [jnp.pad(x, ((0, 0), (self.reach, self.reach), (0, 0))) for x in (key, value)]
        keys, values = (jnp.stack([x[:, s : s + frames] for s in range(len(shifts))], 2) for x in padded)  # b t n d
        scores = jnp.einsum("btd,btnd->btn", query, keys).astype(jnp.float32) / np.sqrt(width)
        there = np.arange(frames)[:, None] + shifts
        inside = (there >= 0) & (there < frames)
        weights = nn.softmax(jnp.where(inside[None], scores, -jnp.inf))
        attended = jnp.einsum("btn,btnd->btd", weights.astype(self.dtype), values)
        return nn.Dense(width, dtype=self.dtype, name="out")(attended), weights
