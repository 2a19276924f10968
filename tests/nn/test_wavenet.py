"""WaveNet's stack: what it sees, against the same layers written out, and padding."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn.wavenet import WaveNet, WeightNormConv


@pytest.fixture(scope="module")
def net():
    model = WaveNet(width=4, window=5, layers=3)
    x, condition = jax.random.normal(jax.random.key(0), (2, 20, 4)), jax.random.normal(jax.random.key(1), (2, 20, 3))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(2), x, condition, jnp.ones((2, 20))))
    return jax.jit(lambda *given: model.apply(variables, *given)), variables, x, condition


def test_it_is_the_stack_that_it_claims(net):
    run, variables, x, condition = net
    params = jax.tree.map(np.asarray, variables["params"])

    def convolution(name, x):
        p = params[name]
        kernel = p["direction"] / np.sqrt((p["direction"] ** 2).sum((0, 1))) * p["scale"]
        half = len(kernel) // 2
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((half, half), (0, 0))), len(kernel), axis=0)
        return np.einsum("tiw,wio->to", windows, kernel) + p["bias"]

    inner, total, steering = np.asarray(x[0]), 0.0, convolution("condition", np.asarray(condition[0]))
    for k in range(3):
        gates = convolution(f"gates_{k}", inner) + steering[:, 8 * k : 8 * k + 8]
        out = convolution(f"out_{k}", np.tanh(gates[:, :4]) / (1 + np.exp(-gates[:, 4:])))
        if k < 2:
            inner = inner + out[:, :4]
        total = total + out[:, -4:]
    np.testing.assert_allclose(run(x, condition, jnp.ones((2, 20)))[0], total, atol=1e-5)


def test_an_output_sees_six_moments_to_either_side_and_its_own_condition(net):
    run, _, x, condition = net

    def middle(x, condition):
        return run(x, condition, jnp.ones((2, 20)))[0, 10].sum()

    seen, steered = jax.jit(jax.grad(middle, (0, 1)))(x, condition)
    assert np.flatnonzero(np.abs(seen[0]).max(-1)).tolist() == list(range(4, 17))
    assert np.flatnonzero(np.abs(steered[0]).max(-1)).tolist() == list(range(6, 15))  # the first layer's, seen by two
    assert np.all(seen[1] == 0)


def test_nothing_is_seen_through_the_mask(net):
    run, _, x, condition = net
    mask = jnp.ones((2, 20)).at[0, 11:].set(0)
    y = run(x * mask[..., None], condition, mask)
    alone = run(x[:1, :11], condition[:1, :11], mask[:1, :11])
    np.testing.assert_allclose(y[:1, :11], alone, atol=1e-6)
    assert np.all(y[0, 11:] == 0) and np.any(y[1, 11:] != 0)


def test_a_kernel_starts_as_its_direction_and_has_the_length_of_its_scale():
    layer, x = WeightNormConv(3), jax.random.normal(jax.random.key(0), (1, 1, 6))
    variables = layer.init(jax.random.key(1), x)
    params = variables["params"]
    np.testing.assert_allclose(layer.apply(variables, x)[0], x[0] @ params["direction"][0], atol=1e-6)
    longer = {"params": {**params, "direction": 7 * params["direction"]}}
    np.testing.assert_allclose(layer.apply(longer, x), layer.apply(variables, x), atol=1e-6)
