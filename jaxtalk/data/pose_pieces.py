"""Pieces of head motion with the sound that goes with it, for PoseVAE.

The sound is heard by a frozen encoder, once: what PoseVAE trains on are embeddings.
"""

from collections.abc import Callable, Iterable

import grain
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import speech_windows
from jaxtalk.data import clips, host_rows

_BLOCK = 256  # windows heard at once


def hear(records: Iterable[dict], listen: Callable[[Float[Array, "b 80 16"]], Float[Array, "b a"]]) -> list[dict]:
    """Corpus records with `sound` [t, a], `pose` [t, 6] (rotation, translation) and `style`."""
    return [
        {
            "sound": _embedded(clips.synthetic(record), listen),
            "pose": np.concatenate([record["rotation"], record["translation"]], axis=-1),
            "style": np.int32(record["style"]),
        }
        for record in records
    ]


def dataset(heard: list[dict], frames: int, batch: int, seed: int) -> grain.MapDataset:
    """Endless batches of pieces: sound [b, frames, a], pose [b, frames, 6], style [b]. Short clips are left out."""

    def piece(one: dict, rng: np.random.Generator) -> dict:
        first = rng.integers(len(one["pose"]) - frames + 1)
        return one | {key: one[key][first : first + frames] for key in ("sound", "pose")}

    long = [one for one in heard if len(one["pose"]) >= frames]
    pieces = grain.MapDataset.source(long).seed(seed).shuffle().repeat().random_map(piece)
    return host_rows.batches(pieces, batch)


def _embedded(recording: clips.Recording, listen) -> Float[np.ndarray, "t a"]:
    spectrum, count = jnp.asarray(recording.mel), len(recording.expression)
    blocks = [
        np.asarray(listen(speech_windows.windows(spectrum, recording.fps, _BLOCK, first)))
        for first in range(0, count, _BLOCK)
    ]
    return np.concatenate(blocks)[:count]
