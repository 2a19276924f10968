"""Makes a photo move without any training: the photo is warped by the face fitted to it.

    photo, fitted face --prepare--> Portrait;   Portrait, expression, rotation, translation --draw--> frame

Each pixel of a frame is looked up in the photo once, at the place where the same point of the face was seen:

- the face: a mesh vertex carries its place in the photo; the moved mesh is rasterised and interpolates it;
- around it (hair, ears, neck, background): a smooth deformation of the picture follows the face (`warp`);
- between the two, places are mixed, not colours, so nothing is seen twice and nothing blurs;
- inside the mouth: teeth, tongue and cavity of the face model in the photo's light (`mouth`).

At rest every pixel is looked up at its own place, so the photo returns exactly.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxtalk.face import rotation as rotations
from jaxtalk.face.camera import Pinhole, WeakPerspective
from jaxtalk.face.model import REGIONS, FaceModel, normals
from jaxtalk.render import lids, lighting, mouth, rest, texture, warp
from jaxtalk.render.blend import blur, smoothstep, wide_blur
from jaxtalk.render.rasterise import interpolate, rasterise
from jaxtalk.render.settle import settle

WIDTH = 0.008  # metres: reach of one landmark's correction
DEEPER = 0.004  # metres: eyeballs and the inside of the mouth are drawn this much further back
RIM = 0.002  # metres
RAMP = 0.03  # of the picture's side: where it begins to move
BEHIND = 0.004  # metres behind what is seen from which a vertex counts as hidden


class Portrait(NamedTuple):
    """A photo and all that `draw` needs to move it."""

    image: Float[Array, "h w 6"]  # the photo, and the photo without fine detail
    neutral: Float[Array, "v 3"]  # the person's face without expression, metres
    basis: Float[Array, "e v 3"]
    rest: rest.Rest
    angles: Float[Array, "3"]
    translation: Float[Array, "3"]
    camera: Pinhole | WeakPerspective
    triangles: Int[Array, "f 3"]  # without the back of the head and the neck
    inside: Float[Array, "f"]  # 1 for triangles inside the mouth
    eye: Float[Array, "f"]  # 1 for triangles of the eyeballs
    place: Float[Array, "v 2"]  # where each vertex is seen in the photo, pixels
    behind: Float[Array, "v"]  # metres by which vertices are drawn further back: lids always cover eyes, lips teeth
    face: Float[Array, "v"]  # 1 where the mesh shows the photo, 0 where the smooth deformation does
    nodes: Int[Array, "n 3"]  # vertices seen at the deformation's nodes
    weights: Float[Array, "n 3"]  # and their weights, 0 where no face is
    follower: Float[Array, "n n"]
    albedo: Float[Array, "v 3"]
    light: Float[Array, "9 3"]  # in the mouth
    blinks: Int[Array, "n"]  # coefficients that close a lid
    lid: Float[Array, "n v"]  # 1 where that lid is bare skin when closed
    unfold: Float[Array, "n v 2"]  # where vertices look, relative to `place`, when that lid is closed
    eyes: Float[Array, "h w 1"]  # 1 where the photo shows an eyeball
    sclera: Float[Array, "3"]
    unit: Float[Array, ""]  # distance of the outer eye corners, pixels
    is_open: Float[Array, ""]  # 1 if the photo shows an open mouth
    gap: Float[Array, ""]  # height of the lips' opening in the photo, pixels
    lips: Int[Array, "2 3"]  # vertices of the inner lips that face each other


def prepare(
    image: Float[Array, "h w 3"],
    model: FaceModel,
    identity: Float[Array, "i"],
    expression: Float[Array, "e"],
    angles: Float[Array, "3"],
    translation: Float[Array, "3"],
    camera: Pinhole | WeakPerspective,
    landmarks: Float[Array, "68 2"] | None = None,
) -> Portrait:
    """What `draw` needs, from a photo and the face fitted to it (`jaxtalk.face.fit`).

    With `landmarks` (pixels) the mesh is bent so that its landmarks lie exactly there: lips part where the photo's
    lips meet.
    """
    keep = _front(model)
    triangles = model.triangles[keep]
    parts = np.asarray(model.region)[keep]
    constants = {
        "triangles": triangles,
        "inside": jnp.asarray(mouth.interior(model)[keep]),
        "eye": jnp.asarray(parts == REGIONS.index("eye"), jnp.float32),
        "lips": jnp.asarray(np.asarray(model.landmarks)[np.array([[61, 62, 63], [67, 66, 65]])]),
        "basis": model.expression,
        "blinks": jnp.asarray(lids.blinks(model), jnp.int32),
    }
    tables = jnp.asarray(mouth.albedo(model)), jnp.stack(lids.closing(model)), jnp.asarray(_head(model))
    landmarks = jnp.full((68, 2), jnp.nan) if landmarks is None else landmarks
    fitted = identity, expression, angles, translation, camera, landmarks
    return _prepare(image, model, fitted, tables, constants)


def _front(model):
    """Triangles [k] that a portrait can show: all but the back of the head and the neck."""
    triangles = np.asarray(model.triangles)
    behind = (np.asarray(normals(model.template, model.triangles))[:, 2] < -0.3)[triangles].all(1)
    neck = (_head(model) == 0)[triangles].all(1)
    inner = mouth.interior(model) > 0
    return np.nonzero(inner | ~(behind | neck))[0]


def _head(model):
    """1 for vertices of the head, 0 for the ears, which differ from person to person, and the neck, which stays."""
    template, points = np.asarray(model.template), np.asarray(model.template)[np.asarray(model.landmarks)]
    below = points[8, 1] - template[:, 1]
    beside = np.abs(template[:, 0]) / np.abs(points[[0, 16], 0]).mean()
    return ((1 - smoothstep(0.004, 0.012, below)) * (1 - smoothstep(0.94, 1.0, beside))).astype(np.float32)


@jax.jit
def _prepare(image, model, fitted, tables, constants):
    identity, expression, angles, translation, camera, landmarks = fitted
    albedo, (higher, bare), head = tables
    height, width = image.shape[:2]
    turn = rotations.matrix(angles)
    neutral = model.vertices(identity)
    posed = _posed(neutral, model.expression, expression, turn, translation)
    neutral = neutral + _correction(model, posed, turn, camera, landmarks)
    posed = _posed(neutral, model.expression, expression, turn, translation)
    behind = DEEPER * _touch(model, constants["triangles"], constants["eye"] + constants["inside"])
    screen = camera.project(posed) + behind[:, None] * jnp.array([[0.0, 0.0, 1.0]])
    at = model.landmarks
    own, is_open = rest.analyse(model.expression_names, neutral[at], model.expression[:, at], expression)
    triangles = constants["triangles"]
    fragments = rasterise(screen, triangles, height, width, cull=True)
    normal = normals(posed, model.triangles)

    trusted = _smooth(smoothstep(0.1, 0.4, normal[:, 2]) * _seen(fragments, screen), triangles)
    face = smoothstep(0.3, 0.9, trusted) * smoothstep(0.0, 0.2, normal[:, 2]) * head
    higher = higher * (lids.room(posed[at] @ turn, len(higher)) * own.blink[constants["blinks"]])[:, None]
    up = posed[None] + turn[:, 1][None, None] * higher[..., None]
    tri = jnp.maximum(fragments.triangle, 0)
    there = fragments.triangle >= 0
    inside, eye = constants["inside"][tri] * there, constants["eye"][tri] * there
    drawn = interpolate(fragments, triangles, jnp.concatenate([face[:, None], normal], 1))
    skin = (drawn[..., 0] > 0.8) & (inside + eye == 0)
    light = lighting.fit(drawn[..., 1:], image, skin)
    mean = (image * skin[..., None]).sum((0, 1)) / jnp.maximum(skin.sum(), 1)
    luminance = image @ jnp.array(mouth.LUMINANCE)
    sclera = _sclera(image, luminance, eye)

    eyes = jnp.linalg.norm(screen[model.landmarks[36], :2] - screen[model.landmarks[45], :2])
    soft = _soft(image, eye, eyes)
    nodes, weights, trust = _nodes(fragments, triangles, drawn[..., 0] * (1 - inside))
    part = _touch(model, triangles, constants["inside"] + constants["eye"])  # the mesh alone shows eyes and mouth
    lips = constants["lips"]
    return Portrait(
        image=jnp.concatenate([image, soft], -1),
        lid=bare,
        neutral=neutral,
        rest=own,
        angles=angles,
        translation=translation,
        camera=camera,
        place=screen[:, :2] + is_open * _into_lips(model, constants, posed, turn, camera),
        unfold=camera.project(up)[..., :2] - camera.project(posed)[None, :, :2],
        face=jnp.maximum(face, part),
        behind=behind,
        nodes=nodes,
        weights=weights,
        follower=warp.follower(trust),
        albedo=mouth.tone(albedo, mean, sclera, jnp.quantile(luminance, 0.95)),
        light=mouth.dim(light, mean),
        eyes=_grow(eye)[..., None],
        sclera=sclera,
        unit=eyes,
        is_open=is_open,
        gap=(screen[lips[1], 1] - screen[lips[0], 1]).mean(),
        **constants,
    )


def draw(
    portrait: Portrait, expression: Float[Array, "e"], rotation: Float[Array, "3"], translation: Float[Array, "3"]
) -> Float[Array, "h w 3"]:
    """One frame. Motion is relative to the portrait: zero draws the photo, with its mouth closed (see `rest`).

    `rotation` (pitch, yaw, roll) turns the head about its own axes, `translation` (metres) moves it in space. Up to
    about 20 degrees look right: what the photo does not show is made up from what is next to it.
    """
    height, width = portrait.image.shape[:2]
    turned = rotations.matrix(portrait.angles) @ rotations.matrix(rotation)
    total = rest.add(portrait.rest, expression)
    posed = _posed(portrait.neutral, portrait.basis, total, turned, portrait.translation + translation)
    screen = portrait.camera.project(posed) + portrait.behind[:, None] * jnp.array([[0.0, 0.0, 1.0]])
    fragments = rasterise(screen, portrait.triangles, height, width, cull=True)
    lit = jnp.clip(lighting.shade(normals(posed, portrait.triangles), portrait.albedo, portrait.light), 0.0, 1.0)
    closed = jnp.clip(expression[portrait.blinks], 0.0, 1.0)
    place = portrait.place + jnp.einsum("n,nvc->vc", closed, portrait.unfold)
    bare = (closed[:, None] * portrait.lid).max(0, initial=0.0)
    attributes = jnp.concatenate([place, portrait.face[:, None], bare[:, None], lit], 1)
    drawn = settle(interpolate(fragments, portrait.triangles, settle(attributes)))
    inside, eye = settle(_parts(portrait, fragments))

    shift = screen[:, :2] - portrait.place
    measured = (shift[portrait.nodes] * portrait.weights[..., None]).sum(1)
    moved = (portrait.follower @ measured).reshape(warp.NODES, warp.NODES, 2)
    here = jnp.stack(jnp.meshgrid(jnp.arange(width) + 0.5, jnp.arange(height) + 0.5), -1)
    around = here + warp.backward(moved, height, width)
    face = drawn[..., 2:3] * _feather(drawn[..., 2:3])
    moved = around + face * (drawn[..., :2] - around) - here
    source = settle(here + _frame(here, height, width) * moved)

    both = texture.at(portrait.image, source)
    colour = both[..., :3] + drawn[..., 3:4] * (both[..., 3:] - both[..., :3])
    seen = texture.at(portrait.eyes, source)
    colour = colour + eye * (1 - seen) * (portrait.sclera[None, None] - colour)
    # What is left of an eye between nearly closed lids lies in their shadow.
    shadow = 1 - jnp.clip(0.15 + 2.2 * wide_blur(eye, portrait.unit / 30), 0.0, 1.0)
    colour = colour * (1 - eye * shadow * smoothstep(0.3, 0.9, closed.max(initial=0.0)))
    lips = screen[portrait.lips, 1].mean(1)
    opened = smoothstep(0.008, 0.03, (lips[1] - lips[0] - portrait.gap) / portrait.unit)
    opened = jnp.maximum(opened, portrait.is_open)
    layers = colour, drawn[..., 4:], inside
    return jax.lax.cond(opened > 0, _fill_mouth, lambda colour, *_: colour, *layers, opened, portrait.unit)


def _posed(neutral, basis, expression, turn, translation):
    vertices = neutral + jnp.einsum("e,evc->vc", expression, basis)
    return vertices @ turn.T + translation[None]


def _parts(portrait, fragments):
    """Masks [h w 1] of what lies inside the mouth and of the eyeballs."""
    index, there = jnp.maximum(fragments.triangle, 0), fragments.triangle >= 0
    return (portrait.inside[index] * there)[..., None], (portrait.eye[index] * there)[..., None]


def _fill_mouth(colour, lit, inside, opened, unit):
    """Lays the inside of the mouth over the face, with soft edges; a slit between the lips stays dark."""
    soft = jnp.concatenate([inside, inside * lit, (1 - inside) * colour], -1)
    for _ in range(2):
        soft = settle(blur(settle(soft)))
    alpha = soft[..., :1]
    inner = soft[..., 1:4] / jnp.maximum(alpha, 1e-3)
    outer = jnp.where(inside > 0, soft[..., 4:] / jnp.maximum(1 - alpha, 1e-3), colour)
    light = jnp.clip(0.1 + 2.2 * wide_blur(inside, unit / 25), 0.0, 1.0)
    return colour + opened * (alpha * light * inner + (1 - alpha) * outer - colour)


def _correction(model, posed, turn, camera, landmarks):
    """Change [v 3] of the neutral face that brings its landmarks to those of the photo, as seen from the camera.

    Gaussian kernel regression over the face with its mouth open, so that upper and lower lip go separate ways.
    """
    at = model.landmarks
    screen = camera.project(posed[at])
    metre = camera.project(posed[at] + jnp.array([[1e-3, 0.0, 0.0]]))[:, 0] - screen[:, 0]
    error = (landmarks - screen[:, :2]) / metre[:, None] * jnp.array([[1e-3, -1e-3]])
    known = jnp.isfinite(landmarks).all(-1) & (jnp.arange(68) > 16)  # the jaw line is too vague
    error = jnp.where(known[:, None], error, 0.0)
    place = model.template
    if "jawOpen" in model.expression_names:
        place = place + model.expression[model.expression_names.index("jawOpen")]

    def kernel(a):
        return jnp.exp(-((a[:, None] - place[at][None]) ** 2).sum(-1) / (2 * WIDTH**2)) * known[None]

    weights = jnp.linalg.solve(kernel(place[at]) + 0.05 * jnp.eye(68), error)
    return kernel(place) @ weights @ turn[:2]


def _smooth(values, triangles, rounds=4):
    """Vertex values averaged over the triangles around."""
    for _ in range(rounds):
        mean = values[triangles].mean(1, keepdims=True) * jnp.ones((1, 3))
        total = jnp.zeros_like(values).at[triangles].add(mean)
        values = total / jnp.maximum(jnp.zeros_like(values).at[triangles].add(1.0), 1.0)
    return values


def _feather(face):
    """Lets the face [h w 1] fade out towards its outline, where the mesh fits the photo least."""
    height, width = face.shape[:2]
    small = blur(jax.image.resize(face, (height // 4, width // 4, 1), "linear"), 2)
    return smoothstep(0.5, 0.9, jax.image.resize(small, face.shape, "linear"))


def _frame(here, height, width):
    """0 on the picture's outline, 1 a little further in [h w 1]: a drawn part of a picture fits into the whole."""
    end = jnp.array([[[width, height]]]) - here
    return jnp.clip((jnp.minimum(here, end).min(-1, keepdims=True) - 0.5) / (RAMP * max(height, width)), 0.0, 1.0)


