"""The head's pose through a clip, as steady as a radiance field needs it: a rigid head before a fixed camera.

    fit of a clip --bundle adjustment--> one person's rigid points [r, 3], pose --smoothing--> pose

A face model is never quite the person, and what it lacks shows as motion that is none. So the points that hardly move
on a head (nose, corners of the eyes, a little the brows) are freed from the model, the same in all frames, and the pose
is solved again from them alone. Landmarks also shake from frame to frame: second differences of the pose pay, as in
Whittaker's smoother (1923), and how much is chosen by how well frames that were left out are foretold.
"""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Bool, Float

from jaxtalk.face import bundle, fit, rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.fit import Fit
from jaxtalk.face.model import FaceModel, pose

RIGID = np.array([*range(17, 36), 36, 39, 42, 45])  # brows, nose, corners of the eyes
FREE = 0.003  # metres: standard deviation by which a person's points differ from those of the fitted face
ITERATIONS = 8
STRENGTHS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of smoothing; the first one changes next to nothing
GROUPS = ((0, 1, 2), (3, 4), (5,))  # of pose: angles, place in the picture, distance; smoothed unlike
HELD_OUT = 3  # every such frame is foretold


class Rigid(NamedTuple):
    """The pose of every frame, and how good it is."""

    angles: Float[np.ndarray, "t 3"]  # (pitch, yaw, roll)
    translation: Float[np.ndarray, "t 3"]  # metres
    points: Float[np.ndarray, "r 3"]  # where the person has the points `RIGID`
    strengths: tuple[float, ...]  # of smoothing, for each of `GROUPS`
    error: float  # pixels: mean distance of the projected points from the landmarks
    shake: float  # pixels: root mean square of the points' second differences


def refine(model: FaceModel, fitted: Fit, landmarks: Float[np.ndarray, "t 68 2"], seen: Bool[np.ndarray, "t"]) -> Rigid:
    """The steady pose of a fitted clip whose frames have landmarks (in pixels) where `seen`."""
    points = neutral(model, fitted)
    x = np.concatenate([fitted.angles, fitted.translation], axis=1)
    places = np.where(seen[:, None, None], landmarks, 0.0)[:, RIGID].astype(np.float32)
    count, padded = len(x), fit.SHORTEST << max(0, (len(x) - 1) // fit.SHORTEST).bit_length()
    fill = lambda values: np.pad(values, [(0, padded - count)] + [(0, 0)] * (values.ndim - 1))  # noqa: E731
    x, points = _adjusted(points, fitted.camera, fill(x), fill(places), fill(seen.astype(np.float32)))
    x, points = np.asarray(x)[:count], np.asarray(points)
    strengths = _strengths(x, points, fitted.camera, places, seen)
    x = smoothed(x, seen, strengths)
    shown = _shown(x, points, fitted.camera)
    error = float(np.linalg.norm(shown - places, axis=-1)[seen].mean())
    return Rigid(x[:, :3], x[:, 3:], points, strengths, error, shake(shown))


def neutral(model: FaceModel, fitted: Fit) -> Float[np.ndarray, "r 3"]:
    """The points `RIGID` of the fitted face at its mean expression."""
    vertices = model.vertices(fitted.identity, fitted.expression.mean(0))
    return np.asarray(vertices[model.landmarks[RIGID]])


def quality(
    model: FaceModel, fitted: Fit, landmarks: Float[np.ndarray, "t 68 2"], seen: Bool[np.ndarray, "t"]
) -> tuple[float, float]:
    """`error` and `shake` of the fit's own pose, to compare."""
    x = np.concatenate([fitted.angles, fitted.translation], axis=1)
    shown = _shown(x, neutral(model, fitted), fitted.camera)
    return float(np.linalg.norm(shown - landmarks[:, RIGID], axis=-1)[seen].mean()), shake(shown)


def shake(shown: Float[np.ndarray, "t n 2"]) -> float:
    """Root mean square of second differences: of noise of 1 pixel in x and y it is 3.5 pixels."""
    second = shown[2:] - 2 * shown[1:-1] + shown[:-2]
    return float(np.sqrt((second**2).sum(-1).mean())) if len(second) else 0.0


@jax.jit
def _adjusted(points: Float[Array, "r 3"], camera: Pinhole, x, places, seen):
    """Poses [t 6] and points [r 3] that explain the landmarks best."""
    metres = camera.distance / camera.focal
    weight = 1 / fit.NOISE[RIGID, None]
    frames = jnp.maximum(seen.sum(), 1.0)

    def residuals(x, free, frame):
        place, known = frame
        shown = camera.project(pose(points + free.reshape(-1, 3), x[:3], x[3:]))[:, :2]
        error = (shown - place) * metres * weight * known
        prior = free / FREE * jnp.sqrt(fit.INDEPENDENT_FRAMES / frames) * known
        return jnp.concatenate([error.ravel(), x / fit.POSE_SPREAD, prior])

    x, free = bundle.minimise(
        residuals,
        (places, seen),
        x=x,
        y=jnp.zeros(points.size),
        step=jnp.asarray(fit.POSE_STEP),
        link=seen[1:] * seen[:-1],
        iterations=ITERATIONS,
    )
    return x, points + free.reshape(-1, 3)


def smoothed(
    x: Float[np.ndarray, "t 6"], seen: Bool[np.ndarray, "t"], strengths: tuple[float, ...]
) -> Float[np.ndarray, "t 6"]:
    """Poses that follow x where `seen`, with small second differences everywhere."""
    if len(x) < 3 or not seen.any():
        return x
    columns = [None] * 6
    for strength, group in zip(strengths, GROUPS, strict=True):
        bands = _bands(len(x), strength)
        bands[2] += seen + 1e-6
        solved = scipy.linalg.solveh_banded(bands, np.where(seen[:, None], x, 0.0)[:, group].astype(np.float64))
        for k, column in zip(group, solved.T, strict=True):
            columns[k] = column
    return np.stack(columns, axis=1).astype(np.float32)


@functools.lru_cache(maxsize=32)
def _squares(count: int) -> Float[np.ndarray, "3 t"]:
    """Upper bands of D' D, D the second differences."""
    bands = np.zeros((3, count))
    for (i, a), (j, b) in itertools.product(enumerate((1.0, -2.0, 1.0)), repeat=2):
        if j >= i:
            bands[2 - (j - i), j : count - 2 + j] += a * b
    return bands


def _bands(count, strength):
    return strength * _squares(count)


def _strengths(x, points, camera, places, seen):
    """Smoothing by group of pose that foretells frames which were left out best."""
    held = seen & (np.arange(len(x)) % HELD_OUT == 1)
    if held.sum() < 3:
        return (STRENGTHS[0],) * len(GROUPS)

    def error(strengths):
        shown = _shown(smoothed(x, seen & ~held, strengths)[held], points, camera)
        return np.square(shown - places[held]).sum(-1).mean()

    best = min(((s,) * len(GROUPS) for s in STRENGTHS), key=error)
    for _ in range(2):
        for group in range(len(GROUPS)):
            best = min(((*best[:group], s, *best[group + 1 :]) for s in STRENGTHS), key=error)
    return best


def _shown(x, points, camera):
    """Pixels [t r 2] of rigid points in each pose."""
    turn = np.asarray(rotation.matrix(jnp.asarray(x[:, :3])))
    posed = np.einsum("tij,rj->tri", turn, points) + x[:, None, 3:]
    zoom = np.asarray(camera.focal) / (np.asarray(camera.distance) - posed[..., 2:])
    return np.asarray(camera.centre) + zoom * posed[..., :2] * np.array([1.0, -1.0])
