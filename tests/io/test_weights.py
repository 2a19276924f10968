"""Weights files: round trips, sizes, and one-line refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxtalk.errors import InputError
from jaxtalk.io import weights


@pytest.fixture
def example():
    keys = jax.random.split(jax.random.key(0), 2)
    variables = {
        "params": {"conv": {"kernel": jax.random.normal(keys[0], (3, 3, 4, 8)), "bias": jnp.zeros(8)}},
        "batch_stats": {"norm": {"var": jnp.array([1.0, 1e6])}},
    }
    return weights.Weights(
        variables=variables, name="net", config={"width": 16, "scales": [1, 2]}, licence="CC-BY-4.0", note="two epochs"
    )


def test_round_trip_is_exact_and_keeps_the_metadata(tmp_path, example):
    weights.save(tmp_path / "net.safetensors", example)
    read = weights.load(tmp_path / "net.safetensors", like=jax.eval_shape(lambda: example.variables))
    jax.tree.map(np.testing.assert_array_equal, read.variables, example.variables)
    assert dataclasses.replace(read, variables={}) == dataclasses.replace(example, variables={})
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_half_precision_file_reads_as_float32(tmp_path, example):
    weights.save(tmp_path / "full", example)
    weights.save(tmp_path / "half", example, half=True)
    read = weights.load(tmp_path / "half").variables
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(read))
    kernel = example.variables["params"]["conv"]["kernel"]
    np.testing.assert_allclose(read["params"]["conv"]["kernel"], kernel, rtol=2**-11, atol=1e-7)
    np.testing.assert_array_equal(read["batch_stats"]["norm"]["var"], [1.0, 1e6])  # beyond float16
    saved = (tmp_path / "full").stat().st_size - (tmp_path / "half").stat().st_size
    assert abs(saved - 2 * (kernel.size + 8)) < 32


def test_unfit_arrays_are_all_named_in_one_line(tmp_path, example):
    weights.save(tmp_path / "net", example)
    like = {"params": {"conv": {"kernel": jnp.zeros((3, 3, 4, 9)), "scale": jnp.zeros(8)}}, "batch_stats": {}}
    with pytest.raises(InputError) as error:
        weights.load(tmp_path / "net", like=like)
    message = str(error.value)
    assert "\n" not in message
    for part in [
        "params/conv/kernel has shape (3, 3, 4, 8) where (3, 3, 4, 9)",
        "params/conv/scale is missing",
        "params/conv/bias is unexpected",
        "batch_stats/norm/var is unexpected",
    ]:
        assert part in message


def test_wrong_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    save_file({"a": np.zeros(2)}, tmp_path / "foreign")
    for name, reason in [
        ("text", "no readable"),
        ("empty", "no readable"),
        ("foreign", "jaxtalk convert"),
        ("none", "no such"),
    ]:
        with pytest.raises(InputError, match=reason) as error:
            weights.load(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
    with pytest.raises(InputError, match="no_such_net"):
        weights.shipped("no_such_net")


def test_unwritable_place_is_refused(tmp_path, example):
    with pytest.raises(InputError, match="does not exist"):
        weights.save(tmp_path / "no" / "folder" / "net", example)


def test_config_values_leave_out_the_compute_type():
    @dataclasses.dataclass(frozen=True)
    class Config:
        width: int = 3
        dtype: jnp.dtype = jnp.float32

    assert weights.config_values(Config()) == {"width": 3}


def test_a_config_comes_back_with_its_tuples_and_configs(tmp_path, example):
    @dataclasses.dataclass(frozen=True)
    class Inner:
        blocks: tuple[int, ...] = (3, 4)

    @dataclasses.dataclass(frozen=True)
    class Config:
        width: int = 3
        scales: tuple[int, ...] = (1,)
        inner: Inner = Inner()

    config = Config(5, (1, 2), Inner((6,)))
    stored = dataclasses.replace(example, config=weights.config_values(config))
    weights.save(tmp_path / "net", stored)
    assert weights.config(Config, weights.load(tmp_path / "net")) == config


def test_label_names_the_network_and_changes_with_its_arrays(tmp_path):
    labels = []
    for i, value in enumerate((0.0, 0.0, 1.0)):
        arrays = {"a": np.full(3, value, np.float32), "b": np.zeros(2, np.float32)}
        made = weights.Weights(variables=arrays, name="ear", config={}, licence="", note=f"made {i} times")
        weights.save(tmp_path / f"{i}.safetensors", made)
        labels.append(weights.label(weights.load(tmp_path / f"{i}.safetensors")))
    assert labels[0] == labels[1] != labels[2]
    assert labels[0].startswith("ear ") and len(labels[0]) == len("ear ") + 12
