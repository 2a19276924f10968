"""A folder of networks for `jaxtalk talk --renderer vid2vid`, as `jaxtalk convert sadtalker` and our training write it.

| file                       | network         | for                                                                 |
|----------------------------|-----------------|---------------------------------------------------------------------|
| `generator`, `keypoints`   | face-vid2vid    | all                                                                 |
| `mapping_70`, `mapping_73` | MappingNet      | SadTalker: 73 coefficients for "full" and "extfull", 70 for others  |
| `face_recon`               | Deep3DFaceRecon | SadTalker                                                           |
| `audio2exp`, `audio2pose`  | ExpNet, PoseVAE | SadTalker                                                           |
| `mapping_58`               | MappingNet      | ours: 58 numbers of Motion, which shipped LipTCN and PoseVAE hear   |
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtalk.errors import InputError
from jaxtalk.face import arkit
from jaxtalk.io import network_folder, weights
from jaxtalk.models import audio2exp, audio2pose, face_recon, keypoints, motion_mapping, vid2vid_generator

OURS = len(arkit.NAMES) + 6  # coefficients of Motion: expression, rotation, translation
PIXELS = 256  # side of what SadTalker's renderer draws, unless its file says 512


class Network(NamedTuple):
    """A network and the file that its variables are from."""

    module: nn.Module  # of the size that the file says
    variables: dict[str, Any]
    file: Path

    @property
    def config(self) -> Any:
        return self.module.config

    def apply(self, *inputs, **settings):
        return self.module.apply(self.variables, *inputs, **settings)


class Networks(NamedTuple):
    """What draws; and what listens, where SadTalker's networks do."""

    generator: Network
    keypoints: Network
    mapping: Network
    face_recon: Network | None
    audio2exp: Network | None
    audio2pose: Network | None
    size: int  # pixels: side of the pictures that they were trained on

    @property
    def published(self) -> bool:
        """Whether coefficients are SadTalker's; otherwise they are our Motion's."""
        return self.face_recon is not None

    @property
    def multiple(self) -> int:
        """The side of a picture must be a multiple of this."""
        return max(self.generator.config.multiple, self.keypoints.config.multiple)

    def files(self) -> dict[str, Path]:
        return {network.file.stem: network.file for network in self if isinstance(network, Network)}


def load(folder: Path, whole: bool) -> Networks:
    """The networks of a folder; `whole` where the face is pasted back into the whole picture.

    Raises:
        InputError: there is no such folder, a network that is needed is missing, or a file is not what its name says.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; write one with jaxtalk convert sadtalker FILE... {folder}")
    ours = (folder / f"mapping_{OURS}.safetensors").is_file()
    coefficients = OURS if ours else 73 if whole else 70
    published = {name: None if ours else network(folder, name) for name in ("face_recon", "audio2exp", "audio2pose")}
    found = Networks(
        generator=network(folder, "generator"),
        keypoints=network(folder, "keypoints"),
        mapping=network(folder, f"mapping_{coefficients}"),
        size=_size(folder),
        **published,
    )
    _check(folder, found, coefficients)
    return found


def _check(folder: Path, found: Networks, coefficients: int) -> None:
    """InputError unless the networks fit together."""
    counts = {
        "keypoints": found.keypoints.config.points,
        "generator": _points(found.generator.variables),
        found.mapping.file.stem: found.mapping.config.keypoints,
    }
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"{folder}: its networks have different numbers of keypoints ({numbers}); convert them again")
    if found.mapping.config.coefficients != coefficients:
        raise InputError(f"{found.mapping.file}: is for {found.mapping.config.coefficients} coefficients; rename it")
    if found.published and found.audio2exp.config.coefficients != 64:
        raise InputError(f"{found.audio2exp.file}: does not give the 64 coefficients of SadTalker; convert it again")


def network(folder: Path, name: str) -> Network:
    """One network. InputError if its file is missing or holds something else."""
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        source = next(source for start, source in SOURCES.items() if name.startswith(start))
        raise InputError(f"{path}: is missing; it is made of {source}: jaxtalk convert sadtalker FILE... FOLDER")
    return _loaded(path, "mapping" if name.startswith("mapping") else name, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)  # a batch of jobs reads a folder once
def _loaded(path: Path, kind: str, changed: int) -> Network:
    stored = weights.load(path)
    build, config_type, inputs = KINDS[kind]
    try:
        config = weights.config(config_type, stored)
        like = jax.eval_shape(build(config).init, jax.random.key(0), *inputs(config, stored.variables))
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: holds {stored.name}, which is no {kind} of jaxtalk; convert it again") from error
    weights.check(path, weights.flatten(stored.variables), like)
    return Network(build(config), stored.variables, path)


# Of which published file a network is made, by the start of its name.
SOURCES = {
    "generator": "SadTalker_V0.0.2_256.safetensors",
    "keypoints": "SadTalker_V0.0.2_256.safetensors",
    "face_recon": "SadTalker_V0.0.2_256.safetensors",
    "audio2": "SadTalker_V0.0.2_256.safetensors",
    "mapping_70": "mapping_00229-model.pth.tar",
    "mapping_73": "mapping_00109-model.pth.tar, which --crop full needs",
}


def _points(generator: dict[str, Any]) -> int:
    """Keypoints that a generator is driven by; one motion more is none at all."""
    return generator["params"]["motion"]["mask"]["kernel"].shape[-1] - 1


def _face(config, variables) -> tuple:
    return (jnp.zeros((1, config.multiple, config.multiple, 3)),)


def _crop(config, variables) -> tuple:
    return (jnp.zeros((1, 32, 32, 3)),)


def _drawn(config, variables) -> tuple:
    points = jnp.zeros((1, _points(variables), 3))
    return (*_face(config, variables), points, points)


def _clip(config, variables) -> tuple:
    return (jnp.zeros((1, config.window, config.coefficients)),)


def _said(config, variables) -> tuple:
    return jnp.zeros((1, 80, 16)), jnp.zeros((1, config.coefficients)), jnp.zeros(1)


def _chunk(config, variables) -> tuple:
    motion = jnp.zeros((1, config.sequence, audio2pose.POSE))
    sound = jnp.zeros((1, config.sequence, 80, 16))
    return sound, motion[:, 0], motion, jnp.zeros(1, int), jnp.zeros((1, config.latent))


# The module, its config, and inputs of its `init`.
KINDS: dict[str, tuple[Callable, type, Callable]] = {
    "generator": (vid2vid_generator.Generator, vid2vid_generator.Config, _drawn),
    "keypoints": (keypoints.KeypointDetector, keypoints.Config, _face),
    "mapping": (motion_mapping.MappingNet, motion_mapping.Config, _clip),
    "face_recon": (face_recon.FaceRecon, face_recon.Config, _crop),
    "audio2exp": (audio2exp.ExpNet, audio2exp.Config, _said),
    "audio2pose": (audio2pose.PoseVAE, audio2pose.Config, _chunk),
}


def _size(folder: Path) -> int:
    """As the manifest says, or the name of the published file that the generator is from."""
    try:
        made = network_folder.read_manifest(folder)
        if "size" in made:
            return int(made["size"])
        return 512 if "512" in made["networks"]["generator"]["source"] else PIXELS
    except (OSError, ValueError, KeyError, TypeError):
        return PIXELS
