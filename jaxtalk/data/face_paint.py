"""Paints the pixels of a rendered head: skin, lips, brows, beard, eyes, teeth, hair and cloth, lit and shaded.

Nothing here imitates one photograph: tones, patterns and lights are drawn at random, wide enough that a real picture
looks like one more draw (domain randomisation, Tobin et al. 2017).
"""

import functools

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from jaxtalk.data.face_geometry import Pixels
from jaxtalk.data.head_mesh import GUIDES
from jaxtalk.face.model import REGIONS

# From pale to dark, from black to grey, from brown to green; linear RGB.
_SKIN_TONES = np.array(
    [[0.85, 0.58, 0.47], [0.72, 0.45, 0.33], [0.5, 0.28, 0.18], [0.27, 0.13, 0.08], [0.1, 0.05, 0.03]]
)
_HAIR_TONES = np.array(
    [[0.01, 0.008, 0.008], [0.05, 0.025, 0.012], [0.2, 0.09, 0.035], [0.5, 0.32, 0.14], [0.45, 0.45, 0.45]]
)
_EYE_TONES = np.array([[0.03, 0.015, 0.008], [0.12, 0.06, 0.02], [0.1, 0.2, 0.3], [0.1, 0.18, 0.08]])
_VOLUME = 64  # a power of two


@functools.cache
def _noise_volume() -> Float[np.ndarray, "n n n"]:
    """Smooth noise that repeats, standard deviation 1."""
    volume = np.random.default_rng(7).standard_normal((_VOLUME, _VOLUME, _VOLUME))
    volume = ndimage.gaussian_filter(volume, 2.0, mode="wrap")
    return (volume / volume.std()).astype(np.float32)


def noise(
    rng: np.random.Generator, points: Float[np.ndarray, "n 3"], wavelength: float | list | np.ndarray
) -> Float[np.ndarray, "n"]:
    """Smooth random field at points in metres; `wavelength` in metres, one number or one per axis."""
    place = points * np.float32(8 / np.asarray(wavelength)) + rng.uniform(0, _VOLUME, 3).astype(np.float32)
    x, y, z = (np.floor(place).astype(np.int32) & (_VOLUME - 1)).T
    return _noise_volume().ravel()[(x * _VOLUME + y) * _VOLUME + z]  # the nearest sample: its steps do not show


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 before `low`, 1 beyond `high`, a smooth cubic between; `low` may be the larger."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def paint(
    rng: np.random.Generator, pixels: Pixels, lights: dict[str, np.ndarray], beast: bool = False
) -> Float[np.ndarray, "h w 3"]:
    """Linear RGB of every pixel that the head covers, zero elsewhere. `lights`: see `sample_lights`.

    A `beast` has fur, no lips, no brows and no white in its eyes.
    """
    region = np.asarray(pixels.region)
    covered = region >= 0
    kind = region[covered]
    guide = dict(zip(GUIDES, np.asarray(pixels.guides)[covered].T, strict=True))
    normal, grow = np.asarray(pixels.normal)[covered], np.asarray(pixels.grow)[covered]
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    normal *= np.where(normal[:, 2:] < 0, -1, 1)
    light = np.array(np.asarray(pixels.light)[covered])

    hair = _hair_colour(rng, guide)
    albedo, gloss = _fur(rng, guide, hair) if beast else _skin(rng, guide, hair)
    normal = _bumps(rng, guide, normal)
    masks = {name: kind == REGIONS.index(name) for name in REGIONS}
    hairy = masks["hair"] | (masks["skin"] & (grow > 0.5 * np.abs(rng.normal(0, 0.3))))
    albedo = np.where(hairy[:, None], hair, albedo)
    gloss = np.where(hairy, rng.uniform(0, 0.3), gloss)
    eyes = masks["eye"]
    albedo[eyes], gloss[eyes] = _eyes(rng, {k: v[eyes] for k, v in guide.items()}, beast), 1.0
    light[eyes] = np.maximum(light[eyes], rng.uniform(0.2, 0.5))
    for name, tone, dark in (("mouth", [0.35, 0.08, 0.07], 0.15), ("tongue", [0.45, 0.15, 0.13], 0.35)):
        albedo[masks[name]] = np.array(tone) * rng.uniform(0.5, 1.3)
        light[masks[name]] = dark * rng.uniform(0.2, 2)
    teeth = masks["teeth_upper"] | masks["teeth_lower"]
    albedo[teeth] = np.array([0.8, 0.75, 0.62]) * rng.uniform(0.6, 1.15)
    # The template's mouth is shut, so its teeth and gums are in the dark: light them by how far forward they are.
    light[teeth] = (smoothstep(0.06, 0.1, guide["z"][teeth]) * rng.uniform(0.3, 0.9))[:, None]
    cloth = masks["other"]
    albedo[cloth] = _cloth(rng, {k: v[cloth] for k, v in guide.items()})

    colour = np.zeros((*region.shape, 3), np.float32)
    colour[covered] = shade(albedo, gloss, normal, light, lights)
    return colour


