"""wav2vec 2.0's pretraining (Baevski et al., 2020): tell a hidden frame's own code from codes of other frames.

wave --feature encoder--> features --+ hidden spans --> context network --linear--> context [t, q]
                                     +-- product quantiser (2 codebooks, Gumbel softmax) --linear--> codes [t, q]
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.models.speech_encoder import Config as EncoderConfig
from jaxtalk.models.speech_encoder import SpeechEncoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published base model."""

    encoder: EncoderConfig = EncoderConfig()
    groups: int = 2  # codebooks
    entries: int = 320  # in each
    code_width: int = 256  # of the entries of all codebooks together
    width: int = 256  # in which context and codes are compared


class Answer(NamedTuple):
    context: Float[Array, "b t q"]
    codes: Float[Array, "b t q"]  # the true ones
    chosen: Int[Array, "b t g"]  # entries
    probabilities: Float[Array, "b t g v"]  # of the entries, without noise


class Wav2Vec2(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, wave: Float[Array, "b n"], masked: Bool[Array, "b t"], temperature: Float[Array, ""], *, train: bool
    ) -> Answer:
        """`temperature` of the Gumbel softmax falls from 2 to 0.5 in training. Draws from `gumbel` and `dropout`."""
        c = self.config
        stand_in = self.param("mask_embedding", nn.initializers.uniform(1.0), (c.encoder.width,), jnp.float32)
        context, aux = SpeechEncoder(c.encoder, name="encoder")(wave, None, (masked, stand_in), train=train)
        features = nn.Dropout(c.encoder.dropout, deterministic=not train)(aux["normed"])
        codes, chosen, probabilities = Quantiser(c, name="quantiser")(features, temperature, train=train)
        context = nn.Dense(c.width, name="project_context")(context)
        return Answer(context, nn.Dense(c.width, name="project_codes")(codes), chosen, probabilities)


class Quantiser(nn.Module):
    """Product quantisation (sec. 2): one entry of each codebook, chosen by a Gumbel softmax (Jang et al., 2017)."""

    config: Config

    @nn.compact
    def __call__(
        self, features: Float[Array, "b t c"], temperature: Float[Array, ""], *, train: bool
    ) -> tuple[Float[Array, "b t e"], Int[Array, "b t g"], Float[Array, "b t g v"]]:
        """Codes, chosen entries, and probabilities. In training the choice is noisy; its gradient is the softmax's."""
        c = self.config
        features = features.astype(jnp.float32)
        logits = nn.Dense(c.groups * c.entries, kernel_init=nn.initializers.normal(1.0), name="logits")(features)
        logits = logits.reshape(*features.shape[:2], c.groups, c.entries)
        shape = (c.groups, c.entries, c.code_width // c.groups)
        entries = self.param("entries", nn.initializers.uniform(1.0), shape, jnp.float32)
        noisy = logits
        if train:
            noisy = (logits + jax.random.gumbel(self.make_rng("gumbel"), logits.shape)) / temperature
        chosen = jnp.argmax(noisy, axis=-1)
        weights = jax.nn.one_hot(chosen, c.entries)
        if train:  # forward the choice, backward the softmax
            soft = jax.nn.softmax(noisy, axis=-1)
            weights = soft + jax.lax.stop_gradient(weights - soft)
        codes = jnp.einsum("btgv,gve->btge", weights, entries)
        return codes.reshape(*codes.shape[:2], -1), chosen, jax.nn.softmax(logits, axis=-1)
