"""ArcFace's state dicts: strict, and errors in one line."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import arcface as converter
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import arcface

NORM = ("weight", "bias", "running_mean", "running_var")


@pytest.fixture
def state():
    """A state dict as the published class r18 would have it, eight channels wide, written from its definition."""
    rng = np.random.default_rng(0)

    def norm(name, width):
        return {f"{name}.{kind}": rng.uniform(0.5, 1.5, width) for kind in NORM} | {
            f"{name}.num_batches_tracked": np.zeros((), np.int64)
        }

    out = {"conv1.weight": rng.normal(0, 1, (8, 3, 3, 3)), "prelu.weight": rng.normal(0, 1, 8)} | norm("bn1", 8)
    width = 8
    for level in range(1, 5):
        features = 4 << level
        for k in range(2):
            name = f"layer{level}.{k}"
            out |= norm(f"{name}.bn1", width) | norm(f"{name}.bn2", features) | norm(f"{name}.bn3", features)
            out |= {f"{name}.conv1.weight": rng.normal(0, 0.1, (features, width, 3, 3))}
            out |= {f"{name}.conv2.weight": rng.normal(0, 0.1, (features, features, 3, 3))}
            out |= {f"{name}.prelu.weight": rng.normal(0, 1, features)}
            if k == 0:
                out |= {f"{name}.downsample.0.weight": rng.normal(0, 0.1, (features, width, 1, 1))}
                out |= norm(f"{name}.downsample.1", features)
            width = features
    out |= norm("bn2", width) | {"fc.weight": rng.normal(0, 0.1, (16, width * 49)), "fc.bias": rng.normal(0, 1, 16)}
    return {name: np.asarray(value, np.float32) for name, value in (out | norm("features", 16)).items()}


def write(path, state):
    path.write_bytes(pickle.dumps(state))
    return path


def test_a_published_file_becomes_weights_that_run(tmp_path, state):
    converter.convert(write(tmp_path / "backbone.pth", state), tmp_path / "arcface.safetensors")
    loaded = weights.load(tmp_path / "arcface.safetensors")
    config = arcface.Config(**loaded.config)
    assert loaded.name == "arcface" and config == arcface.Config(depth=18, width=8, embedding=16)
    black_and_white = jnp.stack([jnp.full((112, 112, 3), -1.0), jnp.full((112, 112, 3), 1.0)])
    embedding = jax.jit(arcface.IResNet(config).apply)(loaded.variables, black_and_white)
    assert np.isfinite(embedding).all() and np.ptp(embedding, 0).max() > 0.01
    np.testing.assert_array_equal(loaded.variables["params"]["embed_norm"]["scale"], state["features.weight"])


def test_columns_of_the_dense_layer_are_taken_channel_by_channel(state):
    config = arcface.Config(depth=18, width=8, embedding=16)
    kernel = converter.variables("x", state, config)["params"]["embed"]["kernel"]
    maps = np.random.default_rng(1).normal(0, 1, (7, 7, 64)).astype(np.float32)  # ours: [h, w, c]
    want = state["fc.weight"] @ maps.transpose(2, 0, 1).ravel()
    np.testing.assert_allclose(maps.ravel() @ kernel, want, rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_named_in_one_line(tmp_path, state):
    for broken, message in [
        ({k: v for k, v in state.items() if k != "layer2.1.prelu.weight"}, "params/block_1_1/prelu/slope is missing"),
        (state | {"head.weight": np.zeros(3, np.float32)}, "head.weight is unexpected"),
        ({k: v for k, v in state.items() if not k.startswith("layer3")}, "is no IResNet"),
        ({"state": [1, 2]}, "is no state dict of arrays"),
        ([1, 2], "is no state dict of arrays"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            converter.convert(write(tmp_path / "backbone.pth", broken), tmp_path / "out.safetensors")
        assert "\n" not in str(caught.value) and "backbone.pth" in str(caught.value)
        assert not (tmp_path / "out.safetensors").exists()


def test_depth_is_read_from_the_names():
    for depth, blocks in arcface.BLOCKS.items():
        names = [f"layer{k + 1}.{n}.bn1.weight" for k, count in enumerate(blocks) for n in range(count)]
        state = dict.fromkeys(names, np.zeros(1)) | {"conv1.weight": np.zeros((64, 3)), "fc.bias": np.zeros(512)}
        assert converter.read_config("x", state) == arcface.Config(depth=depth)
