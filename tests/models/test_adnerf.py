"""The vanilla talking field against the published network."""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import radnerf as names
from jaxtalk.models import adnerf, condition_encoder
from jaxtalk.models.adnerf import AdNerf, Config
from jaxtalk.models.condition_encoder import ConditionEncoder


@pytest.fixture(scope="module")
def published():
    manifest, arrays = golden_fixture.load("geneface_lm3d_nerf")
    variables, _ = names.adnerf_variables("golden", golden_fixture.state(manifest, arrays))
    return manifest, arrays, variables["params"], golden_fixture.inputs(manifest)


def test_golden_condition(published):
    manifest, arrays, params, inputs = published
    with jax.default_matmul_precision("highest"):
        told = ConditionEncoder().apply({"params": params["condition"]}, jnp.asarray(inputs["cond_wins"]))
    golden_fixture.compare(manifest, arrays, "cond_feat", told)


@pytest.mark.parametrize("name", ["fine", "coarse"])
def test_golden_field(published, name):
    manifest, arrays, params, inputs = published
    told = ConditionEncoder().apply({"params": params["condition"]}, jnp.asarray(inputs["cond_wins"]))
    points = jnp.asarray(inputs["pos"]).reshape(-1, 3)
    views = jnp.repeat(jnp.asarray(inputs["view"]), inputs["pos"].shape[1], axis=0)
    with jax.default_matmul_precision("highest"):
        density, colour = adnerf.Field().apply({"params": params[name]}, points, views, told)
    raw = jnp.concatenate([colour, density[:, None]], axis=-1).reshape(6, 24, 4)
    golden_fixture.compare(manifest, arrays, f"raw_{name}", raw)


@pytest.mark.slow
def test_windows_of_audio_shrink_to_one_row_and_any_length_is_smoothed():
    config = condition_encoder.Config(window=16, smoothed=8)
    windows = jax.random.normal(jax.random.key(0), (8, 16, 29))
    told, params = ConditionEncoder(config).init_with_output(jax.random.key(1), windows)
    assert told.shape == (64,)
    one = ConditionEncoder(config).apply(params, jnp.broadcast_to(windows[3], windows.shape))
    encoded = condition_encoder.WindowEncoder(config).apply({"params": params["params"]["encoder"]}, windows[3:4])[0]
    np.testing.assert_allclose(one, encoded, atol=1e-5)  # weights sum to 1


@pytest.mark.slow
def test_every_parameter_has_a_finite_gradient_and_bfloat16_stays_close():
    config = Config(width=16, layers=6)
    keys = jax.random.split(jax.random.key(0), 4)
    windows, points, directions = (
        jax.random.normal(k, s) for k, s in zip(keys, [(5, 1, 9), (7, 3), (7, 3)], strict=False)
    )
    params = AdNerf(config).init(keys[3], windows, points, directions)

    def total(params, config):
        return sum(jnp.sin(x).sum() for x in jax.tree.leaves(AdNerf(config).apply(params, windows, points, directions)))

    value, grads = jax.jit(jax.value_and_grad(total), static_argnums=1)(params, config)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in jax.tree.leaves(grads))
    half = dataclasses.replace(config, dtype=jnp.bfloat16)
    np.testing.assert_allclose(jax.jit(total, static_argnums=1)(params, half), value, atol=0.2)
