"""Tables of names: layouts of each layer, and strictness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import state_dict
from jaxtalk.convert.state_dict import Rule
from jaxtalk.errors import InputError

TABLE = [
    *state_dict.convolution(r"blocks\.(\d)\.conv", r"block_\1/conv"),
    *state_dict.batch_norm(r"blocks\.(\d)\.norm", r"block_\1/norm"),
    *state_dict.linear("head", "head", bias=False),
    Rule("unused", None),
]
STATE = {
    "blocks.0.conv.weight": np.arange(24.0).reshape(4, 3, 2),
    "blocks.0.conv.bias": np.arange(4.0),
    "blocks.0.norm.weight": np.arange(4.0),
    "blocks.0.norm.bias": np.arange(4.0) + 1,
    "blocks.0.norm.running_mean": np.arange(4.0) + 2,
    "blocks.0.norm.running_var": np.arange(4.0) + 3,
    "blocks.0.norm.num_batches_tracked": np.array(7),
    "head.weight": np.arange(10.0).reshape(2, 5),
    "unused": np.zeros(3),
}


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


LIKE = {
    "params": {
        "block_0": {
            "conv": {"kernel": shape(2, 3, 4), "bias": shape(4)},
            "norm": {"scale": shape(4), "bias": shape(4)},
        },
        "head": {"kernel": shape(5, 2)},
    },
    "batch_stats": {"block_0": {"norm": {"mean": shape(4), "var": shape(4)}}},
}


def test_every_array_finds_its_place_and_layout():
    variables = state_dict.convert("file", STATE, TABLE, LIKE)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), variables) == jax.tree.map(lambda a: (a.shape, a.dtype), LIKE)
    assert variables["params"]["block_0"]["conv"]["kernel"][1, 2, 3] == STATE["blocks.0.conv.weight"][3, 2, 1]
    assert variables["params"]["head"]["kernel"][4, 1] == STATE["head.weight"][1, 4]
    np.testing.assert_array_equal(variables["batch_stats"]["block_0"]["norm"]["var"], np.arange(4) + 3)


def test_transposed_convolution_keeps_input_before_output():
    (rule, _) = state_dict.transposed_convolution("up", "up")
    weight = np.arange(120.0).reshape(2, 3, 4, 5)  # in, out, height, width
    assert rule.transform(weight)[3, 4, 1, 2] == weight[1, 2, 3, 4]


def test_all_misfits_are_named_in_one_line():
    state = {**STATE, "surprise": np.zeros(2), "head.weight": np.zeros((3, 5)), "blocks.1.conv.bias": np.zeros(4)}
    del state["blocks.0.norm.bias"], state["blocks.0.conv.bias"]
    with pytest.raises(InputError) as error:
        state_dict.convert("file.pth", state, TABLE, LIKE)
    message = str(error.value)
    assert message.startswith("file.pth: ") and "\n" not in message
    for part in [
        "surprise is unexpected",
        "head.weight gives shape (5, 3) where params/head/kernel has (5, 2)",
        "blocks.1.conv.bias is unexpected (the model has no params/block_1/conv/bias)",
        "params/block_0/norm/bias is missing",
        "params/block_0/conv/bias is missing",
    ]:
        assert part in message
    assert message.count(";") == 4


@pytest.mark.parametrize("value", [np.zeros(4), np.zeros(())])
def test_an_array_of_another_rank_is_a_misfit_too(value):
    with pytest.raises(
        InputError, match=r"blocks\.0\.conv\.weight has shape \(.*\), which cannot be laid out as params"
    ):
        state_dict.convert("file.pth", {**STATE, "blocks.0.conv.weight": value}, TABLE, LIKE)


def test_what_is_left_out_is_what_the_table_says_and_counters():
    assert state_dict.left_out(STATE, TABLE) == ["blocks.0.norm.num_batches_tracked", "unused"]


def test_a_table_that_maps_two_arrays_to_one_place_is_refused():
    table = [Rule("a|b", "params/x")]
    with pytest.raises(InputError, match="params/x twice"):
        state_dict.convert("file", {"a": np.zeros(2), "b": np.zeros(2)}, table, {"params": {"x": shape(2)}})


def test_select_strips_the_prefix():
    assert state_dict.select({"a.b.c": 1, "b.a.c": 2}, "a.") == {"b.c": 1}
