"""The perceptron's sizes, its two codes, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.models import fap_perceptron
from jaxtalk.models.fap_perceptron import Config, FapPerceptron

CODES = ["binary", "softmax"]


def test_published_sizes():
    variables = jax.eval_shape(FapPerceptron().init, jax.random.key(0), jnp.zeros((1, 6, 18)))
    shapes = jax.tree.map(lambda x: x.shape, variables["params"])
    assert shapes["hidden"] == {"kernel": (108, 80), "bias": (80,)}
    assert shapes["nodes"] == {"kernel": (80, 5), "bias": (5,)}
    assert Config(code="softmax").nodes == 29 and Config(patterns=33).nodes == 6


def outputs(patterns, code, seed=0):
    network = FapPerceptron(Config(patterns=patterns, code=code))
    windows = jax.random.normal(jax.random.key(seed), (2, 7, 6, 18))
    return network.apply(network.init(jax.random.key(1), windows), windows)


@pytest.mark.parametrize("code", CODES)
def test_probabilities_sum_to_one_where_every_number_is_a_pattern(code):
    log_probability = outputs(32, code)
    assert log_probability.shape == (2, 7, 32)
    np.testing.assert_allclose(jnp.exp(log_probability).sum(-1), 1, atol=1e-5)
    assert (jnp.exp(outputs(29, "binary")).sum(-1) < 1).all()


def test_neighbours_differ_in_one_node():
    numbers = fap_perceptron.numbers(29)
    assert numbers.shape == (29, 5) and len(np.unique(numbers, axis=0)) == 29
    np.testing.assert_array_equal(np.abs(np.diff(numbers, axis=0)).sum(1), 1)


def test_nodes_that_read_a_number_choose_its_pattern():
    numbers, centres = fap_perceptron.numbers(11), jnp.arange(11.0)[:, None]
    nodes = 40 * jnp.asarray(numbers) - 20
    ones = jnp.asarray(numbers)
    log_probability = jax.nn.log_sigmoid(nodes) @ ones.T + jax.nn.log_sigmoid(-nodes) @ (1 - ones).T
    for decoded in (fap_perceptron.likeliest, fap_perceptron.expected):
        np.testing.assert_allclose(decoded(log_probability, centres)[:, 0], np.arange(11), atol=1e-4)


def test_expected_face_lies_between_patterns():
    centres = jnp.array([[0.0, 10.0], [4.0, 10.0]])
    log_probability = jnp.log(jnp.array([[0.75, 0.25]]) * 0.5)  # half is left for numbers without a pattern
    np.testing.assert_allclose(fap_perceptron.expected(log_probability, centres), [[1.0, 10.0]], atol=1e-6)
    np.testing.assert_array_equal(fap_perceptron.likeliest(log_probability, centres), centres[:1])


@pytest.mark.parametrize("code", CODES)
def test_a_rule_is_learnt(code):
    """The pattern is told by the sum of one feature over the context."""
    network = FapPerceptron(Config(patterns=5, code=code))
    windows = jax.random.normal(jax.random.key(0), (2048, 6, 18))
    pattern = jnp.digitize(windows[:, :, 3].sum(-1), jnp.array([-2.5, -0.8, 0.8, 2.5]))
    params = network.init(jax.random.key(1), windows)
    optimizer = optax.adam(1e-2)

    def loss(params, windows, pattern):
        return -jnp.take_along_axis(network.apply(params, windows), pattern[:, None], -1).mean()

    @jax.jit
    def train(params, state):
        def step(carry, _):
            params, state = carry
            change, state = optimizer.update(jax.grad(loss)(params, windows, pattern), state)
            return (optax.apply_updates(params, change), state), None

        return jax.lax.scan(step, (params, state), length=150)[0][0]

    trained = train(params, optimizer.init(params))
    fresh = jax.random.normal(jax.random.key(2), (512, 6, 18))
    truth = jnp.digitize(fresh[:, :, 3].sum(-1), jnp.array([-2.5, -0.8, 0.8, 2.5]))
    said = network.apply(trained, fresh).argmax(-1)
    assert (jnp.abs(said - truth) <= 1).mean() > 0.9 and (said == truth).mean() > 0.55
