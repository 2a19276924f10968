"""ArcFace's published PyTorch networks to ours: `backbone.pth` (or `model.pt`) of insightface's arcface_torch.

The depth is counted from the names in the file. The last norm's scale, fixed to 1 in training, stands in the file too
and is taken over. Deep3DFaceRecon's perceptual loss reads such a file (`ms1mv3_arcface_r50_fp16/backbone.pth`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles
from jaxtalk.convert.state_dict import Rule, batch_norm, convolution
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models.arcface import BLOCKS, SIZE, Config, IResNet


def _dense(kernel: np.ndarray) -> np.ndarray:
    """(out, channels * 7 * 7) -> [7 * 7 * channels, out]: their columns go channel by channel, ours pixel by pixel."""
    side = SIZE // 16
    return np.transpose(kernel.reshape(len(kernel), -1, side, side), (2, 3, 1, 0)).reshape(-1, len(kernel))


def _table(level: int) -> list[Rule]:
    """Rules of one level's blocks: theirs count from 1, ours from 0."""
    theirs, ours = rf"layer{level + 1}\.(\d+)", rf"block_{level}_\1"
    return [
        *(rule for k in (1, 2) for rule in convolution(rf"{theirs}\.conv{k}", f"{ours}/conv_{k}", bias=False)),
        *(rule for k in (1, 2, 3) for rule in batch_norm(rf"{theirs}\.bn{k}", f"{ours}/norm_{k}")),
        Rule(rf"{theirs}\.prelu\.weight", f"params/{ours}/prelu/slope"),
        *convolution(rf"{theirs}\.downsample\.0", f"{ours}/skip", bias=False),
        *batch_norm(rf"{theirs}\.downsample\.1", f"{ours}/skip_norm"),
    ]


TABLE = [
    *convolution("conv1", "conv", bias=False),
    *batch_norm("bn1", "norm"),
    Rule(r"prelu\.weight", "params/prelu/slope"),
    *(rule for level in range(4) for rule in _table(level)),
    *batch_norm("bn2", "out_norm"),
    Rule(r"fc\.weight", "params/embed/kernel", _dense),
    Rule(r"fc\.bias", "params/embed/bias"),
    *batch_norm("features", "embed_norm"),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the network of a state dict as weights of ours. InputError if the file is none, or of another network."""
    state = pickles.read(source)
    if not isinstance(state, dict) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise InputError(f"{source}: is no state dict of arrays; give backbone.pth of arcface_torch")
    config = read_config(source, state)
    made = weights.Weights(
        variables=variables(source, state, config),
        name="arcface",
        config=weights.config_values(config),
        licence="see where the weights came from; those of insightface are for research only",
        note=f"Converted from {Path(source).name} of insightface's arcface_torch (r{config.depth}).",
    )
    weights.save(destination, made)


def read_config(source: str | Path, state: Mapping[str, np.ndarray]) -> Config:
    """The network that has such names. InputError if none does."""
    found = [re.match(r"layer([1-4])\.(\d+)\.", name) for name in state]
    blocks = tuple(max((int(m[2]) + 1 for m in found if m and m[1] == str(k)), default=0) for k in (1, 2, 3, 4))
    depth = next((depth for depth, levels in BLOCKS.items() if levels == blocks), None)
    if depth is None or "conv1.weight" not in state or "fc.bias" not in state:
        raise InputError(
            f"{source}: is no IResNet of arcface_torch (blocks {blocks}); give backbone.pth of r18 to r200"
        )
    return Config(depth=depth, width=len(state["conv1.weight"]), embedding=len(state["fc.bias"]))


def variables(source: str | Path, state: Mapping[str, np.ndarray], config: Config) -> dict[str, Any]:
    """The variables of IResNet(config). InputError lists every array that does not fit."""
    like = jax.eval_shape(IResNet(config).init, jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3)))
    return by_table(source, state, TABLE, like)
