"""A look for the built-in head: an albedo texture painted by place, with skin, lips, brows, lashes, eyes and hair.

    rng = np.random.default_rng(seed)
    image = builtin_texture.paint(builtin_texture.sample_look(rng), rng)

Colours are sRGB in [0, 1]. Nothing is taken from a photograph; tones were chosen by eye to span human variety.
"""

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from jaxtalk.face import builtin_eyes, builtin_landmarks, builtin_texture_map
from jaxtalk.face.builtin_lids import EYE
from jaxtalk.face.model import REGIONS

Colour = tuple[float, float, float]

SKINS = np.array(
    [
        (0.94, 0.80, 0.73),
        (0.89, 0.72, 0.62),
        (0.83, 0.64, 0.52),
        (0.73, 0.53, 0.40),
        (0.56, 0.38, 0.28),
        (0.36, 0.24, 0.18),
    ]
)
HAIRS = np.array(
    [(0.08, 0.06, 0.05), (0.18, 0.12, 0.08), (0.32, 0.21, 0.13), (0.55, 0.40, 0.24), (0.72, 0.58, 0.36),
     (0.48, 0.22, 0.12), (0.62, 0.60, 0.58)]
)  # fmt: skip
IRISES = np.array(
    [
        (0.20, 0.11, 0.06),
        (0.34, 0.20, 0.10),
        (0.42, 0.34, 0.16),
        (0.32, 0.40, 0.28),
        (0.36, 0.48, 0.60),
        (0.48, 0.53, 0.57),
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """What a face looks like apart from its shape. Amounts are 0 (none) to 1 (strong)."""

    skin: Colour = (0.86, 0.68, 0.58)
    lips: Colour = (0.74, 0.42, 0.40)
    hair: Colour = (0.20, 0.13, 0.09)
    iris: Colour = (0.30, 0.20, 0.12)
    hairline: float = 0.0  # degrees higher (+) than usual
    bald: bool = False
    brows: float = 0.85  # density
    brow_width: float = 1.0
    flush: float = 0.45  # red of cheeks, nose and ears
    freckles: float = 0.0
    stubble: float = 0.0
    shadow: float = 0.3  # dark rings under the eyes
    liner: float = 0.5  # lashes and eyeliner
    lid: Colour | None = None  # eye shadow
    blemish: float = 0.4  # unevenness of tone
    pupil: float = 0.4  # radius over the iris's
    teeth: float = 0.5  # whiteness
    catchlight: float = 0.7  # reflection painted on the eyes


def sample_look(rng: np.random.Generator) -> Look:
    """A random look, spread wider than any population."""
    tone = rng.uniform(0, len(SKINS) - 1)
    skin = np.array([np.interp(tone, np.arange(len(SKINS)), channel) for channel in SKINS.T])
    skin = np.clip(skin + rng.normal(0, 0.025) + rng.normal(0, 0.01, 3), 0.08, 0.98)
    dark = tone / (len(SKINS) - 1)
    made_up = rng.random() < 0.3
    natural = skin * [0.92, 0.66, 0.66] + rng.normal(0, 0.03, 3)
    painted = np.array([rng.uniform(0.35, 0.85), rng.uniform(0.08, 0.40), rng.uniform(0.12, 0.45)])
    light_hair = rng.random() > 0.35 + 0.6 * dark
    hair = HAIRS[rng.integers(2, len(HAIRS)) if light_hair else rng.integers(0, 3)] * rng.uniform(0.7, 1.2)
    iris = IRISES[rng.integers(len(IRISES)) if rng.random() > dark else rng.integers(2)] * rng.uniform(0.8, 1.2)
    man = not made_up and rng.random() < 0.6
    return Look(
        skin=_colour(skin),
        lips=_colour(painted if made_up and rng.random() < 0.7 else natural),
        hair=_colour(hair + rng.normal(0, 0.02, 3)),
        iris=_colour(iris + rng.normal(0, 0.03, 3)),
        hairline=rng.normal(0, 5),
        bald=bool(man and rng.random() < 0.15),
        brows=rng.uniform(0.45, 1),
        brow_width=rng.uniform(0.6, 1.5),
        flush=rng.uniform(0, 1),
        freckles=rng.uniform(0.3, 1) if rng.random() < 0.2 else 0.0,
        stubble=rng.uniform(0.2, 1) if man and rng.random() < 0.6 else 0.0,
        shadow=rng.uniform(0, 0.8),
        liner=rng.uniform(0.6, 1) if made_up else rng.uniform(0.2, 0.6),
        lid=_colour(rng.uniform(0.1, 0.7, 3)) if made_up and rng.random() < 0.5 else None,
        blemish=rng.uniform(0.1, 1),
        pupil=rng.uniform(0.3, 0.55),
        teeth=rng.uniform(0, 1),
        catchlight=rng.uniform(0, 1),
    )


def paint(look: Look, rng: np.random.Generator, size: int = 512) -> Float[np.ndarray, "s s 3"]:
    """The texture for `model().uv`, row 0 at v = 1; `rng` draws freckles, strands and pores."""
    under = builtin_texture_map.build(size)
    image = _skin(look, rng, under)
    image = _lips(look, rng, under, image)
    image = _hair(look, rng, under, image)
    image = _brows(look, rng, under, image)
    image = _lids(look, under, image)
    image = _hollows(under, image)
    for name, painter in (("mouth", _mouth), ("tongue", _tongue), ("eye", _eye)):
        image = np.where((under.region == REGIONS.index(name))[..., None], painter(look, rng, under), image)
    teeth = np.isin(under.region, [REGIONS.index("teeth_upper"), REGIONS.index("teeth_lower")])
    image = np.where(teeth[..., None], _teeth(look, rng, under), image)
    return np.clip(image, 0, 1).astype(np.float32)


def _colour(values) -> Colour:
    return tuple(float(v) for v in np.clip(values, 0.02, 0.98))


def _noise(rng, size, wavelength):
    """Smooth noise of unit variance, `wavelength` as a share of the texture."""
    sigma = max(wavelength * size / 4, 0.4)
    noise = ndimage.gaussian_filter(rng.standard_normal((size, size)), sigma, mode="wrap")
    return noise / noise.std()


def _ramp(low, high, x):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _spot(under, centre, reach):
    """1 at a place (mm) on either side of the face, falling off like a Gaussian."""
    g = under.guides
    x, y, z = np.abs(g["x"]) - centre[0], g["y"] - centre[1], g["z"] - centre[2]
    return np.exp(-((x / reach[0]) ** 2 + (y / reach[1]) ** 2 + (z / reach[2]) ** 2))


def _mix(image, colour, amount):
    return image + amount[..., None] * (np.asarray(colour) - image)


def _skin(look, rng, under):
    size = len(under.region)
    g = under.guides
    base = np.array(look.skin)
    blotches = 0.6 * _noise(rng, size, 0.12) + 0.4 * _noise(rng, size, 0.03)
    pores = _noise(rng, size, 0.004)
    image = base * (1 + (0.035 * look.blemish * blotches + 0.012 * pores)[..., None])
    red = sum(
        amount * _spot(under, *place)
        for amount, *place in (
            (0.9, (44, -6, 82), (20, 16, 26)), (1.0, (0, -12, 120), (15, 12, 22)), (0.8, (84, 0, -8), (16, 34, 26)),
            (0.4, (0, -82, 98), (22, 12, 26)), (0.35, (12, -16, 102), (8, 8, 12)),
        )
    )  # fmt: skip
    redness = np.clip(red * (0.5 + look.flush) * (1 + 0.25 * blotches), 0, 1.5)
    image = image * (1 - redness[..., None] * np.array([0.01, 0.13, 0.12]))
    tired = _spot(under, (30, 10, 86), (15, 5.5, 14)) + 0.7 * _spot(under, (17, 17, 86), (5, 7, 8))
    image = image * (1 - np.clip(tired * look.shadow, 0, 1)[..., None] * np.array([0.22, 0.26, 0.20]))
    if look.freckles:
        dots = ndimage.gaussian_filter((rng.random((size, size)) < 0.012).astype(float), 0.9 * size / 512)
        where = _spot(under, (24, -2, 95), (34, 22, 40))
        image = _mix(image, base * [0.72, 0.58, 0.48], np.clip(look.freckles * where * dots * 5, 0, 0.75))
    if look.stubble:
        image = _mix(image, np.array(look.hair) * 0.6 + base * 0.25, look.stubble * _beard(g) * _grain(rng, size))
    return image


def _beard(g):
    x, y, z = np.abs(g["x"]), g["y"], g["z"]
    cheek = np.interp(x, [0, 20, 35, 55, 75], [-26, -30, -38, -32, 5])  # upper edge
    area = _ramp(0, 7, cheek - y) * _ramp(-125, -100, y) * _ramp(-5, 12, z)
    return area * (1 - 0.55 * np.exp(-(((x - 0) / 5) ** 2 + ((y + 62) / 5) ** 2)))


def _grain(rng, size):
    return np.clip(0.42 + 0.20 * _noise(rng, size, 0.003), 0, 0.85)


def _lips(look, rng, under, image):
    size = len(under.region)
    inside = under.guides["lips"]
    red = _ramp(-0.6, 0.9, inside)
    creases = _noise(rng, size, 0.004) * 0.03 + _noise(rng, size, 0.02) * 0.03
    upper = 1 - 0.10 * (under.guides["upper"] > 0.5)  # the upper lip is a little darker
    lips = np.array(look.lips) * ((1 + creases) * upper)[..., None]
    wet = _ramp(6, 9.6, inside)  # towards the line of touch
    lips = lips * (1 - wet[..., None] * np.array([0.30, 0.42, 0.40]))
    image = image + red[..., None] * (lips - image)
    corner = _spot(under, (24.5, -47.2, 93), (3.5, 2.2, 6))
    return image * (1 - 0.45 * corner[..., None])


def _hair(look, rng, under, image):
    if look.bald:
        return image
    size = len(under.region)
    g = under.guides
    d = np.stack([g["x"], g["y"], g["z"] - 5], -1)
    d = d / np.maximum(np.linalg.norm(d, axis=-1, keepdims=True), 1e-9)
    lon = np.degrees(np.arctan2(np.abs(d[..., 0]), d[..., 2]))
    lat = np.degrees(np.arcsin(np.clip(d[..., 1], -1, 1)))
    line = np.interp(
        lon, [0, 25, 42, 58, 68, 78, 84, 90, 106, 114, 135, 180], [50, 50, 45, 34, 20, 4, 4, 15, 15, 2, -26, -32]
    )
    line = line + look.hairline * np.interp(lon, [0, 50, 80], [1, 0.8, 0]) + _noise(rng, size, 0.03)
    hair = _ramp(-3.0, 5.0, lat - line + 2.2 * _noise(rng, size, 0.005)) * _ramp(0.6, 0.3, g["ear"])
    # strands run away from the face: fine across, long along
    turn = np.arctan2(d[..., 0], d[..., 1]) / (2 * np.pi) + 0.5
    strands = ndimage.gaussian_filter(rng.standard_normal((1024, 64)), (0.8, 3), mode="wrap")
    strands = (strands / strands.std())[
        np.clip((turn * 1024).astype(int), 0, 1023), np.clip(((d[..., 2] + 1) * 31).astype(int), 0, 63)
    ]
    colour = np.array(look.hair) * np.clip(1 + 0.28 * strands, 0.4, 1.9)[..., None]
    return image + hair[..., None] * (colour - image)


def _brows(look, rng, under, image):
    size = len(under.region)
    g = under.guides
    x, y = np.abs(g["x"]), g["y"]
    places = np.array([builtin_landmarks.PLACES[k][:2] for k in range(22, 27)], float)
    middle = np.interp(x, places[:, 0], places[:, 1] - 1.5)
    half = look.brow_width * np.interp(x, [8, 13, 24, 40, 56], [2.5, 4.2, 4.0, 3.0, 1.0])
    ends = _ramp(7, 12, x) * (1 - _ramp(52, 58, x))
    across = np.abs(y - middle) / half
    turn = 0.5 * (x - 10) - 0.9 * (y - middle)  # strands lean outwards
    strands = np.sin(turn * 3.0 + 2.0 * _noise(rng, size, 0.012)) * 0.25 + 0.2 * _noise(rng, size, 0.008)
    cover = np.clip(1.25 - across + strands, 0, 1) * ends * (g["z"] > 55) * look.brows
    return _mix(image, np.array(look.hair) * 0.75, np.clip(cover, 0, 0.95))


def _lids(look, under, image):
    g = under.guides
    outside, upper = g["lids"], g["upper"] > 0.5
    crease = np.exp(-(((outside - 4.8) / 1.2) ** 2)) * upper
    image = image * (1 - 0.16 * crease[..., None])
    if look.lid is not None:
        image = _mix(image, look.lid, 0.5 * _ramp(8.5, 3.0, outside) * upper)
    rim = np.array(look.skin) * [0.95, 0.68, 0.64] + [0.04, 0.02, 0.02]
    image = _mix(image, rim, _ramp(-0.2, -0.9, outside) * (outside < 15))
    lash = np.exp(-(((outside - 0.35) / np.where(upper, 0.75, 0.45)) ** 2)) * np.where(upper, 0.95, 0.5)
    return _mix(image, np.array(look.hair) * 0.35, np.clip(lash * (0.45 + 0.6 * look.liner), 0, 0.97))


def _hollows(under, image):
    """Nostrils and ear canals, where hardly any light comes."""
    depth = np.where(under.region == REGIONS.index("skin"), under.guides["depth"], 0)
    ear = np.abs(under.guides["x"]) > 50
    return image * (1 - np.where(ear, 0.3, 0.92) * _ramp(0, 2, depth))[..., None]


def _mouth(look, rng, under):
    """From the lips' wet side to the dark throat; gums."""
    size = len(under.region)
    g = under.guides
    wet = np.array(look.lips) * [0.72, 0.55, 0.55]
    depth = g["depth"]
    flesh = np.array([0.52, 0.24, 0.23]) * (1 + 0.06 * _noise(rng, size, 0.01))[..., None]
    image = wet + _ramp(0, 2.5, depth)[..., None] * (flesh - wet)
    light = np.interp(g["z"], [42, 60, 80, 95, 105], [0.07, 0.18, 0.45, 0.75, 1.0])
    gums = np.array([0.74, 0.42, 0.41]) * (0.35 + 0.65 * np.array(look.skin)[0])
    image = np.where((under.part == 1)[..., None], gums * (1 + 0.05 * _noise(rng, size, 0.006))[..., None], image)
    return image * light[..., None]


def _tongue(look, rng, under):
    size = len(under.region)
    light = np.interp(under.guides["z"], [45, 60, 75, 92], [0.10, 0.30, 0.65, 0.9])
    bumps = 1 + 0.06 * _noise(rng, size, 0.005)
    return np.array([0.72, 0.40, 0.39]) * (light * bumps)[..., None]


def _teeth(look, rng, under):
    g = under.guides
    white = np.array([0.80, 0.74, 0.61]) + look.teeth * np.array([0.13, 0.16, 0.23])
    low, high = np.where(
        (under.region == REGIONS.index("teeth_upper"))[None],
        np.array([[[0.09]], [[0.142]]]),
        np.array([[[0.036]], [[0.088]]]),
    )
    level = np.clip((under.v - low) / (high - low), 0, 1)
    tint = 1 - _ramp(0.35, 0.0, level)[..., None] * np.array([0.06, 0.12, 0.22])
    edge = _ramp(0.8, 1.0, level)[..., None] * np.array([0.05, 0.03, 0.0])
    light = np.interp(g["z"], [62, 78, 92, 98], [0.30, 0.60, 0.92, 1.0])
    return (white * tint - edge) * light[..., None] * (1 + 0.015 * _noise(rng, len(under.region), 0.01))[..., None]


def _eye(look, rng, under):
    size = len(under.region)
    g = under.guides
    r = builtin_eyes.angle(np.clip(g["iris"], 0, 0.999)) / builtin_eyes.IRIS  # 1 at the limbus
    side = np.sign(g["x"])
    across, up = g["x"] - side * EYE[0], g["y"] - EYE[1]
    turn = np.arctan2(up, across)
    spokes = ndimage.gaussian_filter1d(rng.standard_normal(256), 1.2, mode="wrap")
    spokes = (spokes / spokes.std())[((turn / (2 * np.pi) + 0.5) * 255).astype(int)]
    sclera = np.array([0.90, 0.88, 0.86]) * (1 + 0.01 * _noise(rng, size, 0.01))[..., None]
    sclera = sclera - _ramp(1.3, 3.2, r)[..., None] * np.array([0.06, 0.14, 0.15])
    inner = np.array(look.iris) * (1.25 - 0.35 * _ramp(look.pupil, 0.95, r) + 0.14 * spokes)[..., None]
    inner = inner * (1 - 0.55 * _ramp(0.78, 1.0, r))[..., None]  # limbal ring
    image = inner + _ramp(0.95, 1.06, r)[..., None] * (sclera - inner)
    image = _mix(image, (0.015, 0.015, 0.02), 1 - _ramp(look.pupil - 0.05, look.pupil + 0.05, r))
    image = image * (1 - 0.28 * _ramp(2.0, 7.0, up) * (r < 3))[..., None]  # the upper lid's shadow
    glint = np.exp(-(((across + 2.0) / 1.0) ** 2 + ((up - 2.2) / 1.0) ** 2)) * (g["z"] > EYE[2])
    return _mix(image, (1, 1, 1), np.clip(1.4 * look.catchlight * glint, 0, 1))
