"""Trained parameters in one safetensors file: arrays by path, and what they are in the file's metadata."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.io import output

_FORMAT = "jaxtalk weights 1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """A model's variables with all that is needed to build the model and to give credit."""

    variables: Mapping[str, Any]  # nested dicts of arrays as flax makes them: {"params": ..., "batch_stats": ...}
    name: str  # which network, for example "audio2exp"
    config: Mapping[str, Any]  # JSON values; see `config_values`
    licence: str
    note: str  # how it was trained, on what


def save(path: str | Path, weights: Weights, half: bool = False) -> None:
    """Writes `.safetensors`; with `half` in float16, at half the size and about three decimal digits.

    Arrays that float16 cannot hold (running variances may exceed 65504) stay in float32.
    """
    from safetensors.numpy import save as serialise

    arrays = {key: np.asarray(value, order="C") for key, value in flatten(weights.variables).items()}
    if half:
        arrays = {key: _halved(value) for key, value in arrays.items()}
    metadata = {field.name: getattr(weights, field.name) for field in dataclasses.fields(weights)}
    del metadata["variables"]
    metadata = {**metadata, "config": json.dumps(metadata["config"], sort_keys=True), "format": _FORMAT}
    with output.atomic(path) as temporary:
        temporary.write_bytes(serialise(arrays, metadata=metadata))


def load(path: str | Path, like: Mapping[str, Any] | None = None) -> Weights:
    """Reads what `save` wrote, float16 as float32.

    `like` is a tree of arrays or of `jax.ShapeDtypeStruct` (from `jax.eval_shape` of the model's init): arrays that
    are missing, unexpected or of another shape are an InputError that names them all.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: _full(file.get_tensor(key)) for key in file.keys()}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"{path}: is no readable safetensors file ({error})") from error
    if metadata.get("format") != _FORMAT:
        raise InputError(f"{path}: was not written by jaxtalk; published checkpoints go through `jaxtalk convert`")
    if like is not None:
        check(path, arrays, like)
    config = json.loads(metadata["config"])
    return Weights(
        variables=unflatten({key: jnp.asarray(value) for key, value in arrays.items()}),
        name=metadata["name"],
        config=config,
        licence=metadata["licence"],
        note=metadata["note"],
    )


def label(weights: Weights) -> str:
    """What a figure names the network by that made it: its name and the start of the SHA-256 of its arrays.

    Two figures may be compared only if their labels are equal.
    """
    digest = hashlib.sha256()
    for path, value in sorted(flatten(weights.variables).items()):
        digest.update(f"{path} {value.dtype} {value.shape} ".encode() + np.asarray(value).tobytes())
    return f"{weights.name} {digest.hexdigest()[:12]}"


def shipped(name: str) -> Path:
    """The file of default weights that comes with the package."""
    path = Path(str(resources.files("jaxtalk") / "weights" / f"{name}.safetensors"))
    if not path.is_file():
        raise InputError(f"{path}: these default weights are not part of this installation; install jaxtalk again")
    return path


def config_values(config) -> dict[str, Any]:
    """The fields of a config dataclass that fix the parameters, as JSON values: all but `dtype`, also within."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.name != "dtype"}
    return {name: config_values(value) if dataclasses.is_dataclass(value) else value for name, value in values.items()}


def config(kind: type, stored: Weights) -> Any:
    """The config dataclass `kind` with the values of a file: lists are tuples again, and configs within configs too."""
    return _config(kind, stored.config)


def _config(kind: type, values: Mapping[str, Any]) -> Any:
    inner = {field.name: type(field.default) for field in dataclasses.fields(kind)}

    def restored(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return _config(inner[name], value)
        return tuple(value) if isinstance(value, list) else value

    return kind(**{name: restored(name, value) for name, value in values.items()})


def check(path: str | Path, arrays: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    """InputError, in one line, unless `arrays` (by path) has the names and shapes of the tree `like`."""
    expected = {key: tuple(value.shape) for key, value in flatten(like).items()}
    problems = [f"{key} is missing" for key in expected.keys() - arrays.keys()]
    problems += [f"{key} is unexpected" for key in arrays.keys() - expected.keys()]
    problems += [
        f"{key} has shape {tuple(arrays[key].shape)} where {shape} is needed"
        for key, shape in expected.items()
        if key in arrays and tuple(arrays[key].shape) != shape
    ]
    if problems:
        raise InputError(f"{path}: does not fit the model: {'; '.join(sorted(problems))}")


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves by path: {"params": {"dense": {"kernel": x}}} becomes {"params/dense/kernel": x}."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(str(getattr(key, "key", key)) for key in path): leaf for path, leaf in leaves}


def unflatten(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The nested dicts whose `flatten` is `leaves`."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *branches, last = path.split("/")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[last] = leaf
    return tree


def _halved(value: np.ndarray) -> np.ndarray:
    largest = np.abs(value[np.isfinite(value)]).max(initial=0) if value.dtype == np.float32 else np.inf
    return value.astype(np.float16) if largest <= np.finfo(np.float16).max else value


def _full(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32) if value.dtype == np.float16 else value
