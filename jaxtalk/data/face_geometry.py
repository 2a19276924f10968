"""Random heads as geometry: identity, expression, gaze, hair, shoulders, pose and camera, down to buffers of pixels.

numbers drawn by `sample` --jitted `draw`--> what every pixel sees (guides, normal, light), 68 points in pixels
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxtalk.data.head_mesh import GUIDES, HeadMesh
from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import REGIONS, normals
from jaxtalk.render.rasterise import interpolate, rasterise

LIGHTS = 5  # the last is the ambient light
HAIR, CLOTH = REGIONS.index("hair"), REGIONS.index("other")
_SHEET = 20  # vertices along each side of a sheet of hair, and of the shoulders


class Pixels(NamedTuple):
    """What a picture is painted from."""

    region: Int[Array, "h w"]  # index into REGIONS, -1 for the background
    guides: Float[Array, "h w g"]  # head_mesh.GUIDES
    normal: Float[Array, "h w 3"]
    light: Float[Array, "h w l"]  # 1 where each light reaches the surface
    grow: Float[Array, "h w"]  # how far hair has lifted off the scalp, 0 to 1
    landmarks: Float[Array, "68 2"]
    extra: Float[Array, "n 2"]  # glasses and the like, projected with the head


def sample(rng: np.random.Generator, mesh: HeadMesh, beast: bool = False) -> dict[str, np.ndarray]:
    """Everything random about one head that `draw` needs, as float32 arrays; of a `beast`, with a muzzle."""
    hair = _sample_hair(rng)
    yaw = rng.choice([rng.normal(0, 0.3), rng.uniform(-1.1, 1.1)])
    angles = np.array([rng.normal(0, 0.22), yaw, rng.normal(0, 0.12)])
    distance = np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
    drawn = {
        "identity": rng.normal(0, rng.uniform(0.5, 1.1), len(mesh.identity)),
        "stretch": rng.normal([1.0, 1.02, 1.0], 0.05),
        "warp": rng.uniform([-0.5, -0.9, -0.3, -0.8], [0.3, -0.3, 0.8, 0.0]) if beast else _sample_warp(rng),
        "muzzle": rng.uniform(0.02, 0.07) if beast else 0.0,  # metres forward
        "expression": sample_expression(rng, mesh.expression_names),
        "gaze": np.clip(rng.normal(0, [0.15, 0.25]), -0.5, 0.5),
        "angles": np.clip(angles, [-0.7, -1.2, -0.6], [0.7, 1.2, 0.6]),
        "neck": rng.uniform(0.0, 0.7),
        "distance": distance,
        **hair,
    }
    return {name: np.asarray(value, np.float32) for name, value in drawn.items()}


def sample_expression(rng: np.random.Generator, names: tuple[str, ...]) -> Float[np.ndarray, "e"]:
    """Random blendshape weights for ARKit-like names: talking mouths, blinks, now and then a grimace."""
    stems = [_stem(name) for name in names]
    strength = rng.choice([0.3, 0.7, 1.0], p=[0.3, 0.5, 0.2])
    drive = {stem: min(1.0, strength * rng.exponential(0.35)) * (rng.random() < 0.3) for stem in sorted(set(stems))}
    for stem in ("cheekPuff", "jawForward", "jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        drive[stem] = 0.5 * drive.get(stem, 0.0)
    drive["jawOpen"] = strength * rng.beta(1, 2.2) * (rng.random() < 0.75)
    drive["mouthClose"] = drive["jawOpen"] * rng.choice([0.0, rng.random()], p=[0.7, 0.3])
    drive["eyeBlink"] = rng.choice([rng.uniform(0, 0.3), rng.uniform(0.3, 1), 1.0], p=[0.75, 0.15, 0.1])
    drive["tongueOut"] = 0.0
    # The neutral shape has higher brows than most people who talk: lower them, and let them go below neutral.
    drive["browDown"] = np.clip(rng.normal(0.65, 0.45), -0.3, 1.4)
    drive["browInnerUp"] = np.clip(rng.normal(-0.05, 0.35), -0.5, 1)
    lopsided = rng.choice([0.05, 0.4], p=[0.8, 0.2])
    sided = [stem != name for stem, name in zip(stems, names, strict=True)]
    weights = [drive[stem] * (1 + s * rng.normal(0, lopsided)) for stem, s in zip(stems, sided, strict=True)]
    return np.clip(weights, -0.5, 1.4)


def _stem(name):
    """A blendshape's name without its side, in ICT's or in ARKit's spelling; jaw and mouth move as one."""
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return name
    return name.removesuffix("_L").removesuffix("_R").removesuffix("Left").removesuffix("Right")


