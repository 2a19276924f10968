"""RAFT-small's checkpoints to weights of ours: `jaxtalk convert raft FILE OUT`.

Two files hold it: `raft-small.pth` of the authors, with `module.` before each name, and torchvision's
`raft_small_C_T_V*.pth`. They are told apart by their names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert.state_dict import Rule, convolution
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.convert.wav2lip import read
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import raft

LICENCE = "BSD 3-clause (the code of RAFT and torchvision); trained on FlyingChairs and FlyingThings3D, for research"


def _encoder(name: str, path: str, convs: tuple[str, str, str]) -> list[Rule]:
    """`convs`: the names of the first convolution, of those of a block, and of the last."""
    first, inner, last = convs
    return [
        *convolution(rf"{name}\.{first}", f"{path}/in"),
        *(
            rule
            for k in range(3)
            for rule in (
                *convolution(rf"{name}\.layer{k + 1}\.(\d)\.{inner}", rf"{path}/block_{k}_\1_conv_\2"),
                *convolution(rf"{name}\.layer{k + 1}\.(\d)\.downsample\.0", rf"{path}/block_{k}_\1_skip"),
            )
        ),
        *convolution(rf"{name}\.{last}", f"{path}/out"),
    ]


def _update(names: dict[str, str]) -> list[Rule]:
    return [rule for theirs, ours in names.items() for rule in convolution(rf"update_block\.{theirs}", f"step/{ours}")]


_AUTHORS = "conv1", r"conv([123])", "conv2"
AUTHORS = [
    *_encoder("fnet", "features", _AUTHORS),
    *_encoder("cnet", "context", _AUTHORS),
    *_update(
        {
            r"encoder\.convc1": "correlation",
            r"encoder\.convf([12])": r"flow_\1",
            r"encoder\.conv": "motion",
            r"gru\.convz": "update",
            r"gru\.convr": "reset",
            r"gru\.convq": "new",
            r"flow_head\.conv([12])": r"head_\1",
        }
    ),
]
_TORCHVISION = r"convnormrelu\.0", r"convnormrelu([123])\.0", "conv"
TORCHVISION = [
    *_encoder("feature_encoder", "features", _TORCHVISION),
    *_encoder("context_encoder", "context", _TORCHVISION),
    *_update(
        {
            r"motion_encoder\.convcorr1\.0": "correlation",
            r"motion_encoder\.convflow([12])\.0": r"flow_\1",
            r"motion_encoder\.conv\.0": "motion",
            r"recurrent_block\.convgru1\.convz": "update",
            r"recurrent_block\.convgru1\.convr": "reset",
            r"recurrent_block\.convgru1\.convq": "new",
            r"flow_head\.conv([12])": r"head_\1",
        }
    ),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the network in the file `source` as weights of ours. InputError if it is none, or damaged."""
    made = variables(source, read(source, "raft-small.pth, or torchvision's raft_small_C_T_V*.pth"))
    note = f"RAFT-small (Teed and Deng, ECCV 2020), converted from {Path(source).name}."
    values = weights.config_values(raft.Config())
    weights.save(destination, weights.Weights(variables=made, name="raft", config=values, licence=LICENCE, note=note))


def variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.raft.Raft()`. InputError lists every array that does not fit."""
    prefixes = {name.split(".")[0] for name in state}
    if not prefixes & {"fnet", "feature_encoder"}:
        raise InputError(f"{source}: holds no RAFT; give raft-small.pth, or torchvision's raft_small_C_T_V*.pth")
    picture = jnp.zeros((1, raft.SMALLEST, raft.SMALLEST, 3))
    like = jax.eval_shape(raft.Raft().init, jax.random.key(0), picture, picture)
    return by_table(source, state, AUTHORS if "fnet" in prefixes else TORCHVISION, like)
