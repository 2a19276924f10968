"""IP-LAP's checkpoints as torch writes them, made here, to weights of ours."""

import numpy as np
import pytest
from test_pickles import write_zip
from test_syncnet_convert import published, write

from jaxtalk.convert import iplap as convert
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import iplap_landmarks, iplap_renderer


def test_the_landmark_generators_file_becomes_weights(tmp_path):
    state = published("iplap_landmark_generator")
    source = write(tmp_path / "landmarks.pth", state, write_zip, nested=True, prefix="module.")
    convert.convert(source, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    assert stored.name == "iplap_landmarks"
    assert weights.config(iplap_landmarks.Config, stored) == iplap_landmarks.Config()
    params, layer = stored.variables["params"], "fusion_transformer.transformer_encoder.layers.2.self_attn"
    packed = state[f"{layer}.in_proj_weight"]
    np.testing.assert_array_equal(params["layer_2"]["key"]["kernel"], packed[512:1024].T)
    np.testing.assert_array_equal(params["kinds"], state["fusion_transformer.modality.weight"][1:])


@pytest.mark.slow
def test_the_renderers_file_becomes_weights_without_the_network_of_its_loss(tmp_path):
    state = published("iplap_renderer") | {"perceptual.model.network.0.bias": np.zeros(64, np.float32)}
    source = write(tmp_path / "renderer.pth", state, write_zip, nested=True, prefix="module.")
    convert.convert(source, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    assert stored.name == "iplap_renderer"
    assert weights.config(iplap_renderer.Config, stored) == iplap_renderer.Config()
    kernel = stored.variables["params"]["translation"]["spade_3"]["scale_2"]["kernel"]
    theirs = state["translation.spade_4.spade_layer_2.gamma.weight"]
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))


def test_what_does_not_fit_is_told_in_one_line(tmp_path):
    state = published("iplap_renderer")
    del state["flow_module.conv_4.bias"]
    with pytest.raises(InputError, match="a.pth.*params/flow/shift/bias is missing"):
        convert.convert(write(tmp_path / "a.pth", state, write_zip), tmp_path / "out")
    other = write(tmp_path / "b.pth", {"weight": np.zeros(3, np.float32)}, write_zip)
    with pytest.raises(InputError, match="no network of IP-LAP"):
        convert.convert(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
