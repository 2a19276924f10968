"""MPEG-4 parameters move any face model: feature points, and a smooth region around each that follows.

    faps --units--> metres --basis--> displaced skin, jaw, teeth, tongue --lids turn, eyeballs turn--> vertices

The basis has one displacement field for each parameter. At the feature points it is exact: a point moves by what its
parameter says, and by nothing that another's says. In between, `influence.weights` spread it over the surface; teeth,
tongue and mouth cavity go rigidly with the jaw. Lids slide over their eyeballs, so they turn about the eyes' centres.
`feature_points.Features.measure` is the way back.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from jaxtalk.face import fap, feature_points, influence
from jaxtalk.face.feature_points import Features
from jaxtalk.face.model import FaceModel

# How far parameters are felt along the skin, in distances between the eyes, by name or else by the point's group.
REACH = {"2": 0.12, "4": 0.3, "5": 0.35, "8": 0.25, "9": 0.2, "10": 0.25}
REACH |= {"depress_chin": 0.25, "push_b_lip": 0.3, "push_t_lip": 0.3}
LID_REACH, JAW_REACH = 0.1, 0.5
# What is on the jaw, by landmark; the rest of the landmarks stay.
JAW = dict.fromkeys(range(5, 12), 1.0) | {4: 0.8, 12: 0.8, 3: 0.5, 13: 0.5, 2: 0.2, 14: 0.2}
DEEP, ASIDE = 0.13, 0.35  # distances between the eyes from lips, and from their corners, where the cavity is the jaw's
ANCHORS = 150  # about so many of the vertices there are told so
LIDS = ("3.1", "3.2", "3.3", "3.4")
LID_COLUMNS = tuple(fap.COLUMN[f"close_{part}_{side}_eyelid"] for part in "tb" for side in "lr")
PUPIL = 0.17  # radians from the pupil's middle to its rim: a third of the iris


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rig:
    """A face that MPEG-4 parameters drive; made by `rig`."""

    features: Features
    template: Float[Array, "v 3"]  # the neutral face
    basis: Float[Array, "68 v 3"]  # metres for each metre (radian) of a parameter
    lids: Float[Array, "4 v"]  # share of each lid's turn: upper left, upper right, lower left, lower right
    socket: Float[Array, "v 3"]  # centre of the eye on the vertex's side

    def displace(self, faps: Float[Array, "*b 68"]) -> Float[Array, "*b v 3"]:
        """Vertices before the head's rotation (see `head_angles`). Pure and differentiable."""
        unit = self.features.unit.reshape((1,) * (faps.ndim - 1) + (-1,))
        metres = faps * unit
        moved = jnp.einsum("...f,fvc->...vc", metres, self.basis)
        vertices = moved + self.template.reshape((1,) * (moved.ndim - 2) + self.template.shape)
        vertices = self._turn_lids(vertices, metres)
        columns = jnp.array(feature_points.EYES)
        angles = jnp.where(self.features.known[columns], 1.0, 0.0) * fap.AU
        angles = angles.reshape((1,) * (faps.ndim - 1) + columns.shape) * faps[..., columns]
        known = self.features.known[jnp.array(feature_points.THRUSTS)].reshape((1,) * (faps.ndim - 1) + (2,))
        thrusts = jnp.where(known, metres[..., jnp.array(feature_points.THRUSTS)], 0.0)
        return self.features.turn_eyes(vertices, angles, thrusts)

    def _turn_lids(self, vertices, metres):
        names = self.features.names
        places = self.features.neutral[jnp.array([names.index(name) for name in LIDS])]
        arm = places - jnp.stack([self.features.eyes[k % 2].centre for k in range(4)])
        down = jnp.array([1.0, 1.0, -1.0, -1.0])
        drop = metres[..., jnp.array(LID_COLUMNS)] * down.reshape((1,) * (metres.ndim - 1) + (4,))
        radius = jnp.hypot(arm[:, 1], arm[:, 2])
        height = (arm[None, :, 1] - drop.reshape(-1, 4)) / radius[None]
        angle = jnp.arctan2(arm[:, 1], arm[:, 2])[None] - jnp.arcsin(jnp.clip(height, -0.999, 0.999))
        turn = jnp.einsum("...l,lv->...v", angle.reshape(drop.shape), self.lids)
        away = vertices - self.socket.reshape((1,) * (vertices.ndim - 2) + self.socket.shape)
        c, s = jnp.cos(turn), jnp.sin(turn)
        y = (c - 1) * away[..., 1] - s * away[..., 2]
        z = s * away[..., 1] + (c - 1) * away[..., 2]
        return vertices + jnp.stack([jnp.zeros_like(y), y, z], axis=-1)


def head_angles(faps: Float[Array, "*b 68"]) -> Float[Array, "*b 3"]:
    """(pitch, yaw, roll) of the head in radians; the standard's signs are ours."""
    return faps[..., jnp.array(fap.HEAD)] * fap.AU


