"""CodeTalker's checkpoints to a folder of ours: `jaxtalk convert codetalker FILE... FOLDER`.

| file                                         | holds, under `state_dict`                        | becomes        |
|----------------------------------------------|--------------------------------------------------|----------------|
| `vocaset_stage1.pth.tar`, `biwi_stage1...`   | the autoencoder                                  | `motion_prior` |
| `vocaset_stage2.pth.tar`, `biwi_stage2...`   | what predicts codes; `autoencoder.` and the rest | `codetalker`   |

Stage two needs stage one's network, which its own file may hold or lack: give both files then. Of two priors the
file of its own is taken. Sinusoids, which are no weights, are left out; the period of theirs tells which data set's
pace a network has, since nothing else in the file does.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles, speech_encoder
from jaxtalk.convert.state_dict import Rule, convolution, left_out, linear, select
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import network_folder, output_folder, weights
from jaxtalk.models import codetalker, motion_decoder, motion_vqvae
from jaxtalk.models.speech_encoder import BASE as SPEECH
from jaxtalk.models.speech_encoder import Config as SpeechConfig

log = logging.getLogger("jaxtalk")

LICENCE = "MIT (CodeTalker's code); trained on VOCASET or BIWI, which are for research only"
PRIOR, PREDICTOR = "motion_prior", "codetalker"

State = Mapping[str, np.ndarray]


def _norm(name: str, path: str) -> list[Rule]:
    return [Rule(rf"{name}\.weight", f"params/{path}/scale"), Rule(rf"{name}\.bias", f"params/{path}/bias")]


def _transformer(name: str, path: str) -> list[Rule]:
    """Theirs count blocks, ours layers of two."""
    rules = []
    for k in range(64):
        attend, think = rf"{name}\.net\.{2 * k}\.fn", rf"{name}\.net\.{2 * k + 1}\.fn"
        ours = f"{path}/layer_{k}"
        rules += [
            *_norm(rf"{attend}\.norm", f"{ours}/attention_norm"),
            *(
                rule
                for part in ("query", "key", "value")
                for rule in linear(rf"{attend}\.fn\.to_qkv\.{part}", f"{ours}/attention/{part}", bias=False)
            ),
            *linear(rf"{attend}\.fn\.to_out", f"{ours}/attention/out"),
            *_norm(rf"{think}\.norm", f"{ours}/feed_forward_norm"),
            *linear(rf"{think}\.fn\.l1", f"{ours}/widen"),
            *linear(rf"{think}\.fn\.l2", f"{ours}/narrow"),
        ]
    return rules


PRIOR_TABLE = [
    *linear(r"encoder\.vertice_mapping\.0", "encoder/read"),
    *convolution(r"encoder\.squasher\.0\.0", "encoder/smooth/conv"),
    *linear(r"encoder\.encoder_linear_embedding\.net", "encoder/embed"),
    *_transformer(r"encoder\.encoder_transformer", "encoder/transformer"),
    *linear(r"encoder\.encoder_linear_embedding_post\.net", "encoder/divide"),
    *linear(r"decoder\.decoder_linear_embedding_pre\.net", "decoder/unite"),
    *convolution(r"decoder\.expander\.0\.0", "decoder/smooth/conv"),
    *linear(r"decoder\.decoder_linear_embedding\.net", "decoder/embed"),
    *_transformer(r"decoder\.decoder_transformer", "decoder/transformer"),
    *linear(r"decoder\.vertice_map_reverse", "decoder/write"),
    Rule(r"quantize\.embedding\.weight", "params/codebook/codes"),
    Rule(r"(encoder\.encoder|decoder\.decoder)_pos_embedding\.pe", None),
]
_LAYER, _OURS = r"transformer_decoder\.layers\.(\d+)", r"decoder/decoder/layer_\1"


def _attention(name: str, path: str) -> list[Rule]:
    return [
        *(rule for part in ("query", "key", "value") for rule in linear(rf"{name}\.{part}", f"{path}/{part}")),
        *linear(rf"{name}\.out_proj", f"{path}/out"),
    ]


# What CodeTalker and FaceFormer share, under `decoder`.
DECODER_TABLE = [
    *(
        Rule(
            rf"audio_encoder\.{rule.pattern}",
            rule.path and rule.path.replace("params/", "params/decoder/speech/"),
            rule.transform,
        )
        for rule in speech_encoder.TABLE
        if rule.path is not None
    ),
    Rule(r"audio_encoder\.masked_spec_embed", None),
    *linear("audio_feature_map", "decoder/hear"),
    *linear("vertice_map", "decoder/read"),
    Rule(r"PPE\.pe", None),
    *_attention(rf"{_LAYER}\.self_attn", f"{_OURS}/attention"),
    *_attention(rf"{_LAYER}\.multihead_attn", f"{_OURS}/hearing"),
    *linear(rf"{_LAYER}\.linear1", f"{_OURS}/widen"),
    *linear(rf"{_LAYER}\.linear2", f"{_OURS}/narrow"),
    *_norm(rf"{_LAYER}\.norm1", f"{_OURS}/attention_norm"),
    *_norm(rf"{_LAYER}\.norm2", f"{_OURS}/hearing_norm"),
    *_norm(rf"{_LAYER}\.norm3", f"{_OURS}/feed_forward_norm"),
]
PREDICTOR_TABLE = [
    *DECODER_TABLE,
    *linear("feat_map", "features", bias=False),
    Rule(r"learnable_style_emb\.weight", "params/decoder/styles"),
    Rule(r"autoencoder\..*", None),
]


def convert(sources: Sequence[Path], destination: Path) -> None:
    """Writes the folder. InputError if a file is neither stage, if one is there twice, or the prior is missing."""
    files, found = [], {}
    for path in map(Path, sources):
        state = read(path)
        with path.open("rb") as file:
            files.append({"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()})
        second = "feat_map.weight" in state
        name, inner = (PREDICTOR, select(state, "autoencoder.")) if second else (PRIOR, {})
        if name in found and found[name][1] == "":
            raise InputError(f"{path}: holds {name} as {found[name][0].name} does; convert them into two folders")
        found[name] = path, "", state
        if inner and PRIOR not in found:
            found[PRIOR] = path, "autoencoder", inner
    if PRIOR not in found:
        raise InputError(f"{found[PREDICTOR][0]}: has no autoencoder.* in it; give stage one's file, too")
    with output_folder.atomic(destination) as folder:
        made = {name: _write(folder, name, *given) for name, given in sorted(found.items())}
        network_folder.write_manifest(folder, files, made)
    for name, entry in made.items():
        log.info("%s: %d arrays of %s", name, entry["arrays_used"], entry["source"])


def read(path: Path) -> dict[str, np.ndarray]:
    """The state dict of a checkpoint of either stage."""
    held = pickles.read(path)
    state = held.get("state_dict") if isinstance(held, Mapping) else None
    arrays = {} if not isinstance(state, Mapping) else {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    arrays = {name.removeprefix("module."): value for name, value in arrays.items()}
    if not {"feat_map.weight", "quantize.embedding.weight"} & arrays.keys():
        raise InputError(f"{path}: is no checkpoint of CodeTalker; give its *_stage1.pth.tar or *_stage2.pth.tar")
    return arrays


def prior_variables(source: str | Path, state: State) -> tuple[dict[str, Any], motion_vqvae.Config]:
    """Those of `motion_vqvae.MotionVqvae`. InputError lists every array that does not fit."""
    config, state = prior_config(state), unpacked(state)
    like = jax.eval_shape(
        motion_vqvae.MotionVqvae(config).init, jax.random.key(0), jnp.zeros((1, 2, config.coordinates))
    )
    return by_table(source, state, PRIOR_TABLE, like), config


def prior_config(state: State) -> motion_vqvae.Config:
    """The sizes that shapes tell, and the published ones where an array is missing, so that the table finds it."""
    usual = motion_vqvae.Config()
    coordinates, width = shape(state, "decoder.vertice_map_reverse.weight", (usual.coordinates, usual.width))
    codes, code_width = shape(state, "quantize.embedding.weight", (usual.codes, usual.code_width))
    link = "encoder.encoder_linear_embedding_post.net.weight"
    features = shape(state, link, (width, width))[0]
    return motion_vqvae.Config(
        coordinates=coordinates,
        width=width,
        layers=count(state, r"encoder.encoder_transformer.net.", usual.layers * 2) // 2,
        hidden=shape(state, "encoder.encoder_transformer.net.1.fn.fn.l1.weight", (usual.hidden, width))[0],
        codes=codes,
        parts=features // code_width,
        code_width=code_width,
        projected=link in state,
        published_scale=True,
    )


def predictor_variables(source: str | Path, state: State) -> tuple[dict[str, Any], codetalker.Config]:
    """Those of `codetalker.CodeTalker`, with stage one's sizes in its config."""
    features = shape(state, "feat_map.weight", (1024, 1024))[0]
    config = codetalker.Config(decoder=decoder_config(state, "learnable_style_emb.weight", 0), features=features)
    model, decoder = codetalker.CodeTalker(config), config.decoder
    like = abstract(model, decoder)
    return by_table(source, unpacked(state), PREDICTOR_TABLE, like), config


