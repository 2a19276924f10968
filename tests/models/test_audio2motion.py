"""Audio2Motion against the published networks, with padding, and as a network to train."""

import dataclasses
import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import pitch
from jaxtalk.convert import geneface
from jaxtalk.losses import vae
from jaxtalk.models import audio2motion
from jaxtalk.models.audio2motion import Audio2Motion, Config

TINY = Config(
    motion=6, features=5, pitch=True, latent=4, width=8, encoder_layers=1, decoder_layers=1, condition=6,
    pitch_condition=4, flow_width=6, flow_layers=1, couplings=1,
)  # fmt: skip


# The second does all that the first does, and hears pitch too.
@pytest.mark.parametrize("fixture", [pytest.param("geneface_vae", marks=pytest.mark.slow), "geneface_pitch_vae"])
def test_golden_motions(fixture):
    manifest, arrays = golden_fixture.load(fixture)
    variables, config = geneface.audio2motion_variables("golden", golden_fixture.state(manifest, arrays))
    given = {name: jnp.asarray(value) for name, value in golden_fixture.inputs(manifest).items()}
    hubert, hertz = given["hubert"], given.get("f0")
    mask = jnp.ones((2, 48)).at[1, -8:].set(0)
    model = Audio2Motion(config)
    assert config == Config(pitch=hertz is not None, published_masks=True)

    @jax.jit
    def run(variables):
        again, latents = model.apply(variables, given["y"], hubert, mask, given["eps_posterior"], hertz)

        def draw(temperature):
            noise = temperature * given["eps_prior"]
            return model.apply(variables, mask, hubert, noise, hertz, method="generate")

        return again, latents, jax.lax.map(draw, jnp.array([1.0, 0.2, 0.0]))

    with jax.default_matmul_precision("highest"):
        again, latents, drawn = run(variables)
    golden_fixture.compare(manifest, arrays, "recon", again)
    golden_fixture.compare(manifest, arrays, "m_q", latents.mean)
    golden_fixture.compare(manifest, arrays, "logs_q", latents.log_deviation)
    golden_fixture.compare(manifest, arrays, "z_p", latents.normal)
    each = vae.kl_by_sample(latents.z, latents.mean, latents.log_deviation, latents.normal)
    divergence = jnp.sum(each * latents.mask) / latents.mask.sum() / config.latent
    golden_fixture.compare(manifest, arrays, "loss_kl", divergence[None])
    for name, motion in zip(("infer_t1", "infer_t02", "infer_zero_noise"), drawn, strict=True):
        golden_fixture.compare(manifest, arrays, name, motion)
    if hertz is not None:
        golden_fixture.compare(manifest, arrays, "f0_coarse", pitch.coarse(hertz[:, ::2]))


@pytest.fixture(scope="module")
def tiny():
    """Lively variables and two clips of 24 frames."""
    keys = jax.random.split(jax.random.key(1), 4)
    motion, hubert = jax.random.normal(keys[0], (2, 24, 6)), jax.random.normal(keys[1], (2, 48, 5))
    noise, hertz = jax.random.normal(keys[2], (2, 6, 4)), 500 * jax.random.uniform(keys[3], (2, 48))
    given = (motion, hubert, jnp.ones((2, 24)), noise, hertz)
    return golden_fixture.variables(jax.eval_shape(Audio2Motion(TINY).init, jax.random.key(0), *given)), given


@pytest.fixture(scope="module")
def again(tiny):
    """A motion encoded and decoded."""
    return jax.jit(functools.partial(Audio2Motion(TINY).apply, tiny[0]))


@pytest.fixture(scope="module")
def drawn(tiny):
    """A motion for speech alone."""
    return jax.jit(functools.partial(Audio2Motion(TINY).apply, tiny[0], method="generate"))


def test_a_clip_in_a_padded_batch_moves_as_it_does_alone(tiny, again, drawn):
    """Whatever stands in the padding, also where the stride does not divide the length."""
    _, (motion, hubert, mask, noise, hertz) = tiny
    frames, count = 13, audio2motion.latents(TINY, 13)
    mask = mask.at[1, frames:].set(0)
    both, among = again(motion, hubert, mask, noise, hertz), drawn(mask, hubert, noise, hertz)
    assert np.all(both[0][1, frames:] == 0) and np.all(among[1, frames:] == 0)
    assert count == 4 and both[1].mask.sum(1).tolist() == [6, count]

    motion, mask, noise = motion[1:, :frames], mask[1:, :frames], noise[1:, :count]
    hubert, hertz = hubert[1:, : 2 * frames], hertz[1:, : 2 * frames]
    alone = again(motion, hubert, mask, noise, hertz)
    np.testing.assert_allclose(both[0][1:, :frames], alone[0], atol=1e-5)
    for of_both, of_alone in zip(both[1], alone[1], strict=True):
        np.testing.assert_allclose(of_both[1:, :count], of_alone, atol=1e-5)
    np.testing.assert_allclose(among[1:, :frames], drawn(mask, hubert, noise, hertz), atol=1e-5)


def test_the_published_masks_let_padding_in_and_change_nothing_without_it(tiny, again):
    variables, (motion, hubert, mask, noise, hertz) = tiny
    published = jax.jit(Audio2Motion(dataclasses.replace(TINY, published_masks=True)).apply)
    for own, changes in ((mask, False), (mask.at[1, 12:].set(0), True)):
        got, want = (f(motion, hubert, own, noise, hertz)[0] for f in (functools.partial(published, variables), again))
        np.testing.assert_allclose(got[0], want[0], atol=1e-6)
        assert (np.abs(got - want)[1].max() > 1e-3) == changes


def test_a_motion_is_heard_and_varies_with_noise(tiny, drawn):
    _, (_, hubert, mask, noise, hertz) = tiny
    quiet = drawn(mask, hubert, 0 * noise, hertz)
    for other in (drawn(mask, hubert, noise, hertz), drawn(mask, -hubert, 0 * noise, hertz)):
        assert np.abs(other - quiet).max() > 0.1
    low = drawn(mask, hubert, 0 * noise, hertz.at[0].set(0.0))
    assert np.abs(low - quiet)[0].max() > 0.01 and np.all(low[1] == quiet[1])


def test_every_parameter_has_a_gradient_and_statistics_are_of_own_frames(tiny):
    variables, (motion, hubert, mask, noise, hertz) = tiny
    model, mask = Audio2Motion(TINY), mask.at[1, 14:].set(0)

    @jax.jit
    def grad(params, motion, hubert):
        def loss(params):
            given = (motion, hubert, mask, noise, hertz)
            (again, latents), updated = model.apply(
                {**variables, "params": params}, *given, train=True, mutable=["batch_stats"]
            )
            kl = vae.kl_by_sample(latents.z, latents.mean, latents.log_deviation, latents.normal) * latents.mask
            return jnp.sum(jnp.sin(again)) + kl.sum(), updated["batch_stats"]

        return jax.grad(loss, has_aux=True)(params)

    slopes, statistics = grad(variables["params"], motion, hubert)
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        assert np.isfinite(slope).all() and np.abs(slope).max() > 0, path
    other = grad(variables["params"], motion.at[1, 14:].set(9.0), hubert.at[1, 28:].set(-7.0))
    for got, want in zip(jax.tree.leaves(other), jax.tree.leaves((slopes, statistics)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_close(tiny, again):
    variables, given = tiny
    half = jax.jit(Audio2Motion(dataclasses.replace(TINY, dtype=jnp.bfloat16)).apply)(variables, *given)
    for ours, full in zip(jax.tree.leaves(half), jax.tree.leaves(again(*given)), strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, full, atol=0.1)