def sample_lights(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Directions [l 3] and colours [l 3] of lights in camera space; the last is the ambient light."""
    azimuth, elevation = rng.uniform(-1.9, 1.9, count), rng.normal(0.35, 0.45, count)
    direction = np.stack(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], axis=-1
    )
    power = rng.dirichlet(np.full(count - 1, 0.6)) * rng.uniform(0.3, 1.6)
    tint = 1 + rng.normal(0, rng.choice([0.05, 0.25]), (count, 3))
    colour = np.clip(tint, 0.2, 2) * np.append(power, rng.uniform(0.15, 0.9))[:, None]
    if rng.random() < 0.7:
        direction[-1] = [0, 1, 0]
    return {"direction": direction.astype(np.float32), "colour": colour.astype(np.float32)}


def shade(albedo, gloss, normal, light, lights) -> Float[np.ndarray, "n 3"]:
    """Lambert and Blinn-Phong under shadowed lights, light that bleeds through skin, and an ambient term."""
    colour = albedo * light[:, -1:] * lights["colour"][-1]
    for k, direction in enumerate(lights["direction"][:-1]):
        facing = (normal @ direction).clip(-0.25)[:, None]
        soft = np.where(facing > 0.25, facing, (facing + 0.25) ** 2)  # wrapped: no hard line where the light ends
        half = direction + [0, 0, 1]
        shine = np.maximum(normal @ (half / np.linalg.norm(half)), 0)
        glint = gloss * (0.35 * shine**12 + 0.6 * shine**60)
        colour = colour + light[:, k : k + 1] * lights["colour"][k] * (albedo * soft + 0.25 * glint[:, None])
    return colour.astype(np.float32)


def _between(rng, tones):
    """A colour between two neighbours of a list, jittered."""
    place = rng.uniform(0, len(tones) - 1)
    low = int(place)
    tone = tones[low] + (place - low) * (tones[min(low + 1, len(tones) - 1)] - tones[low])
    return tone * np.exp(rng.normal(0, 0.07, 3) + rng.normal(0, 0.1))


def _skin(rng, guide, hair):
    place = np.stack([guide["x"], guide["y"], guide["z"]], -1)
    tone = _between(rng, _SKIN_TONES)
    if rng.random() < 0.06:  # painted faces, cartoons, odd prints
        tone = rng.uniform(0.1, 0.9, 3)
    patches = sum(noise(rng, place, w) * a for w, a in ((0.06, 0.1), (0.02, 0.06), (0.006, 0.04), (0.003, 0.03)))
    albedo = tone * np.exp(rng.choice([0.2, 0.6, 1.3]) * patches)[:, None]
    redness = np.minimum(rng.uniform(0, 0.2) * np.exp(noise(rng, place, 0.04)), 0.5)
    albedo = albedo * (1 - redness[:, None] * np.array([-0.1, 0.5, 0.5]))

    sockets = np.exp(-((np.maximum(guide["lids"], 0) / 0.009) ** 2)) * rng.uniform(0, 0.5)
    makeup = rng.uniform(0, 0.6, 3) * (rng.random() < 0.12)
    albedo = albedo * (1 - sockets[:, None]) + sockets[:, None] * makeup * tone
    lashes = np.exp(-((guide["lids"] / rng.uniform(0.0008, 0.0025)) ** 2)) * rng.uniform(0.2, 1)
    albedo = albedo * (1 - lashes[:, None] * 0.9)

    albedo = _mix(albedo, tone * _beard_tone(rng, hair, tone), _beard(rng, guide, place))
    lips = smoothstep(0.0008, -0.0008, guide["lips"] + 0.0006 * noise(rng, place, 0.008))
    albedo = _mix(albedo, _lip_tone(rng, tone), lips)
    albedo = _mix(albedo, np.minimum(hair * rng.uniform(0.1, 1.0), tone * 0.8), _brows(rng, guide, place))
    gloss = rng.uniform(0, 0.9) * np.exp(0.5 * noise(rng, place, 0.02)) + rng.uniform(0, 0.8) * (guide["lips"] < 0)
    return albedo, gloss


def _fur(rng, guide, hair):
    """Fur with bare patches around eyes or muzzle."""
    place = np.stack([guide["x"], guide["y"], guide["z"]], -1)
    bare = _between(rng, _SKIN_TONES) * rng.uniform(0.2, 1.2)
    other = _between(rng, _HAIR_TONES) * np.exp(rng.uniform(0.2, 0.6) * noise(rng, place, 0.006))[:, None]
    middle = np.array([0, rng.uniform(-0.04, 0.04), 0.11])
    reach = np.linalg.norm((place - middle) * [1, rng.uniform(0.5, 1.5), 0.6], axis=-1)
    reach = reach + 0.006 * noise(rng, place, 0.03)
    albedo = _mix(other, hair, smoothstep(0.04, 0.08, reach + rng.uniform(-0.02, 0.03)))
    albedo = _mix(np.broadcast_to(bare, albedo.shape), albedo, smoothstep(0.0, 0.02, reach - rng.uniform(-0.02, 0.06)))
    nose = smoothstep(0.012, 0.008, np.linalg.norm(place - [0, 0.0, 0.125], axis=-1)) * (rng.random() < 0.6)
    return _mix(albedo, np.full(3, rng.uniform(0.005, 0.1)), nose), np.full(len(place), rng.uniform(0, 0.2))


def _mix(below, above, weight):
    return below + (above - below) * weight[:, None]


def _lip_tone(rng, tone):
    natural = tone * np.array([rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9)])
    painted = np.array([rng.uniform(0.2, 0.7), rng.uniform(0.01, 0.15), rng.uniform(0.02, 0.2)])
    return painted if rng.random() < 0.25 else natural


def _brows(rng, guide, place):
    """How much of each pixel is brow: a band along the brow's line that tapers outwards, in hairs."""
    width = rng.uniform(0.002, 0.0065) * (1.2 - 0.5 * guide["brow_along"])
    raised = rng.normal(0.0003, 0.0008)
    hairs = 0.9 + 0.25 * noise(rng, place, [0.004, 0.012, 0.01])
    band = np.exp(-((np.maximum(guide["brow"] - raised, 0) / width) ** 3))
    return np.clip(band * hairs * rng.choice([rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.1)], p=[0.2, 0.8]), 0, 1)


