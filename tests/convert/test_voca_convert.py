"""VOCA's checkpoint, as TensorFlow's own saver writes one of the same variables, small and with an optimiser's."""

import shutil

import golden_fixture
import numpy as np
import pytest

from jaxtalk.convert import tensorflow1, voca
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models.voca import Config

SOURCE = golden_fixture.FOLDER / "voca_tiny"
ENCODER = "VOCA/SpeechEncoder"


def test_variables_come_back_as_they_were_saved():
    """Values were made of their names when the file was written."""
    state = tensorflow1.read(SOURCE)
    own = {name: value for name, value in state.items() if "Adam" not in name and "power" not in name}
    assert len(own) == 19 and own.pop("VOCA/global_step") == 52280
    for name, value in own.items():
        if not name.startswith((f"{ENCODER}/conv1", f"{ENCODER}/conv2")):  # which a step could have moved
            np.testing.assert_array_equal(value, golden_fixture.weight(name, value.shape), name)
    assert state[f"{ENCODER}/conv1/weights"].shape == (3, 1, 5, 2) and "beta1_power" in state
    assert tensorflow1.checksum(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_checkpoint_becomes_weights_whatever_of_its_files_is_named(tmp_path):
    for name in ("voca_tiny", "voca_tiny.index", "voca_tiny.data-00000-of-00001"):
        voca.convert(SOURCE.with_name(name), tmp_path / "voca.safetensors")
        stored = weights.load(tmp_path / "voca.safetensors")
        config = weights.config(Config, stored)
        assert config == Config(coordinates=6, styles=2, widths=(2, 2, 3, 3), hidden=4, expression=3)
        state = tensorflow1.read(SOURCE)
        np.testing.assert_array_equal(
            stored.variables["params"]["conv_2"]["kernel"], state[f"{ENCODER}/conv3/weights"][:, 0]
        )
        np.testing.assert_array_equal(
            stored.variables["batch_stats"]["norm"]["var"], state[f"{ENCODER}/batch_norm/moving_variance"]
        )


def test_what_does_not_fit_is_told_in_one_line(tmp_path):
    def refused(source):
        with pytest.raises(InputError) as caught:
            voca.convert(source, tmp_path / "out.safetensors")
        message = str(caught.value)
        assert "\n" not in message and message.startswith(str(tmp_path))
        return message

    assert "side by side" in refused(tmp_path / "nothing")
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{SOURCE}{end}", tmp_path / f"model{end}")
    data, index = tmp_path / "model.data-00000-of-00001", tmp_path / "model.index"
    whole, table = data.read_bytes(), index.read_bytes()
    data.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert "are not what was written" in refused(tmp_path / "model")
    data.write_bytes(whole[:100])
    assert "are not what was written" in refused(index)
    data.write_bytes(whole)
    for damaged in (b"", table[:-1], table[:100] + table[140:], bytes(48)):
        index.write_bytes(damaged)
        assert "damaged" in refused(index)
    index.write_bytes(table.replace(b"VOCA/", b"ABBA/"))
    assert "holds no variables of VOCA" in refused(index)


def test_missing_variables_are_named():
    state = tensorflow1.read(SOURCE, "VOCA/")
    del state[f"{ENCODER}/fc2/weights"], state[f"{ENCODER}/conv3/biases"]
    with pytest.raises(InputError, match="params/conv_2/bias is missing.*params/narrow/kernel is missing"):
        voca.variables("x", state)
