"""Where a person's head can be at all: near the fitted face, and inside of its outline in the frames of the video."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from jaxtalk.data import avatar_frames
from jaxtalk.data.avatar_frames import Footage
from jaxtalk.face.model import FaceModel
from jaxtalk.render import occupancy
from jaxtalk.render.occupancy import Cells

SKIN = 0.018  # metres from the fitted face, to either side
HAIR = 0.05  # above the brows, where the fitted head is bald
LEFT_BROW = 19  # of the 68 landmarks
FRAMES = 48  # whose outlines are looked at
OFTEN = 0.3  # of these in which a place must lie inside of the outline


def around(model: FaceModel, footage: Footage, cells: Cells, unit: float) -> Bool[np.ndarray, "c h h h"]:
    """Cells that may hold matter; their cube is measured in `unit` metres, in the head's own space."""
    places = unit * np.asarray(occupancy.places(cells))
    vertices = np.asarray(model.vertices(jnp.asarray(footage.identity)))
    distance = cKDTree(vertices).query(places.reshape(-1, 3), distance_upper_bound=HAIR)[0].reshape(places.shape[:-1])
    hair = places[..., 1] > vertices[int(model.landmarks[LEFT_BROW]), 1]
    near = distance < np.where(hair, HAIR, SKIN)
    return near & (_inside(places, footage) >= OFTEN)


def _inside(places: Float[np.ndarray, "*n 3"], footage: Footage) -> Float[np.ndarray, "*n"]:
    """In how many of some frames each place is seen through the head's pixels, as a share."""
    size, flat = footage.pictures.shape[1], places.reshape(-1, 3).astype(np.float32)
    chosen = avatar_frames.shown(len(footage), FRAMES)
    found = np.zeros(len(flat))
    for frame in chosen:
        moved = flat @ footage.rotation[frame].T + footage.translation[frame]
        column, row = np.floor(np.asarray(footage.camera.project(jnp.asarray(moved)))[:, :2].T).astype(int)
        there = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        head = footage.shares[frame, row.clip(0, size - 1), column.clip(0, size - 1), 0] > 127
        found += there & head
    return (found / len(chosen)).reshape(places.shape[:-1])