def _beard_tone(rng, hair, tone):
    return np.clip(hair.mean(0) / np.maximum(tone, 0.05), 0, 1) * rng.uniform(0.8, 1.3)


def _beard(rng, guide, place):
    """How much of each pixel is beard or stubble, with or without the upper lip and the cheeks."""
    style = rng.choice(["none", "stubble", "full", "goatee", "moustache"], p=[0.5, 0.17, 0.2, 0.07, 0.06])
    if style == "none":
        return np.zeros(len(place))
    hairs = 0.9 + rng.uniform(0, 0.35) * noise(rng, place, 0.004) + 0.2 * noise(rng, place, 0.02)
    area = smoothstep(-0.004, rng.uniform(0.004, 0.02), guide["jaw"] - rng.uniform(-0.006, 0.014))
    area = area * smoothstep(0.001, 0.004, guide["lips"]) * smoothstep(0.0, 0.02, guide["y"] + 0.115)
    if style in ("goatee", "moustache"):
        area = area * smoothstep(0.035, 0.025, np.abs(guide["x"]))
    if style == "moustache":
        area = area * (guide["y"] > -0.036)
    strength = rng.uniform(0.1, 0.45) if style == "stubble" else rng.uniform(0.7, 1.1)
    return np.clip(area * hairs * strength, 0, 1)


