"""What a closing lid shows. In the photo of an open eye the lid is a narrow fold, dark with lashes and shadow.

Stretched over the eye it would be a dark smear. In life it unfolds from under the brow: so while a lid closes, its
vertices fetch their colour from higher up, from the clear skin below the brow; only its edge keeps its lashes.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.face.model import FaceModel
from jaxtalk.render.blend import smoothstep

BLINKS = ("eyeBlinkRight", "eyeBlinkLeft")
HIGHER = 0.9  # of the way the lid's edge travels
EDGE = 0.9  # from this part of the edge's travel on, vertices belong to the edge
LASHES = 0.0006  # metres from the edge to the roots of the lashes
NEIGHBOURS = 0.0015  # metres: vertices of one column of the lid lie this near to each other sideways


def blinks(model: FaceModel) -> list[int]:
    """Indices of the coefficients that close the lids; none if the model's expressions have no ARKit names."""
    return [model.expression_names.index(name) for name in BLINKS if name in model.expression_names]


def closing(model: FaceModel) -> tuple[Float[np.ndarray, "n v"], Float[np.ndarray, "n v"]]:
    """For each vertex when lid n is closed: how much higher it fetches its colour (metres), how bare it is (0 to 1)."""
    rows = [_one(np.asarray(model.template), np.asarray(model.expression[j])) for j in blinks(model)]
    tables = np.asarray(rows, np.float32).reshape(-1, 2, len(model.template))
    return tables[:, 0], tables[:, 1]


def room(points: Float[Array, "68 3"], count: int) -> Float[Array, "n"]:
    """How far up the lids may look before they meet the brows: 1 for a calm face, less under a frown. `count` is
    0 or 2."""
    lid, brow = points[jnp.array([[37, 38], [43, 44]]), 1].mean(1), points[jnp.array([[18, 20], [23, 25]]), 1].mean(1)
    return jnp.clip((brow - lid - 0.005) / 0.012, 0.2, 1.0)[:count]


def _one(template, basis):
    down = np.maximum(-basis[:, 1], 0)
    moving = np.nonzero(down > 1e-4)[0]
    near = np.abs(template[moving, None, 0] - template[None, moving, 0]) < NEIGHBOURS
    travel = (near * down[moving]).max(1, initial=0)
    part = down[moving] / np.maximum(travel, 1e-6)
    higher, bare = np.zeros((2, len(template)))
    higher[moving] = np.where(part < EDGE, HIGHER * travel * part, LASHES)
    bare[moving] = np.where(part < EDGE, smoothstep(0.1, 0.6, part) * smoothstep(0.0, 0.003, travel), 0.0)
    return higher, bare
