"""Fits a face model to 68 landmarks: identity, expression, pose and camera.

    landmarks [t, 68, 2] --POS--> camera, first pose --Levenberg-Marquardt--> identity [i], expression [t, e], pose

Maximum a posteriori under Gaussian noise on the landmarks (`NOISE`, metres on the face) and a normal(0, 1) prior on
identity. ARKit coefficients prefer 0 and pay for leaving [0, 1]; others (FLAME, BFM) are normal(0, 1). Frames of a
clip share identity and camera and follow a random walk; frames without landmarks are bridged. Picture size does not
matter: everything is measured in metres on the face.

The first pose is scaled orthography from lines (POS: DeMenthon and Davis, 1995); the rest is one solve in `bundle`.
The camera looks at the head from `DISTANCE`; nearness and focal length cannot be told apart from 68 points.

The jaw line (points 0 to 16) is where people and networks differ most, and it slides along the silhouette when the
head turns: it counts little, and less the further the head is turned, least on the side that turns away.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxtalk.face import arkit, bundle, rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import FaceModel, pose

DISTANCE = 1.0  # metres from the camera to the head
ITERATIONS = 12

# Noise of a landmark in metres: jaw, brows, nose, eyes, lips.
NOISE = np.repeat([0.006, 0.004, 0.002, 0.0015, 0.0015], [17, 10, 9, 12, 20]).astype(np.float32)
# What opens and closes, as pairs (above, below): lids and inner lips. Their distance is seen better than their place.
PAIRS = np.array([(37, 41), (38, 40), (43, 47), (44, 46), (61, 67), (62, 66), (63, 65)])
PAIR_NOISE = 0.0005
EXPRESSION_SPREAD = 0.5  # standard deviation of an ARKit coefficient around 0
# 68 points see little of these; left free they would soak up what is wrong with the identity.
UNSEEN = ("cheek", "eyeLook", "jawForward", "noseSneer", "tongue")
UNSEEN_SPREAD = 0.05
BOX_SPREAD = 0.02  # how far out of [0, 1] it may go
POSE_SPREAD = np.array([1.0, 1.0, 1.0, 0.3, 0.3, 0.3], np.float32)  # radians, metres: only keeps empty frames in place
# Random walk: standard deviation from one frame to the next.
POSE_STEP = np.array([0.05, 0.05, 0.05, 0.01, 0.01, 0.02], np.float32)
EXPRESSION_STEP = 0.3
ENOUGH = 8  # summed confidence of a frame's points from which they fix a pose
INDEPENDENT_FRAMES = 4
SHORTEST = 64  # clips are padded to this times a power of two, so that few lengths are compiled


# (begin, improve, iterations) -> what so many calls of improve make of begin()
Carry = Callable[[Callable, Callable, int], bundle.Reached]


class Fit(NamedTuple):
    """A fitted face, or a clip of one face: `*t` is empty for one picture."""

    identity: Float[Array, "i"]
    expression: Float[Array, "*t e"]
    angles: Float[Array, "*t 3"]  # (pitch, yaw, roll) in radians
    translation: Float[Array, "*t 3"]  # metres
    camera: Pinhole  # one for all frames
    residual: Float[Array, "*t"]  # mean landmark error over the distance of the outer eye corners of the frontal face


def fit(model: FaceModel, landmarks: Float[Array, "68 2"], *, confidence: Float[Array, "68"] | None = None) -> Fit:
    """The face in one picture, from landmarks in pixels. `confidence` 0 hides a point, which may then be NaN."""
    confidence = jnp.ones(68) if confidence is None else confidence
    clip = _fit(_points_of(model), model.expression_names, landmarks[None], confidence[None])
    return clip._replace(**{k: getattr(clip, k)[0] for k in ("expression", "angles", "translation", "residual")})


def fit_sequence(
    model: FaceModel,
    landmarks: Float[Array, "t 68 2"],
    *,
    confidence: Float[Array, "t 68"] | None = None,
    carry: Carry | None = None,
) -> Fit:
    """One face through a clip: identity and camera are shared, pose and expression change from frame to frame.

    Frames with confidence 0 are bridged from their neighbours. `carry` runs the solver one iteration after the other,
    for long clips: it can keep what each reaches and go on there (`data.kept_steps`).
    """
    count = len(landmarks)
    confidence = jnp.ones((count, 68)) if confidence is None else confidence
    padding = [(0, max(SHORTEST, 1 << (count - 1).bit_length()) - count), (0, 0), (0, 0)]
    landmarks, confidence = jnp.pad(landmarks, padding), jnp.pad(confidence, padding[:2])
    given = _points_of(model), model.expression_names, landmarks, confidence
    if carry is None:
        clip = _fit(*given)
    else:
        clip = _end(*given, carry(lambda: _begin(*given), lambda reached: _improve(*given, reached), ITERATIONS))
    return clip._replace(**{k: getattr(clip, k)[:count] for k in ("expression", "angles", "translation", "residual")})


def landmarks(model: FaceModel, fitted: Fit) -> Float[Array, "*t 68 3"]:
    """The 68 points of the fitted face, posed, in metres; `fitted.camera.project` brings them to pixels."""
    points = _points_of(model)
    face = points.template + jnp.einsum("ivc,i->vc", points.identity, fitted.identity)
    moved = jnp.einsum("evc,...e->...vc", points.expression, fitted.expression)
    return pose(jnp.broadcast_to(face, moved.shape) + moved, fitted.angles, fitted.translation)


class _Points(NamedTuple):
    """The 68 points of a face model: all that fitting needs of it."""

    template: Float[Array, "68 3"]
    identity: Float[Array, "i 68 3"]
    expression: Float[Array, "e 68 3"]

    def posed(self, x, identity):
        """The 68 points of one frame, x = (angles, translation, expression)."""
        points = self.template + jnp.einsum("ivc,i->vc", self.identity, identity)
        points = points + jnp.einsum("evc,e->vc", self.expression, x[6:])
        return pose(points, x[:3], x[3:6])


def _points_of(model):
    at = model.landmarks
    return _Points(model.template[at], model.identity[:, at], model.expression[:, at])


@jax.jit(static_argnums=1)
def _fit(points, names, landmarks, confidence):
    """`Fit` of a clip. landmarks t 68 2, confidence t 68."""
    problem = _problem(points, names, landmarks, confidence)
    return _fitted(points, names, problem, problem.solver.solve(problem.start, ITERATIONS))


@jax.jit(static_argnums=1)
def _begin(points, names, landmarks, confidence):
    return _problem(points, names, landmarks, confidence).start


@jax.jit(static_argnums=1)
def _improve(points, names, landmarks, confidence, reached):
    return _problem(points, names, landmarks, confidence).solver.improve(reached)


@jax.jit(static_argnums=1)
def _end(points, names, landmarks, confidence, reached):
    return _fitted(points, names, _problem(points, names, landmarks, confidence), reached)


def _fitted(points, names, problem, reached):
    boxed = np.array([name in arkit.INDEX for name in names])
    x = jnp.where(np.pad(boxed, (6, 0))[None], jnp.clip(reached.x, 0.0, 1.0), reached.x)
    x, camera = _bridge(x, problem.seen), problem.camera
    residual = _residual(points, x, reached.y, camera, problem.landmarks, problem.confidence)
    return Fit(reached.y, x[:, 6:], x[:, :3], x[:, 3:6], camera, residual)


class _Problem(NamedTuple):
    """A clip to be fitted: what is seen of it, its camera, what is minimised, and where that begins."""

    landmarks: Float[Array, "t 68 2"]
    confidence: Float[Array, "t 68"]
    seen: Bool[Array, "t"]
    camera: Pinhole
    solver: bundle.Problem
    start: bundle.Reached


def _problem(points, names, landmarks, confidence) -> _Problem:
    landmarks = jnp.where(confidence[..., None] > 0, landmarks, 0.0)
    seen = confidence.sum(-1) > ENOUGH
    confidence = jnp.where(seen[:, None], confidence, 0.0)
    camera, first = _first_poses(points.template, landmarks, confidence, seen)
    weight = jnp.sqrt(confidence) * _turned_away(points.template, first[:, :3]) / NOISE[None, :]
    # Landmarks err alike in all frames, so a clip tells as much about identity as INDEPENDENT_FRAMES pictures.
    share = jnp.sqrt(jnp.maximum(seen.sum() / INDEPENDENT_FRAMES, 1.0) / len(seen))
    solver = bundle.Problem(
        _residuals(points, names, camera, share),
        (landmarks, weight, jnp.sqrt(confidence[:, PAIRS].min(-1))),
        step=jnp.concatenate([jnp.asarray(POSE_STEP), jnp.full(len(names), EXPRESSION_STEP)]),
        link=(seen[1:] & seen[:-1]).astype(jnp.float32),
    )
    x = jnp.concatenate([first, jnp.zeros((len(first), len(names)))], axis=1)
    start = solver.begin(x, jnp.zeros(len(points.identity)))
    return _Problem(landmarks, confidence, seen, camera, solver, start)


def _residuals(points, names, camera, share):
    """What `bundle.minimise` squares and sums, in standard deviations: landmarks, pairs and priors of one frame."""
    boxed = np.array([name in arkit.INDEX for name in names])
    spread = np.array([_spread(name) for name in names], np.float32)
    metres = camera.distance / camera.focal  # per pixel at the head's origin
    above, below = PAIRS.T

    def residuals(x, identity, frame):
        place, weight, pair_weight = frame
        error = (camera.project(points.posed(x, identity))[:, :2] - place) * metres
        pair = (error[above] - error[below]) * pair_weight[:, None] / PAIR_NOISE
        outside = jnp.where(boxed, x[6:] - jnp.clip(x[6:], 0.0, 1.0), 0.0) / BOX_SPREAD
        terms = error * weight[:, None], pair, x[:6] / POSE_SPREAD, x[6:] / spread, outside, identity * share
        return jnp.concatenate([term.ravel() for term in terms])

    return residuals


def _spread(name):
    if name not in arkit.INDEX:
        return 1.0
    return UNSEEN_SPREAD if name.startswith(UNSEEN) else EXPRESSION_SPREAD


def _first_poses(template, landmarks, confidence, seen):
    """A camera for the clip, and (angles, translation) of the template in every frame."""
    scale, turn, centre = jax.vmap(_pos, in_axes=(None, 0, 0))(template, landmarks, confidence)
    share = seen / jnp.maximum(seen.sum(), 1)
    scale = jnp.where(seen, scale, 1.0)
    zoom = jnp.where(seen.any(), jnp.sum(share * scale), 1.0)
    middle = jnp.einsum("t,tc->c", share, centre)
    camera = Pinhole(focal=zoom * DISTANCE, centre=middle, distance=jnp.float32(DISTANCE))
    offset = (centre - middle[None]) * jnp.array([[1.0, -1.0]]) / scale[:, None]
    translation = jnp.concatenate([offset, (DISTANCE * (1 - zoom / scale))[:, None]], axis=1)
    first = jnp.concatenate([rotation.angles(turn), translation], axis=1)
    return camera, _bridge(first, seen)


def _bridge(track: Float[Array, "t n"], seen: Bool[Array, "t"]) -> Float[Array, "t n"]:
    """Frames that were not seen lie on a line between those before and after that were; 0 if none was."""
    place = jnp.arange(len(track))
    before = jax.lax.cummax(jnp.where(seen, place, -1))
    after = jax.lax.cummin(jnp.where(seen, place, len(track)), reverse=True)
    before, after = jnp.where(before < 0, after, before), jnp.where(after == len(track), before, after)
    part = (place - before) / jnp.maximum(after - before, 1)
    before, after = track.at[before].get(mode="clip"), track.at[after].get(mode="clip")
    bridged = before + part[:, None] * (after - before)
    return jnp.where(seen.any(), jnp.where(seen[:, None], track, bridged), 0.0)


def _pos(template, landmarks, confidence):
    """Scaled orthography by weighted least squares: pixels per metre, rotation, where the head's origin lands."""
    weight = confidence / NOISE**2
    rows = jnp.concatenate([template, jnp.ones((68, 1))], axis=1)
    scale = jnp.array([0.05, 0.05, 0.05, 1.0])  # makes the four columns alike in size
    rows = rows / scale[None, :]
    normal = jnp.einsum("v,vi,vj->ij", weight, rows, rows)
    normal = normal + (1e-6 * jnp.trace(normal) + 1e-6) * jnp.eye(4)
    affine = jnp.linalg.solve(normal, jnp.einsum("v,vi,vc->ic", weight, rows, landmarks)) / scale[:, None]
    right, up = affine[:3, 0], -affine[:3, 1]
    long = jnp.array([_length(right), _length(up)])
    # The pair of orthogonal directions closest to both.
    right, up = right / long[0], up / long[1]
    middle, across = right + up, right - up
    middle, across = middle / _length(middle), across / _length(across)
    right, up = (middle + across) * np.float32(0.5**0.5), (middle - across) * np.float32(0.5**0.5)
    return long.mean(), jnp.stack([right, up, jnp.cross(right, up)]), affine[3]


