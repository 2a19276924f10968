"""Draws jaxtalk/samples/portrait.jpg, the portrait of the demo: the built-in face with a painted look.

python docs/sample_portrait.py
"""

import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxtalk.face import builtin, builtin_texture
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import normals, pose
from jaxtalk.render import lighting
from jaxtalk.render.rasterise import interpolate, rasterise
from jaxtalk.render.texture import sample

SEED, SIDE, OVERSAMPLING = 1, 640, 2
# Spherical harmonics: ambient, then light from above, the viewer and the right of the picture; a warm and a cool side.
LIGHT = np.array([[2.75, 2.7, 2.65], [0.35] * 3, [0.9] * 3, [0.5, 0.45, 0.38]] + [[0.0] * 3] * 5, np.float32)


def main() -> None:
    rng, model, size = np.random.default_rng(SEED), builtin.model(), SIDE * OVERSAMPLING
    look = jnp.asarray(builtin_texture.paint(builtin_texture.sample_look(rng), rng, 1024), jnp.float32)
    identity = jnp.asarray(0.6 * rng.standard_normal(len(model.identity)), jnp.float32)
    vertices = pose(model.vertices(identity), jnp.array([0.02, 0.08, 0.0]), jnp.zeros(3))
    camera = Pinhole(jnp.float32(3.2 * size), jnp.array([0.5, 0.52]) * size, jnp.float32(1.0))
    fragments = rasterise(camera.project(vertices), model.triangles, size, size)
    normal = interpolate(fragments, model.triangles, normals(vertices, model.triangles))
    normal = normal / jnp.maximum(jnp.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    corners = model.uv[model.uv_triangles][jnp.maximum(fragments.triangle, 0)]
    albedo = sample(look, jnp.einsum("hwk,hwkc->hwc", fragments.barycentric, corners))
    skin = lighting.shade(normal, albedo, jnp.asarray(LIGHT))
    down, right = jnp.linspace(0, 1, size)[:, None, None], jnp.linspace(0, 1, size)[None, :, None]
    wall = jnp.array([0.60, 0.64, 0.66])[None, None] * (1.0 - 0.3 * down) * (0.92 + 0.08 * right)
    picture = jnp.where((fragments.triangle >= 0)[..., None], skin, wall)
    picture = picture.reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING, 3).mean((1, 3))
    image = np.asarray(jnp.round(255 * jnp.clip(picture, 0, 1))).astype(np.uint8)
    Image.fromarray(image).save("jaxtalk/samples/portrait.jpg", quality=92)


if __name__ == "__main__":
    main()
