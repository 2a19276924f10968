"""Checkpoints of the lip-sync networks as torch writes them, made here, to weights of ours."""

import golden_fixture
import jax
import numpy as np
import pytest
from test_pickles import number, storage, table, tensor, write_stream, write_zip

from jaxtalk.convert import syncnet as convert
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import syncnet, wav2lip_syncnet


def published(fixture: str) -> dict[str, np.ndarray]:
    """A state dict with the names and shapes of the published network, each array of its own."""
    state = golden_fixture.load(fixture)[0]["state"]
    return {
        name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 977 + i
        for i, (name, shape, *_) in enumerate(state)
        if not name.endswith("num_batches_tracked")
    }


def write(path, state, writer, nested=False, prefix=""):
    tensors, contents = {}, {}
    for key, (name, value) in enumerate(state.items()):
        strides = [step // 4 for step in value.strides]
        tensors[prefix + name] = tensor(storage("FloatStorage", str(key), value.size), 0, value.shape, strides)
        contents[str(key)] = value.ravel()
    body = table(**tensors)
    return writer(path, table(state_dict=body, global_step=number(7)) if nested else body, contents)


def test_syncnet_of_the_older_format_becomes_weights_that_load(tmp_path):
    state = published("syncnet_python_s")
    source = write(tmp_path / "syncnet_v2.model", state, write_stream)
    convert.convert(source, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    config = syncnet.Config(**stored.config)
    assert stored.name == "syncnet" and config == syncnet.Config()
    given = np.zeros((1, 13, 20), np.float32), np.zeros((1, 5, 224, 224, 3), np.float32)
    like = jax.eval_shape(syncnet.SyncNet(config).init, jax.random.key(0), *given)
    weights.check("out", weights.flatten(stored.variables), like)
    first = stored.variables["params"]["face"]["conv_0"]["kernel"]  # frames, then colours, are its channels
    assert first[6, 2, 4 * 3 + 1, 95] == state["netcnnlip.0.weight"][95, 1, 4, 6, 2]
    last = stored.variables["params"]["sound"]["conv_5"]["kernel"]
    assert last[4, 1, 7, 300] == state["netcnnaud.18.weight"][300, 7, 4, 1]


@pytest.mark.parametrize("prefix", ["", "module."])
def test_wav2lips_expert_with_and_without_prefix(tmp_path, prefix):
    state = published("wav2lip_syncnet_color")
    source = write(tmp_path / "lipsync_expert.pth", state, write_zip, nested=True, prefix=prefix)
    convert.convert(source, tmp_path / "out.safetensors")
    stored = weights.load(tmp_path / "out.safetensors")
    assert stored.name == "wav2lip_syncnet" and stored.config == {"width": 32} and "research" in stored.licence
    assert wav2lip_syncnet.Config(**stored.config) == wav2lip_syncnet.Config()
    kernel = stored.variables["params"]["face"]["layer_0"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel, state["face_encoder.0.conv_block.0.weight"].transpose(2, 3, 1, 0))
    variance = stored.variables["batch_stats"]["sound"]["layer_13"]["norm"]["var"]
    np.testing.assert_array_equal(variance, state["audio_encoder.13.conv_block.1.running_var"])


def test_every_array_that_does_not_fit_is_named_in_one_line(tmp_path):
    state = published("wav2lip_syncnet_color")
    del state["audio_encoder.3.conv_block.0.bias"]
    state["face_encoder.1.conv_block.0.weight"] = np.zeros((64, 32, 3, 3), np.float32)
    state["face_encoder.17.conv_block.0.weight"] = np.zeros((2, 2, 1, 1), np.float32)
    source = write(tmp_path / "other.pth", state, write_zip)
    with pytest.raises(InputError) as caught:
        convert.convert(source, tmp_path / "out.safetensors")
    message = str(caught.value)
    assert message.startswith(str(source)) and "\n" not in message and not (tmp_path / "out.safetensors").exists()
    for part in [
        "params/sound/layer_3/conv/bias is missing",
        "face_encoder.1.conv_block.0.weight gives shape (3, 3, 32, 64)",
        "face_encoder.17.conv_block.0.weight is unexpected",
    ]:
        assert part in message


def test_other_files_are_refused_in_one_line(tmp_path):
    other = write(tmp_path / "a.pth", {"weight": np.zeros(3, np.float32)}, write_zip)
    with pytest.raises(InputError, match="no SyncNet and no sync expert"):
        convert.convert(other, tmp_path / "out")
    with pytest.raises(InputError, match="no state dict of arrays"):
        convert.convert(write_zip(tmp_path / "b.pth", table(epoch=number(3)), {}), tmp_path / "out")
