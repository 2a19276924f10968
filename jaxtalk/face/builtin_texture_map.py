"""What lies under each texel of the built-in head's texture: place, anatomy and region, for painting by position."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from jaxtalk.face import builtin, builtin_eyes, builtin_lids, builtin_lips

# Per-vertex numbers that the painter needs, in the order of TextureMap.guides after the place (x, y, z):
#   lips   mm inside (+) or outside (-) the vermilion border
#   lids   mm outside (+) the edge of the lids; negative on the wet side
#   upper  1 on the upper lip and lid, 0 on the lower
#   ear    1 on the ear beyond its root
#   depth  rings inside nostril, ear or mouth
#   iris   `builtin_eyes.reach` of the angle from the pupil
GUIDES = ("x", "y", "z", "lips", "lids", "upper", "ear", "depth", "iris")


class TextureMap(NamedTuple):
    """Texels outside every island take what the nearest texel inside has, so that lookups never bleed."""

    guides: dict[str, Float[np.ndarray, "s s"]]  # by name of GUIDES; x, y, z in mm
    region: Int[np.ndarray, "s s"]  # index into model.REGIONS
    part: Int[np.ndarray, "s s"]  # 0 skin and cavity, 1 gums, 2 others
    v: Float[np.ndarray, "s s"]  # texture coordinate upwards
    inside: Bool[np.ndarray, "s s"]


@functools.lru_cache(maxsize=2)
def build(size: int) -> TextureMap:
    """The map for a texture of `size` x `size` texels."""
    mesh, _ = builtin.mesh()
    values = _vertex_guides(mesh)
    gums = np.concatenate([mesh.grids[n + s].ravel() for n in ("gum_upper", "gum_lower") for s in ("", "_r")])
    part = np.where(np.isin(mesh.triangles[:, 0], gums), 1, 0)
    triangle, weights = cover(mesh.uv[mesh.uv_triangles], size)
    inside = triangle >= 0
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    triangle, weights = triangle[tuple(nearest)], weights[tuple(nearest)]
    corners = values[mesh.triangles[triangle]]
    texels = (corners * weights[..., None]).sum(-2)
    v = (mesh.uv[mesh.uv_triangles[triangle]][..., 1] * weights).sum(-1)
    guides = {name: texels[..., k].astype(np.float32) for k, name in enumerate(GUIDES)}
    return TextureMap(guides, mesh.region[triangle], part[triangle], v, inside)


def cover(corners: Float[np.ndarray, "f 3 2"], size: int):
    """For each texel the triangle over it (-1: none; of several the last) and barycentric weights."""
    triangle = np.full((size, size), -1)
    weights = np.zeros((size, size, 3))
    place = np.stack([corners[..., 0] * size, (1 - corners[..., 1]) * size], -1) - 0.5
    low = np.maximum(np.ceil(place.min(1)).astype(int), 0)
    high = np.minimum(np.floor(place.max(1)).astype(int) + 1, size)
    edges = np.stack([place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]], -1)  # columns
    area = np.linalg.det(edges)
    for k in np.nonzero((high > low).all(1) & (area != 0))[0]:
        rows, columns = np.ogrid[low[k, 1] : high[k, 1], low[k, 0] : high[k, 0]]
        dx, dy = columns - place[k, 0, 0], rows - place[k, 0, 1]
        (ax, bx), (ay, by) = edges[k] / area[k]
        second, third = dx * by - dy * bx, dy * ax - dx * ay
        w = np.stack([1 - second - third, second, third], -1)
        hit = (w >= -1e-9).all(-1)
        triangle[rows, columns] = np.where(hit, k, triangle[rows, columns])
        weights[rows, columns] = np.where(hit[..., None], w, weights[rows, columns])
    return triangle, weights


def _vertex_guides(mesh):
    values = np.zeros((len(mesh.points), len(GUIDES)))
    values[:, :3] = mesh.points
    named = {name: values[:, k] for k, name in enumerate(GUIDES)}
    named["lips"][:], named["lids"][:], named["upper"][:] = -10, 20, 0.5
    for side in ("", "_r"):
        mouth, lids = mesh.grids["mouth" + side], mesh.grids["lids" + side]
        rank = np.arange(len(mouth))[:, None] - builtin_lips.BORDER
        outside = np.concatenate([-builtin_lips.OUTSIDE, np.zeros(len(mouth) - builtin_lips.BORDER)])[:, None]
        named["lips"][mouth] = np.where(rank > 0, rank * 1.6, outside)
        named["upper"][mouth] = builtin_lips.is_upper()
        named["depth"][mouth] = np.maximum(rank - (builtin_lips.CONTACT - builtin_lips.BORDER), 0)
        named["lids"][lids] = np.concatenate([builtin_lids.OUTSIDE, [0, -1, -2.5]])[:, None]
        named["upper"][lids] = builtin_lids.is_upper()
        named["depth"][mesh.grids["nostril" + side]] = np.array([-2, -0.5, 0.8, 2, 4])[:, None]
        named["depth"][mesh.grids["ear" + side]] = np.maximum(np.arange(11) - 6, 0)[:, None] * 0.5
        named["depth"][mesh.grids["ends" + side]] = 4
        named["ear"][mesh.grids["ear" + side][1:]] = 1
        for name in ("eyeball", "pupil", "eyeback"):
            ball = mesh.grids[name + side]
            centre = builtin_lids.EYE * ([1, 1, 1] if side == "" else [-1, 1, 1])
            ahead = (mesh.points[ball] - centre)[..., 2] / builtin_lids.RADIUS
            named["iris"][ball] = builtin_eyes.reach(np.arccos(np.clip(ahead, -1, 1)))
    named["depth"][mesh.grids["throat"]] = 9
    return values
