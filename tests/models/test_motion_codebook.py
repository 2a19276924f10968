"""The codebook beside what its definitions say, and its ways to learn."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.codebook import CodebookUse
from jaxtalk.models import codebook
from jaxtalk.models.codebook import Averages, Codebook

CODES = jax.random.normal(jax.random.key(0), (7, 3))
X = jax.random.normal(jax.random.key(1), (2, 4, 5, 3))


def test_codes_are_the_nearest():
    coded = Codebook(7, 3).apply({"params": {"codes": CODES}}, X)
    apart = ((np.asarray(X)[..., None, :] - np.asarray(CODES)) ** 2).sum(-1)
    np.testing.assert_allclose(codebook.distances(CODES, X), apart, atol=1e-5)
    np.testing.assert_array_equal(coded.indices, apart.argmin(-1))
    np.testing.assert_array_equal(coded.codes, np.asarray(CODES)[apart.argmin(-1)])


def test_straight_through_gives_codes_forward_and_the_identity_backward():
    slope = jax.random.normal(jax.random.key(2), X.shape)

    indices = codebook.nearest(CODES, X)

    def through(x, codes):
        return jnp.sum(slope * codebook.straight_through(x, codes[indices]))

    np.testing.assert_allclose(codebook.straight_through(X, CODES[indices]), CODES[indices], atol=1e-6)
    to_x, to_codes = jax.grad(through, (0, 1))(X, CODES)
    np.testing.assert_array_equal(to_x, slope)
    assert np.all(to_codes == 0)


def test_each_term_of_the_loss_moves_one_side_only():
    """Against the gradients of both terms without stops: each is half of a squared distance's."""
    x, codes = X[:, :, 0], X[:, :, 1]
    whole = jax.grad(lambda x, codes: jnp.mean((x - codes) ** 2), (0, 1))(x, codes)

    def of(loss):
        return jax.grad(lambda x, codes: loss(x, codes).mean(), (0, 1))(x, codes)

    to_x, to_codes = of(lambda x, codes: losses.quantisation(x, codes, beta=0.25))
    np.testing.assert_allclose(to_x, 0.25 * whole[0], rtol=1e-5)
    np.testing.assert_allclose(to_codes, whole[1], rtol=1e-5)
    to_x, to_codes = of(losses.commitment)
    np.testing.assert_allclose(to_x, whole[0], rtol=1e-5)
    assert np.all(to_codes == 0)
    both = losses.quantisation(x, codes, beta=0.25)
    np.testing.assert_allclose(both, 1.25 * ((x - codes) ** 2).mean((1, 2)), rtol=1e-5)


def test_losses_are_of_own_frames():
    own = jnp.array([[True, True, False, False], [True, True, True, True]])
    for loss, power in ((losses.absolute_error, 1), (losses.squared_error, 2)):
        got = loss(X, 2 * X, own)
        np.testing.assert_allclose(got[0], (np.abs(X[0, :2]) ** power).mean(), rtol=1e-5)
        np.testing.assert_allclose(got[1], loss(X, 2 * X)[1], rtol=1e-5)
    assert losses.squared_error(X, 2 * X, own & False).tolist() == [0, 0]


def test_averages_lead_codes_to_the_means_of_what_takes_them():
    """Two clumps and a code that is too far off for both."""
    rng = np.random.default_rng(0)
    clumps = np.array([[1.0, 0, 0], [0, -2.0, 0]])
    x = jnp.asarray(clumps[rng.integers(0, 2, 400)] + 0.01 * rng.standard_normal((400, 3)), jnp.float32)
    averages = Averages.of(jnp.array([[0.6, 0.1, 0], [0.2, -1.0, 0], [9.0, 9, 9]]))
    assert np.allclose(averages.codes[2], 9)
    own = jnp.arange(400) < 300
    for _ in range(100):
        averages = averages.after(x, codebook.nearest(averages.codes, x), own, decay=0.8)
    means = [np.asarray(x[:300])[np.asarray(codebook.nearest(averages.codes, x))[:300] == k].mean(0) for k in (0, 1)]
    np.testing.assert_allclose(averages.codes[:2], means, atol=1e-4)
    np.testing.assert_allclose(averages.codes[2], 9, rtol=1e-4)


def test_dead_codes_come_to_life_on_vectors_that_are_there():
    far = CODES.at[3:].add(50)
    indices = codebook.nearest(far, X)
    used = CodebookUse.of(indices, 7).counts > 0
    assert not used[3:].any()
    own = jnp.zeros(X.shape[:-1], bool).at[0].set(True)
    new = codebook.revive(jax.random.key(3), far, used, X, own)
    np.testing.assert_array_equal(new[used], far[used])
    rows = np.asarray(X[0]).reshape(-1, 3)
    for code in np.asarray(new)[~np.asarray(used)]:
        assert np.any(np.all(rows == code, axis=1))
    assert CodebookUse.of(codebook.nearest(new, X), 7).used() > used.mean()
