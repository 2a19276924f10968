"""A talking face as one binary glTF 2.0 file: Blender, Unity, Unreal, three.js and phones open it.

The mesh carries a morph target for each expression under its name (ARKit-52 for the built-in face) and an animation of
their weights; the node `head` carries its rotation and translation. Metres, y up, z towards the viewer: glTF's axes
are ours. Regions (skin, teeth, eyes ...) without a texture are primitives of one mesh that share their vertices.
"""

import io
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from jaxtalk import __version__
from jaxtalk.errors import InputError
from jaxtalk.face import model as faces
from jaxtalk.face import rotation
from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.face.motion import Motion
from jaxtalk.io import output

STILL = 1e-5  # metres: smaller moves of a morph target cannot be seen and are not stored
STEADY = 1e-3  # likewise for parts of a unit normal

# Linear RGB of regions without a texture.
COLOURS = {
    "skin": (0.62, 0.36, 0.26), "mouth": (0.25, 0.04, 0.04), "teeth_upper": (0.85, 0.80, 0.68),
    "teeth_lower": (0.85, 0.80, 0.68), "tongue": (0.48, 0.12, 0.11), "eye": (0.80, 0.80, 0.80),
    "hair": (0.03, 0.02, 0.015), "other": (0.30, 0.30, 0.30),
}  # fmt: skip


def write(
    path: str | Path,
    model: FaceModel,
    motion: Motion,
    *,
    identity: Float[Array, "i"] | None = None,
    texture: UInt8[np.ndarray, "h w 3"] | None = None,
    extras: dict[str, Any] | None = None,
) -> None:
    """Writes the face of `identity` moving as `motion`, whole or not at all.

    Args:
        motion: its coefficients are matched to the model's expressions by name; those missing stay at rest.
        texture: the picture that `model.uv` points into; without it each region has a plain colour.
        extras: JSON values kept in the file, such as {"provenance": record}.

    Raises:
        InputError: the motion has no expression of this model, or `path` cannot be written.
    """
    import pygltflib as gltf

    output.check(path, (".glb",))
    weights = _weights(path, model, motion)
    file = File(gltf)
    vertex, uv, triangles = _split(np.asarray(model.triangles), np.asarray(model.uv_triangles), np.asarray(model.uv))
    shape = np.asarray(model.vertices(identity))
    normals = jax.jit(lambda points: faces.normals(points, model.triangles))
    rest = np.asarray(normals(shape))
    attributes = gltf.Attributes(
        POSITION=file.vertices(shape[vertex]),
        NORMAL=file.vertices(_unit(rest[vertex])),
        TEXCOORD_0=file.vertices(np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=-1)),  # glTF counts v from the top
    )
    targets = []
    for move in np.asarray(model.expression):
        turn = np.asarray(normals(shape + move)) - rest
        targets.append(file.target(move[vertex], turn[vertex]))
    materials = _materials(gltf, file, texture)
    material = materials[np.asarray(model.region)]
    primitives = [
        gltf.Primitive(
            attributes=attributes, indices=file.indices(triangles[material == k]), targets=targets, material=int(k)
        )
        for k in np.unique(material)
    ]
    names = list(model.expression_names)
    file.root.meshes = [
        gltf.Mesh(name="face", primitives=primitives, weights=[0.0] * len(names), extras={"targetNames": names})
    ]
    file.root.nodes = [gltf.Node(name="head", mesh=0)]
    file.root.scenes, file.root.scene = [gltf.Scene(nodes=[0])], 0
    file.root.animations = [_animation(gltf, file, motion, weights)]
    file.root.asset = gltf.Asset(version="2.0", generator=f"jaxtalk {__version__}", extras=extras or {})
    with output.atomic(path) as temporary:
        file.save(temporary)


def _weights(path, model: FaceModel, motion: Motion) -> Float[np.ndarray, "t e"]:
    """The motion's coefficients in the order of the model's expressions."""
    index = {name: k for k, name in enumerate(motion.names)}
    if not set(model.expression_names) & set(index):
        raise InputError(
            f"{path}: the motion is of another face ({motion.names[0]}...); convert it to this one's first"
        )
    tracks = np.asarray(motion.expression, np.float32)
    zero = np.zeros(len(motion), np.float32)
    return np.stack([tracks[:, index[name]] if name in index else zero for name in model.expression_names], axis=-1)


def _split(triangles, uv_triangles, uv):
    """One vertex for each pair of position and uv that meets in a corner: (vertex [n], uv [n 2], triangles [f 3])."""
    corners = np.stack([triangles.ravel(), uv_triangles.ravel()], axis=-1)
    pairs, corner = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0], uv[pairs[:, 1]], corner.reshape(-1, 3)


def _unit(normals):
    """Exactly unit length in float32, and never zero, as glTF asks (vertices of no triangle have no normal)."""
    length = np.linalg.norm(normals.astype(np.float64), axis=-1, keepdims=True)
    return np.where(length > 0.5, normals / np.maximum(length, 0.5), [0.0, 0.0, 1.0])


def _materials(gltf, file, texture) -> Int[np.ndarray, "r"]:
    """Material of each region: one for all with a texture, one colour each without."""
    shine = {"metallicFactor": 0.0, "roughnessFactor": 0.6}
    if texture is None:
        file.root.materials = [
            gltf.Material(
                name=name,
                pbrMetallicRoughness=gltf.PbrMetallicRoughness(baseColorFactor=[*COLOURS[name], 1.0], **shine),
            )
            for name in REGIONS
        ]
        return np.arange(len(REGIONS))
    import PIL.Image

    png = io.BytesIO()
    PIL.Image.fromarray(texture).save(png, format="PNG")
    file.root.images = [gltf.Image(name="face", bufferView=file.view(png.getvalue()), mimeType="image/png")]
    file.root.samplers = [gltf.Sampler(magFilter=9729, minFilter=9987, wrapS=33071, wrapT=33071)]  # smooth, clamped
    file.root.textures = [gltf.Texture(source=0, sampler=0)]
    surface = gltf.PbrMetallicRoughness(baseColorTexture=gltf.TextureInfo(index=0), **shine)
    file.root.materials = [gltf.Material(name="face", pbrMetallicRoughness=surface)]
    return np.zeros(len(REGIONS), int)


