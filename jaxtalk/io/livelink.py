"""The CSV of Apple's Live Link Face app, which Unreal, Blender add-ons and MotionBuilder scripts import.

Columns, spelling and number ranges are those of recordings made by the app: a time code `HH:MM:SS:FF.fff` that counts
60 frames a second whatever the recording rate, 52 coefficients from 0 to about 1, and nine rotations in radians.
Against the axes of `jaxtalk.face` the rotations are seen in a mirror: pitch has our sign, yaw and roll the opposite
one. (Found from the eyes in recordings, whose rotation must agree with the eyeLook coefficients; the head is taken to
be alike.)
"""

import csv
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.face import arkit
from jaxtalk.face.motion import Motion
from jaxtalk.io import container, output

CLOCK = 60  # frames a second of the time code
EYE_YAW, EYE_PITCH = 0.60, 0.55  # radians at an eyeLook coefficient of 1: fits to the app's recordings


def _columns() -> tuple[str, ...]:
    """ARKit names in the app's order: as `arkit.NAMES`, but right before left for the jaw and the mouth."""
    swap = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
    return tuple(swap.get(name, name) for name in arkit.NAMES)


SHAPES = _columns()
ANGLES = tuple(f"{part}{axis}" for part in ("Head", "LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll"))
HEADER = ("Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in SHAPES), *ANGLES)


def write(path: str | Path, motion: Motion) -> None:
    """Writes a motion as the app would have recorded it, whole or not at all.

    Coefficients are found by name, at least 0, and 0 where the motion lacks one. Translation is not part of the
    format.

    Raises:
        InputError: the motion has none of the ARKit names, or `path` cannot be written.
    """
    index = {name: k for k, name in enumerate(motion.names)}
    if not set(SHAPES) & set(index):
        raise InputError(f"{path}: the motion has no ARKit expressions; convert it to the built-in face's first")
    output.check(path, (".csv",))
    tracks = np.asarray(motion.expression)
    shapes = [tracks[:, index[name]] if name in index else np.zeros(len(motion)) for name in SHAPES]
    shapes = np.maximum(np.stack(shapes, axis=-1), 0.0)
    pitch, yaw, roll = np.asarray(motion.rotation).T
    table = np.column_stack([shapes, -yaw, pitch, -roll, _eye(shapes, "Left"), _eye(shapes, "Right")])
    with output.atomic(path) as temporary, open(temporary, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        for k, row in enumerate(table):
            rows.writerow([_timecode(k / motion.fps), len(row), *(f"{value:.10f}" for value in row)])


def _eye(shapes, side: str):
    """Yaw, pitch and roll of one eye from its look coefficients."""
    up, down, inward, outward = (
        shapes[:, SHAPES.index(f"eyeLook{direction}{side}")] for direction in ("Up", "Down", "In", "Out")
    )
    left = outward - inward if side == "Left" else inward - outward
    return np.stack([-EYE_YAW * left, EYE_PITCH * (down - up), np.zeros_like(up)], axis=-1)


def _timecode(seconds: float) -> str:
    thousandths = round(seconds * CLOCK * 1000)
    second, thousandths = divmod(thousandths, CLOCK * 1000)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{hour:02}:{minute:02}:{second:02}:{thousandths // 1000:02}.{thousandths % 1000:03}"


def load(path: str | Path) -> Motion:
    """Reads a recording of the app, or what `write` wrote, as a Motion with the 52 ARKit names.

    Rows without values (the app writes them when it loses the face) and dropped frames are filled in linearly.

    Raises:
        InputError: no file, no such columns, or a value that is no number.
    """
    container.check(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
        column = {name.lower(): k for k, name in enumerate(header)}
        wanted = [column[name.lower()] for name in (*arkit.NAMES, "HeadPitch", "HeadYaw", "HeadRoll")]
        rows = [row for row in rows if len(row) == len(header)]
        values = np.array([[float(row[k]) for k in wanted] for row in rows], np.float64)
        clocks = np.array([[float(part) for part in row[column["timecode"]].split(":")] for row in rows])
    except (ValueError, KeyError, csv.Error) as error:
        raise InputError(f"{path}: is no Live Link Face recording ({error}); export it again as CSV") from error
    if not len(rows) or clocks.shape[1] != 4 or not (np.isfinite(values).all() and np.isfinite(clocks).all()):
        raise InputError(f"{path}: holds no frames or broken numbers; export it again from Live Link Face")
    times = _seconds(clocks)
    if (np.diff(times) <= 0).any() or times[-1] - times[0] > len(times):  # a gap of a second at every frame
        raise InputError(f"{path}: its time codes do not run forwards at a steady rate; export it again")
    values, fps = _steady(values, times)
    rotation = values[:, 52:] * np.array([1.0, -1.0, -1.0])
    tracks = [jnp.asarray(x, jnp.float32) for x in (values[:, :52], rotation, np.zeros((len(values), 3)))]
    return Motion(*tracks, fps=fps, names=arkit.NAMES)


def _seconds(clocks):
    """Time of each row. Other programs let the time code count at the recording rate; the smoothest reading wins,
    the first of those equally smooth."""
    hours, minutes, seconds, frames = clocks.T
    readings = [
        ((hours * 60 + minutes) * 60 + seconds) + frames / clock
        for clock in (CLOCK, 24, 25, 30, 50, 100, 120)
        if frames.max() < clock
    ]
    if not readings:  # hundredths or thousandths of a second in the last place
        readings = [((hours * 60 + minutes) * 60 + seconds) + frames / 1000]

    def unrest(times):
        steps = np.diff(times)
        return np.round(np.abs(steps / np.median(steps) - 1).sum(), 3) if len(steps) and (steps > 0).all() else np.inf

    return min(readings, key=unrest)


def _steady(values, times):
    """Values at a constant rate, and that rate."""
    if len(times) < 2:
        return values, float(CLOCK)
    step = np.median(np.diff(times))
    fps = float(round(min(1 / step, 1000.0), 2))
    count = max(1, round((times[-1] - times[0]) * fps) + 1)
    grid = times[0] + np.arange(count) / fps
    if count == len(times) and np.abs(grid - times).max() < 0.25 * step:
        return values, fps
    return np.stack([np.interp(grid, times, track) for track in values.T], axis=-1), fps
