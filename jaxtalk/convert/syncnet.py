"""The published lip-sync networks to ours: `syncnet_v2.model` of syncnet_python, `lipsync_expert.pth` of Wav2Lip.

The first is a state dict; the second has it under "state_dict", with or without `module.` before each name. Which
network a file holds is told by its names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles
from jaxtalk.convert.sadtalker import mel_encoder
from jaxtalk.convert.state_dict import Rule, batch_norm, convolution, linear
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import syncnet, wav2lip_syncnet


def _frames_as_channels(kernel: np.ndarray) -> np.ndarray:
    """(out, in, frames, *window) -> [*window, frames in, out]: a convolution over space with all frames at once."""
    kernel = np.transpose(kernel, (3, 4, 2, 1, 0))
    return kernel.reshape(*kernel.shape[:2], -1, kernel.shape[-1])


PLACES = (0, 4, 8, 11, 14, 18)  # of the convolutions among norms, ReLUs and poolings
SYNCNET = [
    *(
        rule
        for i, place in enumerate(PLACES)
        for rule in (
            *convolution(rf"netcnnaud\.{place}", f"sound/conv_{i}"),
            Rule(rf"netcnnlip\.{place}\.weight", f"params/face/conv_{i}/kernel", _frames_as_channels),
            Rule(rf"netcnnlip\.{place}\.bias", f"params/face/conv_{i}/bias"),
            *batch_norm(rf"netcnnaud\.{place + 1}", f"sound/norm_{i}"),
            *batch_norm(rf"netcnnlip\.{place + 1}", f"face/norm_{i}"),
        )
    ),
    *(
        rule
        for theirs, ours in (("netfcaud", "sound"), ("netfclip", "face"))
        for rule in (
            *linear(rf"{theirs}\.0", f"{ours}/hidden"),
            *batch_norm(rf"{theirs}\.1", f"{ours}/norm_hidden"),
            *linear(rf"{theirs}\.3", f"{ours}/embedding"),
        )
    ),
]
WAV2LIP = [*mel_encoder("audio_encoder", "sound"), *mel_encoder("face_encoder", "face")]


def convert(source: Path, destination: Path) -> None:
    """Writes the network in the file `source` as weights of ours. InputError if it is neither, or damaged."""
    state = _state(source)
    if any(name.startswith("netcnnaud.") for name in state):
        made = weights.Weights(
            variables=syncnet_variables(source, state),
            name="syncnet",
            config=weights.config_values(syncnet.Config()),
            licence="see where the weights came from (the code of syncnet_python is MIT)",
            note=f"SyncNet (Chung and Zisserman, 2016), converted from {Path(source).name} of syncnet_python.",
        )
    elif any(name.startswith("face_encoder.") for name in state):
        made = weights.Weights(
            variables=wav2lip_variables(source, state),
            name="wav2lip_syncnet",
            config=weights.config_values(wav2lip_syncnet.Config()),
            licence="research and personal use only, as the authors of Wav2Lip say (trained on LRS2)",
            note=f"The sync expert of Wav2Lip (Prajwal et al., 2020), converted from {Path(source).name}.",
        )
    else:
        raise InputError(f"{source}: holds no SyncNet and no sync expert of Wav2Lip; give one of these files")
    weights.save(destination, made)


def syncnet_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.syncnet.SyncNet()`. InputError lists every array that does not fit."""
    like = jax.eval_shape(
        syncnet.SyncNet().init, jax.random.key(0), jnp.zeros((1, 13, 20)), jnp.zeros((1, 5, 224, 224, 3))
    )
    return by_table(source, state, SYNCNET, like)


def wav2lip_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.wav2lip_syncnet.SyncExpert()`, as `syncnet_variables`."""
    mel, faces = jnp.zeros((1, 80, 16)), jnp.zeros((1, 5, 48, 96, 3))
    like = jax.eval_shape(wav2lip_syncnet.SyncExpert().init, jax.random.key(0), mel, faces)
    return by_table(source, state, WAV2LIP, like)


def _state(source: Path) -> dict[str, np.ndarray]:
    held = pickles.read(source)
    state = held.get("state_dict", held) if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise InputError(f"{source}: is no state dict of arrays; give syncnet_v2.model or lipsync_expert.pth")
    return {str(name).removeprefix("module."): value for name, value in state.items()}
