"""The parameters that speech moves, and what they say about the lips."""

import numpy as np

from jaxtalk.face import fap


def _columns(*groups: str) -> np.ndarray:
    ends = np.cumsum(list(fap.GROUPS.values()))
    return np.concatenate(
        [np.arange(ends[k] - fap.GROUPS[g], ends[k]) for k, g in enumerate(fap.GROUPS) if g in groups]
    )


SPOKEN = _columns("jaw, chin, inner lips", "outer lips")  # 26 columns
JAW = fap.COLUMN["open_jaw"]
_UPPER, _LOWER = fap.COLUMN["lower_t_midlip"], fap.COLUMN["raise_b_midlip"]


def lip_opening(faps):
    """Gap [*b] between the middles of the inner lips from parameters [*b, 68]; numpy or JAX, as given.

    In units of MNS: 0 for closed lips, below 0 where they press.
    """
    return -(faps[..., _UPPER] + faps[..., _LOWER])