def _length(vector):
    return jnp.sqrt(jnp.sum(vector**2) + 1e-12)


def _turned_away(template, angles):
    """Weight of each point by how the head is turned: 1 but for the jaw, there towards 0.1 as its side turns away."""
    side = jnp.clip(template[:, 0] / jnp.max(jnp.abs(template[:, 0])), -1.0, 1.0)  # +1: right of the image
    turned = jnp.sin(angles[:, 1])[:, None] * side[None, :]  # positive yaw turns the right side away
    jaw = jnp.clip(1.0 - 0.5 * jnp.abs(jnp.sin(angles[:, 1]))[:, None] - 1.5 * jnp.maximum(turned, 0.0), 0.1, 1.0)
    return jnp.where(jnp.arange(68)[None, :] < 17, jaw, 1.0)


def _residual(points, x, identity, camera, landmarks, confidence):
    shown = jax.vmap(lambda x: camera.project(points.posed(x, identity))[:, :2])(x)
    error = jnp.sqrt(jnp.sum((shown - landmarks) ** 2, axis=-1) + 1e-12)
    seen = (confidence > 0).astype(jnp.float32)
    face = points.template + jnp.einsum("ivc,i->vc", points.identity, identity)
    eyes = _length(face[36] - face[45]) * camera.focal / camera.distance
    return jnp.sum(error * seen, axis=1) / jnp.maximum(seen.sum(1), 1.0) / eyes
