"""GeneFace's checkpoints to a folder of ours: `jaxtalk convert geneface FILE... FOLDER`.

| file, each `model_ckpt_steps_*.ckpt`     | holds, under `state_dict`  | becomes                |
|------------------------------------------|----------------------------|------------------------|
| `lrs3/lm3d_vae_sync`, `..._sync_pitch`   | `model`, `syncnet_task`    | `audio2motion`         |
| `lrs3/syncnet`                           | `model`                    | `motion_sync_net`      |
| `<video>/lm3d_postnet_sync`, `..._pitch` | `model`, `disc_model`,     | `motion_postnet`,      |
|                                          | the two above inside tasks | `motion_discriminator` |
| `<video>/audio2pose`                     | `model`                    | `pose_wavenet`         |
| `<video>/lm3d_radnerf`, `..._torso`      | `model`                    | `radnerf`              |
| `<video>/lm3d_nerf`                      | `model`                    | `adnerf`               |

A state dict is one dictionary for each child of the training task or one flat dictionary; files are known by what they
hold. A PostNet's file holds the network that it was trained behind, too: of several of a kind in one file the
outermost is taken. The folder has a `.safetensors` for each network and `manifest.json`.
"""

import collections
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles, radnerf
from jaxtalk.convert.sadtalker import mel_encoder
from jaxtalk.convert.state_dict import (
    Rule,
    batch_norm,
    convolution,
    left_out,
    linear,
    transposed_convolution,
)
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import network_folder, output_folder, weights
from jaxtalk.models import audio2motion, motion_discriminator, motion_postnet, motion_sync_net, pose_wavenet

log = logging.getLogger("jaxtalk")

LICENCE = "MIT (GeneFace's code); trained on LRS3, which is for research only, or on one person's video"

State = Mapping[str, np.ndarray]


def _pointwise(name: str, path: str) -> list[Rule]:
    """(out, in, 1) -> [in, out]: a convolution over one moment is a linear layer."""
    return [
        Rule(rf"{name}\.weight", f"params/{path}/kernel", lambda w: np.transpose(w.reshape(w.shape[0], -1))),
        Rule(rf"{name}\.bias", f"params/{path}/bias"),
    ]


def _two_moments(name: str, path: str) -> list[Rule]:
    """(out, in, 2) -> [2 in, out]: earlier moments, then later ones, as one row of inputs."""
    return [
        Rule(rf"{name}\.weight", f"params/{path}/kernel", lambda w: np.transpose(w, (2, 1, 0)).reshape(-1, w.shape[0])),
        Rule(rf"{name}\.bias", f"params/{path}/bias"),
    ]


def _weight_norm(name: str, path: str) -> list[Rule]:
    return [
        Rule(rf"{name}\.weight_v", f"params/{path}/direction", np.transpose),  # (out, in, window)
        Rule(rf"{name}\.weight_g", f"params/{path}/scale", np.ravel),
        Rule(rf"{name}\.bias", f"params/{path}/bias"),
    ]


def _wavenet(name: str, path: str) -> list[Rule]:
    """The table of `jaxtalk.nn.wavenet.WaveNet`."""
    return [
        *_weight_norm(rf"{name}\.in_layers\.(\d+)", rf"{path}/gates_\1"),
        *_weight_norm(rf"{name}\.res_skip_layers\.(\d+)", rf"{path}/out_\1"),
        *_weight_norm(rf"{name}\.cond_layer", f"{path}/condition"),
    ]


def _feature_encoder(name: str, path: str) -> list[Rule]:
    return [
        *convolution(rf"{name}\.0", f"{path}/conv_1", bias=False),
        *batch_norm(rf"{name}\.1", f"{path}/norm"),
        *convolution(rf"{name}\.3", f"{path}/conv_2", bias=False),
    ]


def _time_conv(name: str, path: str) -> list[Rule]:
    return [
        *convolution(rf"{name}\.conv_block\.0", f"{path}/conv"),
        *batch_norm(rf"{name}\.conv_block\.1", f"{path}/norm"),
    ]