def rig(model: FaceModel, identity: Float[Array, "i"] | None = None) -> Rig:
    """Makes a model's neutral face one that MPEG-4 parameters drive; takes about a second for 26,000 vertices."""
    features = feature_points.find(model, identity)
    shape = np.asarray(model.vertices(identity), np.float64)
    skin = _Skin(model, shape, features)
    jaw = skin.jaw()
    basis = np.zeros((fap.COUNT, len(shape), 3))
    for column, (weight, axis) in skin.fields().items():
        basis[column] = weight[:, None] * axis
    field = feature_points.jaw_field(shape, skin.place("2.1"))
    basis[fap.COLUMN["open_jaw"]] = jaw[:, None] * field
    basis[fap.COLUMN["thrust_jaw"], :, 2] = jaw
    basis[fap.COLUMN["shift_jaw"], :, 0] = -jaw
    _tongue(basis, model, shape, features)
    _pupils(basis, shape, features)
    sides = np.where(shape[:, :1] > 0, np.asarray(features.eyes[0].centre), np.asarray(features.eyes[1].centre))
    arrays = (shape, basis, skin.lids(), sides)
    return Rig(features, *(jnp.asarray(array, jnp.float32) for array in arrays))


class _Skin:
    """The surface that holds the landmarks, and what does not hang together with it."""

    def __init__(self, model: FaceModel, shape, features: Features):
        self.model, self.shape, self.features = model, shape, features
        triangles = np.asarray(model.triangles)
        self.landmarks = np.asarray(model.landmarks)
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
        graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), (len(shape), len(shape)))
        part = connected_components(graph, directed=False)[1]
        self.own = np.flatnonzero(part == part[self.landmarks[30]])
        place = np.full(len(shape), -1)
        place[self.own] = np.arange(len(self.own))
        self.place_of = place
        self.triangles = place[triangles[place[triangles[:, 0]] >= 0]]
        self.eyes = self.shape[self.landmarks[42:48], 0].mean() - self.shape[self.landmarks[36:42], 0].mean()
        self.nearest = cKDTree(shape[self.own]).query(shape)[1]  # other parts (lashes, sockets) go with the skin
        self.nearest[self.own] = np.arange(len(self.own))  # lips that touch are two vertices in one place
        rigid = ("eye", "teeth_upper", "teeth_lower", "tongue")
        self.rigid = np.zeros(len(shape), bool)
        self.rigid[feature_points.of_regions(model, *rigid)] = True
        mouth = feature_points.of_regions(model, "mouth")
        self.rigid[mouth[place[mouth] < 0]] = True  # gums

    def place(self, name: str) -> Float[np.ndarray, "3"]:
        return np.asarray(self.features.neutral, np.float64)[self.features.names.index(name)]

    def vertices(self, name: str) -> Int[np.ndarray, "n"]:
        return np.unique(np.asarray(self.features.vertices)[self.features.names.index(name)])

    def spread(self, anchors: dict, reach: float) -> Float[np.ndarray, "v k"]:
        """`influence.weights` of {vertex: values} on the skin, carried to the parts around it; 0 on what is rigid."""
        chosen = np.array([v for v in anchors if self.place_of[v] >= 0])
        values = np.stack([anchors[v] for v in chosen])
        own = influence.weights(
            self.shape[self.own], self.triangles, self.place_of[chosen], values, reach * self.eyes
        )  # fmt: skip
        return np.where(self.rigid[:, None], 0.0, own[self.nearest])

    def fields(self) -> dict[int, tuple[Float[np.ndarray, "v"], Float[np.ndarray, "3"]]]:
        """Weight and axis of each parameter that displaces skin and is not the jaw's, a lid's or the tongue's."""
        result = {}
        for axis in range(3):
            rows = [
                p for p in fap.PARAMETERS
                if p.point in self.features.names and p.point != "2.1" and p.point.split(".")[0] in REACH
                and p.direction in fap.DIRECTIONS and fap.DIRECTIONS[p.direction][axis]
            ]  # fmt: skip
            lips = [p for p in rows if p.number - 1 in dict(fap.INNER_OUTER)]
            others = [p for p in rows if p not in lips]
            still = [*self.vertices("2.1"), *(v for lid in LIDS for v in self.vertices(lid)), *self.landmarks[[27, 33]]]
            inner = self._columns(lips, others, still)
            outer = self._columns(others, [], still)
            # Outer lips lead; inner lips then move what is left, close by.
            points = [self.vertices(p.point)[0] for p in lips]
            outer -= inner @ outer[points]
            for parameter, weight in zip([*lips, *others], np.concatenate([inner, outer], 1).T, strict=True):
                result[parameter.number - 1] = weight, np.array(fap.DIRECTIONS[parameter.direction], float)
        return result

    def _columns(self, rows, fixed, still) -> Float[np.ndarray, "v k"]:
        """A weight for each row, 1 at its point and 0 at the others'."""
        anchors = dict.fromkeys([*still, *(v for p in fixed for v in self.vertices(p.point))], np.zeros(len(rows)))
        for k, p in enumerate(rows):
            for vertex in self.vertices(p.point):
                anchors[vertex] = np.eye(len(rows))[k]
        reaches = [REACH.get(p.name, REACH[p.point.split(".")[0]]) for p in rows]
        result = np.zeros((len(self.shape), len(rows)))
        for reach in set(reaches):
            chosen = [k for k, own in enumerate(reaches) if own == reach]
            result[:, chosen] = self.spread({v: value[chosen] for v, value in anchors.items()}, reach)
        return result

    def lids(self) -> Float[np.ndarray, "4 v"]:
        """Share of each lid's turn."""
        still = [
            *self.landmarks[[36, 39, 42, 45]],
            *self.landmarks[17:31],
            *self.vertices("5.3"),
            *self.vertices("5.4"),
        ]
        anchors = dict.fromkeys(still, np.zeros(4))
        for k, name in enumerate(LIDS):
            anchors |= dict.fromkeys(self.vertices(name), np.eye(4)[k])
        return self.spread(anchors, LID_REACH).T

    def jaw(self) -> Float[np.ndarray, "v"]:
        """1 on what is on the jaw, 0 on lips, nose and eyes."""
        anchors = {vertex: np.array([JAW.get(k, 0.0)]) for k, vertex in enumerate(self.landmarks)}
        anchors |= {
            v: np.array([0.0]) for name in ("5.3", "5.4", "10.1", "10.2", "10.3", "10.4") for v in self.vertices(name)
        }
        for name in ("2.1", "2.10", "5.1", "5.2"):
            anchors |= {v: np.array([feature_points.ON_JAW[name]]) for v in self.vertices(name)}
        lower, inside = self._inside()
        anchors |= {v: np.array([share]) for v, share in zip(inside, lower[inside], strict=True) if v not in anchors}
        return np.where(self.rigid, lower, self.spread(anchors, JAW_REACH)[:, 0])

    def _inside(self):
        """1 for what is nearer to lower teeth or tongue than to upper teeth; and some vertices deep in the mouth."""
        lower = feature_points.of_regions(self.model, "teeth_lower", "tongue")
        upper = feature_points.of_regions(self.model, "teeth_upper")
        share = np.zeros(len(self.shape))
        if not (len(lower) and len(upper)):
            return share, np.zeros(0, int)
        above, below = (cKDTree(self.shape[part]).query(self.shape)[0] for part in (upper, lower))
        share[below < above] = 1.0
        share[feature_points.of_regions(self.model, "eye")] = 0.0
        mouth = feature_points.of_regions(self.model, "mouth")
        mouth = mouth[self.place_of[mouth] >= 0]
        lips, corners = (
            cKDTree(self.shape[self.landmarks[k]]).query(self.shape[mouth])[0] for k in (slice(48, 68), [60, 64])
        )
        deep = mouth[(lips > DEEP * self.eyes) & (corners > ASIDE * self.eyes)]
        return share, deep[:: max(1, len(deep) // ANCHORS)]


def _tongue(basis, model, shape, features) -> None:
    """The tongue's own parameters: shares grow from its back (6.2) to the tip, which the back's leave alone."""
    vertices = feature_points.of_regions(model, "tongue")
    if "6.1" not in features.names:
        return
    z = shape[vertices, 2]
    tip, back = (np.asarray(features.neutral)[features.names.index(name), 2] for name in ("6.1", "6.2"))
    along = (z - z.min()) / (tip - z.min())
    middle = (back - z.min()) / (tip - z.min())
    front = np.clip((along - middle) / (1 - middle), 0, 1) ** 2
    hump = along * (1 - along) / (middle * (1 - middle))
    for name, share, axis in (
        ("shift_tongue_tip", -front, 0),
        ("raise_tongue_tip", front, 1),
        ("thrust_tongue_tip", front, 2),
        ("raise_tongue", hump, 1),
        ("tongue_roll", np.abs(shape[vertices, 0]) * along, 1),  # the sides rise by their angle
    ):
        basis[fap.COLUMN[name], vertices, axis] = share


def _pupils(basis, shape, features) -> None:
    """Vertices of the eyeballs move away from the pupils' middles, most at the rims."""
    for side, eye in zip("lr", features.eyes, strict=True):
        if not features.known[fap.COLUMN[f"pitch_{side}_eyeball"]]:
            continue
        own = np.asarray(eye.vertices)
        away = shape[own] - np.asarray(eye.centre, np.float64)
        axis = shape[int(eye.pupil)] - np.asarray(eye.centre, np.float64)
        axis /= np.linalg.norm(axis)
        across = away - (away @ axis)[:, None] * axis
        sine = np.linalg.norm(across, axis=-1) / np.linalg.norm(away, axis=-1)
        size = np.where(away @ axis > 0, sine / PUPIL * np.exp((1 - (sine / PUPIL) ** 2) / 2), 0.0)
        direction = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
        basis[fap.COLUMN[f"dilate_{side}_pupil"], own] = 0.5 * size[:, None] * direction  # a diameter's half
