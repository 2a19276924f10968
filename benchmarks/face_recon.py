"""How well a trained Deep3DFaceRecon fits faces that it never saw: frames of the corpus, and real videos with tracks.

    python benchmarks/face_recon.py runs/face_recon/face_recon.safetensors --corpus corpus --renders data/recon \
        [--videos ../shared/media/video --tracks ../shared/media/tracks] [--figure docs/images/face_recon.jpg]

Corpus: what `configs/face_recon.py` evaluates. Videos: landmark error over the distance of the outer eye corners
against MediaPipe's 68 points on frames spread over each, the crop cut by those points as in training; beside it, the
mean face's under the best similarity. The figure shows held-out frames: the picture, the fitted face drawn over it, and
landmarks.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image, ImageDraw

from configs import face_recon as recipe
from jaxtalk.data import recon_frames
from jaxtalk.face import tracks
from jaxtalk.io import video, weights

CELL = 128  # pixels of a picture in the figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    weights: Annotated[Path, tyro.conf.Positional]
    corpus: Path = Path("corpus")
    renders: Path = Path("data/recon")
    clips: int = 450
    model: Path | None = None
    size: int = 64
    """As in training."""
    videos: Path | None = None
    tracks: Path | None = None
    frames: int = 12
    figure: Path | None = None


def of_video(path: Path, track: tracks.Track, count: int) -> list:
    """Pictures about the face of up to `count` frames spread over a video, with landmarks."""
    seen = np.flatnonzero(track.confidence.min(-1) > 0)
    wanted = seen[((np.arange(count) + 0.5) / count * len(seen)).astype(int)].tolist()
    made = []
    for k, frame in enumerate(video.frames(path)):
        if k in wanted:
            made.append(recon_frames.around(frame, track.landmarks[k], recipe.RENDER))
        if k >= wanted[-1]:
            break
    return [(np.concatenate([one.image, one.alpha[..., None]], -1), one.landmarks) for one in made]


def on_videos(task: recipe.Task, variables, options: Options) -> None:
    table = {}
    for path in sorted(options.videos.iterdir()):
        track = options.tracks / f"{path.stem}.npz"
        if track.is_file():
            pictures = of_video(path, tracks.load(track), options.frames)
            found = recipe.looked(task, variables, pictures, len(pictures))
            mean_face = recipe.mean_face_error(task.face, found["truth"])
            table[path.stem] = (found["landmarks"].mean(), mean_face.mean(), found["color"].mean())
            _print(path.stem, *table[path.stem])
    columns = np.array(list(table.values()))
    _print(f"{len(table)} videos", *columns.mean(0))
    print(f"better than the mean face in {(columns[:, 0] < columns[:, 1]).sum()}")


def _print(name: str, error: float, mean_face: float, color: float) -> None:
    print(f"{name:28} landmarks {error:.3f}  mean face {mean_face:.3f}  color {color:.3f}", flush=True)


def draw_figure(task: recipe.Task, found: dict[str, np.ndarray], path: Path) -> None:
    """One column for each of eight clips: the picture, the fitted face over it, true (green) and fitted landmarks."""
    rows = [[], [], []]
    for k in range(0, 64, recon_frames.FRAMES):
        image, face = (
            found["image"][k],
            np.where(found["covered"][k][..., None], found["picture"][k], found["image"][k]),
        )
        pictures = [_enlarged(x) for x in (image, face, image)]
        draw = ImageDraw.Draw(pictures[2])
        for points, colour in ((found["truth"][k], (40, 230, 40)), (found["points"][k], (255, 40, 40))):
            for x, y in (points * CELL / recipe.recon_geometry.SIZE).tolist():
                draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=colour)
        for row, picture in zip(rows, pictures, strict=True):
            row.append(np.asarray(picture))
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows])).save(path, quality=88)


def _enlarged(picture):
    return Image.fromarray((255 * picture.clip(0, 1)).astype(np.uint8)).resize((CELL, CELL), Image.Resampling.BICUBIC)


def main(options: Options) -> None:
    stored = weights.load(options.weights)
    config = {"blocks": tuple(stored.config["blocks"]), "width": stored.config["width"], "size": options.size}
    paths = {"corpus": options.corpus, "renders": options.renders, "model": options.model, "clips": options.clips}
    task = recipe.Task(recipe.Config(**config, **paths))
    variables = jax.tree.map(jnp.asarray, stored.variables)
    print(weights.label(stored))
    for name, value in recipe.evaluate(task, variables).items():
        print(f"{name} {value:.4f}")
    if options.figure:
        draw_figure(task, recipe.looked(task, variables, task.held_out, 64), options.figure)
    if options.videos:
        on_videos(task, variables, options)


if __name__ == "__main__":
    main(tyro.cli(Options))
