"""What ExpNet listens to: normalised log-mel, 16 columns around a moment, 25 ms apart.

ExpNet's input keeps its published shape [80, 16], but two changes help it to read strangers' lips (measured in
configs/expnet.py): each band is normalised over the recording, which takes out voice colour, microphone and loudness,
and columns are two hops apart, so that 16 of them span 0.4 s instead of 0.2 s. LipTCN hears the same normalised bands,
whole sentences of them, and answers every second column.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxtalk.audio import mel

# Seconds by which people are seen before they are heard: lips prepare a sound, and cameras and codecs add a little. By
# so much the lips of 23 clips were ahead of what ExpNet had learnt from exact phoneme times.
LEAD = 0.05
SPACING = 2  # mel columns between the columns of a window: 25 ms
_SMALLEST_SPREAD = 0.1  # in units of log_mel (8 / 100 dB each): keeps silence silent


def normalise(spectrum):
    """Each band of [t, 80] with mean 0 and standard deviation about 1 over the recording; numpy or JAX, as given."""
    centred = spectrum - spectrum.mean(0, keepdims=True)
    return centred / (spectrum.std(0, keepdims=True) + _SMALLEST_SPREAD)


def columns(seconds: Float[np.ndarray, "n"], pace: float | Float[np.ndarray, "n 1"] = 1.0) -> Int[np.ndarray, "n 16"]:
    """Which mel columns the windows around these moments hold, [n, 16]; may lie beyond the ends.

    `pace` above 1 spreads them, so that the window holds more speech, as of a faster speaker.
    """
    offsets = (np.arange(mel.SPAN) - (mel.SPAN - 1) / 2) * SPACING * pace
    return np.rint(np.asarray(seconds)[:, None] * mel.COLUMNS_PER_SECOND + offsets).astype(np.int32)


def windows(
    normalised: Float[Array, "t 80"], fps: float | int, frames: int, first: int = 0
) -> Float[Array, "frames 80 16"]:
    """What video frames first, ..., first + frames - 1 listen to; the ends repeat a column."""
    wanted = columns(np.arange(first, first + frames) / fps)
    return jnp.swapaxes(normalised[np.clip(wanted, 0, normalised.shape[0] - 1)], -1, -2)
