"""What a closing lid shows. In the photo of an open eye the lid is a narrow fold, dark with lashes and shadow.

Stretched over the eye it would be a dark smear. In life it unfolds from under the brow: so while a lid closes, its
vertices fetch their colour from higher up, from the clear skin below the brow; only its edge keeps its lashes.
"""

import numpy as np
from jaxtyping import Float

from jaxtalk.face.model import FaceModel

BLINKS = ("eyeBlinkRight", "eyeBlinkLeft")
HIGHER = 0.9  # of the way the lid's edge travels
LASHES = 0.9  # from this part of the edge's travel on, vertices belong to the edge
NEIGHBOURS = 0.0015  # metres: vertices of one column of the lid lie this near to each other sideways


def blinks(model: FaceModel) -> list[int]:
    """Indices of the coefficients that close the lids; none if the model's expressions have no ARKit names."""
    return [model.expression_names.index(name) for name in BLINKS if name in model.expression_names]


def higher(model: FaceModel) -> Float[np.ndarray, "n v"]:
    """How much higher on the head each vertex fetches its colour when lid n is closed, metres."""
    rows = [_one(np.asarray(model.template), np.asarray(model.expression[j])) for j in blinks(model)]
    return np.asarray(rows, np.float32).reshape(-1, len(model.template))


def _one(template, basis):
    down = np.maximum(-basis[:, 1], 0)
    moving = np.nonzero(down > 1e-4)[0]
    near = np.abs(template[moving, None, 0] - template[None, moving, 0]) < NEIGHBOURS
    edge = (near * down[moving]).max(1, initial=0)
    part = down[moving] / np.maximum(edge, 1e-6)
    share = np.where(part < LASHES, part, 0.35)
    result = np.zeros(len(template))
    result[moving] = HIGHER * edge * share
    return result
