"""Published talking radiance fields: `jaxtalk convert radnerf ngp_ep0028.pth DST`, `... adnerf 400000_head.tar DST`.

RAD-NeRF (Tang et al., 2022) has its state dict under `model`, AD-NeRF (Guo et al., ICCV 2021) four of them, one for
each network. GeneFace's two renderers, whose names differ, are converted with its other networks (`convert.geneface`).
Occupancy is not taken over: it is computed anew from the density.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles
from jaxtalk.convert.state_dict import Rule, convolution, linear
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import adnerf, condition_encoder, radnerf
from jaxtalk.render import grid_encoding


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


def _head_and_torso(grids: tuple[str, str, str], look: str, codes: tuple[str, str]) -> list[Rule]:
    """The table of a field in grids, but for its condition; only these names differ between the two projects."""
    places = ("head/position_grid", "head/ambient_grid", "torso/grid")
    return [
        *(Rule(rf"{grid}\.embeddings", f"params/{place}/table") for grid, place in zip(grids, places, strict=True)),
        _mlp("ambient_net", "head/ambient_mlp"),
        _mlp("sigma_net", "head/density_mlp"),
        _mlp("color_net", "head/colour_mlp"),
        _mlp("torso_deform_net", "torso/bend_mlp"),
        _mlp(look, "torso/look_mlp"),
        Rule(codes[0], "params/codes"),
        Rule(codes[1], "params/torso_codes"),
        _STATE,
    ]


GENEFACE_CODES = ("individual_embeddings", "torso_individual_codes")
GENEFACE = [
    *_condition("cond_prenet", "cond_att_net"),
    *_head_and_torso(
        ("position_embedder", "ambient_embedder", "torso_embedder"), "torso_canonicial_net", GENEFACE_CODES
    ),  # "canonicial": spelt so
]

LM3D_NERF = [
    *_condition("lm_encoder", "lmatt_encoder"),
    *linear(r"model_(coarse|fine)\.density_linears\.(\d)", r"\1/density_\2"),
    *linear(r"model_(coarse|fine)\.density_out_linear", r"\1/density"),
    *linear(r"model_(coarse|fine)\.color_linears\.(\d)", r"\1/colour_\2"),
    *linear(r"model_(coarse|fine)\.color_out_linear", r"\1/colour"),
]


RADNERF_CODES = ("individual_codes", "individual_codes_torso")
RADNERF = [
    *_condition("audio_net", "audio_att_net"),
    *_head_and_torso(("encoder", "encoder_ambient", "torso_encoder"), "torso_net", RADNERF_CODES),
]

ADNERF_PARTS = {
    "network_fn_state_dict": "coarse",
    "network_fine_state_dict": "fine",
    "network_audnet_state_dict": "windows",
    "network_audattnet_state_dict": "attention",
}
ADNERF = [
    *_condition("windows", "attention"),
    *linear(r"(coarse|fine)\.pts_linears\.(\d)", r"\1/density_\2"),
    *linear(r"(coarse|fine)\.alpha_linear", r"\1/density"),
    *linear(r"(coarse|fine)\.views_linears\.(\d)", r"\1/colour_\2"),
    *linear(r"(coarse|fine)\.rgb_linear", r"\1/colour"),
    Rule(r"(coarse|fine)\.feature_linear\..*", None),  # never used
]

_GRID = 32  # features of a place in a grid


def convert(source: Path, destination: Path, kind: Literal["radnerf", "adnerf"]) -> None:
    """Writes the field in the file `source` as weights of ours. InputError if it holds none of this kind."""
    held = pickles.read(source)
    if kind == "radnerf":
        state = held.get("model", held) if isinstance(held, Mapping) else {}
        variables, config = radnerf_variables(source, {k: v for k, v in state.items() if isinstance(v, np.ndarray)})
        licence = "MIT (RAD-NeRF's code); trained on one person's video"
    else:
        missing = [name for name in ADNERF_PARTS if not isinstance(held, Mapping) or name not in held]
        if missing:
            raise InputError(f"{source}: is no checkpoint of AD-NeRF (it lacks {', '.join(missing)}); give N_head.tar")
        state = {f"{ours}.{k}": v for theirs, ours in ADNERF_PARTS.items() for k, v in held[theirs].items()}
        variables, config = _adnerf(source, state, ADNERF, "windows", condition_encoder.Config(window=16, smoothed=8))
        licence = "MIT (AD-NeRF's code); trained on one person's video"
    note = f"Converted from {source.name}."
    values = weights.config_values(config)
    weights.save(
        destination, weights.Weights(variables=variables, name=kind, config=values, licence=licence, note=note)
    )


def adnerf_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], adnerf.Config]:
    """GeneFace's vanilla field (`lm3d_nerf`)."""
    return _adnerf(source, state, LM3D_NERF, "lm_encoder", condition_encoder.Config())


