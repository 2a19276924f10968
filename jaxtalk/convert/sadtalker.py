"""Names of the published SadTalker networks (SadTalker_V0.0.2_{256,512}.safetensors, or the older .pth files)."""

from collections.abc import Mapping
from pathlib import Path

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
from jaxtalk.models import audio2exp, audio2pose


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
