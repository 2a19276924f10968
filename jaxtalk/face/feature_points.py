"""MPEG-4 feature points (ISO/IEC 14496-2, Annex C, fig. C.1) on any face model, and parameters measured at them.

Most points are among the 68 landmarks; the others (cheeks, ears, boss of the chin, tongue) are looked for relative to
these. A parameter is how far its point lies from its neutral place along the parameter's direction. What rides on the
jaw (boss of the chin, tongue) is measured relative to the jaw. Eyeballs turn by the direction from their middle to
the pupil. Pupil dilation and tongue roll are not measured.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.face import fap, rotation
from jaxtalk.face.model import REGIONS, FaceModel

# Points on landmarks; where the standard's point lies between two landmarks, it is their mean.
LANDMARKS = {
    "2.1": (8,), "2.2": (62,), "2.3": (66,), "2.4": (64,), "2.5": (60,), "2.6": (63,), "2.7": (61,), "2.8": (65,),
    "2.9": (67,), "3.1": (43, 44), "3.2": (37, 38), "3.3": (46, 47), "3.4": (40, 41), "4.1": (22,), "4.2": (21,),
    "4.3": (24,), "4.4": (19,), "4.5": (26,), "4.6": (17,), "8.1": (51,), "8.2": (57,), "8.3": (54,), "8.4": (48,),
    "8.5": (53,), "8.6": (49,), "8.7": (55,), "8.8": (59,), "9.1": (35,), "9.2": (31,), "9.3": (30,),
}  # fmt: skip
ON_JAW = {"2.1": 1.0, "2.10": 1.0, "5.1": 0.3, "5.2": 0.3, "6.1": 1.0, "6.2": 1.0}  # how much each goes with the jaw
HINGE = np.array([0.0, 0.005, 0.012])  # metres: the condyles' axis; every model's origin is midway between the ears
SWING = np.radians(10.0)  # the jaw's turn of which its movement is the chord
JAW = tuple(fap.COLUMN[name] for name in ("open_jaw", "thrust_jaw", "shift_jaw"))
EYES = tuple((fap.COLUMN[f"pitch_{s}_eyeball"], fap.COLUMN[f"yaw_{s}_eyeball"]) for s in "lr")
THRUSTS = tuple(fap.COLUMN[f"thrust_{s}_eyeball"] for s in "lr")


class Eye(NamedTuple):
    """One eyeball. A model without eyeballs has one vertex here, and its parameters do nothing."""

    vertices: Int[Array, "n"]
    rear: Int[Array, "m"]  # those behind the centre
    pupil: Int[Array, ""]
    centre: Float[Array, "3"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Features:
    """Where a face's feature points are and what its units are; made by `find`."""

    vertices: Int[Array, "p 2"]  # of each point; one of one vertex has it twice
    eyes: tuple[Eye, Eye]  # left, right
    neutral: Float[Array, "q 3"]  # what `gather` gives for the neutral face
    unit: Float[Array, "68"]  # metres or radians
    known: Bool[Array, "68"]  # what moves something on this model
    column: Int[Array, "f"]  # the parameters that displace points ...
    point: Int[Array, "f"]  # ... their places in `vertices` ...
    axis: Float[Array, "f 3"]  # ... their directions ...
    share: Float[Array, "f 3"]  # ... and what a metre of open_jaw, thrust_jaw, shift_jaw adds along these
    jaw: Int[Array, "3"]  # places of these three in `column`
    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})  # of the points

    def gather(self, vertices: Float[Array, "*b v 3"]) -> Float[Array, "*b q 3"]:
        """Places of all points, then of pupils and of rear halves of the two eyes. Linear in the vertices."""
        points = vertices[..., self.vertices, :].mean(-2)
        pupils = jnp.stack([vertices[..., eye.pupil, :] for eye in self.eyes], axis=-2)
        rears = jnp.stack([vertices[..., eye.rear, :].mean(-2) for eye in self.eyes], axis=-2)
        return jnp.concatenate([points, pupils, rears], axis=-2)

    def displacements(self, faps: Float[Array, "*b 68"]) -> Float[Array, "*b f"]:
        """Metres that each displacing parameter's point lies from its neutral place along its axis."""
        metres = faps * _like(self.unit, faps)
        return metres[..., self.column] + jnp.einsum("...j,fj->...f", metres[..., jnp.array(JAW)], self.share)

    def measure(self, gathered: Float[Array, "*b q 3"]) -> Float[Array, "*b 68"]:
        """Parameters of a face whose head is not turned, from what `gather` gives; not rounded, head rotation 0."""
        moved = gathered - _like(self.neutral, gathered)
        along = (moved[..., self.point, :] * _like(self.axis, moved)).sum(-1)  # *b f
        for k, column in enumerate(self.jaw):  # what these three give is known before what rides on the jaw
            along = along - along[..., column, None] * _like(self.share[:, k], along)
        low = along / _like(self.unit[self.column], along)
        angles = eye_angles(gathered) - _like(eye_angles(self.neutral), gathered)
        before = gathered[..., -2:, 2] - self._turned_rears(angles)[..., 2]
        faps = jnp.zeros((*low.shape[:-1], fap.COUNT)).at[..., self.column].set(low)
        faps = faps.at[..., jnp.array(EYES)].set(angles / fap.AU)
        faps = faps.at[..., jnp.array(THRUSTS)].set(before / _like(self.unit[jnp.array(THRUSTS)], before))
        return jnp.where(_like(self.known, faps), faps, 0.0)

    def eye_rotation(self, angles: Float[Array, "*b 2 2"]) -> Float[Array, "*b 2 3 3"]:
        """Rotations that add (pitch, yaw) to the directions in which the two neutral eyes look."""
        looks = eye_angles(self.neutral)
        rest, turned = _level(looks), _level(angles + _like(looks, angles))
        return jnp.einsum("...eij,ekj->...eik", rotation.matrix(turned), rotation.matrix(rest))

    def turn_eyes(
        self, vertices: Float[Array, "*b v 3"], angles: Float[Array, "*b 2 2"], forward: Float[Array, "*b 2"]
    ) -> Float[Array, "*b v 3"]:
        """Turns the two eyeballs by (pitch, yaw) in radians, then moves them forward by metres."""
        rotations = self.eye_rotation(angles)
        for side, eye in enumerate(self.eyes):
            away = vertices[..., eye.vertices, :] - _like(eye.centre, vertices)
            move = jnp.einsum("...ij,...vj->...vi", rotations[..., side, :, :], away) - away
            move = move.at[..., 2].add(forward[..., side, None])
            vertices = vertices.at[..., eye.vertices, :].add(move)
        return vertices

    def _turned_rears(self, angles):
        """Where the eyes' rear halves come to lie when they turn about their centres."""
        centres = jnp.stack([eye.centre for eye in self.eyes])
        arm = self.neutral[-2:] - centres
        turned = jnp.einsum("...eij,ej->...ei", self.eye_rotation(angles), arm)
        return turned + _like(centres, turned)


