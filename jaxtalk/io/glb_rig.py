"""Faces with blendshapes in a .glb that somebody else made: read as one mesh, and written again with a motion added.

Shapes are known by ARKit's names, whatever stands before a point, in any case, with `_L` and `_R` too. What is written
is the file as it was (materials, pictures, bones, other animations) and one animation more, the first, of the weights.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.spatial.transform import Rotation

from jaxtalk.errors import InputError
from jaxtalk.face import arkit
from jaxtalk.face.motion import Motion
from jaxtalk.io import container, glb, output

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_TRIANGLES = 4  # glTF's number of the mode
_LOWER = {name.lower(): name for name in arkit.NAMES}


class Scene(NamedTuple):
    """All meshes of a file as one, in the scene's own axes and unit, and the file itself."""

    root: Any  # pygltflib's
    points: Float32[np.ndarray, "v 3"]
    triangles: Int[np.ndarray, "f 3"]
    shapes: dict[str, Float32[np.ndarray, "v 3"]]  # by ARKit name
    nodes: dict[int, tuple[str | None, ...]]  # ARKit name of each morph target of the nodes that have any


def arkit_name(name: str) -> str | None:
    """ARKit's name for that of a shape; None if it means none. Halves of a whole shape mean the whole."""
    stem = name.rsplit(".", 1)[-1].lower().replace(" ", "")
    stem = re.sub(r"_l$", "left", re.sub(r"_r$", "right", stem)).replace("_", "")
    return _LOWER.get(stem) or _LOWER.get(stem.removesuffix("left").removesuffix("right"))


def read(path: Path) -> Scene:
    """The meshes of a file, with nodes in their places; bones are left as they stand.

    Raises:
        InputError: no file, no .glb, compressed, or damaged.
    """
    import pygltflib as gltf

    container.check(path)
    try:
        root = gltf.GLTF2().load_binary(str(path))
        if root is None or root.asset is None:
            raise ValueError("no glTF in it")
        if packed := [name for name in root.extensionsRequired or [] if "compression" in name]:
            raise InputError(f"{path}: is compressed ({packed[0]}); export it again without compression")
        return _scene(root, bytes(root.binary_blob() or b""))
    except InputError:
        raise
    except Exception as error:  # pygltflib and its parsers raise whatever they run into
        raise InputError(f"{path}: is no .glb that can be read ({_line(error)}); export it again") from error


def write(path: Path, scene: Scene, motion: Motion, extras: dict[str, Any]) -> None:
    """Writes the file again with the motion's weights; coefficients are found by name, others stay 0."""
    import copy

    import pygltflib as gltf

    root = copy.deepcopy(scene.root)
    file = glb.File(gltf, root, bytes(scene.root.binary_blob() or b""))
    place = {name: k for k, name in enumerate(motion.names)}
    tracks = np.asarray(motion.expression, np.float32)
    zero = np.zeros(len(motion), np.float32)
    times = file.floats("SCALAR", np.arange(len(motion)) / motion.fps, bounds=True)
    animation = gltf.Animation(name="talk", samplers=[], channels=[])
    for node, names in scene.nodes.items():
        weights = np.stack([tracks[:, place[name]] if name in place else zero for name in names], axis=-1)
        animation.samplers.append(gltf.AnimationSampler(input=times, output=file.floats("SCALAR", weights.reshape(-1))))
        goal = gltf.AnimationChannelTarget(node=node, path="weights")
        animation.channels.append(gltf.AnimationChannel(sampler=len(animation.samplers) - 1, target=goal))
    root.animations = [animation, *(root.animations or [])]
    root.asset.extras = {**(root.asset.extras or {}), **extras}
    with output.atomic(path) as temporary:
        file.save(temporary)


