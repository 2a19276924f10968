"""How the skin's colours differ among people, for the built-in head: principal components of painted textures.

    random looks --builtin_texture.paint--> textures --at the vertices--> colours --PCA--> mean and basis

As in a Basel face (Paysan et al. 2009), a coefficient of 1 is a standard deviation, and colours are as pictures code
them (sRGB), not linear light.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxtalk.face import builtin, builtin_texture
from jaxtalk.face.recon_geometry import Albedo
from jaxtalk.render import texture

LOOKS, COMPONENTS = 120, 20
TEXELS = 128  # along a side of each texture: about as coarse as the vertices


@functools.cache
def build(looks: int = LOOKS, components: int = COMPONENTS) -> Albedo:
    """Colours for the vertices of `builtin.model()`; about a minute."""
    colours = np.stack([_colours(np.random.default_rng([seed, 40])) for seed in range(looks)])
    mean = colours.mean(0)
    _, spread, directions = np.linalg.svd((colours - mean).reshape(looks, -1), full_matrices=False)
    basis = directions[:components] * (spread[:components, None] / np.sqrt(looks - 1))
    return Albedo(jnp.asarray(mean, jnp.float32), jnp.asarray(basis.reshape(-1, *mean.shape), jnp.float32))


def _colours(rng: np.random.Generator) -> Float[np.ndarray, "v 3"]:
    """A random look at the vertices; one on a seam of the texture takes the colour on one side of it."""
    painted = builtin_texture.paint(builtin_texture.sample_look(rng), rng, TEXELS)
    return np.asarray(texture.sample(jnp.asarray(painted), _uv_of_vertices()))


@functools.cache
def _uv_of_vertices():
    model = builtin.model()
    which = np.zeros(len(model.template), int)
    which[np.asarray(model.triangles)] = np.asarray(model.uv_triangles)
    return model.uv[which]