def _soft(image, eye, unit):
    """The skin without detail: blurred over a twentieth of the distance between the eyes, eyes [h w] left out."""
    clear = 1 - jnp.clip(4 * wide_blur(eye[..., None], unit / 20), 0.0, 1.0) + 1e-3
    return wide_blur(image * clear, unit / 20) / wide_blur(clear, unit / 20)


def _grow(mask):
    """The mask [h w] and all pixels that touch it."""
    return jax.lax.reduce_window(mask, 0.0, jax.lax.max, (3, 3), (1, 1), "SAME")


def _seen(fragments, screen):
    """1 for vertices that nothing hides in the photo."""
    height, width = fragments.depth.shape
    x = jnp.clip(jnp.floor(screen[:, 0]).astype(jnp.int32), 0, width - 1)
    y = jnp.clip(jnp.floor(screen[:, 1]).astype(jnp.int32), 0, height - 1)
    return (screen[:, 2] < fragments.depth[y, x] + BEHIND).astype(jnp.float32)


def _into_lips(model, constants, posed, turn, camera):
    """Shift [v 2] in pixels of the lips' inner rims into the lips: an open mouth's teeth must not stick to them."""
    inside = constants["inside"]
    rim = _touch(model, constants["triangles"], inside) * _touch(model, constants["triangles"], 1 - inside)
    height = posed @ turn[:, 1]
    away = RIM * rim * jnp.sign(height - height[constants["lips"]].mean())
    return (camera.project(posed + away[:, None] * turn[None, :, 1]) - camera.project(posed))[:, :2]


def _touch(model, triangles, part):
    """1 for vertices of the triangles where `part` [f] is 1."""
    return jnp.zeros(len(model.template)).at[triangles].max(part[:, None] * jnp.ones((1, 3)))


def _nodes(fragments, triangles, trust):
    """Vertices and weights [n 3] of the face at the deformation's nodes, and how far they are trusted [g g]."""
    height, width = trust.shape
    at = warp.nodes(height, width).astype(jnp.int32)
    x, y = at[..., 0], at[..., 1]
    index = jnp.maximum(fragments.triangle[y, x], 0)
    return triangles[index].reshape(-1, 3), fragments.barycentric[y, x].reshape(-1, 3), trust[y, x]


def _sclera(image, luminance, eye):
    """The white of the eyes: the mean colour of their brighter half."""
    mean = (luminance * eye).sum() / jnp.maximum(eye.sum(), 1)
    bright = eye * (luminance >= mean)
    return (image * bright[..., None]).sum((0, 1)) / jnp.maximum(bright.sum(), 1)
