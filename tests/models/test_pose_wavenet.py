"""PoseWaveNet against the published network and its loop, its mixture against scipy, and as a network to train."""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxtalk.convert import geneface
from jaxtalk.models import pose_wavenet
from jaxtalk.models.pose_wavenet import Config, Mixture, PoseWaveNet

TINY = Config(width=4, hearing=5, dilations=(1, 2, 1), centres=2)


def test_golden_mixture_and_poses():
    manifest, arrays = golden_fixture.load("geneface_audio2pose")
    variables, config = geneface.pose_wavenet_variables("golden", golden_fixture.state(manifest, arrays))
    given, model = golden_fixture.inputs(manifest), PoseWaveNet(config)
    assert config == Config() and config.reach == 15
    speech, pose = jnp.asarray(given["long_audio"])[None], jnp.asarray(given["init_pose"])[None]
    with jax.default_matmul_precision("highest"):
        mixture = jax.jit(model.apply)(variables, given["audio"], given["history"])
        poses = jax.jit(pose_wavenet.generate, static_argnums=0)(model, variables, jax.random.key(0), speech, pose)
    numbers = [mixture.logit, mixture.mean[..., 0, :], -mixture.log_deviation[..., 0, :]]
    golden_fixture.compare(manifest, arrays, "params", jnp.concatenate(numbers, axis=-1))
    golden_fixture.compare(manifest, arrays, "autoregressive_pose", poses[0])


@pytest.fixture(scope="module")
def tiny():
    model, keys = PoseWaveNet(TINY), jax.random.split(jax.random.key(0), 3)
    speech, before = jax.random.normal(keys[0], (2, 9, 3)), jax.random.normal(keys[1], (2, 9, 12))
    abstract = jax.eval_shape(model.init, keys[2], speech, before)
    return model, golden_fixture.variables(abstract), speech, before


def test_drawing_frame_by_frame_is_the_loop_that_computes_everything_anew(tiny):
    """With a mixture of two and noise, which both draw from the same keys."""
    model, variables, speech, _ = tiny
    pose, rng = jnp.arange(12.0).reshape(2, 6) / 6, jax.random.key(3)
    got = jax.jit(lambda s: pose_wavenet.generate(model, variables, rng, s, pose, 0.5))(speech)

    apply = jax.jit(model.apply)
    heard = jnp.concatenate([speech[:, :1].repeat(7, axis=1), speech], axis=1)
    past = jnp.concatenate([pose, jnp.zeros((2, 6))], axis=-1)[:, None].repeat(8, axis=1)
    for i in range(9):  # a window of 8 frames, more than the 5 that are seen
        mixture = apply(variables, heard[:, i : i + 8], past[:, -8:])
        last = Mixture(*(x[:, -1] for x in mixture))
        drawn = pose_wavenet.draw(jax.random.fold_in(rng, i), last, jnp.float32(0.5))
        past = jnp.concatenate([past, drawn[:, None]], axis=1)
    np.testing.assert_allclose(got, past[:, 8:, :6], atol=1e-5)


def test_an_output_sees_its_reach_and_nothing_that_comes_later(tiny):
    model, variables, speech, before = tiny

    def sixth(speech, before):
        return model.apply(variables, speech, before).mean[0, 6].sum()

    heard, seen = jax.jit(jax.grad(sixth, (0, 1)))(speech, before)
    assert TINY.reach == 5
    assert np.flatnonzero(np.abs(seen[0]).max(-1)).tolist() == [2, 3, 4, 5, 6]
    assert np.abs(heard[0, 6]).max() > 0 and np.all(heard[0, 7:] == 0) and np.all(heard[1] == 0)


@pytest.fixture(scope="module")
def mixture():
    """Two centres, one of them narrow in the first number, each with a weight."""
    rng = np.random.default_rng(0)
    logit, mean, log_deviation = rng.normal(size=2), 3 * rng.normal(size=(2, 12)), 0.3 * rng.normal(size=(2, 12))
    return Mixture(*(jnp.asarray(x, jnp.float32) for x in (logit, mean, log_deviation)))


def test_the_likelihood_is_that_of_the_mixture_and_no_jackpot_for_a_still_head(mixture):
    pose = jnp.linspace(-1, 1, 12)
    logit, mean, log_deviation = (np.asarray(x, np.float64) for x in mixture)
    each = stats.norm.logpdf(np.asarray(pose), mean, np.exp(log_deviation)).sum(1)
    want = np.log(np.sum(np.exp(logit) / np.exp(logit).sum() * np.exp(each)))
    np.testing.assert_allclose(pose_wavenet.log_likelihood(mixture, pose), want, rtol=1e-5)
    still = Mixture(jnp.zeros(1), pose[None], jnp.full((1, 12), -50.0))
    limit = 12 * stats.norm.logpdf(0, 0, 0.03)
    np.testing.assert_allclose(pose_wavenet.log_likelihood(still, pose), limit, rtol=1e-5)


def test_draws_have_the_mixtures_weights_and_spread(mixture):
    def draws(scale):
        keys = jax.random.split(jax.random.key(1), 20_000)
        return np.asarray(jax.vmap(lambda key: pose_wavenet.draw(key, mixture, jnp.float32(scale)))(keys))

    exact, half = draws(0.0), draws(0.5)
    first = np.isclose(exact, mixture.mean[0], atol=1e-5).all(1)
    assert np.isclose(exact[~first], mixture.mean[1], atol=1e-5).all()
    np.testing.assert_allclose(first.mean(), jax.nn.softmax(mixture.logit)[0], atol=0.02)
    np.testing.assert_allclose(half[first].std(0), 0.5 * np.exp(mixture.log_deviation[0]), rtol=0.05)


def test_every_parameter_has_a_gradient_dropout_hides_whole_columns_and_bfloat16_stays_close(tiny):
    model, variables, speech, before = tiny

    def loss(params, rng):
        made = model.apply({"params": params}, speech, before[:, :9], train=True, rngs={"dropout": rng})
        return -pose_wavenet.log_likelihood(made, before).sum()

    slope = jax.jit(jax.grad(loss))
    slopes = [slope(variables["params"], jax.random.key(k)) for k in range(2)]
    for path, value in jax.tree_util.tree_leaves_with_path(jax.tree.map(lambda a, b: abs(a) + abs(b), *slopes)):
        unused = "layer_2" in str(path) and "next" in str(path)  # as published: no layer follows the last
        assert np.isfinite(value).all() and (np.abs(value).max() == 0) == unused, path
    forget = model.bind(variables, rngs={"dropout": jax.random.key(0)}).forget
    hidden = forget(jnp.ones((2, 9, 12)), deterministic=False)
    assert set(np.unique(hidden)) == {0.0, 2.0} and np.all(hidden == hidden[:, :1])
    half = PoseWaveNet(dataclasses.replace(TINY, dtype=jnp.bfloat16))
    for got, want in zip(*(jax.jit(m.apply)(variables, speech, before) for m in (half, model)), strict=True):
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, want, atol=0.1)
