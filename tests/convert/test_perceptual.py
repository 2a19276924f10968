"""Published files of AlexNet, VGG, Inception and LPIPS, made here, to weights of ours."""

import golden_fixture
import jax
import numpy as np
import pytest
from test_pickles import storage, table, tensor, write_zip

from jaxtalk.convert import perceptual
from jaxtalk.errors import InputError
from jaxtalk.io import weights


def write(path, state):
    """A state dict as torch writes it."""
    tensors = {}
    for key, (name, value) in enumerate(state.items()):
        strides = [step // 4 for step in value.strides]
        tensors[name] = tensor(storage("FloatStorage", str(key), value.size), 0, value.shape, strides)
    return write_zip(path, table(**tensors), {str(key): value for key, value in enumerate(state.values())})


@pytest.fixture(scope="module")
def published():
    """AlexNet with a classifier, and heads."""
    manifest, arrays = golden_fixture.load("perceptual_lpips_alex")
    state = golden_fixture.state(manifest, arrays)
    heads = {name: np.abs(value) for name, value in state.items() if name.startswith("lin")}
    backbone = {name: value for name, value in state.items() if name not in heads}
    return backbone | {"classifier.6.weight": np.zeros((10, 4), np.float32)}, heads


def test_a_file_of_torchvision_loads_into_the_network(published, tmp_path):
    backbone, _ = published
    perceptual.convert(write(tmp_path / "alexnet-owt.pth", backbone), tmp_path / "out.safetensors", "alexnet")
    network, image = perceptual.model("alexnet")
    stored = weights.load(tmp_path / "out.safetensors", like=jax.eval_shape(network.init, jax.random.key(0), image))
    assert stored.name == "alexnet" and stored.licence.startswith("BSD-3-Clause") and "alexnet-owt.pth" in stored.note
    kernel = stored.variables["params"]["conv2"]["kernel"]
    np.testing.assert_array_equal(kernel[1, 4, 7, 9], backbone["features.3.weight"][9, 7, 1, 4])
    np.testing.assert_array_equal(stored.variables["params"]["conv5"]["bias"], backbone["features.10.bias"])


def test_a_folder_of_backbone_and_heads_becomes_lpips(published, tmp_path):
    backbone, heads = published
    source = tmp_path / "source"
    source.mkdir()
    write(source / "alex.pth", heads)
    with pytest.raises(InputError, match="needs just two .pth files"):
        perceptual.convert(source, tmp_path / "out.safetensors")
    write(source / "backbone.pth", backbone)
    perceptual.convert(source, tmp_path / "out.safetensors", "lpips_alex")
    stored = weights.load(tmp_path / "out.safetensors")
    assert stored.name == "lpips_alex" and stored.config == {"backbone": "alex"}
    params = stored.variables["params"]
    np.testing.assert_array_equal(params["head_3"], heads["lin3.model.1.weight"][0, :, 0, 0])
    np.testing.assert_array_equal(params["backbone"]["conv1"]["bias"], backbone["features.0.bias"])


def test_another_network_than_asked_for_is_refused(published, tmp_path):
    backbone, heads = published
    source = write(tmp_path / "file.pth", backbone)
    with pytest.raises(InputError, match="holds alexnet, not vgg16"):
        perceptual.convert(source, tmp_path / "out.safetensors", "vgg16")
    with pytest.raises(InputError, match="only heads of LPIPS; give a folder"):
        perceptual.convert(write(tmp_path / "heads.pth", heads), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_heads_of_another_backbone_and_missing_arrays_are_named(published):
    backbone, heads = published
    wide = heads | {"lin1.model.1.weight": np.zeros((1, 128, 1, 1), np.float32)}
    bare = {name: value for name, value in (backbone | wide).items() if name != "features.6.bias"}
    with pytest.raises(InputError) as caught:
        perceptual.variables("here.pth", "lpips_alex", bare)
    assert "lin1.model.1.weight gives shape (128,) where params/head_1 has (192,)" in str(caught.value)
    assert "params/backbone/conv3/bias is missing" in str(caught.value)


def state_of(kind: str) -> dict[str, np.ndarray]:
    manifest, _ = golden_fixture.load(f"perceptual_{kind}")
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape, *_ in manifest["state"]}


def test_networks_are_told_apart_and_torchvisions_inception_is_refused():
    for kind in ("vgg16", "vgg19", "alexnet", "inception", "lpips_alex", "lpips_vgg"):
        assert perceptual.recognise("file", state_of(kind)) == kind
    ours = state_of("inception") | {"fc.weight": np.zeros((1008, 2))}
    assert perceptual.recognise("file", ours) == "inception"
    with pytest.raises(InputError, match="torchvision's Inception"):
        perceptual.recognise("file", ours | {"fc.weight": np.zeros((1000, 2))})
    with pytest.raises(InputError, match="VGG-19, which LPIPS does not use"):
        perceptual.recognise("file", state_of("vgg19") | {"lin0.model.1.weight": np.zeros((1, 64, 1, 1))})
    with pytest.raises(InputError, match="holds no VGG"):
        perceptual.recognise("file", {"conv1.weight": np.zeros((3, 3))})
