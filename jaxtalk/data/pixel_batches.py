"""Pixels of posed pictures, drawn anew for every step: what radiance fields learn from."""

import grain.python as grain
import numpy as np
from jaxtyping import UInt8

from jaxtalk.data import host_rows

_ENDLESS = 2**48  # batches


class PixelBatches:
    """Batches of `rays` pixels, each anywhere in any picture."""

    def __init__(self, pictures: UInt8[np.ndarray, "n h w 3"], rays: int):
        self._pictures, self._rays = pictures, rays

    def draw(self, _: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`view` [b]: the picture; `pixel` [b, 2]: column and row; `colour` [b, 3] from 0 to 1."""
        count, height, width, _ = self._pictures.shape
        view, row, column = (rng.integers(n, size=self._rays) for n in (count, height, width))
        colour = self._pictures[view, row, column].astype(np.float32) / 255
        batch = {"view": view, "pixel": np.stack([column, row], axis=-1)}
        return {name: value.astype(np.int32) for name, value in batch.items()} | {"colour": colour}

    def stream(self, seed: int) -> grain.MapDataset:
        """Endless; each process has its rows of every batch."""
        return grain.MapDataset.range(_ENDLESS).seed(seed).random_map(self.draw).map(host_rows.own)
