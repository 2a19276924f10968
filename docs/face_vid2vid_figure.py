"""Draws docs/images/face_vid2vid.jpg: sources, driving frames that were not learnt from, and what is drawn of them.

python docs/face_vid2vid_figure.py CORPUS runs/face_vid2vid data/heads
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from configs import face_vid2vid
from jaxtalk.data import head_clips
from jaxtalk.io import weights
from jaxtalk.models import head_pose, keypoints, vid2vid_generator

COLUMNS = 9  # of driving frames
ENLARGED = 2


def main(corpus: Path, networks: Path, heads: Path, clips: int = 4) -> None:
    config = face_vid2vid.Config(corpus=corpus, heads=heads, clips=clips, held_out=1)
    learnt, strangers = face_vid2vid.clips(config)
    draw(learnt + strangers, networks, Path("docs/images/face_vid2vid.jpg"))


def draw(clips: list[head_clips.HeadClip], networks: Path, path: Path) -> None:
    """Two rows for each clip: the source and driving frames; what is drawn."""
    reconstruct, rows = _renderer(networks), []
    pairs = head_clips.Pairs(clips, face_vid2vid.KEPT)
    for index in range(len(pairs)):
        held_out = pairs.held_out(index, COLUMNS)
        source, driving = (np.stack([row[name] for row in held_out]) for name in ("source", "driving"))
        made = np.asarray(reconstruct(jnp.asarray(source), jnp.asarray(driving)))
        for frames, first in ((driving, source[0]), (made, np.ones_like(source[0]))):
            rows.append(np.concatenate([first, *frames], 1))
    picture = Image.fromarray((255 * np.concatenate(rows)).round().astype(np.uint8))
    picture.resize((ENLARGED * picture.width, ENLARGED * picture.height), Image.Resampling.BICUBIC).save(
        path, quality=88
    )


def _renderer(folder: Path):
    kinds = {"keypoints": keypoints, "head_pose": head_pose, "generator": vid2vid_generator}
    stored = {name: weights.load(folder / f"{name}.safetensors") for name in kinds}
    sizes = {name: weights.config(kind.Config, stored[name]) for name, kind in kinds.items()}
    detector = keypoints.KeypointDetector(sizes["keypoints"])
    estimator = head_pose.HeadPoseEstimator(sizes["head_pose"])
    generator = vid2vid_generator.Generator(sizes["generator"])

    @jax.jit
    def reconstruct(source, driving):
        canonical, _ = detector.apply(stored["keypoints"].variables, source)
        points = []
        for picture in (source, driving):
            motion = estimator.apply(stored["head_pose"].variables, picture)
            points.append(motion.place(canonical))
        return generator.apply(stored["generator"].variables, source, *points)[0]

    return reconstruct


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
