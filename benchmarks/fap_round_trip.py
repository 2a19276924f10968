"""How well MPEG-4 parameters carry a motion: back to the face that gave them, and over to another face.

python benchmarks/fap_round_trip.py CORPUS [FACE.npz] [FRAMES]

CORPUS is a folder that `jaxtalk corpus` wrote, FACE a model that `jaxtalk convert` wrote (such as ICT-FaceKit).
Parameters are rounded as in a .fap file. Prints the numbers of docs/fap.md.
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxtalk.data import corpus
from jaxtalk.face import arkit, builtin, fap_motion, fap_points, fap_stream, store
from jaxtalk.face.landmarks import EYE_CORNERS, INNER_LIPS
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion

BATCH = 50
REACH = 0.04  # metres around the mouth


def frames(folder: str, count: int) -> Motion:
    """Random frames of all clips, in one motion."""
    clips = [clip for split in corpus.SPLITS for clip in corpus.read(folder, split)]
    expression, rotation, translation = (
        np.concatenate([clip[key] for clip in clips]) for key in ("expression", "rotation", "translation")
    )
    chosen = np.sort(np.random.default_rng(0).choice(len(expression), count, replace=False))
    return Motion(*(jnp.asarray(track[chosen]) for track in (expression, rotation, translation)), 25.0, arkit.NAMES)


def landmarks(model: FaceModel, expression) -> np.ndarray:
    at = model.landmarks
    return np.asarray(model.template[at][None] + jnp.einsum("te,evc->tvc", expression, model.expression[:, at]))


def opening(model: FaceModel, points: np.ndarray) -> np.ndarray:
    """Upright gap of the inner lips, beyond the neutral face's, over the distance of the outer eye corners."""
    upper, lower = (list(index) for index in zip(*INNER_LIPS, strict=True))
    rest = np.asarray(model.template[model.landmarks])
    gap = (points[:, upper, 1] - points[:, lower, 1]).mean(-1) - (rest[upper, 1] - rest[lower, 1]).mean()
    return gap / np.linalg.norm(np.subtract(*rest[list(EYE_CORNERS)]))


def by_points(model: FaceModel, faps):
    """Vertices that the feature points drive, a few frames at a time."""
    rig = fap_points.rig(model)
    for first in range(0, len(faps), BATCH):
        yield np.asarray(rig.displace(faps[first : first + BATCH]))


def row(name: str, found: np.ndarray, truth: np.ndarray) -> None:
    print(f"| {name} | {np.corrcoef(found, truth)[0, 1]:.4f} | {(found * truth).sum() / (truth**2).sum():.3f} |")


def main(folder: str, face: str | None = None, count: str = "1000") -> None:
    model, motion = builtin.model(), frames(folder, int(count))
    on = fap_motion.shapes(model)
    faps = jnp.asarray(fap_stream.stream(np.asarray(fap_motion.from_motion(on, motion)), 25.0).values, jnp.float32)
    back = fap_motion.to_motion(on, faps, 25.0)
    error = np.asarray(back.expression - motion.expression)
    before, after = landmarks(model, motion.expression), landmarks(model, back.expression)
    apart = 1e3 * np.linalg.norm(after - before, axis=-1)
    size = np.abs(error)
    print(f"coefficients: rms {np.sqrt((error**2).mean()):.4f}, mean {size.mean():.4f}, max {size.max():.2f}")
    worst = np.sqrt((error**2).mean(0)).argsort()[::-1][:6]
    print("largest rms:", ", ".join(f"{arkit.NAMES[k]} {np.sqrt((error[:, k] ** 2).mean()):.3f}" for k in worst))
    lips = apart[:, 48:]
    print(f"lip landmarks: mean {lips.mean():.3f} mm, max {lips.max():.2f} mm; all landmarks {apart.mean():.3f} mm")
    print(f"rotation: max {np.abs(back.rotation - motion.rotation).max():.1e} rad")
    print("| lip opening | correlation | ratio |\n|---|---|---|")
    truth = opening(model, before)
    row("built-in, shapes", opening(model, after), truth)
    points, distance = [], []
    mouth = np.linalg.norm(model.template - before[:, 48:].mean((0, 1)), axis=-1) < REACH
    for k, vertices in enumerate(by_points(model, faps)):
        points.append(vertices[:, np.asarray(model.landmarks)])
        true = model.vertices(expression=motion.expression[k * BATCH : (k + 1) * BATCH])
        distance.append(1e3 * np.linalg.norm(vertices - np.asarray(true), axis=-1))
    row("built-in, points", opening(model, np.concatenate(points)), truth)
    if face:
        other = store.load(Path(face))
        theirs = fap_motion.to_motion(fap_motion.shapes(other), faps, 25.0)
        row("other face, shapes", opening(other, landmarks(other, theirs.expression)), truth)
        driven = [vertices[:, np.asarray(other.landmarks)] for vertices in by_points(other, faps)]
        row("other face, points", opening(other, np.concatenate(driven)), truth)
        same = fap_motion.by_name(motion, other.expression_names)
        row("other face, the same coefficients", opening(other, landmarks(other, same)), truth)
    distance = np.concatenate(distance)
    near = distance[:, mouth].mean()
    print(f"vertices by points against shapes: mean {distance.mean():.2f} mm, around the mouth {near:.2f} mm")


if __name__ == "__main__":
    main(*sys.argv[1:])
