"""Wav2Lip's checkpoints as torch writes them, made here, to weights of ours."""

import jax
import numpy as np
import pytest
from test_pickles import number, table, write_zip
from test_syncnet_convert import published, write

from jaxtalk.convert import wav2lip as convert
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import wav2lip, wav2lip_discriminator


def test_the_generators_file_becomes_weights_that_load(tmp_path):
    state = published("wav2lip_generator")
    source = write(tmp_path / "wav2lip_gan.pth", state, write_zip, nested=True, prefix="module.")
    convert.convert(source, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    config = weights.config(wav2lip.Config, stored)
    assert stored.name == "wav2lip" and config == wav2lip.Config() and "research" in stored.licence
    given = np.zeros((1, 80, 16), np.float32), np.zeros((1, 96, 96, 6), np.float32)
    like = jax.eval_shape(wav2lip.Generator(config).init, jax.random.key(0), *given)
    weights.check("out", weights.flatten(stored.variables), like)
    params = stored.variables["params"]
    enlarging = state["face_decoder_blocks.3.0.conv_block.0.weight"]  # (in, out, y, x)
    assert params["speak_3_0"]["conv"]["kernel"][0, 2, 700, 383] == enlarging[700, 383, 0, 2]
    assert (
        params["see_2_3"]["conv"]["kernel"][0, 2, 7, 9]
        == state["face_encoder_blocks.2.3.conv_block.0.weight"][9, 7, 0, 2]
    )


def test_the_discriminators_file_becomes_weights_that_load(tmp_path):
    state = published("wav2lip_disc_qual")
    source = write(tmp_path / "visual_quality_disc.pth", state, write_zip, nested=True)
    convert.convert(source, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    config = weights.config(wav2lip_discriminator.Config, stored)
    assert stored.name == "wav2lip_discriminator" and config == wav2lip_discriminator.Config()
    kernel = stored.variables["params"]["conv_12"]["kernel"]
    np.testing.assert_array_equal(kernel, state["face_encoder_blocks.6.1.conv_block.0.weight"].transpose(2, 3, 1, 0))


def test_the_sync_expert_may_be_given_too(tmp_path):
    source = write(tmp_path / "lipsync_expert.pth", published("wav2lip_syncnet_color"), write_zip, nested=True)
    convert.convert(source, tmp_path / "out.safetensors")
    assert weights.load(tmp_path / "out.safetensors").name == "wav2lip_syncnet"


def test_what_does_not_fit_is_told_in_one_line(tmp_path):
    state = published("wav2lip_disc_qual")
    del state["face_encoder_blocks.4.1.conv_block.0.bias"]
    source = write(tmp_path / "disc.pth", state, write_zip)
    with pytest.raises(InputError, match="disc.pth.*params/conv_8/bias is missing"):
        convert.convert(source, tmp_path / "out")
    other = write(tmp_path / "a.pth", {"weight": np.zeros(3, np.float32)}, write_zip)
    with pytest.raises(InputError, match="no network of Wav2Lip"):
        convert.convert(other, tmp_path / "out")
    with pytest.raises(InputError, match="give wav2lip.pth"):
        convert.convert(write_zip(tmp_path / "b.pth", table(epoch=number(3)), {}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
