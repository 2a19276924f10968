"""Video of a clip: the built-in face with a random look, light, camera and background, as JPEG frames with landmarks.

    clip's identity, expression, pose --> vertices --rasterise--> texture, normals --light--> picture over a background

Everything that is drawn at random comes from the seed and the clip's index, so frames are a function of the labels.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8
from PIL import Image, ImageDraw, ImageFilter

from jaxtalk.data.clip import Clip
from jaxtalk.face import builtin, builtin_texture
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import FaceModel, normals, pose
from jaxtalk.io import image
from jaxtalk.render import lighting, texture
from jaxtalk.render.rasterise import interpolate, rasterise

TEXTURE = 512  # texels
CHUNK = 8  # frames drawn at once
SUPERSAMPLING = 2  # along each side
_GAMMA = 2.2
_COLLAR = -0.09  # metres: below this height the neck goes more and more with the body
# Outline of the body in metres, from one side of the neck to the other.
_BODY = [(-0.055, -0.1), (-0.075, -0.15), (-0.19, -0.19), (-0.23, -0.5), (0.23, -0.5), (0.19, -0.19), (0.075, -0.15)]


class Scene(NamedTuple):
    """What a clip's frames share."""

    texture: Float[Array, "u u 3"]  # linear light
    light: Float[Array, "9 3"]  # spherical harmonics
    camera: Pinhole  # in pixels of the picture before it is made smaller
    background: Float[Array, "h h 3"]  # linear light; the body is part of it


class Video(NamedTuple):
    frames: list[bytes]  # JPEG
    landmarks: Float32[np.ndarray, "t 68 2"]  # pixels
    camera: Float32[np.ndarray, "4"]  # of `face.camera.Pinhole`: focal length, centre (pixels), distance (metres)


def render(clip: Clip, seed: int, index: int, size: int) -> Video:
    """Square frames of `size` pixels, on the CPU."""
    rng = np.random.default_rng([seed, index, size])
    with jax.default_device(jax.devices("cpu")[0]):
        model, scene = builtin.model(), sample_scene(rng, size * SUPERSAMPLING)
        quality = int(rng.integers(60, 96))
        frames, landmarks = [], []
        count = len(clip.expression)
        for first in range(0, count, CHUNK):
            chosen = np.minimum(np.arange(first, first + CHUNK), count - 1)  # one shape, so one compilation
            motion = (jnp.asarray(a[chosen]) for a in (clip.expression, clip.rotation, clip.translation))
            pictures, points = draw(model, scene, jnp.asarray(clip.identity), *motion, size)
            frames += [image.jpeg(picture, quality) for picture in np.asarray(pictures)]
            landmarks.append(np.asarray(points))
        focal, centre, distance = (np.asarray(value) for value in scene.camera)
        camera = np.array([focal / SUPERSAMPLING, *centre / SUPERSAMPLING, distance], np.float32)
    return Video(frames[:count], np.concatenate(landmarks)[:count], camera)


def sample_scene(rng: np.random.Generator, size: int) -> Scene:
    """A random look, light, camera and background for pictures of `size` pixels."""
    paint = builtin_texture.paint(builtin_texture.sample_look(rng), rng, TEXTURE)
    distance = rng.uniform(0.6, 2.5)
    height = rng.uniform(0.25, 0.36)  # metres that the picture shows at the head's place
    middle = size * np.array([0.5, 0.52]) + size * rng.normal(0, 0.02, 2)
    camera = Pinhole(jnp.float32(size / height * distance), jnp.asarray(middle, jnp.float32), jnp.float32(distance))
    return Scene(
        jnp.asarray(paint**_GAMMA, jnp.float32),
        jnp.asarray(_light(rng), jnp.float32),
        camera,
        jnp.asarray((_background(rng, size, camera) / 255.0) ** _GAMMA, jnp.float32),
    )