def eye_angles(gathered: Float[Array, "*b q 3"]) -> Float[Array, "*b 2 2"]:
    """(pitch, yaw) in radians of the directions from the eyes' rear halves to their pupils."""
    x, y, z = jnp.moveaxis(gathered[..., -4:-2, :] - gathered[..., -2:, :], -1, 0)
    return jnp.stack([jnp.arctan2(-y, jnp.hypot(x, z)), jnp.arctan2(x, z)], axis=-1)


def jaw_field(places: Float[np.ndarray, "*b 3"], chin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "*b 3"]:
    """Displacement of what is on the jaw when the chin drops by one metre: the chord of a turn about the hinge."""
    c, s = np.cos(SWING), np.sin(SWING)
    chord = np.array([[0, 0, 0], [0, c - 1, -s], [0, s, c - 1]])
    return (places - HINGE) @ chord.T / -((chin - HINGE) @ chord.T)[1]


def find(model: FaceModel, identity: Float[Array, "i"] | None = None) -> Features:
    """The feature points of a model's neutral face."""
    shape = np.asarray(model.vertices(identity), np.float64)
    found = _found(model, shape)
    places = {name: shape[vertices].mean(0) for name, vertices in found.items()}
    names = tuple(found)
    rows = [p for p in fap.PARAMETERS if p.point in found and p.direction in fap.DIRECTIONS]
    axes = np.array([fap.DIRECTIONS[p.direction] for p in rows], np.float64)
    column = [p.number - 1 for p in rows]
    along_jaw = np.array([fap.DIRECTIONS[fap.PARAMETERS[k].direction] for k in JAW], np.float64)
    fields = np.stack([[jaw_field(places[p.point], places["2.1"]), *along_jaw[1:]] for p in rows])  # f 3 3
    share = np.einsum("fjc,fc->fj", fields, axes) * np.array([ON_JAW.get(p.point, 0.0) for p in rows])[:, None]
    for k, own in enumerate(JAW):
        share[column.index(own), k:] = 0.0  # but thrust_jaw and shift_jaw are measured from where open_jaw leads
    eyes, seeing = _eyes(model, shape)
    known = np.zeros(fap.COUNT, bool)
    known[[p.number - 1 for p in rows]] = True
    known[[column for pair in EYES for column in pair] + list(THRUSTS)] = seeing
    features = Features(
        vertices=jnp.asarray([vertices if len(vertices) == 2 else 2 * vertices for vertices in found.values()]),
        eyes=eyes,
        neutral=jnp.zeros((len(found) + 4, 3)),
        unit=jnp.asarray(fap.units(fap.distances(model, identity)), jnp.float32),
        known=jnp.asarray(known),
        column=jnp.asarray(column),
        point=jnp.asarray([names.index(p.point) for p in rows]),
        axis=jnp.asarray(axes, jnp.float32),
        share=jnp.asarray(share, jnp.float32),
        jaw=jnp.asarray([column.index(k) for k in JAW]),
        names=names,
    )
    return dataclasses.replace(features, neutral=features.gather(jnp.asarray(shape, jnp.float32)))


