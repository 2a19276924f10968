"""Names of SadTalker's published networks, but for those of face-vid2vid. Their files: `sadtalker_files`."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert.state_dict import (
    Rule,
    batch_norm,
    convert,
    convolution,
    linear,
    select,
    transposed_convolution,
)
from jaxtalk.models import audio2exp, audio2pose, face_recon, motion_mapping


def mel_encoder(name: str, path: str) -> list[Rule]:
    """The table of `jaxtalk.nn.mel_encoder.MelEncoder`, which Wav2Lip shares."""
    return [
        *convolution(rf"{name}\.(\d+)\.conv_block\.0", rf"{path}/layer_\1/conv"),
        *batch_norm(rf"{name}\.(\d+)\.conv_block\.1", rf"{path}/layer_\1/norm"),
    ]


def _unet() -> list[Rule]:
    """The U-Nets of PoseVAE's encoder and decoder."""
    name, path = r"netG\.(encoder|decoder)\.resunet", r"\1/unet"
    rules = [
        *convolution(rf"{name}\.input_layer\.0", f"{path}/in_1"),
        *batch_norm(rf"{name}\.input_layer\.1", f"{path}/in_norm"),
        *convolution(rf"{name}\.input_layer\.3", f"{path}/in_2"),
        *convolution(rf"{name}\.input_skip\.0", f"{path}/in_skip"),
        *transposed_convolution(rf"{name}\.upsample_(\d)\.upsample", rf"{path}/upsample_\2"),
        *convolution(rf"{name}\.output_layer\.0", f"{path}/out"),
    ]
    blocks = {
        rf"{name}\.residual_conv_(\d)": rf"{path}/down_\2",
        rf"{name}\.bridge": rf"{path}/down_3",
        rf"{name}\.up_residual_conv(\d)": rf"{path}/up_\2",
    }
    for block, target in blocks.items():
        rules += [
            *batch_norm(rf"{block}\.conv_block\.0", f"{target}/norm_1"),
            *convolution(rf"{block}\.conv_block\.2", f"{target}/conv_1"),
            *batch_norm(rf"{block}\.conv_block\.3", f"{target}/norm_2"),
            *convolution(rf"{block}\.conv_block\.5", f"{target}/conv_2"),
            *convolution(rf"{block}\.conv_skip\.0", f"{target}/skip"),
            *batch_norm(rf"{block}\.conv_skip\.1", f"{target}/skip_norm"),
        ]
    return rules


AUDIO2EXP = [*mel_encoder("audio_encoder", "encoder"), *linear("mapping1", "mapping")]

AUDIO2POSE = [
    *mel_encoder(r"audio_encoder\.audio_encoder", "ear"),
    *_unet(),
    Rule(r"netG\.(encoder|decoder)\.classbias", r"params/\1/style"),
    *linear(r"netG\.(encoder|decoder)\.linear_audio", r"\1/sound"),
    *linear(r"netG\.(encoder|decoder)\.MLP\.L0", r"\1/hidden"),
    *linear(r"netG\.encoder\.linear_means", "encoder/mean"),
    Rule(r"netG\.encoder\.linear_logvar\..*", None),  # never used: see Config.published_logvar
    *linear(r"netG\.decoder\.MLP\.L1", "decoder/plan"),
    *linear(r"netG\.decoder\.pose_linear", "decoder/pose"),
]

POSE_DISCRIMINATOR = [
    *convolution(r"seq\.([012])\.conv", r"conv_\1", bias=False),
    *batch_norm(r"seq\.([012])\.norm", r"norm_\1"),
    *convolution(r"seq\.3", "score"),
]

MAPPING = [
    *convolution(r"first\.0", "first"),
    *convolution(r"encoder(\d+)\.1", r"conv_\1"),
    *linear(r"fc_(yaw|pitch|roll)", r"\1"),
    *linear("fc_t", "translation"),
    *linear("fc_exp", "expression"),
]

_RECON_BLOCK, _RECON_OURS = r"backbone\.layer(\d)\.(\d+)", r"block_\1_\2"


