"""Motion to MPEG-4 parameters and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxtalk.convert import ict
from jaxtalk.face import arkit, builtin, fap, fap_motion, fap_stream, visemes
from jaxtalk.face.motion import Motion


@pytest.fixture(scope="module")
def on():
    return fap_motion.shapes(builtin.model())


@pytest.fixture(scope="module")
def talking():
    """Mouth shapes and expressions in random mixtures, with blinks, gaze and a turning head."""
    rng = np.random.default_rng(0)
    mouth, faces = visemes.coefficients(visemes.VISEMES), visemes.coefficients(visemes.EXPRESSIONS)
    expression = rng.dirichlet(np.full(15, 0.3), 200) @ mouth + 0.5 * rng.dirichlet(np.full(7, 0.3), 200) @ faces
    for name in ("eyeBlink", "eyeLookDown", "eyeLookIn"):
        for side in ("Left", "Right"):
            expression[:, arkit.INDEX[name + side]] = rng.beta(0.5, 2, 200)
    tracks = np.clip(expression, 0, 1), rng.normal(0, 0.2, (200, 3)), rng.normal(0, 0.01, (200, 3))
    return Motion(*(jnp.asarray(track, jnp.float32) for track in tracks), 25.0, arkit.NAMES)


def lips(model, expression):
    places = model.template[model.landmarks][None]
    return np.asarray(places + jnp.einsum("te,evc->tvc", expression, model.expression[:, model.landmarks]))[:, 48:]


def opening(model, expression):
    """Gap of the inner lips beyond the neutral face's, in units of MNS."""
    gap = np.asarray([12, 13, 14, 15, 16, 17, 18, 19])
    inner = lips(model, expression)[:, gap, 1] - lips(model, jnp.zeros((1, len(model.expression))))[:, gap, 1]
    return (inner[:, 1:4] - inner[:, [7, 6, 5]]).mean(-1) / fap.distances(model).MNS


def test_what_a_motion_gives_brings_the_motion_back(on, talking):
    stream = fap_stream.stream(np.asarray(fap_motion.from_motion(on, talking)), talking.fps)
    back = fap_motion.to_motion(on, jnp.asarray(stream.values, jnp.float32), talking.fps)
    np.testing.assert_allclose(back.rotation, talking.rotation, atol=1.01e-5)  # one unit, rounded
    assert not back.translation.any() and back.names == talking.names and back.fps == talking.fps
    error = np.asarray(back.expression - talking.expression)
    assert np.sqrt((error**2).mean()) < 0.05 and np.abs(error).mean() < 0.02
    model = builtin.model()
    apart = np.linalg.norm(lips(model, back.expression) - lips(model, talking.expression), axis=-1)
    assert apart.mean() < 1e-4 and apart.max() < 1e-3  # metres


def test_the_solver_finds_what_scipy_finds(on, talking):
    faps = fap_motion.from_motion(on, talking)[:6]
    faps = faps + 30 * jax.random.normal(jax.random.key(0), faps.shape)  # beyond what the shapes can do
    selected = np.ones(68, bool)
    selected[3:12] = False
    weights = on.weights(selected)
    found = np.asarray(fap_motion.solve(on, faps, weights))
    rows = np.asarray(on.rows() * weights[None], np.float64)
    design = np.concatenate([rows.T, np.sqrt(fap_motion.RIDGE) * np.eye(len(rows))])
    for wanted, ours in zip(np.asarray(on.wanted(faps) * weights[None], np.float64), found, strict=True):
        target = np.concatenate([wanted, np.zeros(len(rows))])
        best = scipy.optimize.lsq_linear(design, target, (0.0, 1.0), method="bvls").x
        cost, least = (((design @ e - target) ** 2).sum() for e in (ours, best))
        assert cost < 1.001 * least + 1e-3
        assert np.abs(ours - best).max() < 0.03


def test_coefficients_stay_within_bounds_whatever_is_asked(on):
    faps = 3000 * jax.random.normal(jax.random.key(1), (5, 68))
    expression = np.asarray(fap_motion.to_motion(on, faps, 25.0).expression)
    assert expression.min() == 0 and expression.max() == 1


@pytest.mark.slow
def test_shapes_of_unknown_names_may_go_to_both_sides():
    """A model like the Basel face: components instead of named shapes."""
    import dataclasses

    model = builtin.model()
    mix = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(52, 52)))[0][:20], jnp.float32)
    basis = jnp.einsum("ke,evc->kvc", mix, model.expression)
    blind = dataclasses.replace(model, expression=basis, expression_names=tuple(f"bfm{k:02d}" for k in range(20)))
    on = fap_motion.shapes(blind)
    weights = jax.random.normal(jax.random.key(2), (10, 20)) / 2
    still = jnp.zeros((10, 3))
    faps = fap_motion.from_motion(on, Motion(weights, still, still, 25.0, blind.expression_names))
    back = fap_motion.to_motion(on, faps, 25.0).expression
    assert np.asarray(back).min() < -0.2
    apart = np.linalg.norm(lips(blind, back) - lips(blind, weights), axis=-1)
    assert apart.mean() < 1e-3


def test_solving_is_differentiable(on):
    faps = 50 * jax.random.normal(jax.random.key(3), (2, 68))
    loss = jax.jit(
        jax.jacfwd(lambda scale: (fap_motion.solve(on, scale * faps, on.weights(np.ones(68, bool))) ** 2).sum())
    )
    step = 1e-2
    value = lambda s: float((fap_motion.solve(on, s * faps, on.weights(np.ones(68, bool))) ** 2).sum())  # noqa: E731
    assert float(loss(1.0)) == pytest.approx((value(1 + step) - value(1 - step)) / (2 * step), rel=0.05)


@pytest.mark.slow
def test_one_stream_opens_the_lips_of_two_faces_alike(on, talking, published):
    model = ict.load(published / "ict_facekit.npz")
    other = fap_motion.shapes(model)
    stream = fap_stream.stream(np.asarray(fap_motion.from_motion(on, talking)), talking.fps)
    faps = jnp.asarray(stream.values, jnp.float32)
    ours, theirs = fap_motion.to_motion(on, faps, 25.0), fap_motion.to_motion(other, faps, 25.0)
    a, b = opening(builtin.model(), ours.expression), opening(model, theirs.expression)
    assert np.corrcoef(a, b)[0, 1] > 0.99 and 0.93 < (a * b).sum() / (a * a).sum() < 1.07
    # ICT's shapes leave the eyeballs to us.
    drawn = fap_motion.vertices(other, model, theirs.expression[:4], faps[:4])
    measured = other.features.measure(other.features.gather(drawn))
    gaze = [fap.COLUMN[name] for name in ("yaw_l_eyeball", "pitch_r_eyeball")]
    np.testing.assert_allclose(measured[:, np.array(gaze)], faps[:4, np.array(gaze)], atol=50)