def _animation(gltf, file, motion: Motion, weights):
    tracks = {
        "weights": ("SCALAR", weights.reshape(-1)),
        "rotation": ("VEC4", _short_way(np.asarray(rotation.quaternion(motion.rotation)))),
        "translation": ("VEC3", np.asarray(motion.translation)),
    }
    times = file.floats("SCALAR", np.arange(len(motion)) / motion.fps, bounds=True)
    animation = gltf.Animation(name="talk", samplers=[], channels=[])
    for k, (goal, (kind, values)) in enumerate(tracks.items()):
        animation.samplers.append(gltf.AnimationSampler(input=times, output=file.floats(kind, values)))
        animation.channels.append(
            gltf.AnimationChannel(sampler=k, target=gltf.AnimationChannelTarget(node=0, path=goal))
        )
    return animation


def _short_way(quaternions: Float[np.ndarray, "t 4"]) -> Float[np.ndarray, "t 4"]:
    """The same rotations (q and -q are one), each on the side of the one before, so that nothing spins in between."""
    turns = np.sum(quaternions[1:] * quaternions[:-1], axis=-1) < 0
    sign = np.concatenate([[1.0], np.where(np.cumsum(turns) % 2, -1.0, 1.0)])
    return quaternions * sign[:, None]


class File:
    """A glTF file being put together: its JSON, and the bytes that accessors point into, aligned to four.

    Starts empty, or with the `root` and bytes of another.
    """

    def __init__(self, gltf, root=None, content: bytes = b""):
        self.gltf, self.bytes = gltf, bytearray(content)
        self.root = gltf.GLTF2(accessors=[], bufferViews=[]) if root is None else root

    def view(self, content: bytes, target: int | None = None) -> int:
        self.bytes += bytes(-len(self.bytes) % 4)
        self.root.bufferViews.append(
            self.gltf.BufferView(buffer=0, byteOffset=len(self.bytes), byteLength=len(content), target=target)
        )
        self.bytes += content
        return len(self.root.bufferViews) - 1

    def accessor(self, **fields) -> int:
        self.root.accessors.append(self.gltf.Accessor(**fields))
        return len(self.root.accessors) - 1

    def floats(self, kind: str, values, target: int | None = None, bounds: bool = False) -> int:
        values = np.ascontiguousarray(values, np.float32)
        limits = _bounds(values.reshape(len(values), -1)) if bounds else {}
        return self.accessor(
            bufferView=self.view(values.tobytes(), target),
            componentType=self.gltf.FLOAT, count=len(values), type=kind, **limits,
        )  # fmt: skip

    def vertices(self, values: Float[np.ndarray, "n c"]) -> int:
        """An attribute of all vertices. Only positions need bounds; on others they do no harm."""
        return self.floats(f"VEC{values.shape[1]}", values, self.gltf.ARRAY_BUFFER, bounds=True)

    def indices(self, triangles: Int[np.ndarray, "f 3"]) -> int:
        flat = np.ascontiguousarray(triangles, np.uint32).reshape(-1)
        return self.accessor(
            bufferView=self.view(flat.tobytes(), self.gltf.ELEMENT_ARRAY_BUFFER),
            componentType=self.gltf.UNSIGNED_INT, count=len(flat), type="SCALAR",
            min=[int(flat.min())], max=[int(flat.max())],
        )  # fmt: skip

    def target(self, move: Float[np.ndarray, "n 3"], turn: Float[np.ndarray, "n 3"]) -> dict[str, int]:
        """A morph target: how positions and normals change."""
        return {"POSITION": self.sparse(move, STILL), "NORMAL": self.sparse(turn, STEADY)}

    def sparse(self, values: Float[np.ndarray, "n 3"], least: float) -> int:
        """Zeros but where a component exceeds `least`: most vertices of most expressions stay."""
        rows = np.flatnonzero(np.abs(values).max(axis=-1) > least).astype(np.uint32)
        kept = np.ascontiguousarray(values[rows], np.float32)
        limits = _bounds(np.concatenate([kept, np.zeros((int(len(rows) < len(values)), 3), np.float32)]))
        sparse = None
        if len(rows):
            sparse = self.gltf.Sparse(
                count=len(rows),
                indices=self.gltf.AccessorSparseIndices(
                    bufferView=self.view(rows.tobytes()), componentType=self.gltf.UNSIGNED_INT
                ),
                values=self.gltf.AccessorSparseValues(bufferView=self.view(kept.tobytes())),
            )
        return self.accessor(
            bufferView=None,
            byteOffset=None,
            componentType=self.gltf.FLOAT,
            count=len(values),
            type="VEC3",
            sparse=sparse,
            **limits,
        )

    def save(self, path: Path) -> None:
        self.root.buffers = [self.gltf.Buffer(byteLength=len(self.bytes))]
        self.root.set_binary_blob(bytes(self.bytes))
        with open(path, "wb") as file:
            file.write(b"".join(self.root.save_to_bytes()))


def _bounds(values: Float[np.ndarray, "n c"]) -> dict[str, list[float]]:
    return {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
