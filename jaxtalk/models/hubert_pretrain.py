"""HuBERT's pretraining (Hsu et al., 2021): say to which cluster each hidden frame belongs.

wave --speech encoder, spans of frames hidden--> context --linear--> [t, 256]
     --cosine with an embedding of every cluster, over a temperature--> logits [t, clusters]
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxtalk.models.speech_encoder import Config as EncoderConfig
from jaxtalk.models.speech_encoder import SpeechEncoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the first round of the published base model, whose targets are clusters of MFCC."""

    encoder: EncoderConfig = EncoderConfig()
    clusters: int = 100
    width: int = 256
    temperature: float = 0.1


class Hubert(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, wave: Float[Array, "b n"], masked: Bool[Array, "b t"], *, train: bool
    ) -> Float[Array, "b t clusters"]:
        """Logits of all frames; the loss is their cross-entropy (eq. 2 and 3). Draws from `dropout`."""
        c = self.config
        stand_in = self.param("mask_embedding", nn.initializers.uniform(1.0), (c.encoder.width,), jnp.float32)
        context, _ = SpeechEncoder(c.encoder, name="encoder")(wave, None, (masked, stand_in), train=train)
        projected = nn.Dense(c.width, name="projection")(context)
        embeddings = self.param("clusters", nn.initializers.normal(1.0), (c.clusters, c.width), jnp.float32)
        return jnp.einsum("btw,kw->btk", _unit(projected), _unit(embeddings)) / c.temperature


def _unit(x):
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
