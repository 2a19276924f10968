"""Latents made standard normal: the same motion, other numbers for it.

Only the layers next to the latent change, so they alone are looked at here, with the shapes that `audio2pose` has.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models import pose_prior
from jaxtalk.models.audio2pose import POSE

RNG = np.random.default_rng(0)
L, HIDDEN, SOUND, STYLES, ROWS = 5, 7, 9, 3, 4


def draw(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def layers():
    dense = {"kernel": draw(HIDDEN, L), "bias": draw(L)}
    decoder = {"style": draw(STYLES, L), "hidden": {"kernel": draw(POSE + L + SOUND, HIDDEN), "bias": draw(HIDDEN)}}
    return {"params": {"encoder": {"mean": dense, "log_variance": dense}, "decoder": decoder}, "batch_stats": {}}


def encoded(variables, x):
    layer = variables["params"]["encoder"]["mean"]
    return np.asarray(x) @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])


def decoded(variables, z, others):
    """The decoder's hidden layer, as `audio2pose.Decoder` has it."""
    reference, sound, style = others
    decoder = variables["params"]["decoder"]
    features = np.concatenate([reference, z + decoder["style"][style], sound], axis=-1)
    return features @ np.asarray(decoder["hidden"]["kernel"]) + np.asarray(decoder["hidden"]["bias"])


@pytest.fixture
def case():
    before = layers()
    many = RNG.normal(1.0, [0.5, 1, 2, 3, 4], (200, L)) @ RNG.normal(size=(L, L))
    latents = pose_prior.Latents.of(jnp.asarray(many, jnp.float32), jnp.full((200, L), -2.0))
    others = draw(ROWS, POSE), draw(ROWS, SOUND), np.array([0, 1, 2, 1])
    return before, pose_prior.standardised(before, latents), latents, others


def test_moments_are_those_of_what_is_drawn():
    mean, log_variance = RNG.normal(size=(20000, 2)) @ [[2.0, 1.0], [0.0, 0.5]] + 3.0, np.full((20000, 2), np.log(0.25))
    drawn = mean + 0.5 * RNG.normal(size=mean.shape)
    latents = pose_prior.Latents.of(jnp.asarray(mean, jnp.float32), jnp.asarray(log_variance, jnp.float32))
    np.testing.assert_allclose(latents.mean, drawn.mean(0), atol=0.06)
    np.testing.assert_allclose(latents.covariance, np.cov(drawn.T), atol=0.2)


def test_draws_are_decoded_as_the_latents_were(case):
    before, after, latents, others = case
    z = RNG.normal(size=(ROWS, L))
    was = z @ np.linalg.cholesky(np.asarray(latents.covariance, np.float64)).T + np.asarray(latents.mean)
    np.testing.assert_allclose(decoded(after, z, others), decoded(before, was, others), atol=1e-3)
    assert np.abs(decoded(before, z, others) - decoded(before, was, others)).max() > 0.1  # which are not the same


def test_encoded_motion_is_decoded_as_before(case):
    before, after, _, others = case
    x = draw(ROWS, HIDDEN)
    mine, given = (decoded(v, encoded(v, x), others) for v in (after, before))
    np.testing.assert_allclose(mine, given, atol=1e-3)


def test_latents_come_out_standard(case):
    before, after, latents, _ = case
    x = draw(ROWS, HIDDEN)
    root = np.linalg.cholesky(np.asarray(latents.covariance, np.float64))
    expected = np.linalg.solve(root, (encoded(before, x) - np.asarray(latents.mean)).T).T
    np.testing.assert_allclose(encoded(after, x), expected, atol=1e-3)
    noise = np.diag(np.linalg.solve(root, np.diag(latents.noise) @ np.linalg.inv(root).T))
    layer = after["params"]["encoder"]["log_variance"]
    np.testing.assert_allclose(np.exp(layer["bias"]), noise, rtol=1e-3)
    assert not np.asarray(layer["kernel"]).any()


def test_standard_latents_stay_as_they_are():
    before = layers()
    unit = pose_prior.Latents(jnp.zeros(L), jnp.eye(L), jnp.ones(L))
    after = pose_prior.standardised(before, unit)
    for mine, given in zip(
        *map(jax.tree.leaves, (after["params"]["decoder"], before["params"]["decoder"])), strict=True
    ):
        np.testing.assert_allclose(mine, given, atol=1e-6)
