"""CodeTalker's and FaceFormer's checkpoints, laid out here as their trainers write them, small."""

import json
import pickle

import golden_fixture
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import codetalker, faceformer
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import motion_decoder, motion_vqvae
from jaxtalk.models.codetalker import Config
from jaxtalk.nn import biased_attention

FIXTURES = {
    "stage1": "codetalker_vqautoencoder_vocaset",
    "biwi": "codetalker_vqautoencoder_biwi",
    "stage2": "codetalker_stage2_vocaset",
    "faceformer": "faceformer_vocaset",
}
SIZES = {15069: 6, 70110: 6, 1024: 8, 3072: 24, 1536: 12, 2048: 16, 192: 12, 256: 5, 128: 8, 64: 4, 768: 48, 512: 4}
LEFT_OUT = ("PPE.pe", "audio_encoder.masked_spec_embed")
POSITION = "audio_encoder.encoder.pos_conv_embed.conv.weight_v"


@pytest.fixture(scope="module")
def states():
    """Names of the published networks, sizes that still fit each other; an array is one number, different in each."""
    made = {}
    for name, fixture in FIXTURES.items():
        made[name] = {}
        for i, (key, shape, dtype, *_) in enumerate(golden_fixture.load(fixture)[0]["state"]):
            sizes = {768: 48, 48: 3} if key == POSITION else {} if "weight_g" in key else SIZES
            if not key.endswith("pe"):
                made[name][key] = np.full([sizes.get(size, size) for size in shape], 0.01 * (1 + i), dtype)
    places = biased_attention.encoding(jnp.arange(630), 8, 30)[None]
    made["stage2"]["PPE.pe"] = np.asarray(places)
    made["faceformer"]["PPE.pe"] = np.asarray(biased_attention.encoding(jnp.arange(625), 4, 25)[None])
    return made


def checkpoint(path, state):
    """As the trainer writes it; pickled plainly, which the reader takes for a kind of checkpoint."""
    path.write_bytes(pickle.dumps({"epoch": 100, "state_dict": state}))
    return path


def test_the_second_stage_holds_both_networks_and_the_firsts_own_file_comes_before(tmp_path, states):
    second = checkpoint(tmp_path / "vocaset_stage2.pth.tar", states["stage2"])
    first = checkpoint(tmp_path / "vocaset_stage1.pth.tar", {f"module.{k}": v for k, v in states["stage1"].items()})
    codetalker.convert([second], tmp_path / "alone")
    report = json.loads((tmp_path / "alone/manifest.json").read_text())["networks"]
    assert {name: entry["part"] for name, entry in report.items()} == {"codetalker": "", "motion_prior": "autoencoder"}
    for order in ([first, second], [second, first]):
        out = tmp_path / order[0].stem
        codetalker.convert(order, out)
        report = json.loads((out / "manifest.json").read_text())["networks"]
        assert report["motion_prior"]["source"] == first.name
        assert report["codetalker"]["left_out"] == sorted(
            name for name in states["stage2"] if name.startswith("autoencoder.") or name in LEFT_OUT
        )

    stored = weights.load(out / "codetalker.safetensors")
    config = weights.config(Config, stored)
    assert (config.features, config.decoder.width, config.decoder.layers, config.decoder.hidden) == (8, 8, 6, 16)
    assert (config.decoder.period, config.decoder.fps, config.decoder.moments) == (30, 30.0, 1)
    assert (config.decoder.speech.width, config.decoder.speech.layers) == (48, 12)
    attention = stored.variables["params"]["decoder"]["decoder"]["layer_3"]["attention"]
    number = states["stage2"]["transformer_decoder.layers.3.self_attn.in_proj_bias"][0]
    assert attention["value"]["bias"].shape == (8,) and attention["value"]["bias"][0] == number
    prior = weights.load(out / "motion_prior.safetensors")
    assert weights.config(motion_vqvae.Config, prior) == motion_vqvae.Config(
        coordinates=6, width=8, hidden=12, codes=5, parts=2, code_width=4, published_scale=True
    )


def test_queries_keys_and_values_are_told_apart():
    packed = np.arange(12.0).reshape(6, 2)
    apart = codetalker.unpacked({"a.in_proj_weight": packed, "b.fn.to_qkv.weight": packed, "c.weight": packed})
    assert sorted(apart) == [
        *(f"a.{part}.weight" for part in ("key", "query", "value")),
        *(f"b.fn.to_qkv.{part}.weight" for part in ("key", "query", "value")),
        "c.weight",
    ]
    for stem in ("a", "b.fn.to_qkv"):
        for part, rows in (("query", [0, 1]), ("key", [2, 3]), ("value", [4, 5])):
            np.testing.assert_array_equal(apart[f"{stem}.{part}.weight"], packed[rows])


def test_biwis_prior_is_known_by_its_linear_layers(states):
    variables, config = codetalker.prior_variables("biwi", states["biwi"])
    assert config.projected and config.parts == 1 and "bias" not in variables["params"]["decoder"]["write"]


def test_faceformer_tells_its_pace_by_its_period(tmp_path, states):
    path = tmp_path / "biwi.pth"
    path.write_bytes(pickle.dumps(states["faceformer"]))
    faceformer.convert(path, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    config = weights.config(motion_decoder.Config, stored)
    assert (config.width, config.hidden, config.styles, config.layers) == (4, 8, 8, 1)
    assert (config.period, config.fps, config.moments) == (25, 25.0, 2)
    number = states["faceformer"]["obj_vector.weight"][0, 0]
    np.testing.assert_array_equal(stored.variables["params"]["decoder"]["styles"], np.full((8, 4), number))


def test_what_does_not_fit_is_told_in_one_line(tmp_path, states):
    def refused(convert, *given):
        with pytest.raises(InputError) as caught:
            convert(*given, tmp_path / "out")
        message = str(caught.value)
        assert "\n" not in message and message.startswith(str(tmp_path)) and not (tmp_path / "out").exists()
        return message

    lone = {name: value for name, value in states["stage2"].items() if not name.startswith("autoencoder.")}
    second = checkpoint(tmp_path / "second.pth.tar", lone)
    assert "give stage one's file, too" in refused(codetalker.convert, [second])
    first = checkpoint(tmp_path / "first.pth.tar", states["stage1"])
    again = checkpoint(tmp_path / "again.pth.tar", states["biwi"])
    assert "as first.pth.tar does" in refused(codetalker.convert, [first, again])
    other = checkpoint(tmp_path / "other.pth.tar", {"conv.weight": np.zeros(3)})
    assert "no checkpoint of CodeTalker" in refused(codetalker.convert, [other])
    assert "no state dict of FaceFormer" in refused(faceformer.convert, second)
    broken = {**states["stage1"], "decoder.expander.0.0.weight": np.zeros((8, 8, 3), np.float32)}
    del broken["encoder.encoder_transformer.net.3.fn.fn.l2.bias"]
    message = refused(codetalker.convert, [checkpoint(tmp_path / "broken.pth.tar", broken)])
    assert "decoder.expander.0.0.weight gives shape (3, 8, 8)" in message
    assert "params/encoder/transformer/layer_1/narrow/bias is missing" in message