def _hair_colour(rng, guide):
    """Streaks along the hair; grey, dyed or natural."""
    place = np.stack([guide["x"], guide["y"], guide["z"]], -1)
    tone = rng.uniform(0, 0.7, 3) if rng.random() < 0.08 else _between(rng, _HAIR_TONES)
    streaks = noise(rng, place, [0.008, rng.choice([0.01, 0.08]), 0.008]) + 0.6 * noise(rng, place, [0.03, 0.15, 0.03])
    return tone * np.exp(rng.uniform(0.1, 0.7) * streaks)[:, None]


def _bumps(rng, guide, normal):
    """Tilts normals by noise: pores, folds and wrinkles."""
    place = np.stack([guide["x"], guide["y"], guide["z"]], -1)
    for wavelength, most in (([0.03, 0.012, 0.03], 0.12), ([0.006, 0.006, 0.006], 0.15)):
        depth = rng.uniform(0, most)
        tilt = np.stack([noise(rng, place, np.array(wavelength)) for _ in range(3)], -1)
        normal = normal + depth * tilt
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def _eyes(rng, guide, beast):
    iris, pupil = (rng.uniform(0.7, 1.2), 0.4) if beast else (rng.uniform(0.42, 0.56), rng.uniform(0.12, 0.28))
    white = np.array([0.75, 0.7, 0.68]) * rng.uniform(0.5, 1.1)
    ring = 1 - 0.6 * smoothstep(iris - 0.1, iris, guide["iris"])
    colour = _between(rng, _EYE_TONES) * ring[:, None]
    albedo = _mix(colour, np.broadcast_to(white, colour.shape), smoothstep(iris - 0.02, iris + 0.04, guide["iris"]))
    return _mix(albedo, np.full(3, 0.004), smoothstep(pupil + 0.03, pupil - 0.03, guide["iris"]))


def _cloth(rng, guide):
    place = np.stack([guide["x"], guide["y"], guide["z"]], -1)
    tone, other = rng.uniform(0.01, 0.9, (2, 3)) * rng.uniform(0.1, 1, (2, 1))
    stripes = rng.random() < 0.2
    pattern = np.sin(place @ rng.normal(0, 400, 3)) if stripes else 0.5 * noise(rng, place, rng.uniform(0.01, 0.08))
    albedo = tone * np.exp(0.3 * noise(rng, place, 0.05))[:, None]
    albedo = _mix(albedo, other, np.clip(pattern, 0, 1) * (rng.random() < 0.4))
    collar = smoothstep(0.01, 0.0, np.abs(guide["x"]) - (guide["y"] + rng.uniform(0.2, 0.3)) * rng.uniform(0.2, 0.9))
    return _mix(albedo, rng.uniform(0.0, 0.9, 3), collar * (rng.random() < 0.5))
