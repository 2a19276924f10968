"""Names of published talking radiance fields: GeneFace's two renderers, and RAD-NeRF, whose names differ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert.state_dict import Rule, convert, convolution, linear
from jaxtalk.models import adnerf


def _condition(windows: str, attention: str) -> list[Rule]:
    """The table of `condition_encoder.ConditionEncoder` under PyTorch's names of its two networks."""
    numbered = {str(2 * k): k for k in range(5)}
    convs = (convolution(rf"{windows}\.encoder_conv\.{n}", f"condition/encoder/conv_{k}") for n, k in numbered.items())
    weighs = (
        convolution(rf"{attention}\.attentionConvNet\.{n}", f"condition/smoother/conv_{k}") for n, k in numbered.items()
    )
    return [
        *(rule for rules in convs for rule in rules),
        *linear(rf"{windows}\.encoder_fc1\.0", "condition/encoder/hidden"),
        *linear(rf"{windows}\.encoder_fc1\.2", "condition/encoder/out"),
        *(rule for rules in weighs for rule in rules),
        *linear(rf"{attention}\.attentionNet\.0", "condition/smoother/weights"),
    ]


def _mlp(name: str, path: str) -> Rule:
    return Rule(rf"{name}\.net\.(\d)\.weight", rf"params/{path}/kernel_\1", np.transpose)


# What renderers keep beside weights: boxes, occupancy, counters. Occupancy is computed anew from the density.
_STATE = Rule(r"aabb_.*|density_.*|step_counter|.*\.offsets|camera_.*|poses|mean_.*", None)

GENEFACE = [
    *_condition("cond_prenet", "cond_att_net"),
    Rule(r"position_embedder\.embeddings", "params/head/position_grid/table"),
    Rule(r"ambient_embedder\.embeddings", "params/head/ambient_grid/table"),
    Rule(r"torso_embedder\.embeddings", "params/torso/grid/table"),
    _mlp("ambient_net", "head/ambient_mlp"),
    _mlp("sigma_net", "head/density_mlp"),
    _mlp("color_net", "head/colour_mlp"),
    _mlp("torso_deform_net", "torso/bend_mlp"),
    _mlp("torso_canonicial_net", "torso/look_mlp"),  # spelt so
    Rule("individual_embeddings", "params/codes"),
    Rule("torso_individual_codes", "params/torso_codes"),
    _STATE,
]

LM3D_NERF = [
    *_condition("lm_encoder", "lmatt_encoder"),
    *linear(r"model_(coarse|fine)\.density_linears\.(\d)", r"\1/density_\2"),
    *linear(r"model_(coarse|fine)\.density_out_linear", r"\1/density"),
    *linear(r"model_(coarse|fine)\.color_linears\.(\d)", r"\1/colour_\2"),
    *linear(r"model_(coarse|fine)\.color_out_linear", r"\1/colour"),
]


def adnerf_variables(source: str | Path, state: Mapping[str, np.ndarray], config: adnerf.Config) -> dict[str, Any]:
    """GeneFace's vanilla field (`lm3d_nerf`)."""
    inputs = state["lm_encoder.encoder_conv.0.weight"].shape[1]
    windows = jnp.zeros((config.condition.smoothed, config.condition.window, inputs))
    places = jnp.zeros((1, 3))
    like = jax.eval_shape(adnerf.AdNerf(config).init, jax.random.key(0), windows, places, places)
    return convert(source, state, LM3D_NERF, like)
