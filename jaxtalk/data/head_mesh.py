"""A face model made ready for rendering many different heads: a lighter mesh, painting guides and shadows.

FaceModel --> HeadMesh: fewer triangles where nobody looks, for each vertex where on a face it is (distance to lips,
brows, eyes; direction from the middle of the head, for hair), and from which directions light reaches it.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxtalk.face import builtin, store
from jaxtalk.face.model import REGIONS, FaceModel, normals
from jaxtalk.render.rasterise import rasterise

# Columns of HeadMesh.guides.
GUIDES = ("x", "y", "z", "lips", "brow", "brow_along", "lids", "iris", "azimuth", "elevation", "jaw")
# Metres: cells in which vertices become one, for the regions that are drawn. Lashes and fluids are left out.
CELLS = {
    "skin": 0.0012,
    "mouth": 0.006,
    "tongue": 0.004,
    "teeth_upper": 0.0018,
    "teeth_lower": 0.0018,
    "eye": 0.0025,
}
EYES = np.array([0.0, 0.035, 0.087], np.float32)  # middle of the outer eye corners; the head turns about 0
DIRECTIONS = 192  # of light, spread evenly over the sphere
BEHIND, BEHIND_CELL = 0.03, 0.01  # metres: behind this z, which is about the ears, cells are at least so large
_SHADOW_MAP = 192  # pixels
_SKIN, _EYE = REGIONS.index("skin"), REGIONS.index("eye")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadMesh:
    """Arrays in metres and the axes of `jaxtalk.face`; the first `v` vertices of anything that a render draws."""

    template: Float[np.ndarray, "v 3"]
    identity: Float[np.ndarray, "i v 3"]
    expression: Float[np.ndarray, "e v 3"]
    expression_names: tuple[str, ...]
    triangles: Int[np.ndarray, "f 3"]
    region: Int[np.ndarray, "f"]  # index into REGIONS
    vertex_region: Int[np.ndarray, "v"]
    guides: Float[np.ndarray, "v g"]  # columns are GUIDES; lengths in metres, angles in radians
    directions: Float[np.ndarray, "d 3"]  # unit vectors towards lights
    visible: Float[np.ndarray, "v d"]  # 1 where the light from that direction arrives, 0 where the head is in its way
    landmarks: Int[np.ndarray, "68"]  # vertices
    eyes: Float[np.ndarray, "2 3"]  # centres of the eyeballs of the template; the image's left one first


def build(model: FaceModel) -> HeadMesh:
    """A HeadMesh of a face model, with the eyes at EYES."""
    landmarks = np.asarray(model.landmarks)
    template = np.asarray(model.template)
    template = template - template[landmarks[[36, 45]]].mean(0) + EYES
    triangles, region = _simplify(template, np.asarray(model.triangles), np.asarray(model.region), landmarks)
    keep = np.unique(np.concatenate([triangles.ravel(), landmarks]))
    renumber = np.full(len(template), -1)
    renumber[keep] = np.arange(len(keep))
    triangles, template = renumber[triangles], template[keep]
    vertex_region = np.zeros(len(keep), int)
    vertex_region[triangles.ravel()] = np.repeat(region, 3)
    eyes = _eye_centres(template, vertex_region == _EYE)
    directions = fibonacci_sphere(DIRECTIONS)
    return HeadMesh(
        template=template,
        identity=np.asarray(model.identity)[:, keep].astype(np.float32),
        expression=np.asarray(model.expression)[:, keep].astype(np.float32),
        expression_names=model.expression_names,
        triangles=triangles,
        region=region,
        vertex_region=vertex_region,
        guides=_guides(template, template[renumber[landmarks]], vertex_region, eyes),
        directions=directions,
        visible=visibility(template, triangles, directions),
        landmarks=renumber[landmarks],
        eyes=eyes,
    )


def load(path: Path | None) -> HeadMesh:
    """The mesh to render from: a face model that `jaxtalk convert` wrote, or the built-in one without a path."""
    return build(store.load(path) if path else builtin.model())


def fibonacci_sphere(count: int) -> Float[np.ndarray, "n 3"]:
    """Points spread evenly over the unit sphere along a golden-angle spiral."""
    y = 1 - 2 * (np.arange(count) + 0.5) / count
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - y**2)
    return np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=-1).astype(np.float32)


def polyline_distance(
    points: Float[np.ndarray, "n d"], line: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Distance of points to a polyline, and where along it (0 to 1, by segments) the nearest place lies."""
    start, step = line[:-1], np.diff(line, axis=0)
    offset = points[:, None] - start[None]
    along = np.clip((offset * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12), 0, 1)
    distance = np.linalg.norm(offset - along[..., None] * step[None], axis=-1)
    nearest = distance.argmin(1)
    rows = np.arange(len(points))
    return distance[rows, nearest], (nearest + along[rows, nearest]) / len(step)


