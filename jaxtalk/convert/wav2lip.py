"""Wav2Lip's checkpoints to weights of ours: `jaxtalk convert wav2lip FILE OUT`.

| file                           | becomes                          |
|--------------------------------|----------------------------------|
| `wav2lip.pth`, `wav2lip_gan.pth` | `wav2lip`, the generator       |
| `visual_quality_disc.pth`      | `wav2lip_discriminator`          |
| `lipsync_expert.pth`           | `wav2lip_syncnet` (`jaxtalk.convert.syncnet`) |

The state dict is under "state_dict", with or without `module.` before each name. Which network a file holds is told by
its names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles, syncnet
from jaxtalk.convert.sadtalker import mel_encoder
from jaxtalk.convert.state_dict import batch_norm, convolution, transposed_convolution
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import wav2lip, wav2lip_discriminator

LICENCE = "research and personal use only, as the authors of Wav2Lip say (trained on LRS2)"
_SEE, _SPEAK = r"face_encoder_blocks\.(\d)\.(\d)\.conv_block", r"face_decoder_blocks\.(\d)\.(\d)\.conv_block"
GENERATOR = [
    *mel_encoder("audio_encoder", "hear"),
    *convolution(rf"{_SEE}\.0", r"see_\1_\2/conv"),
    *batch_norm(rf"{_SEE}\.1", r"see_\1_\2/norm"),
    *transposed_convolution(r"face_decoder_blocks\.([1-6])\.(0)\.conv_block\.0", r"speak_\1_\2/conv"),
    *convolution(rf"{_SPEAK}\.0", r"speak_\1_\2/conv"),
    *batch_norm(rf"{_SPEAK}\.1", r"speak_\1_\2/norm"),
    *convolution(r"output_block\.0\.conv_block\.0", "out_0/conv"),
    *batch_norm(r"output_block\.0\.conv_block\.1", "out_0/norm"),
    *convolution(r"output_block\.1", "out_1"),
]
_PLACES = [(0, 0), *((block, k) for block in range(1, 7) for k in range(2))]  # of the discriminator's convolutions
DISCRIMINATOR = [
    *(
        rule
        for i, (block, k) in enumerate(_PLACES)
        for rule in convolution(rf"face_encoder_blocks\.{block}\.{k}\.conv_block\.0", f"conv_{i}")
    ),
    *convolution(r"binary_pred\.0", "score"),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the network in the file `source` as weights of ours. InputError if it is none of the three, or damaged."""
    state = read(source, "wav2lip.pth, wav2lip_gan.pth, visual_quality_disc.pth or lipsync_expert.pth")
    if any(name.startswith("face_decoder_blocks.") for name in state):
        made, name, what = generator_variables(source, state), "wav2lip", "generator"
        config: Any = wav2lip.Config()
    elif any(name.startswith("binary_pred.") for name in state):
        made, name, what = discriminator_variables(source, state), "wav2lip_discriminator", "discriminator"
        config = wav2lip_discriminator.Config()
    elif any(name.startswith("face_encoder.") for name in state):
        return syncnet.convert(source, destination)
    else:
        raise InputError(f"{source}: holds no network of Wav2Lip; give one of its checkpoints")
    note = f"The {what} of Wav2Lip (Prajwal et al., 2020), converted from {Path(source).name}."
    values = weights.config_values(config)
    weights.save(destination, weights.Weights(variables=made, name=name, config=values, licence=LICENCE, note=note))
    return None


def generator_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.wav2lip.Generator()`. InputError lists every array that does not fit."""
    given = jnp.zeros((1, 80, 16)), jnp.zeros((1, 96, 96, 6))
    return by_table(source, state, GENERATOR, jax.eval_shape(wav2lip.Generator().init, jax.random.key(0), *given))


def discriminator_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.wav2lip_discriminator.Discriminator()`, as `generator_variables`."""
    model = wav2lip_discriminator.Discriminator()
    like = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 96, 96, 3)))
    return by_table(source, state, DISCRIMINATOR, like)


def read(source: Path, files: str) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint with "state_dict", or of a bare one, without `module.`; `files` are what to give."""
    held = pickles.read(source)
    state = held.get("state_dict", held) if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise InputError(f"{source}: is no state dict of arrays; give {files}")
    return {str(name).removeprefix("module."): value for name, value in state.items()}
