"""Names of face-vid2vid's published networks, which are SadTalker's renderer.

| ours            | SadTalker_V0.0.2_{256,512}.safetensors | facevid2vid_00189-model.pth.tar, training's own |
|-----------------|----------------------------------------|-------------------------------------------------|
| `keypoints`     | under `kp_extractor.`                  | `kp_detector`                                   |
| `generator`     | under `generator.`                     | `generator`                                     |
| `head_pose`     | (the MappingNet stands for it)         | `he_estimator`                                  |
| `discriminator` |                                        | `discriminator`                                 |

Spectral norm is folded into the kernels, and SPADE's convolutions for gamma and beta are one: `prepared`. A generator
may have SPADE's decoder, as SadTalker's does, or face-vid2vid's plain one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import spectral_norm
from jaxtalk.convert.state_dict import Rule, batch_norm, convert, convolution, linear
from jaxtalk.errors import InputError
from jaxtalk.models import head_pose, keypoints, vid2vid_discriminator, vid2vid_generator


def _normed(name: str, path: str) -> list[Rule]:
    """A convolution and its batch norm, by the names that most published blocks have."""
    return [*convolution(rf"{name}\.conv", f"{path}/conv"), *batch_norm(rf"{name}\.norm", f"{path}/norm")]


KEYPOINTS = [
    *_normed(r"predictor\.(down|up)_blocks\.(?:down|up)(\d)", r"\1_\2"),
    *convolution(r"predictor\.conv", "widen"),
    *convolution("kp", "heatmap"),
    Rule(r"down\.weight", None),  # the Gaussian, which `jaxtalk.nn.shrink` makes
]


def _numbered(k: int, path: str) -> list[Rule]:
    """Convolution and norm number k of a published residual network."""
    return [*convolution(f"conv{k}", f"{path}/conv"), *batch_norm(f"norm{k}", f"{path}/norm")]


def _bottleneck(name: str, path: str) -> list[Rule]:
    return [
        *convolution(rf"{name}\.conv1", f"{path}/narrow/conv"),
        *batch_norm(rf"{name}\.norm1", f"{path}/narrow/norm"),
        *convolution(rf"{name}\.conv2", f"{path}/middle/conv"),
        *batch_norm(rf"{name}\.norm2", f"{path}/middle/norm"),
        *convolution(rf"{name}\.conv3", f"{path}/conv_wide"),
        *batch_norm(rf"{name}\.norm3", f"{path}/norm_wide"),
        *convolution(rf"{name}\.skip", f"{path}/conv_skip"),
        *batch_norm(rf"{name}\.norm4", f"{path}/norm_skip"),
    ]


# Theirs count the halving block of a level apart from its other blocks.
_BOTTLENECKS = {rf"block1\.b1_{k}": f"block_0_{k}" for k in range(3)} | {
    name: f"block_{level}_{k}"
    for level, others in ((1, 3), (2, 5), (3, 2))
    for k, name in enumerate(
        [f"block{2 * level}", *(rf"block{2 * level + 1}\.b{2 * level + 1}_{i}" for i in range(others))]
    )
}
HEAD_POSE = [
    *_numbered(1, "stem"),
    *(rule for level in range(4) for rule in _numbered(level + 2, f"widen_{level}")),
    *(rule for name, path in _BOTTLENECKS.items() for rule in _bottleneck(name, path)),
    *linear("fc_roll", "yaw"),  # the published forward pass takes one for the other
    *linear("fc_yaw", "roll"),
    *linear("fc_pitch", "pitch"),
    *linear("fc_t", "translation"),
    *linear("fc_exp", "expression"),
]

_MOTION = r"dense_motion_network"
_SPADE, _OURS = r"decoder\.(?:G_)?(middle|up)_(\d)", r"decoder/\1_\2"
_GENERATOR = [  # but for the decoder
    *_normed("first", "stem"),
    *_normed(r"down_blocks\.(\d)", r"down_\1"),
    *convolution("second", "widen"),
    *convolution(r"resblocks_3d\.3dr(\d)\.conv([12])", r"volume_\1/conv_\2"),
    *batch_norm(r"resblocks_3d\.3dr(\d)\.norm([12])", r"volume_\1/norm_\2"),
    *_normed(rf"{_MOTION}\.hourglass\.(?:en|de)coder\.(down|up)_blocks\.(\d)", r"motion/hourglass/\1_\2"),
    *_normed(rf"{_MOTION}\.hourglass\.decoder", "motion/hourglass/out"),
    *convolution(rf"{_MOTION}\.(mask|occlusion)", r"motion/\1"),
    *convolution(rf"{_MOTION}\.compress", "motion/compress/conv"),
    *batch_norm(rf"{_MOTION}\.norm", "motion/compress/norm"),
    *_normed("third", "flat_1"),
    *convolution("fourth", "flat_2"),
]
GENERATOR = [
    *_GENERATOR,
    *convolution(r"decoder\.fc", "decoder/in"),
    *convolution(rf"{_SPADE}\.conv_([01])", rf"{_OURS}/conv_\3"),
    *convolution(rf"{_SPADE}\.conv_s", f"{_OURS}/conv_skip", bias=False),
    *convolution(rf"{_SPADE}\.norm_([01])\.mlp_shared\.0", rf"{_OURS}/norm_\3/hidden"),
    *convolution(rf"{_SPADE}\.norm_s\.mlp_shared\.0", f"{_OURS}/norm_skip/hidden"),
    *convolution(rf"{_SPADE}\.norm_([01])\.mlp_both", rf"{_OURS}/norm_\3/scale_and_shift"),
    *convolution(rf"{_SPADE}\.norm_s\.mlp_both", f"{_OURS}/norm_skip/scale_and_shift"),
    *convolution(r"decoder\.conv_img", "decoder/out"),
]
PLAIN_GENERATOR = [
    *_GENERATOR,
    *convolution(r"resblocks_2d\.2dr(\d)\.conv([12])", r"decoder/middle_\1/conv_\2"),
    *batch_norm(r"resblocks_2d\.2dr(\d)\.norm([12])", r"decoder/middle_\1/norm_\2"),
    *_normed(r"up_blocks\.(\d)", r"decoder/up_\1"),
    *convolution("final", "decoder/out"),
]

DISCRIMINATOR = [
    *convolution(r"discs\.1\.down_blocks\.(\d)\.conv", r"scale_1/conv_\1"),
    Rule(r"discs\.1\.down_blocks\.(\d)\.norm\.weight", r"params/scale_1/norm_\1/scale"),
    Rule(r"discs\.1\.down_blocks\.(\d)\.norm\.bias", r"params/scale_1/norm_\1/bias"),
    *convolution(r"discs\.1\.conv", "scale_1/score"),
]


def keypoint_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.keypoints.KeypointDetector()`. InputError lists every array that does not fit."""
    like = jax.eval_shape(keypoints.KeypointDetector().init, jax.random.key(0), jnp.zeros((1, 256, 256, 3)))
    return convert(source, state, KEYPOINTS, like)