def inside_polygon(points: Float[np.ndarray, "n 2"], polygon: Float[np.ndarray, "m 2"]) -> np.ndarray:
    """Whether points lie in a polygon (even-odd rule)."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(b[:, 1] == a[:, 1], 1e-12, b[:, 1] - a[:, 1])
    return (crosses & (x < a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise)).sum(1) % 2 == 1


def _simplify(template, triangles, region, landmarks):
    """Merges all vertices in a grid cell of a region; landmark vertices stay themselves."""
    stand_in = np.arange(len(template))
    for name, cell in CELLS.items():
        vertices = np.unique(triangles[region == REGIONS.index(name)])
        if len(vertices) == 0:
            continue
        place = template[vertices]
        size = np.where(place[:, 2] < BEHIND, np.maximum(cell, BEHIND_CELL), cell)[:, None]
        key = np.floor(place / size).astype(int)
        _, group = np.unique(key, axis=0, return_inverse=True)
        _, first = np.unique(group.ravel(), return_index=True)
        stand_in[vertices] = vertices[first][group.ravel()]
    stand_in[landmarks] = landmarks
    kept = np.isin(region, [REGIONS.index(name) for name in CELLS])
    merged = stand_in[triangles[kept]]
    a, b, c = merged.T
    proper = (a != b) & (b != c) & (a != c)
    return merged[proper], region[kept][proper]


def _eye_centres(template, eye):
    left = template[eye & (template[:, 0] < 0)]
    right = template[eye & (template[:, 0] > 0)]
    return np.stack([(side.min(0) + side.max(0)) / 2 for side in (left, right)])


def _guides(template, points, vertex_region, eyes):
    """The columns of GUIDES; `points` are the model's own 68 landmarks."""
    skin = vertex_region == _SKIN
    front = skin & (template[:, 2] > points[36, 2] - 0.03)

    def signed(polygon):  # distance to a contour in the frontal view, negative within
        closed = np.concatenate([polygon, polygon[:1]])[:, :2]
        distance, _ = polyline_distance(template[:, :2], closed)
        distance = np.where(inside_polygon(template[:, :2], polygon[:, :2]), -distance, distance)
        return np.where(front, distance, 0.1)

    lips = signed(points[48:60])
    lids = np.minimum(signed(points[36:42]), signed(points[42:48]))
    sides = [polyline_distance(template, points[i : i + 5][::step]) for i, step in ((17, 1), (22, -1))]
    nearer = sides[0][0] < sides[1][0]
    brow = np.where(front, np.where(nearer, sides[0][0], sides[1][0]), 0.1)
    brow_along = np.where(nearer, sides[0][1], sides[1][1])

    offset = template[:, None] - eyes[None]
    mine = offset[np.arange(len(template)), np.linalg.norm(offset, axis=-1).argmin(1)]
    iris = np.arccos(np.clip(mine[:, 2] / np.maximum(np.linalg.norm(mine, axis=-1), 1e-9), -1, 1))

    centre = np.array([0.0, points[27, 1], points[0, 2] - 0.02])
    ray = template - centre
    azimuth = np.abs(np.arctan2(ray[:, 0], ray[:, 2]))
    elevation = np.arctan2(ray[:, 1], np.hypot(ray[:, 0], ray[:, 2]))
    # How far below the line from ears past the nose's base: where a beard may grow.
    jaw = (points[33, 1] - template[:, 1]) + 0.25 * (np.abs(template[:, 0]) - 0.03)
    columns = [*template.T, lips, brow, brow_along, lids, iris, azimuth, elevation, jaw]
    return np.stack(columns, axis=-1).astype(np.float32)


def visibility(template, triangles, directions):
    """Shadow maps of the template from every direction, softened over neighbouring directions."""
    points = jnp.asarray(template, jnp.float32)
    out = normals(points, jnp.asarray(triangles))
    middle = (template.max(0) + template.min(0)) / 2
    scale = 0.95 * _SHADOW_MAP / np.linalg.norm(template.max(0) - template.min(0))

    @jax.jit
    def lit(direction):
        up = jnp.where(jnp.abs(direction[1]) > 0.9, jnp.array([1.0, 0.0, 0.0]), jnp.array([0.0, 1.0, 0.0]))
        right = jnp.cross(up, direction)
        right = right / jnp.linalg.norm(right)
        basis = jnp.stack([right, jnp.cross(direction, right), direction])
        seen = (points + 0.0015 * out - middle[None]) @ basis.T  # lifted off the surface: no shadow on itself
        flat = (points - middle[None]) @ basis.T

        def place(p):
            return jnp.stack([_SHADOW_MAP / 2 + scale * p[:, 0], _SHADOW_MAP / 2 - scale * p[:, 1], -p[:, 2]], -1)

        depth = rasterise(place(flat), jnp.asarray(triangles), _SHADOW_MAP, _SHADOW_MAP).depth
        xy = jnp.clip(place(seen)[:, :2].astype(jnp.int32), 0, _SHADOW_MAP - 1)
        return (-seen[:, 2] <= depth[xy[:, 1], xy[:, 0]] + 0.001).astype(jnp.float32)

    visible = np.stack([np.asarray(lit(jnp.asarray(d))) for d in directions], axis=-1)
    near = np.maximum(directions @ directions.T, 0) ** 60
    return (visible @ (near / near.sum(0, keepdims=True))).astype(np.float16)