def _adnerf(source, state, table, encoder: str, condition: condition_encoder.Config):
    config, first = adnerf.Config(condition=condition), state.get(f"{encoder}.encoder_conv.0.weight")
    inputs = 204 if first is None else first.shape[1]
    windows, places = jnp.zeros((condition.smoothed, condition.window, inputs)), jnp.zeros((1, 3))
    like = jax.eval_shape(adnerf.AdNerf(config).init, jax.random.key(0), windows, places, places)
    return by_table(source, state, table, like), config


def geneface_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], radnerf.Config]:
    """GeneFace's fields in grids (`lm3d_radnerf`, without a torso, and `lm3d_radnerf_torso`)."""
    return _radnerf(source, state, GENEFACE, ("cond_prenet", "cond_att_net", *GENEFACE_CODES), window=1)


def radnerf_variables(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], radnerf.Config]:
    """RAD-NeRF's (`ngp_*.pth`), which hears 16 rows of audio features in 8 windows; with or without a torso."""
    return _radnerf(source, state, RADNERF, ("audio_net", "audio_att_net", *RADNERF_CODES), window=16)


def _radnerf(source, state, table, names: tuple[str, str, str, str], window: int):
    """The variables of `radnerf.RadNerf`, without those of a torso that is not there."""
    windows, attention, codes, torso_codes = names
    convolutions, attended = f"{windows}.encoder_conv.0.weight", f"{attention}.attentionNet.0.weight"
    sizes = (convolutions, f"{windows}.encoder_fc1.2.weight", attended, codes)
    missing = [name for name in (*sizes, "sigma_net.net.0.weight", "sigma_net.net.2.weight") if name not in state]
    if missing:
        raise InputError(
            f"{source}: is no checkpoint of such a field, it lacks {', '.join(missing)}; give another file"
        )
    bound = float(state["aabb_train"][3]) if "aabb_train" in state else 1.0
    width, told = state["sigma_net.net.0.weight"].shape
    frames, code = state[codes].shape
    config = radnerf.Config(
        condition=condition_encoder.Config(
            window=window,
            smoothed=len(state[attended]),
            features=len(state[f"{windows}.encoder_fc1.2.weight"]),
        ),
        bound=bound,
        position_grid=grid_encoding.Config(dims=3, finest=round(2048 * bound)),
        width=width,
        geometry=len(state["sigma_net.net.2.weight"]) - 1,
        eyes=told == 2 * _GRID + 1,
        code=code,
        torso_code=state[torso_codes].shape[1] if torso_codes in state else 0,
        frames=frames,
    )
    like = _like(config, state[convolutions].shape[1])
    if torso_codes not in state:
        like = {"params": {name: tree for name, tree in like["params"].items() if "torso" not in name}}
    return by_table(source, state, table, like), config


def _like(config: radnerf.Config, inputs: int):
    windows = jnp.zeros((config.condition.smoothed, config.condition.window, inputs))
    given = windows, jnp.zeros((1, 3)), jnp.zeros((1, 3)), jnp.zeros((1, 2)), jnp.zeros(6), jnp.int32(0)
    eyes = (jnp.zeros(1),) if config.eyes else ()
    return jax.eval_shape(radnerf.RadNerf(config).init, jax.random.key(0), *given, *eyes)