def _scene(root, blob: bytes) -> Scene:
    points, triangles, moves, nodes = [], [], [], {}
    count = 0
    for number, matrix in _placed(root):
        node = root.nodes[number]
        mesh = root.meshes[node.mesh]
        matrix = np.eye(4) if node.skin is not None else matrix  # bones place a skin
        listed = (mesh.extras or {}).get("targetNames", [])
        targets = max((len(primitive.targets or []) for primitive in mesh.primitives), default=0)
        names = tuple(arkit_name(str(name)) for name in listed) + (None,) * (targets - len(listed))
        if targets:
            nodes[number] = names[:targets]
        for primitive in mesh.primitives:
            if (primitive.mode if primitive.mode is not None else _TRIANGLES) != _TRIANGLES:
                continue  # lines and points
            own = _accessor(root, blob, primitive.attributes.POSITION)
            points.append(own @ matrix[:3, :3].T + matrix[:3, 3])
            corners = np.arange(len(own)) if primitive.indices is None else _accessor(root, blob, primitive.indices)
            triangles.append(corners.astype(np.int64).reshape(-1, 3) + count)
            for name, target in zip(names, primitive.targets or [], strict=False):
                index = target.get("POSITION") if isinstance(target, dict) else target.POSITION
                if name and index is not None:
                    moves.append((name, count, _accessor(root, blob, index) @ matrix[:3, :3].T))
            count += len(own)
    shapes = {name: np.zeros((count, 3), np.float32) for name in arkit.NAMES if name in {move[0] for move in moves}}
    for name, start, move in moves:
        shapes[name][start : start + len(move)] += move
    joined = np.concatenate(points) if points else np.zeros((0, 3))
    faces = np.concatenate(triangles) if triangles else np.zeros((0, 3), int)
    if len(faces) and not 0 <= faces.min() <= faces.max() < count:
        raise ValueError("a face names a vertex that is not there")
    return Scene(root, joined.astype(np.float32), faces.astype(np.int32), shapes, nodes)


def _placed(root) -> list[tuple[int, Float[np.ndarray, "4 4"]]]:
    """Nodes with meshes, and where they stand in the scene."""
    scene = root.scenes[root.scene or 0] if root.scenes else None
    waiting = [(k, np.eye(4)) for k in (scene.nodes if scene else range(len(root.nodes)))]
    found, seen = [], set()
    while waiting:
        number, above = waiting.pop(0)
        if number in seen:
            raise ValueError("its nodes go round in a circle")
        seen.add(number)
        node = root.nodes[number]
        matrix = above @ _matrix(node)
        if node.mesh is not None:
            found.append((number, matrix))
        waiting += [(child, matrix) for child in node.children or []]
    return found


def _matrix(node) -> Float[np.ndarray, "4 4"]:
    if node.matrix:
        return np.array(node.matrix, float).reshape(4, 4).T
    turn = Rotation.from_quat(node.rotation or (0.0, 0.0, 0.0, 1.0)).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.scale or (1.0, 1.0, 1.0))
    matrix[:3, 3] = node.translation or (0.0, 0.0, 0.0)
    return matrix


def _accessor(root, blob: bytes, index: int) -> np.ndarray:
    """Its values [n, width], [n] of scalars; integers that stand for fractions as these."""
    accessor = root.accessors[index]
    width, kind = _WIDTHS[accessor.type], np.dtype(_TYPES[accessor.componentType])
    values = np.zeros((accessor.count, width), kind)
    if accessor.bufferView is not None:
        values = _view(root, blob, accessor.bufferView, accessor.byteOffset or 0, kind, accessor.count, width)
    if accessor.sparse is not None:
        sparse = accessor.sparse
        at, rows = sparse.indices, np.dtype(_TYPES[sparse.indices.componentType])
        rows = _view(root, blob, at.bufferView, at.byteOffset or 0, rows, sparse.count, 1)[:, 0]
        values = values.copy()
        values[rows] = _view(
            root, blob, sparse.values.bufferView, sparse.values.byteOffset or 0, kind, sparse.count, width
        )
    if accessor.normalized:
        values = np.maximum(values / np.iinfo(kind).max, -1.0)
    return values[:, 0] if width == 1 else values


def _view(root, blob: bytes, index: int, offset: int, kind: np.dtype, count: int, width: int) -> np.ndarray:
    view = root.bufferViews[index]
    if view.buffer or (root.buffers[0].uri or ""):
        raise ValueError("its data are in other files")
    stride, size = view.byteStride or width * kind.itemsize, width * kind.itemsize
    start = (view.byteOffset or 0) + offset
    if count < 1 or start < 0 or start + (count - 1) * stride + size > len(blob):
        raise ValueError("its data are cut off")
    return np.ndarray((count, width), kind, blob, start, (stride, kind.itemsize))


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]
