"""Recordings of real people with the movement of their mouths: what ExpNet learns besides the synthetic corpus.

    folder/NAME.mp4 (or any sound) + folder/NAME.npz (a face tracker's output)  -> tracked(...)
    folder/NAME.flac + folder/NAME.npz (FACEGOOD's animation weights)           -> animated(...)

FACEGOOD: https://github.com/FACEGOOD/FACEGOOD-Audio2Face (MIT).
"""

import dataclasses
import zipfile
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from jaxtalk.audio import load, mel, speech_windows
from jaxtalk.data import articulation, clip, phonemes
from jaxtalk.errors import InputError
from jaxtalk.face import landmarks, mediapipe, mouth
from jaxtalk.face.arkit import INDEX, NAMES

# FACEGOOD's names (without side) -> ARKit's. Its other weights have no counterpart.
_FACEGOOD = {
    "mouth_stretch_c": "jawOpen", "jaw_thrust_c": "jawForward", "jaw_sideways_l": "jawLeft",
    "jaw_sideways_r": "jawRight", "mouth_chinRaise_d": "mouthShrugLower", "mouth_chinRaise_u": "mouthShrugUpper",
    "mouth_dimple_l": "mouthDimpleLeft", "mouth_dimple_r": "mouthDimpleRight", "mouth_funnel_dl": "mouthFunnel",
    "mouth_lipCornerDepress_l": "mouthFrownLeft", "mouth_lipCornerDepress_r": "mouthFrownRight",
    "mouth_lipCornerPull_l": "mouthSmileLeft", "mouth_lipCornerPull_r": "mouthSmileRight",
    "mouth_lipStretch_l": "mouthStretchLeft", "mouth_lipStretch_r": "mouthStretchRight",
    "mouth_lowerLipDepress_l": "mouthLowerDownLeft", "mouth_lowerLipDepress_r": "mouthLowerDownRight",
    "mouth_press_l": "mouthPressLeft", "mouth_press_r": "mouthPressRight", "mouth_pucker_l": "mouthPucker",
    "mouth_suck_dl": "mouthRollLower", "mouth_suck_ul": "mouthRollUpper", "mouth_sideways_l": "mouthLeft",
    "mouth_sideways_r": "mouthRight", "mouth_upperLipRaise_l": "mouthUpperUpLeft",
    "mouth_upperLipRaise_r": "mouthUpperUpRight",
}  # fmt: skip
MOUTH = np.array([name.startswith(("jaw", "mouth", "tongue")) for name in NAMES])  # what speech moves
_TRACK = ("phoneme", "phoneme_start", "phoneme_end", "phoneme_stress")
_BLOCK = 5 * mel.RATE
_STILL = 0.01  # standard deviation under which a coefficient says nothing


@dataclasses.dataclass(frozen=True)
class Recording:
    """Someone talking."""

    name: str
    mel: Float32[np.ndarray, "t 80"]  # normalised
    fps: float
    expression: Float32[np.ndarray, "n 52"]  # ARKit-52
    known: Bool[np.ndarray, "52"]  # which coefficients were measured and move
    opening: Float32[np.ndarray, "n"]  # inner lips over outer eye corners
    phoneme: Int32[np.ndarray, "n"]  # places in phonemes.LETTERS; -1 where not known
    lead: float = 0.0  # seconds by which the picture is ahead of the sound

    @property
    def seconds(self) -> Float[np.ndarray, "n"]:
        """Where in the sound each frame belongs."""
        return np.arange(len(self.expression)) / self.fps + self.lead


def listen(sound: str | Path) -> Float32[np.ndarray, "t 80"]:
    """Normalised log-mel of any file with sound."""
    return speech_windows.normalise(np.asarray(mel.log_mel(jnp.asarray(load.load(sound)))))


def loudness(recording: Recording) -> Float32[np.ndarray, "n"]:
    """Mean of the normalised log-mel at each frame."""
    level = recording.mel.mean(-1)
    column = np.rint(recording.seconds * mel.COLUMNS_PER_SECOND).astype(int)
    return level[np.clip(column, 0, len(level) - 1)]