def decoder_config(state: State, styles: str, axis: int) -> motion_decoder.Config:
    """What the arrays that CodeTalker and FaceFormer share tell. BIWI's pace is 25 frames a second, VOCASET's 30."""
    width, coordinates = shape(state, "vertice_map.weight", (64, 15069))
    period = _period(state.get("PPE.pe"), 25 if coordinates == motion_vqvae.BIWI.coordinates else 30)
    pace = {"fps": 25.0, "moments": 2} if period == 25 else {"fps": 30.0, "moments": 1}
    return motion_decoder.Config(
        coordinates=coordinates,
        styles=shape(state, styles, (8, 8))[axis],
        width=width,
        layers=count(state, "transformer_decoder.layers.", 1),
        hidden=shape(state, "transformer_decoder.layers.0.linear1.weight", (2 * width, width))[0],
        period=period,
        speech=_speech(state),
        **pace,
    )


def _speech(state: State) -> SpeechConfig:
    """wav2vec 2.0 Base, as wide and deep as the arrays are."""
    prefix, base = "audio_encoder.encoder.layers.", SPEECH
    width, _ = shape(state, "audio_encoder.feature_projection.projection.weight", (base.width, 0))
    hidden, _ = shape(state, f"{prefix}0.feed_forward.intermediate_dense.weight", (base.hidden, 0))
    kernels = [f"audio_encoder.feature_extractor.conv_layers.{k}.conv.weight" for k in range(len(base.conv_widths))]
    widths = tuple(len(state[name]) if name in state else base.conv_widths[0] for name in kernels)
    layers = count(state, prefix, base.layers)
    return dataclasses.replace(base, width=width, hidden=hidden, layers=layers, conv_widths=widths)


