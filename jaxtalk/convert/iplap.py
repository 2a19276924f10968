"""IP-LAP's checkpoints to weights of ours: `jaxtalk convert iplap FILE OUT`.

`landmarkgenerator_checkpoint.pth` becomes `iplap_landmarks`, `renderer_checkpoint.pth` becomes `iplap_renderer`,
without the VGG-19 of its loss. Which of them a file holds is told by its names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert.codetalker import unpacked
from jaxtalk.convert.sadtalker import mel_encoder
from jaxtalk.convert.state_dict import Rule, batch_norm, convolution, linear
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.convert.wav2lip import read
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import iplap_landmarks, iplap_renderer

LICENCE = "see where the weights came from; trained on LRS2, which is for research only"
_LAYER = r"fusion_transformer\.transformer_encoder\.layers\.(\d)"


def _encoder(name: str, path: str) -> list[Rule]:
    return [
        *convolution(rf"{name}\.(\d+)\.conv_block\.0", rf"{path}/conv_\1"),
        *batch_norm(rf"{name}\.(\d+)\.conv_block\.1", rf"{path}/norm_\1"),
    ]


def _norm(name: str, path: str) -> list[Rule]:
    return [Rule(rf"{name}\.weight", f"params/{path}/scale"), Rule(rf"{name}\.bias", f"params/{path}/bias")]


LANDMARKS = [
    *_encoder("mel_encoder", "hear"),
    *_encoder("pose_encoder", "see_pose"),
    *_encoder("ref_encoder", "see_reference"),
    *_norm("Norm", "norm"),
    Rule(r"fusion_transformer\.position_[av]\.pe", None),  # sinusoids, which are computed
    Rule(r"fusion_transformer\.modality\.weight", "params/kinds", lambda rows: rows[1:]),  # the first is of padding
    *linear(rf"{_LAYER}\.self_attn\.(query|key|value)", r"layer_\1/\2"),
    *linear(rf"{_LAYER}\.self_attn\.out_proj", r"layer_\1/out"),
    *linear(rf"{_LAYER}\.linear1", r"layer_\1/widen"),
    *linear(rf"{_LAYER}\.linear2", r"layer_\1/narrow"),
    *_norm(rf"{_LAYER}\.norm1", r"layer_\1/attention_norm"),
    *_norm(rf"{_LAYER}\.norm2", r"layer_\1/feed_forward_norm"),
    *linear("mouse_keypoint_map", "mouth"),
    *linear("jaw_keypoint_map", "jaw"),
]


def _spade(name: str, path: str) -> list[Rule]:
    layer = rf"{name}\.spade_layer_([12])"
    return [
        *convolution(rf"{layer}\.conv1", rf"{path}/hidden_\1"),
        *convolution(rf"{layer}\.gamma", rf"{path}/scale_\1"),
        *convolution(rf"{layer}\.beta", rf"{path}/shift_\1"),
        *convolution(rf"{name}\.conv_([12])", rf"{path}/conv_\1"),
    ]


def _adain(name: str, path: str) -> list[Rule]:
    layer = rf"{name}\.adain_layer_([12])"
    return [
        *linear(rf"{layer}\.mlp_shared\.0", rf"{path}/hidden_\1"),
        *linear(rf"{layer}\.mlp_gamma", rf"{path}/scale_\1"),
        *linear(rf"{layer}\.mlp_beta", rf"{path}/shift_\1"),
        *convolution(rf"{name}\.conv_([12])", rf"{path}/conv_\1"),
    ]


RENDERER = [
    *convolution(r"flow_module\.conv([12])", r"flow/conv_\1"),
    *batch_norm(r"flow_module\.conv([12])_bn", r"flow/norm_\1"),
    *(
        rule
        for k, at in enumerate((1, 2, 4), 1)
        for rule in _spade(rf"flow_module\.spade_layer_{at}", f"flow/spade_{k}")
    ),
    *convolution(r"flow_module\.conv_4", "flow/shift"),
    *convolution(r"flow_module\.conv_5\.0", "flow/trust_1"),
    *convolution(r"flow_module\.conv_5\.2", "flow/trust_2"),
    *convolution(r"translation\.conv([12])", r"translation/conv_\1", bias=False),
    *batch_norm(r"translation\.conv([12])_bn", r"translation/norm_\1"),
    *mel_encoder(r"translation\.audio_encoder", "translation/hear"),
    *(
        rule
        for k, at in enumerate((1, 2, 4), 1)
        for rule in _spade(rf"translation\.spade_{at}", f"translation/spade_{k}")
    ),
    *(rule for k in (1, 2) for rule in _adain(rf"translation\.adain_{k}", f"translation/sound_{k}")),
    *convolution(r"translation\.conv_last", "translation/out", bias=False),
    Rule(r"perceptual\..*", None),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the network in the file `source` as weights of ours. InputError if it is neither, or damaged."""
    state = read(source, "landmarkgenerator_checkpoint.pth or renderer_checkpoint.pth")
    if any(name.startswith("fusion_transformer.") for name in state):
        made, name, config = landmark_variables(source, state), "iplap_landmarks", iplap_landmarks.Config()
    elif any(name.startswith("flow_module.") for name in state):
        made, name, config = renderer_variables(source, state), "iplap_renderer", iplap_renderer.Config()
    else:
        raise InputError(f"{source}: holds no network of IP-LAP; give one of its two checkpoints")
    note = f"Converted from {Path(source).name}, a checkpoint of IP-LAP (Zhong et al., CVPR 2023)."
    values = weights.config_values(config)
    weights.save(destination, weights.Weights(variables=made, name=name, config=values, licence=LICENCE, note=note))


def landmark_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.iplap_landmarks.LandmarkGenerator()`. InputError lists every array that does not fit."""
    given = jnp.zeros((1, 1, 80, 16)), jnp.zeros((1, 1, 74, 2)), jnp.zeros((1, 1, 131, 2))
    like = jax.eval_shape(iplap_landmarks.LandmarkGenerator().init, jax.random.key(0), *given)
    return by_table(source, unpacked(state), LANDMARKS, like)


def renderer_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `models.iplap_renderer.Renderer()`, as `landmark_variables`."""
    picture = jnp.zeros((1, 32, 32, 3))
    given = picture, jnp.zeros((1, 5, 32, 32, 3)), picture[None], picture[None], jnp.zeros((1, 80, 16))
    like = jax.eval_shape(iplap_renderer.Renderer().init, jax.random.key(0), *given)
    return by_table(source, state, RENDERER, like)