AUDIO2MOTION = [
    *_feature_encoder("mel_encoder", "sound"),
    *_feature_encoder("pitch_encoder", "melody"),
    Rule(r"pitch_embed\.weight", "params/pitch_embedding/embedding"),
    *convolution(r"vae\.g_pre_net\.0", "shorten"),
    *convolution(r"vae\.encoder\.pre_net\.0", "encoder/shorten"),
    *_wavenet(r"vae\.encoder\.wn", "encoder/wavenet"),
    *_wavenet(r"vae\.decoder\.wn", "decoder/wavenet"),
    *_pointwise(r"vae\.encoder\.out_proj", "encoder/latent"),
    *transposed_convolution(r"vae\.decoder\.pre_net\.0", "decoder/lengthen"),
    *_pointwise(r"vae\.decoder\.out_proj", "decoder/motion"),
    *(  # every other of theirs turns the channels round
        rule
        for k in range(8)
        for rule in (
            *_pointwise(rf"vae\.prior_flow\.flows\.{2 * k}\.pre", f"flow/coupling_{k}/before"),
            *_wavenet(rf"vae\.prior_flow\.flows\.{2 * k}\.enc", f"flow/coupling_{k}/wavenet"),
            *_pointwise(rf"vae\.prior_flow\.flows\.{2 * k}\.post", f"flow/coupling_{k}/after"),
        )
    ),
]
MOTION_SYNC_NET = [*mel_encoder("hubert_encoder", "sound"), *mel_encoder("mouth_encoder", "mouth")]
MOTION_POSTNET = [
    *(rule for k in range(7) for rule in _time_conv(rf"block{k // 3 + 1}\.{k % 3}", f"layer_{k}")),
    *_pointwise(r"block3\.1", "change"),
]
MOTION_DISCRIMINATOR = [
    *(rule for k in range(4) for rule in linear(rf"backbone\.{3 * k}", f"layer_{k}")),
    *linear(r"backbone\.12", "score", bias=False),
]
_LAYER = r"backbone\.residual_blocks\.(\d+)"
POSE_WAVENET = [
    *linear(r"audio_encoder\.0", "sound_0"),
    *linear(r"audio_encoder\.2", "sound_1"),
    *_pointwise(r"backbone\.start_conv1", "start_0"),
    *_pointwise(r"backbone\.start_conv2", "start_1"),
    *_two_moments(rf"{_LAYER}\.filter_conv", r"layer_\1/signal"),
    *_two_moments(rf"{_LAYER}\.gate_conv", r"layer_\1/gate"),
    *_pointwise(rf"{_LAYER}\.cond_filter_conv", r"layer_\1/signal_heard"),
    *_pointwise(rf"{_LAYER}\.cond_gate_conv", r"layer_\1/gate_heard"),
    *_pointwise(rf"{_LAYER}\.residual_conv", r"layer_\1/next"),
    *_pointwise(rf"{_LAYER}\.skip_conv", r"layer_\1/out"),
    *_pointwise(r"backbone\.end_conv_1", "end_0"),
    *_pointwise(r"backbone\.end_conv_2", "end_1"),
]

Made = tuple[dict[str, Any], Any]  # variables, and the model's config


def audio2motion_variables(source: str | Path, state: State) -> Made:
    """Those of `audio2motion.Audio2Motion`, with or without pitch. InputError lists every array that does not fit."""
    config = audio2motion.Config(
        motion=_size(state, "vae.decoder.out_proj.weight", 0, 204),
        features=_size(state, "mel_encoder.0.weight", 1, 1024),
        pitch="pitch_embed.weight" in state,
        published_masks=True,
    )
    frames = 2 * config.stride
    rows, mask = jnp.zeros((1, 2 * frames, config.features)), jnp.ones((1, frames))
    given = (jnp.zeros((1, frames, config.motion)), rows, mask, jnp.zeros((1, 2, config.latent)))
    model, hertz = audio2motion.Audio2Motion(config), jnp.zeros((1, 2 * frames))
    return by_table(source, state, AUDIO2MOTION, jax.eval_shape(model.init, jax.random.key(0), *given, hertz)), config


def motion_sync_net_variables(source: str | Path, state: State) -> Made:
    """Those of `motion_sync_net.MotionSyncNet`."""
    config = motion_sync_net.Config()
    rows = _size(state, "hubert_encoder.0.conv_block.0.weight", 1, 1024)
    points = _size(state, "mouth_encoder.0.conv_block.0.weight", 1, 60)
    given = jnp.zeros((1, motion_sync_net.ROWS, rows)), jnp.zeros((1, motion_sync_net.FRAMES, points))
    like = jax.eval_shape(motion_sync_net.MotionSyncNet(config).init, jax.random.key(0), *given)
    return by_table(source, state, MOTION_SYNC_NET, like), config


def motion_postnet_variables(source: str | Path, state: State) -> Made:
    """Those of `motion_postnet.MotionPostNet`; the first layer tells whether it hears pitch."""
    config = motion_postnet.Config(motion=_size(state, "block3.1.weight", 0, 204))
    pitch = max(0, _size(state, "block1.0.conv_block.0.weight", 1, config.motion) - config.motion)
    given = jnp.zeros((1, 4, config.motion)), jnp.ones((1, 4)), jnp.zeros((1, 4, pitch))
    like = jax.eval_shape(motion_postnet.MotionPostNet(config).init, jax.random.key(0), *given)
    return by_table(source, state, MOTION_POSTNET, like), config


def motion_discriminator_variables(source: str | Path, state: State) -> Made:
    """Those of `motion_discriminator.MotionDiscriminator`."""
    config, motion = motion_discriminator.Config(), jnp.zeros((1, _size(state, "backbone.0.weight", 1, 204)))
    like = jax.eval_shape(motion_discriminator.MotionDiscriminator(config).init, jax.random.key(0), motion)
    return by_table(source, state, MOTION_DISCRIMINATOR, like), config


