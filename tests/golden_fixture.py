"""Golden fixtures: deterministic weights and inputs rebuilt from their names, outputs of the public references.

A fixture is `golden/NAME.json` (what ran, its inputs, its state dict as names and shapes, tolerances) and
`golden/NAME.npz` (outputs, and constants that are no weights). Typical use:

    manifest, arrays = load("sadtalker_mapping")
    state, inputs = state(manifest, arrays), inputs(manifest)      # dicts of numpy arrays, PyTorch layout
    compare(manifest, arrays, "out", output)                       # asserts the fixture's own tolerance
"""

import functools
import json
import zlib
from pathlib import Path

import jax
import numpy as np

FOLDER = Path(__file__).parent / "golden"
SAMPLES = 4096  # a larger output is stored at that many sampled positions


def load(name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """The manifest and the stored arrays of a fixture."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return json.loads((FOLDER / f"{name}.json").read_text()), dict(arrays)


def state(manifest: dict, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The whole state dict. Constants that the manifest gives only as a formula are left out."""
    shapes = {name: shape for name, shape, *_ in manifest["state"]}
    filled = {}
    for name, shape, dtype, *special in manifest["state"]:
        stem, _, leaf = name.rpartition("weight_")
        if special and special[0].get("keep"):
            if f"keep/{name}" in arrays:
                filled[name] = arrays[f"keep/{name}"]
        elif leaf in ("u", "v") and f"{stem}weight_orig" in shapes:
            axis = special[0].get("sn_dim", 0) if special else 0
            filled[name] = _spectral(stem, leaf, shapes[f"{stem}weight_orig"], axis, manifest).astype(dtype)
        else:
            filled[name] = weight(name, shape, dtype, manifest["salt"], manifest.get("gain", 1.0))
    return filled


def inputs(manifest: dict) -> dict[str, np.ndarray]:
    """All inputs under their names."""
    return {spec["name"]: _input(spec, manifest["salt"]) for spec in manifest["inputs"]}


def compare(manifest: dict, arrays: dict[str, np.ndarray], name: str, value, factor: float = 1.0) -> float:
    """Asserts that `value` is output `name` within `factor` times the fixture's tolerance; returns the error."""
    spec = next(output for output in manifest["outputs"] if output["name"] == name)
    value = np.asarray(value)
    assert list(value.shape) == spec["shape"], f"{name}: shape {value.shape}, expected {spec['shape']}"
    value = value.ravel()
    if value.size > SAMPLES:
        value = value[np.sort(_stream(f"index/{name}", value.size).integers(0, value.size, SAMPLES))]
    error = float(np.max(np.abs(value.astype(np.float64) - arrays[f"out/{name}"])))
    assert error <= factor * spec["atol"], f"{name}: off by {error:.3g}, tolerated {factor * spec['atol']:.3g}"
    return error


def weight(name: str, shape, dtype: str = "float32", salt: int = 0, gain: float = 1.0) -> np.ndarray:
    """One tensor: its name seeds the stream and, with its rank, decides the distribution."""
    shape, dtype = tuple(shape), np.dtype(dtype)
    if dtype.kind in "iub":
        return np.zeros(shape, dtype)
    stream = _stream(name, salt)
    if name.endswith("running_var"):
        return np.asarray(stream.uniform(0.5, 1.5, shape), dtype)
    normal = stream.standard_normal(shape)
    if name.endswith("running_mean"):
        value = 0.1 * normal
    elif name.endswith("weight_g") or (len(shape) <= 1 and name.endswith(".weight")):
        value = 1.0 + 0.1 * normal
    elif len(shape) <= 1:
        value = 0.1 * normal
    else:
        value = normal * (gain / np.sqrt(np.prod(shape[1:], dtype=np.float64)))
    return np.asarray(value, dtype)


def variables(abstract: dict, seed: int = 0) -> dict:
    """Lively variables for a flax model from `jax.eval_shape` of its init; far quicker than compiling the init."""

    def draw(path, leaf):
        name = "/".join(str(key.key) for key in path)
        stream = _stream(name, seed)
        if name.endswith("/var"):
            return stream.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)
        if len(leaf.shape) > 1:
            return (stream.standard_normal(leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]))).astype(leaf.dtype)
        return (name.endswith("/scale") + 0.1 * stream.standard_normal(leaf.shape)).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, abstract)


def _stream(tag: str, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([zlib.crc32(tag.encode()), number]))


def _spectral(stem: str, leaf: str, shape, axis: int, manifest: dict) -> np.ndarray:
    """Singular vectors of old-style spectral norm: u is a random unit vector, v the unit vector along W^T u."""
    kernel = weight(f"{stem}weight_orig", shape, "float64", manifest["salt"], manifest.get("gain", 1.0))
    kernel = np.moveaxis(kernel, axis, 0).reshape(shape[axis], -1)
    vector = _stream(f"{stem}weight_u", manifest["salt"]).standard_normal(shape[axis])
    vector = kernel.T @ vector if leaf == "v" else vector
    return vector / np.linalg.norm(vector)


def _input(spec: dict, salt: int) -> np.ndarray:
    shape, stream = tuple(spec["shape"]), _stream(f"input/{spec['name']}", salt)
    draw = {
        "normal": stream.standard_normal,
        "uniform01": stream.random,
        "zeros": np.zeros,
        "linspace": lambda shape: np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape),
        "int": lambda shape: stream.integers(spec["low"], spec["high"], shape),
        "onehot": lambda shape: np.eye(shape[-1])[np.asarray(spec["index"])].reshape(shape),
        "waves": functools.partial(_waves, stream),
        "chirp": functools.partial(_chirp, stream, spec),
    }[spec["kind"]]
    base = draw(shape)
    if spec["kind"] in ("normal", "uniform01", "zeros", "linspace", "waves"):
        base = spec.get("shift", 0.0) + spec.get("scale", 1.0) * base
    return np.asarray(base, spec.get("dtype", "float32"))


def _waves(stream: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth images: eight plane waves per channel."""
    *lead, height, width = shape
    down, right, phase = np.moveaxis(8 * stream.random((*lead, 3, 8)) - 4, -2, 0)[..., None, None]
    y, x = np.arange(height)[:, None] / height, np.arange(width) / width
    return np.cos(2 * np.pi * (down * y + right * x + phase)).sum(-3) / np.sqrt(8)


def _chirp(stream: np.random.Generator, spec: dict, shape: tuple[int, ...]) -> np.ndarray:
    """A linear sweep from f0 to f1 with white noise."""
    t, duration = np.arange(shape[-1]) / spec["rate"], shape[-1] / spec["rate"]
    phase = 2 * np.pi * (spec["f0"] * t + (spec["f1"] - spec["f0"]) * t**2 / (2 * duration))
    return spec["amp"] * np.sin(phase) + spec["noise"] * stream.standard_normal(shape)
