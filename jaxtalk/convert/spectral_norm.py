"""Spectral norm of published state dicts, folded into the weights."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxtalk.errors import InputError

_SUFFIX = "weight_orig"


def fold(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state dict with `weight` in place of PyTorch's `weight_orig`, `weight_u` and `weight_v`.

    What evaluation uses: W / (u^T W v), with W flattened to (out, rest); u and v are as training left them. `source`
    names the file in messages.
    """
    folded = {}
    for name, value in state.items():
        stem = name.removesuffix(_SUFFIX)
        if name.endswith(_SUFFIX):
            vectors = [state.get(f"{stem}weight_{leaf}") for leaf in "uv"]
            if any(vector is None for vector in vectors):
                raise InputError(f"{source}: {name} lacks its {stem}weight_u or {stem}weight_v; get the file again")
            u, v = (vector.astype(np.float64) for vector in vectors)
            norm = u @ (value.reshape(len(value), -1).astype(np.float64) @ v)
            folded[f"{stem}weight"] = (value / norm).astype(np.float32)
        elif not (name.endswith(("weight_u", "weight_v")) and f"{name[:-1]}orig" in state):
            folded[name] = value
    return folded