def _found(model: FaceModel, shape) -> dict[str, list[int]]:
    """The vertices of each point that this model has."""
    landmarks = np.asarray(model.landmarks)
    points = shape[landmarks]
    eyes = points[45, 0] - points[36, 0]
    found = {name: landmarks[list(numbers)].tolist() for name, numbers in LANDMARKS.items()}
    skin = of_regions(model, "skin", "hair")
    below = np.array([1.0, 0.6, 1.0]) * points[46] + np.array([0.0, 0.4, 0.0]) * points[33]  # a cheekbone
    for names, left in (
        (("2.10", None), (points[57] + points[8]) / 2),
        (("5.1", "5.2"), (points[54] + points[13]) / 2),
        (("5.3", "5.4"), below),
    ):
        for name, side in zip(names, (1, -1), strict=True):
            if name:
                found[name] = [_in_front(shape, skin, left[:2] * np.array([side, 1]), 0.05 * eyes)]
    found |= _ears(shape, skin, points, eyes)
    return found | _tongue(shape, of_regions(model, "tongue"))


def of_regions(model: FaceModel, *regions: str) -> Int[np.ndarray, "n"]:
    """Vertices of the triangles of these regions."""
    wanted = [REGIONS.index(region) for region in regions]
    return np.unique(np.asarray(model.triangles)[np.isin(np.asarray(model.region), wanted)])


def _in_front(shape, vertices, place, reach) -> int:
    """The foremost vertex near a place on the picture's plane."""
    away = np.linalg.norm(shape[vertices, :2] - place, axis=-1)
    near = vertices[away < max(reach, 1.5 * away.min())]
    return int(near[shape[near, 2].argmax()])


def _ears(shape, skin, points, eyes) -> dict[str, list[int]]:
    """Outermost vertices at the height of the nose, and the highest ones close to them."""
    high = (shape[skin, 1] > points[33, 1]) & (shape[skin, 1] < points[24, 1])
    level = skin[high & (shape[skin, 2] < points[[0, 16], 2].mean() + 0.1 * eyes)]
    found = {}
    for (upper, outer), side in ((("10.1", "10.3"), 1), (("10.2", "10.4"), -1)):
        edge = level[(side * shape[level, 0]).argmax()]
        near = skin[np.linalg.norm(shape[skin] - shape[edge], axis=-1) < 0.4 * eyes]
        near = near[side * (shape[near, 0] - shape[edge, 0]) > -0.12 * eyes]
        found |= {outer: [int(edge)], upper: [int(near[shape[near, 1].argmax()])]}
    return found


def _tongue(shape, vertices) -> dict[str, list[int]]:
    """Tip, and the top of the back, of a tongue."""
    if not len(vertices):
        return {}
    z = shape[vertices, 2]
    middle = np.abs(shape[vertices, 0] - shape[vertices[z.argmax()], 0]) < 0.1 * np.ptp(z)
    back = vertices[middle & (np.abs(z - (z.min() + z.max()) / 2) < 0.25 * np.ptp(z))]
    return {"6.1": [int(vertices[z.argmax()])], "6.2": [int(back[shape[back, 1].argmax()])]}


def _eyes(model: FaceModel, shape) -> tuple[tuple[Eye, Eye], bool]:
    """Eyeballs, and whether there are any."""
    vertices = of_regions(model, "eye")
    landmarks = np.asarray(model.landmarks)
    eyes = []
    for side, lids in ((1, landmarks[42:48]), (-1, landmarks[36:42])):
        own = vertices[side * shape[vertices, 0] > 0]
        if len(own):
            pupil, centre = own[shape[own, 2].argmax()], sphere(shape[own])[0]
            rear = own[shape[own, 2] < centre[2]]
        else:  # lids slide over a ball behind them
            radius = 0.6 * np.linalg.norm(shape[lids[3]] - shape[lids[0]])
            own, pupil, centre = lids[:1], lids[1], shape[lids].mean(0) - np.array([0.0, 0.0, radius])
            rear = own
        eyes.append(Eye(*(jnp.asarray(k) for k in (own, rear, pupil)), jnp.asarray(centre, jnp.float32)))
    return tuple(eyes), bool(len(vertices))


def sphere(points: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "3"], float]:
    """Centre and radius of the sphere nearest to points: |p|^2 = 2 p.c + (r^2 - |c|^2) by least squares."""
    middle = points.mean(0)
    local = points - middle
    design = np.concatenate([2 * local, np.ones((len(points), 1))], axis=1)
    solved = np.linalg.lstsq(design, (local**2).sum(-1), rcond=None)[0]
    return solved[:3] + middle, float(np.sqrt(solved[3] + (solved[:3] ** 2).sum()))


def _like(values, other):
    """Leading axes for broadcasting with `other`, explicit because rank promotion raises in tests."""
    return values.reshape((1,) * (other.ndim - values.ndim) + values.shape)


def _level(angles):
    """(pitch, yaw, 0)."""
    return jnp.concatenate([angles, jnp.zeros((*angles.shape[:-1], 1))], axis=-1)
