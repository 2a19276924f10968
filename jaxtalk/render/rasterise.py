"""Mesh rasteriser: which triangle each pixel sees, and where on it. An exact z-buffer in plain XLA.

    screen [v 3], triangles [f 3] --windows--> triangle [h w], barycentric [h w 3], depth [h w]

Every triangle's bounding box is cut into windows of k x k pixels. A triangle that holds no pixel centre has none, one
that fills the picture has many, so small and large triangles cost what they cover and none is ever dropped. The list
of all windows is walked in chunks of a fixed size: shapes are static, only the number of chunks depends on the data.
Under vmap the frames' windows make one list, so a batch costs the sum of its frames.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

CHUNK = 2048  # windows handled at once, and more for large meshes
ROUNDING = 1e-6  # of an edge's products: edges are inclusive by more than float32 rounds, so neighbours leave no crack
TIE = 1e-6  # of the mesh's range of depth: surfaces closer than this are one; the later triangle wins


class Fragments(NamedTuple):
    """What each pixel sees: differentiable but for `triangle`, which is piecewise constant."""

    triangle: Int[Array, "*b h w"]  # index into triangles, -1 where there is none
    barycentric: Float[Array, "*b h w 3"]  # weights of the triangle's corners, zero where there is none
    depth: Float[Array, "*b h w"]  # growing away from the viewer, infinite where there is none


class _Windows(NamedTuple):
    """The bounding box of each triangle in whole pixels, and how many windows cover it."""

    corner: Int[Array, "f 2"]  # (x, y) of the box's first pixel
    columns: Int[Array, "f"]
    end: Int[Array, "f"]  # running total of windows, this triangle's included


@functools.partial(jax.jit, static_argnames=("height", "width", "perspective", "cull"))
def rasterise(
    screen: Float[Array, "v 3"],
    triangles: Int[Array, "f 3"],
    height: int,
    width: int,
    *,
    perspective: bool = False,
    cull: bool = False,
) -> Fragments:
    """Fragments of a mesh whose vertices are at screen (x, y, depth), as `jaxtalk.face.camera` projects them.

    Pixel centres lie at +0.5. With `perspective` depth must be the distance along the optical axis: barycentrics are
    then those of the triangle in space rather than of its image. Triangles that touch the camera's plane are left
    out whole. With `cull` triangles that face away (clockwise from the viewer) are left out.

    Gradients reach `screen` through barycentrics and depth of the winning triangle. vmap over frames works.
    """
    corners = screen[triangles]
    index = _find(height, width, perspective, cull)(lax.stop_gradient(corners)[None])[0]
    y, x = jnp.mgrid[:height, :width] + 0.5
    seen = index >= 0
    # One number per gather: the compiler then fuses everything here into one pass over the pixels.
    here = [[corners[:, k, axis][jnp.maximum(index, 0)] for axis in range(3)] for k in range(3)]
    weights, depth = _weights(here, x, y, perspective)
    barycentric = jnp.stack([jnp.where(seen, weight, 0.0) for weight in weights], -1)
    return Fragments(index, barycentric, jnp.where(seen, depth, jnp.inf))


def interpolate(
    fragments: Fragments, triangles: Int[Array, "f 3"], attributes: Float[Array, "v c"]
) -> Float[Array, "h w c"]:
    """Vertex attributes at each pixel, zero where nothing is seen. Differentiable in attributes and barycentrics.

    `triangles` may index other vertices than the geometry's, as `FaceModel.uv_triangles` does.
    """
    index = jnp.maximum(fragments.triangle, 0)
    terms = (fragments.barycentric[..., k, None] * attributes[triangles[:, k]][index] for k in range(3))
    return sum(terms)


def _weights(corners, x, y, perspective):
    """Barycentric weights (three of [h w]) and depth [h w] of the pixels on triangles with the corners [3][3][h w].

    A weight is the signed area of the triangle that the point makes with the opposite edge. For perspective the
    weights are divided by the depth of their corner (hyperbolic interpolation, Blinn 1992).
    """
    areas = [_area(corners[k - 2], corners[k - 1], x, y)[0] for k in range(3)]
    total = sum(areas)
    total = jnp.where(total == 0, 1.0, total)
    weights = [jnp.clip(area / total, 0.0, 1.0) for area in areas]  # just outside counts as on the edge
    if perspective:
        weights = [weight / corner[2] for weight, corner in zip(weights, corners, strict=True)]
    total = jnp.maximum(sum(weights), 1e-30)
    weights = [weight / total for weight in weights]
    return weights, sum(weight * corner[2] for weight, corner in zip(weights, corners, strict=True))


def _area(a, b, x, y):
    """Twice the signed area of the triangle (a, b, point), and the bound of its rounding; a, b: (x, y, ...) each.

    Negative if it is counter-clockwise to the viewer, because y points down.
    """
    plus, minus = (a[0] - x) * (b[1] - y), (b[0] - x) * (a[1] - y)
    return plus - minus, ROUNDING * (jnp.abs(plus) + jnp.abs(minus))


def _find(height, width, perspective, cull):
    """`_visible` with its own rule for vmap: a batch of batches is one batch."""

    @jax.custom_batching.custom_vmap
    def find(corners):
        return _visible(corners, height, width, perspective, cull)

    @find.def_vmap
    def _(size, batched, corners):
        found = find(corners.reshape(-1, *corners.shape[2:]))
        return found.reshape(size, -1, height, width), True

    return find


def _visible(corners, height, width, perspective, cull):
    """Index of the nearest triangle at each pixel [b h w], -1 where there is none; of `corners` [b f 3 3].

    The frames are drawn below each other into one tall picture.
    """
    frames, count = corners.shape[:2]
    top = height * jnp.repeat(jnp.arange(frames), count)
    corners = corners.reshape(-1, 3, 3)
    # About half of the triangles face us and fill half of the picture; a window should hold most of their boxes.
    side = 2 ** round(math.log2(math.sqrt(height * width / max(count, 1)) + 1e-9))
    side = min(max(side, 4), 32, height, width)
    size = max(CHUNK, len(corners) // 16)
    usable = _usable(corners, perspective, cull)
    windows = _windows(corners, usable, height, width, side)
    key = -1 / corners[..., 2] if perspective else corners[..., 2]  # grows with depth and is linear on the screen
    key = jnp.where(usable[:, None], key, 0.0)
    tie = TIE * (key.max(initial=0.0) - key.min(initial=0.0))

    def chunk(state):
        start, nearest, index = state
        item = start + jnp.arange(size)
        triangle, corner = _item(windows, item, side, height, width)
        inside, depth = _cover(corners[triangle], key[triangle], corner, side)
        inside = inside & (item < windows.end[-1])[None, None]
        corner = corner.at[:, 1].add(top[triangle])

        nearer = _scatter(lax.scatter_min, nearest, corner, jnp.where(inside, depth, jnp.inf))
        # Not ==: the compiler may compute depth twice and round it differently.
        found = inside & (depth <= _gather(nearer, corner, side) + tie)
        # Later chunks hold later triangles, so the maximum also replaces what earlier chunks found further away.
        index = _scatter(lax.scatter_max, index, corner, jnp.where(found, triangle[None, None], -1))
        return start + size, nearer, index

    nearest = jnp.full((frames * height, width), jnp.inf)
    state = jnp.int32(0), nearest, jnp.full(nearest.shape, -1, jnp.int32)
    index = lax.while_loop(lambda state: state[0] < windows.end[-1], chunk, state)[2].reshape(frames, height, width)
    return jnp.where(index >= 0, index % count, -1)


def _cover(corners, key, corner, side):
    """Which pixels of its window each triangle covers, edges included, and the key there. Both [k k n].

    Edge areas and keys are linear on the screen, so they are evaluated at the first pixel and stepped from there.
    """
    x, y = corner[None, None, :, 0] + 0.5, corner[None, None, :, 1] + 0.5
    points, key = jnp.moveaxis(corners, 0, -1)[:, :, None, None], key.T[:, None, None]
    edges = [(points[k - 2], points[k - 1]) for k in range(3)]  # opposite to each corner
    areas = [_area(a, b, x, y) for a, b in edges]
    total = sum(area for area, _ in areas)
    inside, depth = True, 0.0
    column, row = jnp.arange(side)[None, :, None], jnp.arange(side)[:, None, None]
    for k, ((a, b), (area, rounding)) in enumerate(zip(edges, areas, strict=True)):
        weight, step_x, step_y = area / total, (a[1] - b[1]) / total, (b[0] - a[0]) / total
        slack = rounding / jnp.abs(total) + ROUNDING * side * (jnp.abs(step_x) + jnp.abs(step_y))
        weight = weight + step_x * column + step_y * row
        inside = inside & (weight >= -slack)
        depth = depth + weight * key[k]
    return inside, jnp.clip(depth, key.min(0), key.max(0))


def _usable(corners, perspective, cull):
    """Triangles that can be drawn [f]: finite, not edge-on, in front of the camera, turned to the viewer."""
    points = jnp.moveaxis(corners, 0, -1)
    area, _ = _area(points[0], points[1], points[2, 0], points[2, 1])
    usable = jnp.isfinite(corners).all((1, 2)) & ((area < -1e-6) if cull else (jnp.abs(area) > 1e-6))
    return usable & (corners[..., 2].min(-1) > 1e-6) if perspective else usable


def _windows(corners, usable, height, width, side):
    """Cuts bounding boxes into windows of `side` pixels; boxes without a pixel centre get none."""
    size = jnp.array([[width, height]], jnp.float32)
    place = jnp.where(usable[:, None, None], corners[..., :2], -1.0)
    first = jnp.clip(jnp.ceil(place.min(1) - 0.5), 0.0, size).astype(jnp.int32)
    last = jnp.clip(jnp.floor(place.max(1) - 0.5), -1.0, size - 1).astype(jnp.int32)
    cells = jnp.maximum((last - first + side) // side, 0)
    return _Windows(first, jnp.maximum(cells[:, 0], 1), jnp.cumsum(cells[:, 0] * cells[:, 1]))


def _item(windows, item, side, height, width):
    """Triangle [n] and first pixel (x, y) [n 2] of the windows numbered `item` [n]; kept inside the picture."""
    triangle = jnp.minimum(jnp.searchsorted(windows.end, item, side="right"), len(windows.end) - 1)
    row, column = jnp.divmod(item - jnp.where(triangle > 0, windows.end[triangle - 1], 0), windows.columns[triangle])
    corner = windows.corner[triangle] + side * jnp.stack([column, row], -1)
    return triangle, jnp.clip(corner, 0, jnp.array([[width - side, height - side]]))


def _scatter(combine, image, corner, values):
    """Combines windows of values [k k n] into an image [h w]."""
    numbers = lax.ScatterDimensionNumbers((0, 1), (), (0, 1))
    return combine(image, corner[:, ::-1], values, numbers, mode="promise_in_bounds")


def _gather(image, corner, side):
    """Windows [k k n] of an image [h w]."""
    numbers = lax.GatherDimensionNumbers((0, 1), (), (0, 1))
    return lax.gather(image, corner[:, ::-1], numbers, (side, side), mode="promise_in_bounds")