def _sample_warp(rng):
    """Strength of local growth about (eyes, nose, mouth, chin); now and then that of a cartoon."""
    mild = rng.normal([-0.05, 0.0, 0.1, 0.1], [0.06, 0.1, 0.12, 0.1])
    cartoon = np.array([rng.uniform(0.2, 0.7), rng.uniform(-0.4, 0.1), rng.uniform(-0.3, 0.2), rng.normal(0, 0.15)])
    return cartoon if rng.random() < 0.08 else mild


def _sample_hair(rng):
    """A hairline over |azimuth| and the form of the sheets that hang at both sides."""
    bald = rng.random() < 0.12
    front = rng.uniform(0.55, 1.05)
    line = [front + rng.normal(0, 0.05), front - rng.uniform(0, 0.25), rng.uniform(0.1, 0.6), rng.uniform(-0.5, 0.3)]
    line += [rng.uniform(-0.8, -0.2), -0.8]
    long = rng.random() < 0.45 and not bald
    return {
        "hairline": np.array(line) + 9.0 * bald,
        "hair_depth": rng.choice([rng.uniform(0.002, 0.012), rng.uniform(0.01, 0.045)]),
        "hair_waves": rng.normal(0, 1, (4, 3)) * rng.choice([15.0, 40.0, 90.0]),
        "hair_rough": rng.uniform(0, 0.5),
        "sheet_shown": float(long),
        "sheet_open": rng.uniform(0.35, 1.5, 2),  # azimuth at which each side's sheet begins
        "sheet_end": rng.uniform(-0.25, -0.03),  # y
        "sheet_start": rng.uniform(0.03, 0.11),
        "sheet_radius": rng.uniform([0.082, 0.09], [0.105, 0.125]),
        "sheet_flare": rng.normal(0.1, 0.2),
    }


def _hairline(azimuth, line):
    return jnp.interp(azimuth, jnp.linspace(0, np.pi, line.shape[0]), line)


def _heads(mesh: HeadMesh, drawn):
    """Vertices of one head before pose: linear model, stretch, local growth, gaze, hair."""
    vertices = mesh.template + jnp.einsum("i,ivc->vc", drawn["identity"], mesh.identity)
    vertices = vertices + jnp.einsum("e,evc->vc", drawn["expression"], mesh.expression)
    vertices = vertices * drawn["stretch"][None]
    neutral = mesh.template[mesh.landmarks]
    parts = (slice(36, 42), slice(42, 48), slice(30, 36), slice(48, 60), slice(8, 9))
    centres = [neutral[part].mean(0) for part in parts]
    strength = drawn["warp"][np.array([0, 0, 1, 2, 3])]
    for k, (centre, sigma) in enumerate(zip(centres, (0.022, 0.022, 0.02, 0.025, 0.03), strict=True)):
        offset = mesh.template - centre
        weight = np.exp(-(offset**2).sum(-1, keepdims=True) / (2 * sigma**2)).astype(np.float32)
        vertices = vertices + strength[k] * weight * offset
        if k == 3:
            vertices = vertices + drawn["muzzle"] * (weight * np.array([0, 0, 1], np.float32))
    return _with_hair(mesh, _with_gaze(mesh, vertices, drawn["gaze"]), drawn)


def _with_gaze(mesh, vertices, gaze):
    turn = rotation.matrix(jnp.stack([gaze[0], gaze[1], jnp.zeros(())]))
    for side in (-1, 1):
        mine = np.flatnonzero((mesh.vertex_region == REGIONS.index("eye")) & (np.sign(mesh.template[:, 0]) == side))
        eye = vertices[mine]
        centre = (eye.min(0) + eye.max(0)) / 2
        vertices = vertices.at[mine].set((eye - centre[None]) @ turn.T + centre[None])
    return vertices


