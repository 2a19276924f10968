"""A folder of rendered heads: blocks of pictures and points as plain arrays, made once and mapped into memory.

folder/0000000_images.npy [500 s s 4] (RGB and alpha), 0000000_points.npy [500 68 2] ... named by the first seed
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tqdm

from jaxtalk.data.face_renders import Render
from jaxtalk.errors import InputError

BLOCK = 500  # renders in one file


def write(folder: Path, render: Callable[[int], Render], seeds: range) -> None:
    """Renders `seeds` into blocks; blocks that are there already are kept, so a run that was stopped goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    for first in tqdm.tqdm(range(seeds.start, seeds.stop, BLOCK), desc=f"renders into {folder}", disable=None):
        images, points = (folder / f"{first:07d}_{kind}.npy" for kind in ("images", "points"))
        if images.exists():
            continue
        renders = [render(seed) for seed in range(first, min(first + BLOCK, seeds.stop))]
        np.save(points, np.stack([r.landmarks for r in renders]).astype(np.float32))
        part = images.with_name(f"{images.stem}.{os.getpid()}.npy")
        np.save(part, np.stack([np.concatenate([r.image, r.alpha[..., None]], axis=-1) for r in renders]))
        os.replace(part, images)


class RenderSet:
    """What `write` wrote, for grain: `renders[i] -> (uint8 [s s 4], float32 [68 2])`."""

    def __init__(self, folder: Path):
        files = sorted(folder.glob("[0-9]*_images.npy"))
        files = [file for file in files if file.stem.count(".") == 0]
        if not files:
            raise InputError(f"{folder}: holds no rendered heads")
        self.images = [np.load(file, mmap_mode="r") for file in files]
        self.points = [np.load(str(file).replace("_images", "_points")) for file in files]
        self.ends = np.cumsum([len(block) for block in self.images])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        block = int(np.searchsorted(self.ends, index, side="right"))
        row = index - (self.ends[block - 1] if block else 0)
        return np.array(self.images[block][row]), self.points[block][row]
