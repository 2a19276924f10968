"""The dubbing system's ear: local attention, limits, and that all of it learns."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models import dub_expression
from jaxtalk.models.dub_expression import Config, ExpressionNet, LocalAttention

MFCC = jax.random.normal(jax.random.key(0), (2, 4, 13, 20))
FACES = jax.random.uniform(jax.random.key(1), (2, 4, 96, 96, 3))
SMALL = Config(expression=3, width=1, embedding=8, memory=4, reach=1)


def lively(model, *given):
    return golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), *given))


def test_size_is_near_the_papers():
    """Its table 7: 12.5 million."""
    shapes = jax.eval_shape(
        ExpressionNet().init, jax.random.key(0), jnp.zeros((1, 1, 13, 20)), jnp.zeros((1, 1, 96, 96, 3))
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == pytest.approx(12.5e6, rel=0.03)


def test_attention_sees_only_what_is_near():
    attention = LocalAttention(2)
    asking, asked = jax.random.normal(jax.random.key(2), (2, 1, 9, 6))
    variables = lively(attention, asking, asked)
    out, weights = attention.apply(variables, asking, asked)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert not np.asarray(weights[0, 0, :2]).any() and not np.asarray(weights[0, -1, 3:]).any()  # beyond the clip
    other, _ = attention.apply(variables, asking, asked.at[:, 6].add(1.0))
    changed = np.abs(np.asarray(other - out)).max((0, 2)) > 0
    np.testing.assert_array_equal(changed, [False] * 4 + [True] * 5)


def test_attention_without_reach_is_linear_in_its_own_frame():
    attention = LocalAttention(0)
    asking, asked = jax.random.normal(jax.random.key(3), (2, 1, 5, 6))
    variables = lively(attention, asking, asked)
    params = variables["params"]
    expected = asked @ params["value"]["kernel"] + params["value"]["bias"][None, None]
    expected = expected @ params["out"]["kernel"] + params["out"]["bias"][None, None]
    np.testing.assert_allclose(attention.apply(variables, asking, asked)[0], expected, atol=1e-5)


def test_every_parameter_learns():
    model = ExpressionNet(SMALL)
    variables = lively(model, MFCC, FACES)

    @jax.jit
    @jax.grad
    def slopes(params):
        (made, _), _ = model.apply({**variables, "params": params}, MFCC, FACES, train=True, mutable=["batch_stats"])
        return jnp.abs(made - 1).mean()

    found = jax.tree_util.tree_leaves_with_path(slopes(variables["params"]))
    for path, slope in found:
        # A bias before a norm, or of keys, which adds the same to all scores, changes nothing.
        free = path[-1].key == "bias" and ("conv" in str(path) or "hidden" in str(path) or "key" in str(path))
        assert np.isfinite(slope).all() and (free or np.abs(slope).max() > 0), path
    assert {path[0].key for path, _ in found} >= {"hear", "see", "hears_faces", "sees_sounds", "expression"}


def test_parts_can_be_left_out():
    """The paper's table 3."""
    without = {
        "faces": dub_expression.Config(faces=False),
        "attention": dub_expression.Config(reach=None),
    }
    given = jnp.zeros((1, 2, 13, 20)), jnp.zeros((1, 2, 96, 96, 3))
    parts = {}
    for name, config in without.items():
        (made, _), variables = jax.eval_shape(ExpressionNet(config).init_with_output, jax.random.key(0), *given)
        assert made.shape == (1, 2, 64)
        parts[name] = set(variables["params"])
    assert "see" not in parts["faces"] and not any(
        "hears" in name or "sees" in name for part in parts.values() for name in part
    )
