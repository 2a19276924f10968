"""The 68 facial animation parameters of MPEG-4 (ISO/IEC 14496-2, Annex C) and the units in which they count.

Parameter k of a face stands in column k - 1 of arrays `[..., 68]`. Parameters 1 and 2 choose whole mouth shapes and
expressions and have fields of their own (`jaxtalk.face.fap_stream`); their columns stay 0. Each of the others moves a
feature point of the neutral face along one direction, by so many 1024ths of a distance measured on that face, or
turns something by so many hundred-thousandths of a radian. So one stream fits every face.

The neutral face looks straight ahead, its lips touch, its lids touch the iris, its teeth touch each other.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from jaxtalk.face.model import FaceModel

COUNT = 68
AU = 1e-5  # radians of one angle unit
PART = 1024  # a distance has so many units

# Directions as the subject sees them; axes of `jaxtalk.face`.
DIRECTIONS = {
    "left": (1, 0, 0), "right": (-1, 0, 0), "up": (0, 1, 0), "down": (0, -1, 0), "forward": (0, 0, 1),
}  # fmt: skip


class Parameter(NamedTuple):
    """One row of the standard's table."""

    number: int
    name: str
    unit: str  # MNS, MW, ES, ENS, IRISD, AU; "" for the two that choose whole shapes
    bidirectional: bool  # else never below 0
    direction: str  # of positive values: of DIRECTIONS, or "growing", "concave", or "" as above
    point: str  # the feature point, group.index; "" as above


# name, unit, direction, point; "!" marks those that go one way only.
_TABLE = """
viseme - - -
expression - - -
open_jaw! MNS down 2.1
lower_t_midlip MNS down 2.2
raise_b_midlip MNS up 2.3
stretch_l_cornerlip MW left 2.4
stretch_r_cornerlip MW right 2.5
lower_t_lip_lm MNS down 2.6
lower_t_lip_rm MNS down 2.7
raise_b_lip_lm MNS up 2.8
raise_b_lip_rm MNS up 2.9
raise_l_cornerlip MNS up 2.4
raise_r_cornerlip MNS up 2.5
thrust_jaw! MNS forward 2.1
shift_jaw MW right 2.1
push_b_lip MNS forward 2.3
push_t_lip MNS forward 2.2
depress_chin MNS up 2.10
close_t_l_eyelid IRISD down 3.1
close_t_r_eyelid IRISD down 3.2
close_b_l_eyelid IRISD up 3.3
close_b_r_eyelid IRISD up 3.4
yaw_l_eyeball AU left 3.5
yaw_r_eyeball AU left 3.6
pitch_l_eyeball AU down 3.5
pitch_r_eyeball AU down 3.6
thrust_l_eyeball ES forward 3.5
thrust_r_eyeball ES forward 3.6
dilate_l_pupil IRISD growing 3.5
dilate_r_pupil IRISD growing 3.6
raise_l_i_eyebrow ENS up 4.1
raise_r_i_eyebrow ENS up 4.2
raise_l_m_eyebrow ENS up 4.3
raise_r_m_eyebrow ENS up 4.4
raise_l_o_eyebrow ENS up 4.5
raise_r_o_eyebrow ENS up 4.6
squeeze_l_eyebrow ES right 4.1
squeeze_r_eyebrow ES left 4.2
puff_l_cheek ES left 5.1
puff_r_cheek ES right 5.2
lift_l_cheek! ENS up 5.3
lift_r_cheek! ENS up 5.4
shift_tongue_tip MW right 6.1
raise_tongue_tip MNS up 6.1
thrust_tongue_tip MW forward 6.1
raise_tongue MNS up 6.2
tongue_roll! AU concave 6.3
head_pitch AU down 7.1
head_yaw AU left 7.1
head_roll AU right 7.1
lower_t_midlip_o MNS down 8.1
raise_b_midlip_o MNS up 8.2
stretch_l_cornerlip_o MW left 8.3
stretch_r_cornerlip_o MW right 8.4
lower_t_lip_lm_o MNS down 8.5
lower_t_lip_rm_o MNS down 8.6
raise_b_lip_lm_o MNS up 8.7
raise_b_lip_rm_o MNS up 8.8
raise_l_cornerlip_o MNS up 8.3
raise_r_cornerlip_o MNS up 8.4
stretch_l_nose ENS left 9.1
stretch_r_nose ENS right 9.2
raise_nose ENS up 9.3
bend_nose ENS right 9.3
raise_l_ear ENS up 10.1
raise_r_ear ENS up 10.2
pull_l_ear ENS left 10.3
pull_r_ear ENS right 10.4
"""


def _rows():
    for number, line in enumerate(_TABLE.split("\n")[1:-1], start=1):
        name, *rest = line.split()
        unit, direction, point = ("" if word == "-" else word for word in rest)
        yield Parameter(number, name.rstrip("!"), unit, not name.endswith("!"), direction, point)


PARAMETERS = tuple(_rows())
COLUMN = {parameter.name: parameter.number - 1 for parameter in PARAMETERS}
ONE_WAY = np.array([not parameter.bidirectional for parameter in PARAMETERS])

# The standard's groups and how many parameters each has, in their order.
GROUPS = {
    "visemes and expressions": 2, "jaw, chin, inner lips": 16, "eyeballs, pupils, eyelids": 12, "eyebrows": 8,
    "cheeks": 4, "tongue": 5, "head rotation": 3, "outer lips": 10, "nose": 4, "ears": 4,
}  # fmt: skip
HEAD = tuple(COLUMN[name] for name in ("head_pitch", "head_yaw", "head_roll"))


def _pairs() -> tuple[tuple[int, int], ...]:
    """Columns of the left and the right one of everything that is there twice."""
    other = {"_l_": "_r_", "_lm": "_rm"}
    found = [
        (COLUMN[name], COLUMN[name.replace(left, right)]) for name in COLUMN for left, right in other.items()
        if left in name and name.replace(left, right) in COLUMN
    ]  # fmt: skip
    return tuple(found)


LEFT_RIGHT = _pairs()
INNER_OUTER = tuple((COLUMN[name[:-2]], COLUMN[name]) for name in COLUMN if name.endswith("_o"))


class Distances(NamedTuple):
    """The distances on the neutral face that units are parts of, in metres."""

    IRISD: float  # between upper and lower lid, which is the iris's diameter where the lids touch it
    ES: float  # between the eyes
    ENS: float  # from the eyes down to the nose's base
    MNS: float  # from the nose's base down to the mouth
    MW: float  # between the corners of the mouth


def distances(model: FaceModel, identity: Float[Array, "i"] | None = None) -> Distances:
    """The distances of a model's neutral face, from its 68 landmarks."""
    points = np.asarray(model.vertices(identity), np.float64)[np.asarray(model.landmarks)]
    right, left = points[36:42].mean(0), points[42:48].mean(0)
    lids = points[[37, 38, 43, 44], 1].mean() - points[[40, 41, 46, 47], 1].mean()
    return Distances(
        IRISD=float(lids),
        ES=float(left[0] - right[0]),
        ENS=float((left[1] + right[1]) / 2 - points[33, 1]),
        MNS=float(points[33, 1] - points[62, 1]),
        MW=float(points[54, 0] - points[48, 0]),
    )


def units(measured: Distances) -> Float[np.ndarray, "68"]:
    """Metres (radians for turns) that one unit of each parameter stands for; 0 for the first two."""
    sizes = {"": 0.0, "AU": AU} | {name: size / PART for name, size in measured._asdict().items()}
    return np.array([sizes[parameter.unit] for parameter in PARAMETERS])
