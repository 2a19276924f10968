"""Draws two pictures of docs/fap.md: the patterns that ISODATA found, and heights of lips, true and heard.

python docs/fap_patterns_figure.py FACEGOOD

FACEGOOD is a folder with 2_01.flac, 2_01.npz, 3_15.flac and 3_15.npz of FACEGOOD-Audio2Face. Network and patterns are
the shipped ones.
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from jaxtalk.audio import load
from jaxtalk.data import fap_clips
from jaxtalk.face import builtin, fap_motion, fap_mouth
from jaxtalk.io import weights
from jaxtalk.render import face_picture
from jaxtalk.systems import face_look, fap_listener

IMAGES = Path(__file__).parent / "images"
SIDE, COLUMNS, BATCH = 320, 10, 10
MOUTH = slice(168, 264), slice(112, 208)  # rows and columns of a picture that are shown
SECONDS = 20.0, 32.0
TRUTH, HEARD = "0.15", "#d1495b"


def patterns(by: fap_listener.Perceptron) -> None:
    """All patterns on the built-in face, in the order of their codes."""
    model, on = builtin.model(), fap_motion.shapes(builtin.model())
    faps = jnp.asarray(by.centres)
    motion = fap_motion.to_motion(on, faps, 25.0)
    dressed, albedo = face_look.dress(model, on.features)
    tiles = []
    for first in range(0, len(faps), BATCH):
        place = jnp.minimum(jnp.arange(first, first + BATCH), len(faps) - 1)
        vertices = fap_motion.vertices(on, model, motion.expression[place], faps[place])
        still = jnp.zeros((BATCH, 3))
        drawn = np.asarray(face_picture.draw(dressed, vertices, still, still, albedo, SIDE))
        tiles += list(drawn[: len(faps) - first, MOUTH[0], MOUTH[1]])
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[k : k + COLUMNS], axis=1) for k in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).quantize(128).save(IMAGES / "fap_patterns.png", optimize=True)


def heights(by: fap_listener.Perceptron, folder: Path) -> None:
    """Opening of the lips over time: a recording that was learnt from, and one that was not."""
    figure, axes = plt.subplots(2, 1, figsize=(10, 4.6), sharex=True, sharey=True)
    for axis, name, kind in zip(axes, ("2_01", "3_15"), ("closed", "open"), strict=True):
        sound = folder / f"{name}.flac"
        clip = fap_clips.animated(sound, sound.with_suffix(".npz"))
        truth = fap_mouth.lip_opening(clip.faps)
        heard = fap_mouth.lip_opening(fap_listener.animate(by, load.load(sound), clip.fps))[: len(truth)]
        shown = slice(*(round(s * clip.fps) for s in SECONDS))
        seconds = np.arange(len(truth))[shown] / clip.fps
        axis.plot(seconds, truth[shown], color=TRUTH, lw=1.2, label="true")
        axis.plot(seconds, heard[shown], color=HEARD, lw=1.2, label="heard")
        match = np.corrcoef(truth, heard)[0, 1]
        axis.set(ylabel="lip opening (FAP units)", title=f"{kind} set: {name}, correlation {match:.2f} over all of it")
        print(f"{name}: {match:.4f}")
    axes[0].legend(loc="upper right", ncols=2, frameon=False)
    axes[1].set(xlabel="seconds", xlim=SECONDS)
    figure.tight_layout()
    figure.savefig(IMAGES / "fap_lips.png", dpi=80)


def main(folder: str) -> None:
    by = fap_listener.load(weights.shipped("fap"))
    heights(by, Path(folder))
    patterns(by)


if __name__ == "__main__":
    main(*sys.argv[1:])
