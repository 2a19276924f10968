"""A mesh of twelve vertices whose motion follows made-up sound, for tests of networks of meshes."""

import numpy as np

from jaxtalk.data.talking_meshes import TalkingMesh
from jaxtalk.face import motion_basis
from jaxtalk.face.motion_basis import MotionBasis
from jaxtalk.systems import mesh_lessons, mesh_networks

FEATURES, COMPONENTS = 5, 4
_RNG = np.random.default_rng(9)
_EFFECT = _RNG.normal(0, 0.5, (FEATURES, COMPONENTS)).astype(np.float32) * np.float32([1, 0.6, 0.4, 0.2])
_SHAPES = _RNG.normal(0, 0.01, (COMPONENTS, 12, 3)).astype(np.float32)


def basis() -> MotionBasis:
    offsets = np.tensordot(_RNG.normal(size=(40, COMPONENTS)).astype(np.float32), _SHAPES, 1)
    return MotionBasis(
        template=_RNG.normal(0, 0.1, (12, 3)).astype(np.float32), triangles=np.array([[0, 1, 2]]),
        basis=motion_basis.components(offsets, COMPONENTS), lips=np.arange(4), upper=np.arange(6, 9), jaw=np.asarray(1),
    )  # fmt: skip


def face(speakers: tuple[str, ...] = ("anna", "ben")) -> mesh_networks.Face:
    return mesh_networks.Face(basis=basis(), fps=30.0, ear="mel", speakers=speakers)


def talking(seed: int, frames: int = 60, speaker: int = 0) -> TalkingMesh:
    """Smooth noise for sound; of it motion is a linear function, larger for the second speaker."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(frames + 8, FEATURES))
    sound = np.stack([np.convolve(x, np.hanning(9), "valid") for x in steps.T], -1).astype(np.float32)
    sound = sound / sound.std()
    motion = (1.0, 1.5)[speaker] * sound @ _EFFECT + np.float32(0.3)
    return TalkingMesh(str(seed), speaker, sound, sound.mean(-1), motion)


def data() -> mesh_lessons.Data:
    learnt = [talking(seed, 120, seed % 2) for seed in range(8)]
    return mesh_lessons.Data(face(), learnt, [talking(50, 60), talking(51, 45, 1)])
