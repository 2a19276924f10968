"""Whose lips follow speech better, the perceptron's or ExpNet's? On recordings from which neither has learnt.

python benchmarks/fap_listeners.py --facegood DIR --clips DIR --corpus DIR

Correlation of the lip-opening parameter with the true opening, at the best of shifts up to 0.1 s for each recording:
a camera sees lips ahead of the sound, FACEGOOD's animators put them on it.
"""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro

from jaxtalk.audio import load, mel
from jaxtalk.data import clips, corpus
from jaxtalk.face import builtin, fap_motion, fap_mouth
from jaxtalk.face.arkit import NAMES
from jaxtalk.face.motion import Motion
from jaxtalk.io import weights
from jaxtalk.systems import fap_listener, listen

PEOPLE = ("cnn2_25fps", "M003_level_1_disgusted_015", "M030_level_3_angry_016", "W023_level_2_surprised_010")
SHIFT = 0.1  # seconds
SYNTHETIC = 20  # clips of the corpus


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    facegood: Path
    """Folder with 3_15.flac and 3_15.npz of FACEGOOD-Audio2Face."""
    clips: Path
    """Folder with video/NAME.mp4 and tracks/NAME.npz of people talking."""
    corpus: Path
    """Folder that `jaxtalk corpus` wrote; its validation split."""


def recordings(options: Options):
    """Name, sound at 16 kHz, frames a second and true opening."""
    sound = options.facegood / "3_15.flac"
    real = clips.animated(sound, sound.with_suffix(".npz"))
    yield "FACEGOOD 3_15", load.load(sound), real.fps, real.opening
    for name in PEOPLE:
        sound, track = options.clips / f"video/{name}.mp4", options.clips / f"tracks/{name}.npz"
        real = clips.tracked(sound, track)
        yield name, load.load(sound), real.fps, real.opening
    records = corpus.read(options.corpus, "validation")
    for k in range(min(SYNTHETIC, len(records))):
        made = clips.synthetic(records[k])
        yield "corpus", np.asarray(records[k]["speech"], np.float32) / 32768, made.fps, made.opening


def by_tcn(wave, fps: float) -> np.ndarray:
    expression = listen.mouth(mel.log_mel(jnp.asarray(wave)), fps, listen.frame_count(len(wave), fps))
    zero = jnp.zeros((len(expression), 3))
    on = fap_motion.shapes(builtin.model())
    return np.asarray(fap_mouth.lip_opening(fap_motion.from_motion(on, Motion(expression, zero, zero, fps, NAMES))))


def by_perceptron(wave, fps: float) -> np.ndarray:
    return fap_mouth.lip_opening(fap_listener.animate(fap_listener.load(weights.shipped("fap")), wave, fps))


def agreement(found: np.ndarray, truth: np.ndarray, fps: float) -> float:
    reach, best = round(SHIFT * fps), -1.0
    frames = min(len(found), len(truth))
    for k in range(-reach, reach + 1):
        a, b = found[max(0, k) : frames + min(0, k)], truth[max(0, -k) : frames - max(0, k)]
        best = max(best, float(np.corrcoef(a, b)[0, 1]))
    return best


def main(options: Options) -> None:
    rows: dict[str, list] = {}
    for name, wave, fps, truth in recordings(options):
        found = [agreement(by(wave, fps), truth, fps) for by in (by_perceptron, by_tcn)]
        rows.setdefault(name, []).append(found)
    print("| recording | perceptron | LipTCN |\n|---|---|---|")
    for name, found in rows.items():
        print("| {} | {:.2f} | {:.2f} |".format(name, *np.mean(found, axis=0)))


if __name__ == "__main__":
    main(tyro.cli(Options))
