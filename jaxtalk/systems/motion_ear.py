"""What GeneFace's networks hear when HuBERT is not at hand: rows of features of speech, 50 a second.

log-mel [c, 80] --"lip_tcn": LipTCN up to its last layer--> [c/2, 192] --straight lines--> rows [r, 192]
               +--"mel": three neighbouring columns--> rows [r, 240]

HuBERT's rows (`models.speech_encoder`, 1024 numbers) fit as well: an ear is any function from log-mel or sound to rows
at given moments. LipTCN's have learnt which mouth belongs to a sound, log-mel keeps loudness and pitch
(docs/audio2motion.md compares them).
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32

from jaxtalk.audio import mel
from jaxtalk.audio.speech_windows import SPACING
from jaxtalk.io import weights
from jaxtalk.models import lip_tcn

Name = Literal["lip_tcn", "mel"]
# (normalised log-mel of a recording [c, 80], seconds [r]) -> rows [r, f]; the ends go on
Ear = Callable[[Float[np.ndarray, "c 80"], Float[np.ndarray, "r"]], Float32[np.ndarray, "r f"]]
RATE = 50  # rows a second
_BLOCK = 512  # moments of LipTCN that are computed at once
_AROUND = np.array([-1, 0, 1])  # columns in a row of "mel"


def ear(name: Name, lips: Path | None = None) -> Ear:
    """The ear of that name. `lips`: weights of LipTCN; the shipped ones if not given."""
    if name == "mel":
        return _columns
    stored = weights.load(lips or weights.shipped("lip_tcn"))
    config = weights.config(lip_tcn.Config, stored)
    return lambda spectrum, seconds: _hidden(config, stored.variables["params"], spectrum, seconds)


def _columns(spectrum, seconds):
    place = seconds[:, None] * mel.COLUMNS_PER_SECOND + _AROUND
    chosen = np.clip(np.rint(place).astype(int), 0, len(spectrum) - 1)
    return spectrum[chosen].reshape(len(seconds), -1).astype(np.float32)


def _hidden(config: lip_tcn.Config, params: dict, spectrum, seconds):
    """In blocks of one size, as `lip_tcn.hear` does it; the first and last column go on beyond the ends."""
    columns = _BLOCK * SPACING
    padded = np.pad(spectrum, ((config.reach, config.reach - len(spectrum) % -columns), (0, 0)), mode="edge")
    inside = slice(config.reach // SPACING, config.reach // SPACING + _BLOCK)
    parts = [
        np.asarray(_block(config, params, jnp.asarray(padded[start : start + columns + 2 * config.reach])))[inside]
        for start in range(0, len(spectrum), columns)
    ]
    moments = np.concatenate(parts)[: -(-len(spectrum) // SPACING)]
    return lip_tcn.at(moments, seconds * mel.COLUMNS_PER_SECOND).astype(np.float32)


@functools.partial(jax.jit, static_argnums=0)
def _block(config, params, spectrum):
    """What LipTCN's last layer is given."""
    network = lip_tcn.LipTCN(config)
    _, seen = network.apply(
        {"params": params}, spectrum[None], capture_intermediates=lambda module, _: module.name == "norm"
    )
    return seen["intermediates"]["norm"]["__call__"][0][0]
