"""Folders as Hugging Face keeps them, made here, to weights of ours."""

import json
import logging

import jax
import numpy as np
import pytest
import safetensors.numpy
from test_pickles import number, storage, table, tensor, write_zip

from jaxtalk import cli
from jaxtalk.convert import speech_encoder as convert
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models.speech_encoder import Config, SpeechEncoder

CONFIG = {
    "model_type": "wav2vec2", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu",
    "intermediate_size": 12, "conv_dim": [4, 6], "conv_kernel": [10, 3], "conv_stride": [5, 2], "conv_bias": True,
    "feat_extract_norm": "layer", "do_stable_layer_norm": True, "num_conv_pos_embeddings": 5,
    "num_conv_pos_embedding_groups": 2, "vocab_size": 32,
}  # fmt: skip


def published() -> dict[str, np.ndarray]:
    """A state dict with the shapes of CONFIG, each array of its own."""
    shapes = {
        "masked_spec_embed": (8,), "feature_projection.layer_norm.weight": (6,),
        "feature_projection.layer_norm.bias": (6,), "feature_projection.projection.weight": (8, 6),
        "feature_projection.projection.bias": (8,), "encoder.pos_conv_embed.conv.weight_g": (1, 1, 5),
        "encoder.pos_conv_embed.conv.weight_v": (8, 4, 5), "encoder.pos_conv_embed.conv.bias": (8,),
        "encoder.layer_norm.weight": (8,), "encoder.layer_norm.bias": (8,),
    }  # fmt: skip
    for i, (into, out, window) in enumerate([(1, 4, 10), (4, 6, 3)]):
        shapes |= {f"feature_extractor.conv_layers.{i}.{part}": (out,) for part in ("layer_norm.weight", "conv.bias")}
        shapes |= {f"feature_extractor.conv_layers.{i}.layer_norm.bias": (out,)}
        shapes |= {f"feature_extractor.conv_layers.{i}.conv.weight": (out, into, window)}
    for i in range(2):
        linear = {f"attention.{name}_proj": (8, 8) for name in "qkv"} | {"attention.out_proj": (8, 8)}
        linear |= {"feed_forward.intermediate_dense": (12, 8), "feed_forward.output_dense": (8, 12)}
        linear |= {"layer_norm": (8,), "final_layer_norm": (8,)}
        for name, shape in linear.items():
            shapes |= {f"encoder.layers.{i}.{name}.weight": shape, f"encoder.layers.{i}.{name}.bias": shape[:1]}
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def folder(path, state, config=CONFIG, binary=False):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    if not binary:
        safetensors.numpy.save_file(state, path / "model.safetensors")
        return path
    tensors = {}
    for key, (name, value) in enumerate(state.items()):
        strides = [step // 4 for step in value.strides]
        tensors[name] = tensor(storage("FloatStorage", str(key), value.size), 0, value.shape, strides)
    write_zip(path / "pytorch_model.bin", table(**tensors), {str(k): v for k, v in enumerate(state.values())})
    return path


def test_the_command_writes_weights_that_load_and_run(tmp_path, capsys):
    state = published()
    source = folder(tmp_path / "source", state)
    cli.main(["convert", "wav2vec2", str(source), str(tmp_path / "ear.safetensors")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "ear.safetensors")
    stored = weights.load(tmp_path / "ear.safetensors")
    config = Config.of(stored.config)
    assert stored.name == "wav2vec2" and config.layers == 2 and config.conv_windows == (10, 3) and config.norm_first
    like = jax.eval_shape(SpeechEncoder(config).init, jax.random.key(0), np.zeros((1, 100), np.float32))
    weights.load(tmp_path / "ear.safetensors", like=like)
    assert jax.eval_shape(SpeechEncoder(config).apply, stored.variables, np.zeros((1, 100), np.float32))[0].shape == (
        1, config.frames(100), 8,
    )  # fmt: skip
    position = stored.variables["params"]["context"]["position"]
    assert position["direction"][4, 1, 7] == state["encoder.pos_conv_embed.conv.weight_v"][7, 1, 4]
    query = stored.variables["params"]["context"]["layer_1"]["attention"]["query"]["kernel"]
    np.testing.assert_array_equal(query, state["encoder.layers.1.attention.q_proj.weight"].T)


def test_both_files_both_weight_norms_and_any_prefix_give_the_same(tmp_path, caplog):
    state = published()
    renamed = {}
    for name, value in state.items():
        name = name.replace("conv.weight_g", "conv.parametrizations.weight.original0")
        name = name.replace("conv.weight_v", "conv.parametrizations.weight.original1")
        renamed[f"hubert.{name}"] = value
    renamed["lm_head.weight"] = np.zeros((32, 8), np.float32)
    hubert = folder(tmp_path / "hubert", renamed, CONFIG | {"model_type": "hubert"}, binary=True)
    with caplog.at_level(logging.INFO, "jaxtalk"):
        convert.convert(hubert, tmp_path / "hubert.safetensors")
    assert "lm_head.weight, masked_spec_embed" in caplog.text
    convert.convert(folder(tmp_path / "wav2vec2", state), tmp_path / "wav2vec2.safetensors")
    ours, theirs = (weights.load(tmp_path / f"{name}.safetensors") for name in ("hubert", "wav2vec2"))
    assert ours.name == "hubert" and ours.config == theirs.config
    jax.tree.map(np.testing.assert_array_equal, ours.variables, theirs.variables)


def test_every_array_that_does_not_fit_is_named_in_one_line(tmp_path):
    state = published()
    del state["encoder.layers.0.layer_norm.bias"], state["feature_projection.projection.weight"]
    state["encoder.layers.1.attention.k_proj.weight"] = np.zeros((8, 9), np.float32)
    state["encoder.surprise"] = np.zeros(3, np.float32)
    source = folder(tmp_path / "source", state)
    with pytest.raises(InputError) as caught:
        convert.convert(source, tmp_path / "out.safetensors")
    message = str(caught.value)
    assert message.startswith(str(source / "model.safetensors")) and "\n" not in message
    for part in [
        "params/context/layer_0/attention_norm/bias is missing",
        "params/context/projection/kernel is missing",
        "encoder.layers.1.attention.k_proj.weight gives shape (9, 8)",
        "encoder.surprise is unexpected",
    ]:
        assert part in message
    assert message.count(";") == 3 and not (tmp_path / "out.safetensors").exists()


def test_defaults_are_the_published_base_networks(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
    assert convert.read_config(tmp_path) == (Config(), "hubert")
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false}')
    assert convert.read_config(tmp_path)[0].normalise is False


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "whisper"}, "describes a model of type 'whisper'"),
        ({"add_adapter": True, "hidden_act": "relu"}, "asks for hidden_act 'relu', add_adapter True"),
        ({"feat_extract_norm": "batch"}, "describes no network"),
        ({"conv_dim": [4, 6, 8]}, "describes no network"),
        ({"hidden_size": "wide"}, "describes no network"),
        ({"num_attention_heads": 3}, "describes no network"),
        ({"num_conv_pos_embedding_groups": 0}, "describes no network"),
    ],
)
def test_other_networks_are_refused_in_one_line(tmp_path, changes, message):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes))
    with pytest.raises(InputError, match=message) as caught:
        convert.convert(tmp_path, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="config.json: cannot be read"):
        convert.convert(tmp_path, tmp_path / "out")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(InputError, match="has neither model.safetensors nor pytorch_model.bin"):
        convert.convert(tmp_path, tmp_path / "out")
    write_zip(tmp_path / "pytorch_model.bin", table(epoch=number(3)), {})
    with pytest.raises(InputError, match="is no state dict of arrays"):
        convert.convert(tmp_path, tmp_path / "out")
    (tmp_path / "model.safetensors").write_bytes(b"nothing of that kind")
    with pytest.raises(InputError, match="is no readable safetensors file"):
        convert.convert(tmp_path, tmp_path / "out")
