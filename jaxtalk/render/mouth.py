"""The inside of the mouth: what no closed-mouth photo shows. Colours of teeth, gums and tongue, in the photo's light.

colour = albedo of the part, toned like the photo * light on the face / albedo of skin * darkness of the cavity
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.render import lighting

ALBEDO = {
    "mouth": (0.50, 0.21, 0.20),
    "teeth_upper": (0.74, 0.71, 0.65),
    "teeth_lower": (0.66, 0.63, 0.57),
    "tongue": (0.64, 0.33, 0.32),
}
SKIN = (0.62, 0.45, 0.38)  # of an average face
LUMINANCE = (0.299, 0.587, 0.114)
FALL = 0.04  # metres behind the lips over which light in the mouth falls to 1/e


def interior(model: FaceModel) -> Float[np.ndarray, "f"]:
    """1 for triangles inside the mouth."""
    inside = [REGIONS.index(name) for name in ALBEDO]
    return np.isin(np.asarray(model.region), inside).astype(np.float32)


def albedo(model: FaceModel) -> Float[np.ndarray, "v 3"]:
    """Colour of each vertex under white light, darker the deeper it lies in the mouth; zero outside the mouth."""
    colour = np.zeros(model.template.shape, np.float32)
    for name, value in ALBEDO.items():
        colour[np.unique(np.asarray(model.triangles)[np.asarray(model.region) == REGIONS.index(name)])] = value
    z = np.asarray(model.template)[:, 2]
    lips = z[np.asarray(model.landmarks)[[61, 62, 63, 65, 66, 67]]].mean()
    return colour * np.exp(-np.maximum(lips - z - 0.004, 0) / FALL)[:, None].astype(np.float32)


def tone(
    colour: Float[Array, "v 3"], skin: Float[Array, "3"], white: Float[Array, "3"], bright: Float[Array, ""]
) -> Float[Array, "v 3"]:
    """Albedo relative to the skin's, in the tone of the photo.

    The whites of the eyes, `white`, give the light's tint. Black-and-white pictures get teeth and tongue as grey as
    their skin; a dark skin does not darken the teeth beyond half of the picture's `bright` luminance.
    """
    weights = jnp.array(LUMINANCE)
    strength = jnp.clip(2.0 * _chroma(skin) / _chroma(jnp.array(SKIN)), 0.0, 1.0)
    grey = (colour @ weights)[:, None]
    tint = jnp.clip(white / jnp.maximum(white @ weights, 1e-3), 0.75, 1.25)
    lift = jnp.maximum(1.0, 0.5 * bright / jnp.maximum(skin @ weights, 1e-3))
    return lift * (grey + strength * (colour - grey)) * tint[None] / (jnp.array(SKIN) @ weights)


def _chroma(colour):
    return (colour.max() - colour.min()) / jnp.maximum(colour.max(), 1e-3)


def dim(light: Float[Array, "9 3"], skin: Float[Array, "3"]) -> Float[Array, "9 3"]:
    """The light in the mouth: only the brightness of the light on the face, and most of its direction lost."""
    weights = jnp.array(LUMINANCE)
    return 0.4 * (light @ weights)[:, None] * jnp.ones((1, 3)) + 0.6 * (skin @ weights) * lighting.WHITE
