"""Faces in pictures to embeddings and perceptual features, by the shipped network (or another of its kind).

    picture --detect.faces--> 68 landmarks --align--> crop --FaceFeatures--> embedding, for CSIM
    pictures --Trunk--> maps, for a distance like LPIPS; their means, for statistics like those of FID

Name the network beside every number (`jaxtalk.io.weights.label`): values of different networks cannot be compared.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.face import align, detect
from jaxtalk.io import weights
from jaxtalk.models import face_features

_BATCH = 16  # crops analysed at once


class Perceptual(NamedTuple):
    maps: tuple[Float[Array, "b _ _ _"], ...]  # of each level, the finest first
    pooled: Float[Array, "b c"]  # their means over each picture


@functools.cache
def shipped() -> weights.Weights:
    """The weights of face-identity-jaxtalk."""
    return weights.load(weights.shipped("face_features"))


def embedder(loaded: weights.Weights | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A function from aligned crops (uint8 [n 96 96 3], `crop`) to unit embeddings [n d]; of the shipped weights."""
    loaded = loaded or shipped()
    network = face_features.FaceFeatures(weights.config(face_features.Config, loaded))
    apply = jax.jit(lambda variables, crops: network.apply(variables, crops / 127.5 - 1.0).embedding)

    def embed(crops: UInt8[np.ndarray, "n 96 96 3"]) -> Float[np.ndarray, "n d"]:
        missing = -len(crops) % _BATCH
        padded = np.concatenate([crops, np.zeros((missing, *crops.shape[1:]), np.uint8)]).astype(np.float32)
        parts = [apply(loaded.variables, part) for part in padded.reshape(-1, _BATCH, *crops.shape[1:])]
        return np.concatenate([np.asarray(part) for part in parts])[: len(crops)]

    return embed


def crop(
    picture: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "68 2"] | None = None
) -> UInt8[np.ndarray, "96 96 3"] | None:
    """The aligned crop of the face with these landmarks, or of the largest face found; None without a face."""
    if landmarks is None:
        faces = detect.faces(picture)
        if not faces:
            return None
        landmarks = faces[0].landmarks
    return align.aligned(picture, landmarks, face_features.SIZE)


@jax.jit
def perceptual(variables: dict, images: Float[Array, "b h w 3"]) -> Perceptual:
    """Feature maps, and their means, of RGB pictures from 0 to 1 whose sides 16 divides; for `shipped().variables`.

    Faces should fill the picture about as in an aligned crop of 96 pixels, since the network has seen no other scale.
    Distances: `metrics.lpips.lpips(a.maps, b.maps)`; `metrics.fid` of `pooled`. Differentiable in the pictures.
    """
    maps = face_features.maps(variables, 2.0 * images - 1.0)
    return Perceptual(maps, face_features.pooled(maps))
