"""What a run shows of its state beside numbers: pictures, short clips, sound, distributions."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PyTree

from jaxtalk.train import sharding


class Picture(NamedTuple):
    """One picture, colours from 0 to 1."""

    colours: Float[np.ndarray, "h w 3"]


class Clip(NamedTuple):
    """A few seconds of video."""

    frames: Float[np.ndarray, "t h w 3"]
    fps: float


class Sound(NamedTuple):
    """Samples from -1 to 1."""

    samples: Float[np.ndarray, "n"]
    rate: int


class Distribution(NamedTuple):
    """Any values, as a histogram."""

    values: np.ndarray


Shown = Picture | Clip | Sound | Distribution


def parameters(state: PyTree) -> dict[str, Distribution]:
    """The averaged parameters of every network of a state, by the names on their paths."""
    networks = state if isinstance(state, dict) else {"": state}
    return {
        "/".join([name, *sharding.names(path)]).lstrip("/"): Distribution(np.asarray(x))
        for name, network in networks.items()
        for path, x in jax.tree_util.tree_leaves_with_path(network.average)
    }
