"""Motion: what passes from the listening half of the house to the drawing half."""

import dataclasses
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.errors import InputError


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Motion:
    """A face's movement over time. Any motion can drive any renderer.

    Rotation and translation are relative to the rest pose of whatever is driven: frontal for a bare mesh, the
    pose in the picture for a portrait.
    """

    expression: Float[Array, "t e"]  # coefficients of the face model's expression basis, in the order of `names`
    rotation: Float[Array, "t 3"]  # (pitch, yaw, roll) in radians
    translation: Float[Array, "t 3"]  # metres
    fps: float = dataclasses.field(metadata={"static": True})
    names: tuple[str, ...] = dataclasses.field(
        metadata={"static": True}
    )  # one name per expression coefficient (ARKit-52 for the built-in model)

    def __len__(self) -> int:
        """Frames."""
        return self.expression.shape[0]

    @property
    def seconds(self) -> float:
        return len(self) / self.fps


def still(frames: int, fps: float, names: tuple[str, ...]) -> Motion:
    """A face at rest."""
    zero = jnp.zeros((frames, 3))
    return Motion(jnp.zeros((frames, len(names))), zero, zero, fps, names)


def resample(motion: Motion, fps: float) -> Motion:
    """The same movement at another frame rate, linear between frames (component by component: angles are small)."""
    count = max(1, round(len(motion) * fps / motion.fps))
    source = np.arange(len(motion)) / motion.fps
    target = np.arange(count) / fps

    def column_wise(track):
        columns = [np.interp(target, source, column) for column in np.asarray(track, np.float64).T]
        return jnp.asarray(np.reshape(columns, (track.shape[1], count)).T, jnp.float32)  # also of no columns

    return dataclasses.replace(
        motion,
        expression=column_wise(motion.expression),
        rotation=column_wise(motion.rotation),
        translation=column_wise(motion.translation),
        fps=fps,
    )


def save(path: str | Path, motion: Motion) -> None:
    """Writes `.npz` with the fields of Motion under their names."""
    arrays = {field.name: np.asarray(getattr(motion, field.name)) for field in dataclasses.fields(motion)}
    with open(path, "wb") as file:  # np.savez would append .npz to a name without it
        np.savez_compressed(file, **arrays)


def load(path: str | Path) -> Motion:
    """Reads what `save` wrote."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as z:  # np.load leaks the file of a broken zip
            tracks = {k: jnp.asarray(z[k], jnp.float32) for k in ("expression", "rotation", "translation")}
            return Motion(**tracks, fps=float(z["fps"]), names=tuple(z["names"].tolist()))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no motion file written by jaxtalk ({error})") from error
