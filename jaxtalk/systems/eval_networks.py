"""The networks behind an evaluation's figures: those shipped, which are ours, and published ones from a folder.

Published networks come from `jaxtalk convert` (syncnet, wav2lip_syncnet, arcface, lpips_alex, lpips_vgg, inception,
niqe); each file says by its name what it holds.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.io.weights import Weights
from jaxtalk.metrics import lpips
from jaxtalk.models import arcface, face_features, inception
from jaxtalk.models import lpips as lpips_network

OURS = ("face_features", "lip_sync", "niqe_ours")  # names of shipped weights
PUBLISHED = ("lpips_alex", "lpips_vgg", "inception", "arcface", "syncnet", "wav2lip_syncnet", "niqe")

Pictures = Float[Array, "b h w 3"]  # RGB in [0, 1]


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
    """Weights by the names that `eval_columns` gives them.

    Below, what a network does is built once for each of these objects, so that the clips of a test set share what is
    compiled.
    """

    weights: dict[str, Weights]

    def __contains__(self, name: str) -> bool:
        return name in self.weights

    def __iter__(self):
        return iter(self.weights)

    def label(self, name: str) -> str:
        return weights.label(self.weights[name])


def load(folder: Path | None) -> Networks:
    """The shipped networks and those in `folder`.

    Raises:
        InputError: there is no such folder, or a file in it is no network that an evaluation can use.
    """
    found = {name: weights.load(weights.shipped(name)) for name in OURS}
    if folder is not None:
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise InputError(f"{folder}: holds no networks (*.safetensors); write them there with `jaxtalk convert`")
        for file in files:
            loaded = weights.load(file)
            if loaded.name not in PUBLISHED:
                raise InputError(f"{file}: holds {loaded.name}; an evaluation can use {', '.join(PUBLISHED)}")
            found[loaded.name] = loaded
    return Networks(found)


@functools.cache
def face_features_of(networks: Networks) -> Callable[[UInt8[np.ndarray, "b s s 3"]], face_features.Features]:
    """Ours: embedding and feature maps of aligned crops of `face_features.SIZE` pixels."""
    return _on_crops(face_features.FaceFeatures, face_features.Config, networks.weights["face_features"])


@functools.cache
def arcface_of(networks: Networks) -> Callable[[UInt8[np.ndarray, "b s s 3"]], Float[Array, "b d"]]:
    """Published: embeddings of aligned crops of 112 pixels."""
    return _on_crops(arcface.IResNet, arcface.Config, networks.weights["arcface"])


def _on_crops(module, config, loaded: Weights):
    network = module(weights.config(config, loaded))
    apply = jax.jit(lambda variables, crops: network.apply(variables, crops.astype(jnp.float32) / 127.5 - 1.0))
    return functools.partial(apply, loaded.variables)


@functools.cache
def lpips_of(networks: Networks, name: str) -> Callable[[Pictures, Pictures], Float[Array, "b"]]:
    """Published LPIPS, `lpips_alex` or `lpips_vgg`."""
    loaded = networks.weights[name]
    network = lpips_network.LPIPS(weights.config(lpips_network.Config, loaded))

    @jax.jit
    def distance(variables, a, b):
        (ours, heads), (theirs, _) = network.apply(variables, a), network.apply(variables, b)
        return lpips.lpips(ours, theirs, heads)

    return functools.partial(distance, loaded.variables)


@functools.cache
def inception_of(networks: Networks) -> Callable[[Pictures], Float[Array, "b 2048"]]:
    """Published features of FID."""
    loaded = networks.weights["inception"]
    network = inception.Inception(weights.config(inception.Config, loaded))
    return functools.partial(jax.jit(network.apply), loaded.variables)