def _one_by_one(kernel: np.ndarray) -> np.ndarray:
    """(out, in, 1, 1) -> [in, out]: what their convolution sees has one pixel."""
    return np.transpose(kernel.reshape(kernel.shape[:2]))


FACE_RECON = [
    *convolution(r"backbone\.conv1", "conv", bias=False),
    *batch_norm(r"backbone\.bn1", "norm"),
    *convolution(rf"{_RECON_BLOCK}\.conv(\d)", rf"{_RECON_OURS}/conv_\3", bias=False),
    *batch_norm(rf"{_RECON_BLOCK}\.bn(\d)", rf"{_RECON_OURS}/norm_\3"),
    *convolution(rf"{_RECON_BLOCK}\.downsample\.0", f"{_RECON_OURS}/conv_skip", bias=False),
    *batch_norm(rf"{_RECON_BLOCK}\.downsample\.1", f"{_RECON_OURS}/norm_skip"),
    *(Rule(rf"final_layers\.{k}\.weight", f"params/{n}/kernel", _one_by_one) for k, n in enumerate(face_recon.HEADS)),
    *(Rule(rf"final_layers\.{k}\.bias", f"params/{n}/bias") for k, n in enumerate(face_recon.HEADS)),
]


def audio2exp_variables(source: str | Path, state: Mapping[str, np.ndarray], config: audio2exp.Config) -> dict:
    """ExpNet's variables from the part of the checkpoint under `audio2exp.`."""
    mel, reference = jnp.zeros((1, 80, 16)), jnp.zeros((1, config.coefficients))
    like = jax.eval_shape(audio2exp.ExpNet(config).init, jax.random.key(0), mel, reference, jnp.zeros(1))
    return convert(source, state, AUDIO2EXP, like)


# The published log variance comes from the layer of the mean.
AUDIO2POSE_CONFIG = audio2pose.Config(published_logvar=True)


def audio2pose_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[dict, dict]:
    """Variables of PoseVAE(AUDIO2POSE_CONFIG) and of its Discriminator from the part under `audio2pose.`."""
    config, key = AUDIO2POSE_CONFIG, jax.random.key(0)
    mel, motion = jnp.zeros((1, config.sequence, 80, 16)), jnp.zeros((1, config.sequence, audio2pose.POSE))
    style, noise = jnp.zeros(1, int), jnp.zeros((1, config.latent))
    like = jax.eval_shape(audio2pose.PoseVAE(config).init, key, mel, motion[:, 0], motion, style, noise)
    generator = {name: value for name, value in state.items() if not name.startswith("netD_motion.")}
    judge = jax.eval_shape(audio2pose.Discriminator(config.width).init, key, motion)
    discriminator = select(state, "netD_motion.")
    return (
        convert(source, generator, AUDIO2POSE, like),
        convert(source, discriminator, POSE_DISCRIMINATOR, judge),
    )


def mapping_variables(
    source: str | Path, state: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], motion_mapping.Config]:
    """MappingNet's variables from the checkpoint's `mapping`, and whether they are for 70 or 73 coefficients."""
    config = motion_mapping.Config()
    first = np.shape(state.get("first.0.weight", 0))
    if len(first) == 3 and first[1] in (70, 73):
        config = dataclasses.replace(config, width=first[0], coefficients=first[1])
    frames = jnp.zeros((1, config.window, config.coefficients))
    like = jax.eval_shape(motion_mapping.MappingNet(config).init, jax.random.key(0), frames)
    return convert(source, state, MAPPING, like), config


def face_recon_variables(
    source: str | Path, state: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], face_recon.Config]:
    """R-Net's variables from the part under `face_3drecon.` or from `net_recon`, and its depth and width."""
    config = face_recon.Config()
    found = [re.match(r"backbone\.layer([1-4])\.(\d+)\.", name) for name in state]
    blocks = tuple(max((int(m[2]) + 1 for m in found if m and m[1] == str(k)), default=0) for k in (1, 2, 3, 4))
    first = np.shape(state.get("backbone.conv1.weight", 0))
    if all(blocks) and len(first) == 4:
        config = dataclasses.replace(config, blocks=blocks, width=first[0])
    like = jax.eval_shape(face_recon.FaceRecon(config).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return convert(source, state, FACE_RECON, like), config
