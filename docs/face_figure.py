"""Draws docs/images/builtin_face.png: the built-in face model from three sides, some of its shapes, random people.

python docs/face_figure.py
"""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxtalk.face import arkit, builtin, builtin_texture
from jaxtalk.face.camera import WeakPerspective
from jaxtalk.face.model import normals, pose
from jaxtalk.render import lighting
from jaxtalk.render.rasterise import interpolate, rasterise
from jaxtalk.render.texture import sample

SIDE, OVERSAMPLING = 220, 2
# Spherical harmonics: ambient, then light from above, from the viewer and from the right of the picture.
LIGHT = np.array([[2.3] * 3, [0.55] * 3, [1.0] * 3, [0.75, 0.7, 0.62]] + [[0.0] * 3] * 5, np.float32)
SHAPES = (
    {"jawOpen": 0.5}, {"mouthSmile": 0.8, "jawOpen": 0.1, "cheekSquint": 0.6}, {"mouthPucker": 1.0},
    {"mouthFunnel": 0.8}, {"eyeBlink": 1.0}, {"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7, "browInnerUp": 1.0},
    {"mouthPress": 1.0, "browDown": 1.0}, {"noseSneer": 1.0, "mouthUpperUp": 0.5},
)  # fmt: skip


@jax.jit
def draw(vertices, angles, look):
    """One small picture."""
    model, size = builtin.model(), SIDE * OVERSAMPLING
    vertices = pose(vertices, angles, jnp.array([0.0, -0.008, 0.0]))
    camera = WeakPerspective(jnp.float32(size / 0.27), jnp.array([size / 2, size / 2]))
    fragments = rasterise(camera.project(vertices), model.triangles, size, size)
    normal = interpolate(fragments, model.triangles, normals(vertices, model.triangles))
    normal = normal / jnp.maximum(jnp.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    corners = model.uv[model.uv_triangles][jnp.maximum(fragments.triangle, 0)]
    albedo = sample(look, jnp.einsum("hwk,hwkc->hwc", fragments.barycentric, corners))
    shaded = lighting.shade(normal, albedo, jnp.asarray(LIGHT))
    picture = jnp.where((fragments.triangle >= 0)[..., None], shaded, jnp.float32(0.93))
    return jnp.clip(picture, 0, 1).reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING, 3).mean((1, 3))


def expression(weights):
    """Coefficients of shapes by name; a name without its side stands for both."""
    result = np.zeros(52, np.float32)
    for name, weight in weights.items():
        for full in (name,) if name in arkit.INDEX else (name + "Left", name + "Right"):
            result[arkit.INDEX[full]] = weight
    return jnp.asarray(result)


def main() -> None:
    model, front = builtin.model(), jnp.zeros(3)
    plain = jnp.asarray(builtin_texture.paint(builtin_texture.Look(), np.random.default_rng(0)))
    clay = jnp.full((2, 2, 3), 0.8)
    turns = [(0, 0, 0), (0, -0.6, 0), (0, -1.5, 0), (-0.35, 0.5, 0)]
    cells = [draw(model.template, jnp.array(turn, jnp.float32), look) for turn in turns for look in (plain, clay)]
    cells = cells[0::2] + cells[1::2]
    cells += [draw(model.vertices(expression=expression(weights)), front, plain) for weights in SHAPES]
    for seed in range(8):
        rng = np.random.default_rng(100 + seed)
        identity = jnp.asarray(rng.standard_normal(len(model.identity)), jnp.float32)
        look = jnp.asarray(builtin_texture.paint(builtin_texture.sample_look(rng), rng))
        cells.append(draw(model.vertices(identity), jnp.array([0, rng.uniform(-0.4, 0.4), 0], jnp.float32), look))
    rows = [np.concatenate(cells[k : k + 8], axis=1) for k in range(0, len(cells), 8)]
    image = np.round(255 * np.concatenate(rows)).astype(np.uint8)
    Image.fromarray(image).quantize(200).save("docs/images/builtin_face.png", optimize=True)


if __name__ == "__main__":
    main()
