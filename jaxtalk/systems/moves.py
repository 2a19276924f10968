"""What the user asks of a motion on top of what was heard: scales, stillness, key poses, a borrowed pose, blinks."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxtalk.errors import InputError
from jaxtalk.face.motion import Motion


def scale(motion: Motion, expression: float, pose: float) -> Motion:
    """Stronger or weaker expression (kept within [0, 1]) and head motion."""
    return dataclasses.replace(
        motion,
        expression=jnp.clip(motion.expression * expression, 0.0, 1.0),
        rotation=motion.rotation * pose,
        translation=motion.translation * pose,
    )


def turn(motion: Motion, pitch: tuple[float, ...], yaw: tuple[float, ...], roll: tuple[float, ...]) -> Motion:
    """Adds key angles in degrees, evenly spaced over the whole motion and linear between."""
    added = np.stack([over_time(keys, len(motion), 0.0) for keys in (pitch, yaw, roll)], axis=-1)
    return dataclasses.replace(motion, rotation=motion.rotation + np.deg2rad(added).astype(np.float32))


def borrow_pose(motion: Motion, reference: Motion) -> Motion:
    """The head motion of `reference`, relative to its first frame, forwards and backwards to the end."""
    place = there_and_back(len(motion), len(reference))
    rotation = (reference.rotation - reference.rotation[:1])[place]
    translation = (reference.translation - reference.translation[:1])[place]
    return dataclasses.replace(motion, rotation=rotation, translation=translation)


def there_and_back(count: int, length: int) -> np.ndarray:
    """`count` indices 0, 1, ..., length - 1, length - 2, ..., 1, 0, 1, ...: repetition without a jump."""
    period = max(1, 2 * (length - 1))
    phase = np.arange(count) % period
    return np.minimum(phase, period - phase)


def read_blinks(path: Path, frames: int) -> Float[np.ndarray, "t"]:
    """Eye closure per frame from a text file of numbers between 0 and 1, repeated to the end."""
    try:
        closure = np.array([float(word) for word in path.read_text().split()], np.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no list of eye closures ({error}); write one number per line") from error
    if not len(closure) or not ((closure >= 0) & (closure <= 1)).all():
        raise InputError(f"{path}: eye closures must be numbers from 0 (open) to 1 (closed), one per line")
    return np.resize(closure, frames)


def over_time(keys: tuple[float, ...], frames: int, nothing: float) -> Float[np.ndarray, "t"]:
    """Key values, evenly spaced over all frames and linear between; `nothing` where there are no keys."""
    if not keys:
        return np.full(frames, nothing)
    return np.interp(np.linspace(0, 1, frames), np.linspace(0, 1, len(keys)), keys)
