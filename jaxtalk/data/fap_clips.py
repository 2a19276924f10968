"""Speech with the face's MPEG-4 parameters: what the FAP perceptron learns from.

folder/NAME.flac + folder/NAME.npz (FACEGOOD's animation weights)  -> animated(...)
a record of the synthetic corpus                                   -> synthetic(...)
"""

import dataclasses
import functools
from pathlib import Path

import grain.python as grain
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int

from jaxtalk.audio import load, mixed_features, stft
from jaxtalk.data import clip, clips, host_rows
from jaxtalk.face import builtin, fap_motion
from jaxtalk.face.arkit import NAMES
from jaxtalk.face.motion import Motion

_SECONDS, _FRAMES = 5, 512  # sounds and movements are padded to whole blocks, so that few lengths are compiled


@dataclasses.dataclass(frozen=True)
class FapClip:
    """Someone talking. Frame k is at k / fps seconds."""

    name: str
    fps: float
    windows: Float32[np.ndarray, "n 6 18"]  # normalised features around each frame
    faps: Float32[np.ndarray, "n 68"]
    scale: mixed_features.Scale  # what the features were normalised by


def animated(sound: str | Path, weights: str | Path) -> FapClip:
    """Speech with FACEGOOD's weights; see `clips.animated`."""
    recording = clips.animated(sound, weights)
    return _clip(recording.name, recording.fps, load.load(sound), recording.expression)


def synthetic(record: dict) -> FapClip:
    """A record of the synthetic corpus."""
    wave = np.asarray(record["speech"], np.float32) / 32768
    return _clip(str(int(record["index"])), float(clip.FPS), wave, np.asarray(record["expression"], np.float32))


def listen(wave: Float[np.ndarray, "n"]) -> Float32[np.ndarray, "t 18"]:
    """Features of a recording at 16 kHz, 100 a second, not normalised."""
    padded = np.pad(wave, (0, -len(wave) % (_SECONDS * stft.RATE)))
    return np.asarray(mixed_features.mixed(jnp.asarray(padded)))[: 1 + len(wave) // stft.HOP]


def _clip(name: str, fps: float, wave, expression: Float32[np.ndarray, "n 52"]) -> FapClip:
    frames, features = len(expression), listen(wave)
    scale = mixed_features.scale(features)
    padded = jnp.asarray(np.pad(expression, ((0, -frames % _FRAMES), (0, 0))))
    return FapClip(
        name=name,
        fps=fps,
        windows=mixed_features.windows(mixed_features.normalise(features, scale), fps, frames),
        faps=np.asarray(_measured(padded))[:frames],
        scale=scale,
    )


@jax.jit
def _measured(expression):
    """FAPs of the built-in face under ARKit-52 coefficients."""
    zero = jnp.zeros((len(expression), 3))
    return fap_motion.from_motion(_shapes(), Motion(expression, zero, zero, float(clip.FPS), NAMES))


@functools.cache
def _shapes() -> fap_motion.Shapes:
    with jax.ensure_compile_time_eval():
        return fap_motion.shapes(builtin.model())


def stream(
    sources: list[tuple[Float[np.ndarray, "n 6 18"], Int[np.ndarray, "n"], float]], batch: int, seed: int
) -> grain.MapDataset:
    """Endless batches of {"window", "pattern"} from sources of windows with the patterns that belong to them.

    Each source has its share of a batch and its own shuffled order.
    """

    def frames(windows, patterns, seed):
        order = grain.MapDataset.range(len(windows)).seed(seed).shuffle().repeat()
        return order.map(lambda i: {"window": windows[i], "pattern": np.int32(patterns[i])})

    parts = [frames(windows, patterns, seed + i) for i, (windows, patterns, _) in enumerate(sources)]
    return host_rows.batches(grain.MapDataset.mix(parts, [share for *_, share in sources]), batch)
