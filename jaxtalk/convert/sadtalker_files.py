"""SadTalker's published files to one folder of ours: `jaxtalk convert sadtalker FILE... FOLDER`.

| file                                             | holds, under                                             |
|--------------------------------------------------|----------------------------------------------------------|
| `SadTalker_V0.0.2_256.safetensors` and `..._512` | `audio2exp.` `audio2pose.` `face_3drecon.`                |
|                                                  | `kp_extractor.` `generator.`                             |
| `mapping_00229-model.pth.tar`                    | `mapping` of 70 coefficients, for "crop" and "resize"    |
| `mapping_00109-model.pth.tar`                    | `mapping` of 73 coefficients, for "full"                 |
| older: `auido2exp_00300-model.pth`               | `model`                                                  |
| older: `auido2pose_00140-model.pth`              | `model`                                                  |
| older: `facevid2vid_00189-model.pth.tar`         | `generator` `kp_detector` `he_estimator` `discriminator` |
| older: `epoch_20.pth` of Deep3DFaceRecon         | `net_recon`                                              |

Files are known by what they hold, whatever their names. The folder gets a `.safetensors` for each network and
`manifest.json`: from which file, with which SHA-256, each network came, how many of its arrays were used, and the names
of all that were not.
"""

import collections
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxtalk.convert import pickles, sadtalker, sadtalker_vid2vid
from jaxtalk.convert.state_dict import Rule, left_out
from jaxtalk.errors import InputError
from jaxtalk.io import network_folder, output_folder, weights
from jaxtalk.models import audio2exp, head_pose, keypoints, vid2vid_discriminator

log = logging.getLogger("jaxtalk")

LICENCE = "Apache-2.0 (SadTalker)"
RECON_LICENCE = "MIT (Deep3DFaceRecon); its coefficients are of the Basel Face Model, which is for research only"

State = Mapping[str, np.ndarray]


class Network(NamedTuple):
    """A network of ours, made of a part of a published file."""

    name: str  # of its file
    variables: dict[str, Any]
    config: Any  # the model's dataclass
    used: int  # arrays of the published file
    left_out: list[str]  # arrays that are in no variable
    licence: str


class Source(NamedTuple):
    """A published file: the state dicts in it under the names of PARTS, and whatever else it holds."""

    name: str
    digest: str
    parts: dict[str, State]
    left_out: list[str]


def network(
    name: str, variables: dict, config: Any, state: State, table: Iterable[Rule], licence: str = LICENCE
) -> Network:
    """A network that `table` made of the whole of `state`."""
    unused = left_out(state, table)
    return Network(name, variables, config, len(state) - len(unused), unused, licence)


def _audio2exp(source: str, state: State) -> list[Network]:
    config = audio2exp.Config()
    variables = sadtalker.audio2exp_variables(source, state, config)
    return [network("audio2exp", variables, config, state, sadtalker.AUDIO2EXP)]


def _audio2pose(source: str, state: State) -> list[Network]:
    config = sadtalker.AUDIO2POSE_CONFIG
    poses, judge = sadtalker.audio2pose_variables(source, state)
    judges = {name: value for name, value in state.items() if name.startswith("netD_motion.")}
    others = {name: value for name, value in state.items() if name not in judges}
    return [
        network("audio2pose", poses, config, others, sadtalker.AUDIO2POSE),
        network("audio2pose_discriminator", judge, config, judges, sadtalker.POSE_DISCRIMINATOR),
    ]


def _face_recon(source: str, state: State) -> list[Network]:
    variables, config = sadtalker.face_recon_variables(source, state)
    return [network("face_recon", variables, config, state, sadtalker.FACE_RECON, RECON_LICENCE)]


def _mapping(source: str, state: State) -> list[Network]:
    variables, config = sadtalker.mapping_variables(source, state)
    return [network(f"mapping_{config.coefficients}", variables, config, state, sadtalker.MAPPING)]


def _keypoints(source: str, state: State) -> list[Network]:
    variables = sadtalker_vid2vid.keypoint_variables(source, state)
    return [network("keypoints", variables, keypoints.Config(), state, sadtalker_vid2vid.KEYPOINTS)]


def _generator(source: str, state: State) -> list[Network]:
    config, table = sadtalker_vid2vid.generator_kind(source, state)
    return [network("generator", sadtalker_vid2vid.generator_variables(source, state), config, state, table)]


def _head_pose(source: str, state: State) -> list[Network]:
    variables = sadtalker_vid2vid.head_pose_variables(source, state)
    return [network("head_pose", variables, head_pose.Config(), state, sadtalker_vid2vid.HEAD_POSE)]