def pose_wavenet_variables(source: str | Path, state: State) -> Made:
    """Those of `pose_wavenet.PoseWaveNet`."""
    config = pose_wavenet.Config()
    speech = jnp.zeros((1, 2, _size(state, "audio_encoder.0.weight", 1, 58)))
    like = jax.eval_shape(
        pose_wavenet.PoseWaveNet(config).init, jax.random.key(0), speech, jnp.zeros((1, 2, 2 * pose_wavenet.POSE))
    )
    return by_table(source, state, POSE_WAVENET, like), config


class Kind(NamedTuple):
    """A network of ours: the array that only its checkpoints hold, and what makes it of them."""

    mark: str
    table: list[Rule]
    make: Callable[[str | Path, State], Made]


KINDS = {
    "audio2motion": Kind("vae.decoder.out_proj.weight", AUDIO2MOTION, audio2motion_variables),
    "motion_sync_net": Kind("hubert_encoder.0.conv_block.0.weight", MOTION_SYNC_NET, motion_sync_net_variables),
    "motion_postnet": Kind("block1.0.conv_block.0.weight", MOTION_POSTNET, motion_postnet_variables),
    "motion_discriminator": Kind("backbone.12.weight", MOTION_DISCRIMINATOR, motion_discriminator_variables),
    "pose_wavenet": Kind("backbone.start_conv1.weight", POSE_WAVENET, pose_wavenet_variables),
    "radnerf": Kind("position_embedder.embeddings", radnerf.GENEFACE, radnerf.geneface_variables),
    "adnerf": Kind("lm_encoder.encoder_conv.0.weight", radnerf.LM3D_NERF, radnerf.adnerf_variables),
}


def convert(sources: Sequence[Path], destination: Path) -> None:
    """Writes the folder. InputError if a file is none of these or damaged, or if two files' own networks are the same.

    A network that one file is about replaces the copy that another file holds inside a task.
    """
    files, found = [], {}
    for path in map(Path, sources):
        networks, rest = read(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files.append({"file": path.name, "sha256": digest, "left_out": rest})
        for name, (part, state) in networks.items():
            other = found.get(name)
            if other and _depth(other[1]) == _depth(part):
                raise InputError(f"{path}: holds {name} as {other[0].name} does; convert them into two folders")
            if other is None or _depth(part) < _depth(other[1]):
                found[name] = path, part, state
    with output_folder.atomic(destination) as folder:
        made = {name: _write(folder, name, *given) for name, given in found.items()}
        network_folder.write_manifest(folder, files, made)
    for name, entry in made.items():
        log.info("%s: %d arrays of %s in %s", name, entry["arrays_used"], entry["part"], entry["source"])


def read(path: Path) -> tuple[dict[str, tuple[str, State]], list[str]]:
    """The networks in a checkpoint, each with the name of its part and its state dict, and the names of other parts."""
    held = pickles.read(path)
    state = held.get("state_dict") if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping):
        raise InputError(f"{path}: is no checkpoint of GeneFace (it has no state_dict); give a model_ckpt_steps_*.ckpt")
    networks, rest = {}, []
    for part, arrays in sorted(_parts(state).items(), key=lambda item: _depth(item[0])):
        name = next((name for name, kind in KINDS.items() if kind.mark in arrays), None)
        if name is None or name in networks:
            rest.append(part)
        else:
            networks[name] = part, arrays
    if not networks:
        raise InputError(
            f"{path}: holds no network of GeneFace, but {', '.join(rest)[:160] or 'nothing'}; give a checkpoint of its "
            "training"
        )
    return networks, rest


def _parts(state: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The state dicts of networks under the names of where they were: `model`, `audio2motion_task.model` and so on."""
    flat = {}
    for name, value in state.items():
        flat |= (
            {f"{name}.{key}": array for key, array in value.items()} if isinstance(value, Mapping) else {name: value}
        )
    parts: dict[str, dict[str, np.ndarray]] = collections.defaultdict(dict)
    for name, array in flat.items():
        match = re.fullmatch(r"((?:\w+_task\.)*\w+)\.(.+)", name)
        if match and isinstance(array, np.ndarray):
            parts[match[1]][match[2]] = array
    return parts


def _depth(part: str) -> int:
    return part.count(".")


def _size(state: State, name: str, axis: int, usual: int) -> int:
    """A length that the state dict tells; the usual one if it does not, so that what is wrong is found by the table."""
    shape = np.shape(state.get(name, 0))
    return shape[axis] if len(shape) > axis else usual


def _write(folder: Path, name: str, path: Path, part: str, state: State) -> dict[str, Any]:
    """Writes a network; what the manifest says of it."""
    kind = KINDS[name]
    variables, config = kind.make(f"{path}: {part}", state)
    unused = left_out(state, kind.table)
    note = f"Converted from {part} of {path.name}, a checkpoint of GeneFace (Ye et al., ICLR 2023)."
    values = weights.config_values(config)
    made = weights.Weights(variables=variables, name=f"geneface_{name}", config=values, licence=LICENCE, note=note)
    used = len(state) - len(unused)
    return network_folder.save(folder, name, made, source=path.name, part=part, used=used, left_out=unused)
