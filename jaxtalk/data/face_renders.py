"""Pictures of random heads with exact 68 landmarks: what the shipped face networks are trained on.

HeadMesh --face_geometry--> pixels --face_paint--> colours --glasses, hands, light--> Render
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFilter

from jaxtalk.data import face_geometry, face_paint
from jaxtalk.data.head_mesh import HeadMesh

SUPERSAMPLING = 1.5
_GLASSES = 24  # points of each rim
_MOMENTARY = ("expression", "gaze", "angles", "neck", "distance")  # of what face_geometry.sample draws


class Render(NamedTuple):
    """A head without a background."""

    image: UInt8[np.ndarray, "s s 3"]
    alpha: UInt8[np.ndarray, "s s"]  # 255 where the head, its clothes or what it holds cover the background
    landmarks: Float[np.ndarray, "68 2"]  # pixels


def make_renderer(mesh: HeadMesh, size: int, margin: float = 1.6):
    """`render(seed, beast=False, view=None) -> Render`; the 68 points fill 1 / margin of a square of `size` pixels.

    Of a beast (see face_paint.paint) the networks learn that it is no face. With a `view`, `seed` says who it is and
    `view` says what else there is: expression, gaze, pose, distance, lights, the camera's colours, a hand in front.
    """
    large = round(size * SUPERSAMPLING)
    draw = face_geometry.make_draw(mesh, large, margin)

    def render(seed: int, beast: bool = False, view: int | None = None) -> Render:
        rng = np.random.default_rng([seed, 20])
        moment = rng if view is None else np.random.default_rng([seed, 21, view])
        drawn = face_geometry.sample(rng, mesh, beast)
        if view is not None:
            other = face_geometry.sample(moment, mesh, beast)
            drawn |= {name: other[name] for name in _MOMENTARY}
        lights = face_paint.sample_lights(moment, face_geometry.LIGHTS)
        pixels = draw(drawn, lights["direction"], _glasses_points(rng))
        colour = face_paint.paint(rng, pixels, lights, beast)
        image = Image.fromarray(_develop(moment, colour))
        alpha = Image.fromarray(((np.asarray(pixels.region) >= 0) * 255).astype(np.uint8))
        if rng.random() < 0.2 and not beast:
            image = _glasses(rng, image, np.asarray(pixels.extra))
        if moment.random() < 0.12:
            image, alpha = _hand(moment, image, alpha)
        small = [np.asarray(layer.resize((size, size), Image.Resampling.BILINEAR)) for layer in (image, alpha)]
        return Render(*small, np.asarray(pixels.landmarks) * size / large)

    return render


def _develop(rng, colour):
    """From linear light to a camera's picture: exposure, tone curve, white balance, saturation."""
    lit = colour[colour.sum(-1) > 0]
    exposure = rng.uniform(0.25, 0.75) / max(np.percentile(lit, 90), 1e-3) if len(lit) else 1.0
    picture = np.clip(colour * exposure * np.exp(rng.normal(0, rng.choice([0.03, 0.12]), 3)), 0, 4)
    picture = np.where(picture > 0.7, 0.7 + 0.3 * np.tanh((picture - 0.7) / 0.3), picture)
    picture = picture ** (1 / rng.uniform(1.8, 2.6))
    grey = picture.mean(-1, keepdims=True)
    picture = grey + (picture - grey) * rng.choice([rng.uniform(0.6, 1.4), 0.0], p=[0.93, 0.07])
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _glasses_points(rng):
    """Two rims, a bridge and two arms, in metres from the middle between the eyes [2 n + 4 3]."""
    width, height = rng.uniform(0.02, 0.029), rng.uniform(0.013, 0.024)
    power, gap, forward = rng.uniform(2, 6), rng.uniform(0.031, 0.035), rng.uniform(0.012, 0.022)
    angle = np.linspace(0, 2 * np.pi, _GLASSES, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x, y = width * np.sign(c) * np.abs(c) ** (2 / power), height * np.sign(s) * np.abs(s) ** (2 / power)
    drop = rng.uniform(-0.012, 0.002)
    rims = [np.stack([sign * (gap + x), y + drop, forward - 0.25 * (x.clip(0) ** 1.2)], -1) for sign in (-1, 1)]
    arms = [[sign * (gap + width), drop + 0.004, forward - 0.01] for sign in (-1, 1)]
    arms += [[sign * 0.085, drop + 0.008, -0.075] for sign in (-1, 1)]
    return np.concatenate([*rims, arms]).astype(np.float32)


def _glasses(rng, image, points):
    """Tinted or clear lenses with a reflection, rims, a bridge, and the arm on the side that is seen."""
    rims, arms = (points[:_GLASSES], points[_GLASSES : 2 * _GLASSES]), points[2 * _GLASSES :]
    scale = np.linalg.norm(arms[0] - arms[1]) / 100
    dark = rng.random() < 0.2
    image = _lenses(rng, image, rims, dark)
    draw = ImageDraw.Draw(image)
    if not dark and rng.random() < 0.4:
        ends = rims[rng.integers(2)][rng.integers(0, _GLASSES, 2)]
        _line(draw, ends, (235, 240, 245), scale * rng.uniform(1, 5))
    colour = tuple(rng.integers(*((0, 90) if rng.random() < 0.7 else (60, 255)), 3).tolist())
    width = scale * rng.uniform(0.5, 5)
    for rim in rims:
        if rng.random() < 0.85:
            _line(draw, [*rim, rim[0]], colour, width)
    apart = np.linalg.norm(rims[0][:, None] - rims[1][None], axis=-1)
    left, right = np.unravel_index(apart.argmin(), apart.shape)
    _line(draw, [rims[0][left], rims[1][right]], colour, width)
    seen = int(np.argmax(np.linalg.norm(arms[:2] - arms[2:], axis=-1)))  # the face hides the other one
    _line(draw, [arms[seen], arms[seen + 2]], colour, width)
    return image


def _lenses(rng, image, rims, dark):
    layer = image.copy()
    tint = tuple(rng.integers(*((0, 80) if dark else (120, 255)), 3).tolist())
    for rim in rims:
        ImageDraw.Draw(layer).polygon([tuple(p) for p in rim.tolist()], fill=tint)
    return Image.blend(image, layer, rng.uniform(0.5, 0.95) if dark else rng.uniform(0, 0.15))


def _line(draw, points, colour, width):
    draw.line([tuple(map(float, p)) for p in points], fill=colour, width=max(1, round(width)), joint="curve")


def _hand(rng, image, alpha):
    """Something in front of the face: fingers, a microphone, a scarf: a few thick strokes of one colour."""
    size = image.width
    mask = Image.new("L", image.size)
    draw = ImageDraw.Draw(mask)
    side = rng.uniform(0, 2 * np.pi)
    root = size / 2 + size * 0.8 * np.array([np.cos(side), np.sin(side)])
    for _ in range(rng.integers(1, 5)):
        tip = size / 2 + size * rng.normal(0, 0.16, 2) + size * 0.22 * np.array([np.cos(side), np.sin(side)])
        width = int(size * rng.uniform(0.03, 0.12))
        draw.line([tuple(root + rng.normal(0, 0.06 * size, 2)), tuple(tip)], fill=255, width=width)
        draw.ellipse([*(tip - width / 2), *(tip + width / 2)], fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(1))
    base = rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.array([200, 150, 120]) * rng.uniform(0.3, 1.2)
    y, x = np.mgrid[:size, :size] / size
    slope = rng.normal(0, 0.5, 2)
    shade = 1 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5) + rng.normal(0, 0.03, (size, size))
    stroke = Image.fromarray((np.clip(base * shade[..., None], 0, 255)).astype(np.uint8))
    image.paste(stroke, mask=mask)
    alpha.paste(255, mask=mask)
    return image, alpha
