"""Pieces of corpus clips with a fixed number of frames, for training: sound, motion, expression, style.

The sound goes on for MARGIN frames on either side of the piece. Pieces start at every fifth frame, where frames (25 a
second) and mel columns (80 a second) meet, so that a network hears in a piece what it would hear in the whole clip.
"""

from pathlib import Path

import grain
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import mel
from jaxtalk.data import clip, corpus

MARGIN = 5  # frames


def dataset(directory: str | Path, split: str, frames: int, batch: int, seed: int = 0) -> grain.MapDataset:
    """Endless batches of pieces from a corpus, in an order fixed by the seed.

    Arrays: speech [b, (frames + 2 MARGIN) 640], expression [b, frames, 52], pose [b, frames, 6] (rotation,
    translation), blink [b, frames], style [b].
    """

    def piece(record: dict, rng: np.random.Generator) -> dict:
        return cut(record, frames, first=5 * rng.integers(max(1, (len(record["blink"]) - frames) // 5 + 1)))

    pieces = corpus.read(directory, split).seed(seed).shuffle().repeat().random_map(piece)
    return pieces.batch(batch, drop_remainder=True)


def cut(record: dict, frames: int, first: int) -> dict:
    """The piece of a record from frame `first` on. Beyond the clip it is silent and its last frame stays."""
    place = np.minimum(np.arange(first, first + frames), len(record["blink"]) - 1)
    sample = clip.SAMPLES_PER_FRAME * (first - MARGIN) + np.arange(clip.SAMPLES_PER_FRAME * (frames + 2 * MARGIN))
    inside = (sample >= 0) & (sample < len(record["speech"]))
    speech = np.where(inside, record["speech"][np.clip(sample, 0, len(record["speech"]) - 1)], 0)
    return {
        "speech": speech.astype(np.float32) / 32768,
        "expression": record["expression"][place],
        "pose": np.concatenate([record["rotation"], record["translation"]], axis=-1)[place],
        "blink": record["blink"][place],
        "style": np.int32(record["style"]),
    }


def heard(speech: Float[Array, "b n"], frames: int) -> Float[Array, "b frames 80 16"]:
    """The mel windows of a piece's frames."""
    return mel.windows(mel.log_mel(speech), clip.FPS, frames, first=MARGIN)
