"""FapStream: what a .fap file holds. Whole numbers, frame by frame, and which of the parameters each frame gives."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxtalk.face import fap

# Fields of parameters 1 and 2 in a stream's order, and the largest value of each.
VISEME = {"viseme_select1": 14, "viseme_select2": 14, "viseme_blend": 63, "viseme_def": 1}
EXPRESSION = {
    "expression_select1": 6, "expression_intensity1": 63, "expression_select2": 6, "expression_intensity2": 63,
    "init_face": 1, "expression_def": 1,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class FapStream:
    """A face's movement in MPEG-4 parameters. What a frame does not select is 0, as players of such files take it."""

    values: Int[np.ndarray, "t 68"]  # in units of `fap.units`; columns of parameters 1 and 2 are 0
    selected: Bool[np.ndarray, "t 68"]  # the mask
    viseme: Int[np.ndarray, "t 4"]  # the fields VISEME; 0 where parameter 1 is not selected
    expression: Int[np.ndarray, "t 6"]  # the fields EXPRESSION; 0 where parameter 2 is not selected
    fps: float
    name: str = "jaxtalk"
    version: str = "2.1"

    def __len__(self) -> int:
        """Frames."""
        return len(self.values)


def stream(
    faps: Float[np.ndarray, "t 68"], fps: float, name: str = "jaxtalk", selected: Bool[np.ndarray, "68"] | None = None
) -> FapStream:
    """A stream of low-level parameters, rounded; those that go one way only are kept from going the other.

    All but the first two are selected unless `selected` says which.
    """
    selected = np.ones(fap.COUNT, bool) if selected is None else np.array(selected)
    selected[:2] = False
    values = np.where(fap.ONE_WAY[None], np.maximum(faps, 0.0), faps)
    values = np.where(selected[None], np.rint(values), 0.0).astype(np.int64)
    frames = len(values)
    masks = np.broadcast_to(selected, values.shape)
    return FapStream(values, masks, np.zeros((frames, 4), np.int64), np.zeros((frames, 6), np.int64), fps, name)


def complete(of: FapStream) -> tuple[Float[np.ndarray, "t 68"], Bool[np.ndarray, "t 68"]]:
    """Low-level values, what a frame leaves out taken from its twin as the standard's decoder does; and what is given.

    A left parameter stands for a right one that is not selected and the other way round, then inner lips for outer
    lips and the other way round.
    """
    values, known = of.values.astype(np.float64), of.selected.copy()
    for first, second in fap.LEFT_RIGHT + fap.INNER_OUTER:
        for source, target in ((first, second), (second, first)):
            missing = known[:, source] & ~known[:, target]
            values[missing, target] = values[missing, source]
            known[missing, target] = True
    known[:, :2] = False
    return values, known