def _with_hair(mesh, vertices, drawn):
    """Lifts the scalp above the hairline outwards; returns how far, 0 to 1, too."""
    azimuth, elevation = (jnp.asarray(mesh.guides[:, GUIDES.index(name)]) for name in ("azimuth", "elevation"))
    skin = jnp.asarray(mesh.vertex_region == REGIONS.index("skin"), jnp.float32)
    waves = drawn["hair_waves"]
    noise = jnp.sin(mesh.template @ waves.T + jnp.arange(4.0)[None]).mean(-1)
    above = elevation - _hairline(azimuth, drawn["hairline"]) + 0.15 * drawn["hair_rough"] * noise
    ears = jax.nn.sigmoid((jnp.abs(jnp.asarray(mesh.template[:, 0])) - 0.086) / 0.002)  # stick out of the hair
    grow = jnp.clip(above / 0.2, 0, 1) * skin * (1 - ears)
    middle = jnp.array([0.0, 0.03, 0.01])
    out = vertices - middle[None]
    out = out / jnp.linalg.norm(out, axis=-1, keepdims=True)
    depth = drawn["hair_depth"] * (1 + drawn["hair_rough"] * noise)
    return vertices + (jnp.sqrt(grow) * depth)[:, None] * out, jnp.where(above > 0, jnp.maximum(grow, 0.05), 0) * skin


@functools.cache
def _grid_triangles(rows: int, columns: int, offset: int):
    index = np.arange(rows * columns).reshape(rows, columns) + offset
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])


def _sheets(drawn):
    """Two sheets of hair that hang from above the ears [2 s s 3], before pose; not a number where there are none."""
    across, down = jnp.meshgrid(jnp.linspace(0, 1, _SHEET), jnp.linspace(0, 1, _SHEET))
    y = drawn["sheet_start"] + (drawn["sheet_end"] - drawn["sheet_start"]) * down
    sides = []
    for k, sign in enumerate((-1.0, 1.0)):
        azimuth = drawn["sheet_open"][k] + (np.pi - drawn["sheet_open"][k]) * across
        wave = 0.004 * jnp.sin(y * drawn["hair_waves"][k, 0] + across * 9)
        swell = 1 + drawn["sheet_flare"] * down + 0.08 * jnp.sin(down * 3)
        x = sign * (drawn["sheet_radius"][0] * swell * jnp.sin(azimuth) + wave)
        z = drawn["sheet_radius"][1] * swell * jnp.cos(azimuth) + 0.005 + wave
        sides.append(jnp.stack([x, y + 0 * x, z], -1))
    return jnp.where(drawn["sheet_shown"] > 0, jnp.stack(sides), jnp.nan)


def _shoulders():
    """A bust below the neck [s s 3] (static)."""
    level = np.linspace(0, 1, _SHEET)
    y = np.interp(level, [0, 0.2, 0.4, 1], [-0.135, -0.16, -0.19, -0.5])
    rx = np.interp(level, [0, 0.2, 0.4, 0.6, 1], [0.062, 0.08, 0.16, 0.21, 0.23])
    rz = np.interp(level, [0, 0.2, 0.4, 1], [0.065, 0.075, 0.1, 0.13])
    angle = np.linspace(-np.pi, np.pi, _SHEET)
    x, z = rx[:, None] * np.sin(angle), rz[:, None] * np.cos(angle) - 0.01
    return np.stack([x, np.broadcast_to(y[:, None], x.shape), z], -1).astype(np.float32)


