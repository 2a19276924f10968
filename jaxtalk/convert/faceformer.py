"""FaceFormer's checkpoints to weights of ours: `jaxtalk convert faceformer vocaset.pth FILE`, or `biwi.pth`.

The file is a state dict. Its table of positions, which is no weight, tells by its period which data set's pace the
network has.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxtalk.convert import pickles
from jaxtalk.convert.codetalker import DECODER_TABLE, abstract, decoder_config, unpacked
from jaxtalk.convert.state_dict import Rule, linear
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models.faceformer import Config, FaceFormer

LICENCE = "MIT (FaceFormer's code); trained on VOCASET or BIWI, which are for research only"
TABLE = [
    *DECODER_TABLE,
    *linear("vertice_map_r", "write"),
    Rule(r"obj_vector\.weight", "params/decoder/styles", np.transpose),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the network. InputError if the file is none, or damaged."""
    state = pickles.read(source)
    arrays = isinstance(state, dict) and all(isinstance(value, np.ndarray) for value in state.values())
    if not arrays or "vertice_map_r.weight" not in state:
        raise InputError(f"{source}: is no state dict of FaceFormer; give its vocaset.pth or biwi.pth")
    made, config = variables(source, state)
    note = f"Converted from {Path(source).name}, a checkpoint of FaceFormer (Fan et al., CVPR 2022)."
    values = weights.config_values(config)
    weights.save(
        destination, weights.Weights(variables=made, name="faceformer", config=values, licence=LICENCE, note=note)
    )


def variables(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], Config]:
    """Those of `faceformer.FaceFormer`. InputError lists every array that does not fit."""
    config = decoder_config(state, "obj_vector.weight", 1)
    return by_table(source, unpacked(state), TABLE, abstract(FaceFormer(config), config)), config
