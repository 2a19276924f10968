"""wav2vec 2.0 and HuBERT as Hugging Face keeps them to ours: a folder with `config.json` and a file of weights.

The weights are `model.safetensors` or `pytorch_model.bin` (read without running it). Names may stand under
`wav2vec2.` or `hubert.`, and the positional convolution's weight norm has its old or its new names. What is not the
encoder (heads for recognition, the quantiser, the vector that stands for masked frames) is left out, with a message.
"""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles
from jaxtalk.convert.state_dict import Rule, convolution, linear
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models.speech_encoder import Config, SpeechEncoder

log = logging.getLogger("jaxtalk")

# Hugging Face's names of what fixes the parameters. A missing one has the base network's value, as theirs have.
FIELDS = {
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "hidden",
    "conv_dim": "conv_widths",
    "conv_kernel": "conv_windows",
    "conv_stride": "conv_strides",
    "conv_bias": "conv_bias",
    "feat_extract_norm": "conv_norm",
    "feat_proj_layer_norm": "feature_norm",
    "num_conv_pos_embeddings": "position_window",
    "num_conv_pos_embedding_groups": "position_groups",
    "do_stable_layer_norm": "norm_first",
    "layer_norm_eps": "epsilon",
    "hidden_dropout": "dropout",
}
# What we do not compute in any other way.
FIXED = {
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "add_adapter": False,
    "adapter_attn_dim": None,
    "conv_pos_batch_norm": False,
}
OTHER = r"masked_spec_embed|(lm_head|quantizer|project_hid|project_q|projector|classifier|tdnn|objective)\..*"
POSITION = r"encoder\.pos_conv_embed\.conv"


def _norm(name: str, path: str) -> list[Rule]:
    return [Rule(rf"{name}\.weight", f"params/{path}/scale"), Rule(rf"{name}\.bias", f"params/{path}/bias")]


_LAYER, _OURS = r"encoder\.layers\.(\d+)", r"context/layer_\1"
TABLE = [
    *convolution(r"feature_extractor\.conv_layers\.(\d+)\.conv", r"ear/conv_\1"),
    *_norm(r"feature_extractor\.conv_layers\.(\d+)\.layer_norm", r"ear/norm_\1"),
    *_norm(r"feature_projection\.layer_norm", "context/feature_norm"),
    *linear(r"feature_projection\.projection", "context/projection"),
    Rule(rf"{POSITION}\.(weight_g|parametrizations\.weight\.original0)", "params/context/position/magnitude", np.ravel),
    Rule(  # (out, in, window)
        rf"{POSITION}\.(weight_v|parametrizations\.weight\.original1)",
        "params/context/position/direction",
        np.transpose,
    ),
    Rule(rf"{POSITION}\.bias", "params/context/position/bias"),
    *_norm(r"encoder\.layer_norm", "context/norm"),
    *(
        rule
        for theirs, ours in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "out"))
        for rule in linear(rf"{_LAYER}\.attention\.{theirs}", f"{_OURS}/attention/{ours}")
    ),
    *_norm(rf"{_LAYER}\.layer_norm", f"{_OURS}/attention_norm"),
    *linear(rf"{_LAYER}\.feed_forward\.intermediate_dense", f"{_OURS}/widen"),
    *linear(rf"{_LAYER}\.feed_forward\.output_dense", f"{_OURS}/narrow"),
    *_norm(rf"{_LAYER}\.final_layer_norm", f"{_OURS}/feed_forward_norm"),
    Rule(OTHER, None),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the encoder in the folder `source` as weights of ours. InputError if it is none, or damaged."""
    source = Path(source)
    config, kind = read_config(source)
    path, state = _state(source)
    ignored = sorted(name for name in state if re.fullmatch(OTHER, name))
    if ignored:
        log.info("%s: left out, since they are not the encoder: %s", path, ", ".join(ignored))
    made = weights.Weights(
        variables=variables(path, state, config),
        name=kind,
        config=weights.config_values(config),
        licence="see where the weights came from",
        note=f"Converted from {path.name} of Hugging Face's {kind} format.",
    )
    weights.save(destination, made)


def variables(source: str | Path, state: Mapping[str, np.ndarray], config: Config) -> dict[str, Any]:
    """The encoder's variables from a state dict without prefix. InputError lists every array that does not fit."""
    wave = jnp.zeros((1, config.reach))
    like = jax.eval_shape(SpeechEncoder(config).init, jax.random.key(0), wave)
    return by_table(source, state, TABLE, like)


def read_config(folder: Path) -> tuple[Config, str]:
    """The network that `config.json` describes, and its kind: "wav2vec2" or "hubert"."""
    path = Path(folder) / "config.json"
    given = _json(path)
    kind = given.get("model_type")
    if kind not in ("wav2vec2", "hubert"):
        raise InputError(f"{path}: describes a model of type {kind!r}, not wav2vec2 or hubert; give another folder")
    unknown = [f"{name} {given[name]!r}" for name, value in FIXED.items() if given.get(name, value) != value]
    if unknown:
        raise InputError(f"{path}: asks for {', '.join(unknown)}, which is not supported; convert a plain encoder")
    try:
        values = {ours: given[theirs] for theirs, ours in FIELDS.items() if theirs in given}
        config = Config.of(values | {"normalise": _normalise(Path(folder))})
        if config.conv_norm not in ("group", "layer") or config.width % config.heads:
            raise ValueError("a value is none that these networks have")
        jax.eval_shape(SpeechEncoder(config).init, jax.random.key(0), jnp.zeros((1, config.reach)))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: describes no network ({str(error).splitlines()[0]}); get it again") from error
    return config, kind


def _normalise(folder: Path) -> bool:
    """Whether waves are normalised first, as the file beside the config says."""
    path = folder / "preprocessor_config.json"
    return bool(_json(path).get("do_normalize", True)) if path.exists() else True


def _json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text("utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it is no object")
        return value
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a folder from Hugging Face") from error


def _state(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """The file of weights and its arrays, without the prefix of the encoder."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        path = folder / name
        if path.exists():
            state = _safetensors(path) if path.suffix == ".safetensors" else pickles.read(path)
            break
    else:
        raise InputError(f"{folder}: has neither model.safetensors nor pytorch_model.bin; get one of them")
    if not isinstance(state, dict) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise InputError(f"{path}: is no state dict of arrays; get it again")
    return path, {re.sub(r"^(wav2vec2|hubert)\.", "", name): value for name, value in state.items()}


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"{path}: is no readable safetensors file ({error}); get it again") from error