def make_draw(mesh: HeadMesh, size: int, margin: float):
    """A jitted `draw(drawn, light directions [l 3], extra points [n 3]) -> Pixels` of square pictures of `size` pixels.

    The 68 points fill 1 / margin of the picture.
    """
    sheet_first = len(mesh.template)
    body_first = sheet_first + 2 * _SHEET**2
    sheets = [_grid_triangles(_SHEET, _SHEET, sheet_first + k * _SHEET**2) for k in range(2)]
    body = _grid_triangles(_SHEET, _SHEET, body_first)
    triangles = jnp.asarray(np.concatenate([mesh.triangles, *sheets, body]))
    region = jnp.asarray(np.concatenate([mesh.region, np.full(sum(map(len, sheets)), HAIR), np.full(len(body), CLOTH)]))
    head_guides = jnp.asarray(mesh.guides)
    arrays = mesh
    visible, directions = jnp.asarray(mesh.visible, jnp.float32), jnp.asarray(mesh.directions)

    @jax.jit
    def draw(drawn, lights, extra) -> Pixels:
        head, grow = _heads(arrays, drawn)
        turn = rotation.matrix(drawn["angles"])
        body_turn = rotation.matrix(drawn["angles"] * drawn["neck"])
        low = jnp.clip((-0.08 - head[:, 1:2]) / 0.07, 0, 1)  # the neck's foot goes with the body
        world = [head @ turn.T * (1 - low) + head @ body_turn.T * low]
        sheet = _sheets(drawn).reshape(-1, 3)
        low = jnp.clip((-0.08 - sheet[:, 1:2]) / 0.1, 0, 1)
        world += [sheet @ turn.T * (1 - low) + sheet @ body_turn.T * low, _shoulders().reshape(-1, 3) @ body_turn.T]
        world = jnp.concatenate(world)

        camera = _framing(world[arrays.landmarks], drawn["distance"], size, margin)
        screen = camera.project(world)
        fragments = rasterise(screen, triangles, size, size, perspective=True)
        attributes = _attributes(head_guides, grow, world, triangles, lights @ turn, visible, directions, body_first)
        seen = interpolate(fragments, triangles, attributes)
        index = jnp.maximum(fragments.triangle, 0)
        guides = len(GUIDES)
        return Pixels(
            region=jnp.where(fragments.triangle >= 0, region[index], -1),
            guides=seen[..., :guides],
            normal=seen[..., guides : guides + 3],
            light=seen[..., guides + 3 : -1],
            grow=seen[..., -1],
            landmarks=screen[arrays.landmarks, :2],
            extra=camera.project((extra + _anchor(head, arrays)[None]) @ turn.T)[:, :2],
        )

    return draw


def _anchor(head, mesh):
    """Midway between the eyes' outer corners: where `extra` points are counted from."""
    return (head[mesh.landmarks[36]] + head[mesh.landmarks[45]]) / 2


def _framing(points, distance, size, margin):
    """The camera at `distance` in whose picture the points are in the middle and fill 1 / margin."""
    flat = points[:, :2] / (distance - points[:, 2:])
    low, high = flat.min(0), flat.max(0)
    focal = size / margin / (high - low).max()
    middle = (low + high) / 2 * focal * jnp.array([1.0, -1.0])
    return Pinhole(focal, size / 2 - middle, distance)


def _attributes(guides, grow, world, triangles, lights, visible, directions, body_first):
    """Per vertex: guides, normal, light from each direction (shadowed on the head only), hair's growth."""
    count = len(world)
    rest = count - len(guides)
    plain = jnp.concatenate([world[len(guides) :], jnp.full((rest, guides.shape[1] - 3), 0.3)], -1)
    normal = normals(jnp.nan_to_num(world), triangles)
    near = jnp.exp(40.0 * (lights[:-1] @ directions.T - 1))
    lit = visible @ (near / near.sum(-1, keepdims=True)).T
    ambient = visible @ jnp.maximum(lights[-1] @ directions.T + 0.6, 0)
    ambient = ambient / jnp.maximum(lights[-1] @ directions.T + 0.6, 0).sum() * 2.0
    lit = jnp.concatenate([lit, ambient[:, None]], -1)
    lit = jnp.concatenate([lit, jnp.ones((rest, lit.shape[1])).at[:, -1].set(0.7)])
    grow = jnp.concatenate([grow, jnp.where(jnp.arange(rest) + len(guides) < body_first, 1.0, 0.0)])
    columns = [jnp.concatenate([guides, plain]), normal, lit, grow[:, None]]
    return jnp.nan_to_num(jnp.concatenate(columns, -1))