def head_pose_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.head_pose.HeadPoseEstimator()`, as `keypoint_variables`."""
    like = jax.eval_shape(head_pose.HeadPoseEstimator().init, jax.random.key(0), jnp.zeros((1, 256, 256, 3)))
    return convert(source, state, HEAD_POSE, like)


def generator_kind(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[vid2vid_generator.Config, list[Rule]]:
    """What generator a state dict is of, and the table of its names. InputError if it is of none."""
    if "decoder.fc.weight" in state:
        return vid2vid_generator.Config(), GENERATOR
    if "final.weight" in state:
        return vid2vid_generator.Config(decoder="plain"), PLAIN_GENERATOR
    raise InputError(f"{source}: its generator has no decoder, neither SPADE's nor a plain one; give a published file")


def generator_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.vid2vid_generator.Generator` of the state's kind, as `keypoint_variables`."""
    config, table = generator_kind(source, state)
    points = jnp.zeros((1, keypoints.Config().points, 3))
    network = vid2vid_generator.Generator(config)
    like = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 256, 256, 3)), points, points)
    return convert(source, prepared(source, state), table, like)


def discriminator_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.vid2vid_discriminator.MultiScaleDiscriminator()`, as `keypoint_variables`."""
    network = vid2vid_discriminator.MultiScaleDiscriminator()
    like = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 256, 256, 3)))
    return convert(source, prepared(source, state), DISCRIMINATOR, like)


def prepared(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state dict as the tables name it: spectral norm folded, SPADE's gamma and beta as one convolution."""
    state, joined = spectral_norm.fold(source, state), {}
    for name, value in state.items():
        beta = state.get(name.replace(".mlp_gamma.", ".mlp_beta."))
        if ".mlp_gamma." in name and beta is not None:
            joined[name.replace(".mlp_gamma.", ".mlp_both.")] = np.concatenate([value, beta])
        elif ".mlp_beta." not in name:
            joined[name] = value
    return joined