def _light(rng: np.random.Generator) -> Float[np.ndarray, "9 3"]:
    """One to three distant lights and light from everywhere."""
    directions = rng.normal([0, 0.5, 1.0], 0.6, (rng.integers(1, 4), 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    bands = np.repeat([1, 2 / 3, 1 / 4], [1, 3, 5])
    harmonics = np.asarray(lighting.basis(jnp.asarray(directions, jnp.float32))) / bands
    power = rng.dirichlet(np.ones(len(directions)))[:, None] * rng.uniform(0.8, 2.6)
    light = harmonics.T @ (power * np.exp(rng.normal(0, 0.12, (len(directions), 3))))
    light[0] += np.sqrt(4 * np.pi) * rng.uniform(0.35, 0.85) * np.exp(rng.normal(0, 0.06, 3))
    return light


def _background(rng: np.random.Generator, size: int, camera: Pinhole) -> UInt8[np.ndarray, "s s 3"]:
    """A wall with a few blurred things on it, and the body in front."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    slope = rng.normal(0, 70, 2)
    wall = _tone(rng) + (slope[0] * x + slope[1] * y)[..., None]
    picture = Image.fromarray(np.clip(wall, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 9)):
        centre, half = rng.uniform(0, size, 2), rng.exponential(0.12, 2) * size
        colour = tuple(_tone(rng).astype(int).tolist())
        shape = draw.rectangle if rng.uniform() < 0.7 else draw.ellipse
        shape((*(centre - half), *(centre + half)), fill=colour)
    picture = picture.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.002, 0.04)))
    outline = np.array([(x, y, -0.02) for x, y in _BODY]) * [rng.uniform(0.9, 1.15), 1, 1]
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).polygon(
        [tuple(p) for p in np.asarray(camera.project(jnp.asarray(outline, jnp.float32)))[:, :2].tolist()], fill=255
    )
    shade = np.exp(-4 * np.abs(x) * rng.uniform(0, 1))[..., None]
    cloth = Image.fromarray((_tone(rng) * shade).astype(np.uint8))
    picture.paste(cloth, mask=mask.filter(ImageFilter.GaussianBlur(size / 150)))
    return np.asarray(picture)


def _tone(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Mostly a muted colour, 0 to 255."""
    return np.clip(rng.uniform(20, 235) + rng.normal(0, 1, 3) * rng.choice([12, 35]), 0, 255)


@functools.partial(jax.jit, static_argnames="size")
def draw(
    model: FaceModel,
    scene: Scene,
    identity: Float[Array, "i"],
    expression: Float[Array, "t e"],
    rotation: Float[Array, "t 3"],
    translation: Float[Array, "t 3"],
    size: int,
) -> tuple[UInt8[Array, "t size size 3"], Float[Array, "t 68 2"]]:
    """Pictures, and landmarks in their pixels; `scene` is for pictures SUPERSAMPLING times as large."""
    own = model.vertices(identity)
    foot = jnp.clip((_COLLAR - model.template[:, 1:2]) / 0.05, 0.0, 1.0)
    large = size * SUPERSAMPLING

    def one(expression, rotation, translation):
        vertices = own + jnp.einsum("e,evc->vc", expression, model.expression)
        vertices = (1 - foot) * pose(vertices, rotation, translation) + foot * vertices
        screen = scene.camera.project(vertices)
        seen = rasterise(screen, model.triangles, large, large, perspective=True)
        normal = interpolate(seen, model.triangles, normals(vertices, model.triangles))
        normal = normal / jnp.maximum(jnp.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
        albedo = texture.sample(scene.texture, interpolate(seen, model.uv_triangles, model.uv))
        lit = jnp.maximum(lighting.shade(normal, albedo, scene.light), 0.0)
        picture = jnp.where((seen.triangle >= 0)[..., None], lit, scene.background)
        picture = picture.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3).mean((1, 3))
        coded = jnp.clip(picture, 0.0, 1.0) ** (1 / _GAMMA)
        return (255 * coded + 0.5).astype(jnp.uint8), screen[model.landmarks, :2] / SUPERSAMPLING

    return jax.vmap(one)(expression, rotation, translation)