def abstract(model: Any, config: motion_decoder.Config) -> Any:
    """Shapes of the variables of a network with such a decoder."""
    wave = jnp.zeros((1, 4 * config.speech.hop + config.speech.reach))
    given = (wave, jnp.zeros((1, 2, config.coordinates)), jnp.zeros((1, config.styles)))
    return jax.eval_shape(model.init, jax.random.key(0), *given)


def unpacked(state: State) -> dict[str, np.ndarray]:
    """Arrays that are queries, keys and values on top of each other, apart; and attention's as a layer each."""
    apart = {}
    for name, value in state.items():
        stem, _, kind = name.rpartition(".")
        if kind in ("in_proj_weight", "in_proj_bias") and len(value) % 3 == 0:
            stem, leaf = stem, kind.removeprefix("in_proj_")
        elif name.endswith("to_qkv.weight") and len(value) % 3 == 0:
            leaf = "weight"
        else:
            apart[name] = value
            continue
        for part, array in zip(("query", "key", "value"), np.split(value, 3), strict=True):
            apart[f"{stem}.{part}.{leaf}"] = array
    return apart


def shape(state: State, name: str, usual: tuple[int, int]) -> tuple[int, int]:
    """The shape of a matrix; the usual one if it is not there."""
    found = np.shape(state.get(name, 0))
    return found if len(found) == 2 else usual


def count(state: State, prefix: str, usual: int) -> int:
    """How many numbered parts there are under a prefix."""
    numbers = {name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)}
    return len(numbers) or usual


def _period(table: np.ndarray | None, usual: int) -> int:
    """Frames until the rows of a table of positions [1, n, d] come again."""
    if table is None or np.ndim(table) != 3:
        return usual
    again = np.flatnonzero(np.all(np.abs(table[0, 1:] - table[0, :1]) < 1e-6, axis=-1))
    return int(again[0]) + 1 if len(again) else usual


def _write(folder: Path, name: str, path: Path, part: str, state: State) -> dict[str, Any]:
    """Writes a network; what the manifest says of it."""
    make, table = {PRIOR: (prior_variables, PRIOR_TABLE), PREDICTOR: (predictor_variables, PREDICTOR_TABLE)}[name]
    variables, config = make(f"{path}: {part}" if part else path, state)
    unused = left_out(state, table)
    note = f"Converted from {path.name}, a checkpoint of CodeTalker (Xing et al., CVPR 2023)."
    values = weights.config_values(config)
    made = weights.Weights(variables=variables, name=name, config=values, licence=LICENCE, note=note)
    used = len(state) - len(unused)
    return network_folder.save(folder, name, made, source=path.name, part=part, used=used, left_out=unused)