def tracked(sound: str | Path, track: str | Path) -> Recording:
    """A video's sound with its track.

    The track holds `landmarks` [n, 478, 3], `blendshapes` [n, s], `blendshape_names`, `fps` and `height_width`.
    Landmarks are MediaPipe's, relative to the picture; depth is in units of the width.
    """
    (points, scores, names), fps, size = _arrays(
        track, ("landmarks", "blendshapes", "blendshape_names"), "fps", "height_width"
    )
    height, width = size.tolist()
    pixels = points[:, mediapipe.LANDMARKS_68].astype(np.float32) * np.float32([width, height, width])
    place = {name: i for i, name in enumerate(names.tolist())}
    expression = np.zeros((len(scores), len(NAMES)), np.float32)
    for name in place.keys() & INDEX.keys():
        expression[:, INDEX[name]] = scores[:, place[name]]
    return Recording(
        name=Path(track).stem,
        mel=listen(sound),
        fps=float(fps),
        expression=expression,
        known=MOUTH & (expression.std(0) > _STILL),
        opening=np.asarray(landmarks.lip_opening(jnp.asarray(pixels))),
        phoneme=np.full(len(scores), -1, np.int32),
        lead=speech_windows.LEAD,
    )


def animated(sound: str | Path, weights: str | Path) -> Recording:
    """Speech with FACEGOOD's `weights` [n, 116], their `names` and `fps`."""
    (values, names), fps = _arrays(weights, ("weights", "names"), "fps")
    place = {name: i for i, name in enumerate(names.tolist())}
    expression = np.zeros((len(values), len(NAMES)), np.float32)
    for source, name in _FACEGOOD.items():
        expression[:, INDEX[name]] = values[:, place[source]]
    return Recording(
        name=Path(weights).stem,
        mel=listen(sound),
        fps=float(fps),
        expression=expression,
        known=MOUTH & (expression.std(0) > _STILL),
        opening=expression @ mouth.mouth().opening,
        phoneme=np.full(len(values), -1, np.int32),
    )


def synthetic(record: dict) -> Recording:
    """A record of the synthetic corpus, its mouth in the common articulation.

    In the corpus every speaker articulates in a style of their own, which cannot be heard: a linear model that knows
    all phonemes around a frame is still off by 0.47 of a still face's error, by 0.33 in one common style.
    """
    expression = np.array(record["expression"], np.float32)
    seconds = np.arange(len(expression)) / clip.FPS
    track = phonemes.Track(*(np.asarray(record[name]) for name in _TRACK))
    expression[:, MOUTH] = articulation.articulate(track, seconds)[:, MOUTH]
    spoken = np.searchsorted(track.start, seconds, side="right") - 1
    sound = np.asarray(record["speech"], np.float32) / 32768
    # Silence up to whole blocks, so that few lengths are compiled; it reaches two columns of those that are kept.
    spectrum = mel.log_mel(jnp.asarray(np.pad(sound, (0, -len(sound) % _BLOCK))))[: 1 + len(sound) // mel.HOP]
    return Recording(
        name=str(int(record["index"])),
        mel=speech_windows.normalise(np.asarray(spectrum)),
        fps=float(clip.FPS),
        expression=expression,
        known=np.ones(len(NAMES), bool),
        opening=expression @ mouth.mouth().opening,
        phoneme=np.asarray(track.ids, np.int32)[np.clip(spoken, 0, None)],
    )


class Spread(NamedTuple):
    """(mean, standard deviation) over many frames."""

    expression: tuple[Float32[np.ndarray, "52"], Float32[np.ndarray, "52"]]
    opening: tuple[float, float]

    @classmethod
    def of(cls, recordings: list[Recording]) -> "Spread":
        expression = np.concatenate([r.expression for r in recordings])
        opening = np.concatenate([r.opening for r in recordings])
        return cls((expression.mean(0), expression.std(0)), (float(opening.mean()), float(opening.std())))


def in_common_style(recording: Recording, like: Spread) -> Recording:
    """The same movement, but each known coefficient and the opening with the mean and spread of `like`.

    How wide someone opens the mouth, and how far a tracker's scale goes, cannot be heard.
    """
    expression = _standardised(recording.expression) * like.expression[1] + like.expression[0]
    expression = np.where(recording.known, expression, recording.expression).astype(np.float32)
    opening = _standardised(recording.opening) * like.opening[1] + like.opening[0]
    return dataclasses.replace(recording, expression=expression, opening=opening.astype(np.float32))


def _standardised(x: Float32[np.ndarray, "n *e"]) -> Float32[np.ndarray, "n *e"]:
    return (x - x.mean(0)) / np.maximum(x.std(0), _STILL)


def _arrays(path: str | Path, arrays: tuple[str, ...], *others: str):
    try:
        with np.load(path, allow_pickle=False) as file:
            return tuple(file[key] for key in arrays), *(file[key] for key in others)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no track of a face ({error}); see jaxtalk/data/clips.py") from error