def _discriminator(source: str, state: State) -> list[Network]:
    variables = sadtalker_vid2vid.discriminator_variables(source, state)
    config = vid2vid_discriminator.Config()
    return [network("discriminator", variables, config, state, sadtalker_vid2vid.DISCRIMINATOR)]


# What is made of each part. Every network that the published files hold is called from here.
PARTS: dict[str, Callable[[str, State], list[Network]]] = {
    "audio2exp": _audio2exp,
    "audio2pose": _audio2pose,
    "face_3drecon": _face_recon,
    "mapping": _mapping,
    "kp_extractor": _keypoints,
    "generator": _generator,
    "he_estimator": _head_pose,
    "discriminator": _discriminator,
}
# Other names of parts in the older files.
ALIASES = {"net_recon": "face_3drecon", "kp_detector": "kp_extractor"}


def convert(sources: Sequence[Path], destination: Path) -> None:
    """Writes the folder. InputError if a file is none of these or damaged, or if two hold the same network.

    The error names, in one line, every array of every network that is missing, unexpected or of a wrong shape.
    """
    made: dict[str, dict[str, Any]] = {}
    files, problems = [], []
    with output_folder.atomic(destination) as folder:
        for path in map(Path, sources):
            source = read(path)
            files.append({"file": source.name, "sha256": source.digest, "left_out": source.left_out})
            for part, state in source.parts.items():
                try:
                    networks = PARTS[part](f"{path}: {part}", state)
                except InputError as error:
                    problems.append(str(error))
                    networks = []
                for one in networks:
                    if one.name in made:
                        other = made[one.name]["source"]
                        problems.append(f"{path}: holds {one.name} as {other} does; convert them into two folders")
                    else:
                        made[one.name] = _write(folder, source.name, part, one)
        if problems:
            raise InputError("; ".join(problems))
        network_folder.write_manifest(folder, files, made)
    for name, entry in made.items():
        used, unused = entry["arrays_used"], len(entry["left_out"])
        log.info("%s: %d arrays of %s, %d left out", name, used, entry["source"], unused)
    for entry in files:
        if entry["left_out"]:
            log.info("%s: left out whole: %s", entry["file"], ", ".join(entry["left_out"]))


def read(path: Path) -> Source:
    """The networks in a published file. InputError if there are none."""
    parts, others = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    if not parts:
        held = ", ".join(others)[:160] or "nothing"
        raise InputError(f"{path}: holds no network of SadTalker that is converted, but {held}; give another file")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(path.name, digest, parts, sorted(others))


def _safetensors(path: Path) -> tuple[dict[str, State], list[str]]:
    """All networks in one flat file; a name's first word tells which."""
    from safetensors import SafetensorError, safe_open

    parts: dict[str, dict[str, np.ndarray]] = {}
    rest: collections.Counter[str] = collections.Counter()
    try:
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():
                word, _, name = key.partition(".")
                if word in PARTS and name:
                    parts.setdefault(word, {})[name] = file.get_tensor(key)
                else:
                    rest[f"{word}.*"] += 1
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"{path}: is no readable safetensors file ({error}); get it again") from error
    return parts, [f"{words} ({count} array{'s' * (count > 1)})" for words, count in rest.items()]


def _torch(path: Path) -> tuple[dict[str, State], list[str]]:
    """A dictionary of state dicts, with optimisers and the like beside them."""
    content = pickles.read(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no checkpoint of SadTalker; give one of its published files")
    parts, others = {}, []
    for key, value in content.items():
        word = ALIASES.get(key, key)
        arrays = isinstance(value, dict) and all(isinstance(array, np.ndarray) for array in value.values())
        if word == "model" and arrays:  # says nothing of which
            word = "audio2pose" if any(name.startswith("netG.") for name in value) else "audio2exp"
        if word == "discriminator" and "generator" not in content:  # of something else than pictures
            others.append(str(key))
        elif word in PARTS and arrays:
            parts[word] = value
        else:
            others.append(str(key))
    return parts, others


def _write(folder: Path, source: str, part: str, network: Network) -> dict[str, Any]:
    """Writes a network; what the manifest says of it."""
    made = weights.Weights(
        variables=network.variables,
        name=f"sadtalker_{network.name}",
        config=weights.config_values(network.config),
        licence=network.licence,
        note=f"Converted from {part} of {source}.",
    )
    given = {"source": source, "part": part, "used": network.used, "left_out": network.left_out}
    return network_folder.save(folder, network.name, made, **given)
