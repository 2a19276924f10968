"""Dynamic time warping against a table filled cell by cell, and against librosa."""

import itertools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from jaxtalk.metrics import lip_dtw

RNG = np.random.default_rng(0)


def table(a, b, band=None):
    """Cost and number of pairs of the best path, cell by cell."""
    a, b, n, m = np.asarray(a), np.asarray(b), len(a), len(b)
    best = {(-1, -1): (0.0, 0)}
    for i, j in itertools.product(range(n), range(m)):
        if band is not None and not min(m - n, 0) - band <= j - i <= max(m - n, 0) + band:
            continue
        before = [best.get(cell, (np.inf, 0)) for cell in ((i - 1, j - 1), (i - 1, j), (i, j - 1))]
        cost, pairs = min(before, key=lambda entry: entry[0])
        best[i, j] = (cost + np.linalg.norm(a[i] - b[j]), pairs + 1)
    return best[n - 1, m - 1]


def sequences(t, u, d, batch=()):
    return (jnp.asarray(RNG.normal(size=(*batch, n, d)), jnp.float32) for n in (t, u))


@pytest.mark.parametrize(("t", "u", "band"), [(12, 17, None), (17, 12, 2), (1, 5, 1)])
def test_is_the_cell_by_cell_table(t, u, band):
    a, b = sequences(t, u, 3, (4,))
    cost, pairs = lip_dtw.cost(a, b, band=band)
    expected = np.array([table(x, y, band) for x, y in zip(a, b, strict=True)])
    np.testing.assert_allclose(cost, expected[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(pairs, expected[:, 1])
    np.testing.assert_allclose(lip_dtw.lip_dtw(a, b, band=band), expected[:, 0] / expected[:, 1], rtol=1e-5)


@pytest.mark.parametrize(("t", "u", "band"), [(40, 53, None), (50, 40, 5)])
def test_is_librosas(t, u, band):
    a, b = sequences(t, u, 2)
    constraints = {} if band is None else {"global_constraints": True, "band_rad": (band + 1) / min(t, u)}
    total, path = librosa.sequence.dtw(np.asarray(a.T), np.asarray(b.T), metric="euclidean", **constraints)
    cost, pairs = lip_dtw.cost(a, b, band=band)
    np.testing.assert_allclose(cost, total[-1, -1], rtol=1e-5)
    assert int(pairs) == len(path)


def test_lips_that_say_the_same_slower_are_at_no_distance():
    opening = jnp.sin(jnp.arange(30.0))[:, None]
    assert float(lip_dtw.lip_dtw(jnp.repeat(opening, 2, axis=0), opening)) == 0
    late = jnp.concatenate([jnp.zeros((3, 1)), opening[:-3]])
    assert float(lip_dtw.lip_dtw(late, opening)) < 0.3 * float(jnp.abs(late - opening).mean())
    assert float(lip_dtw.lip_dtw(opening + 1, opening)) > 0.2


def test_a_band_of_nothing_compares_frame_by_frame():
    a, b = sequences(20, 20, 2)
    expected = np.linalg.norm(np.asarray(a - b), axis=-1).mean()
    assert float(lip_dtw.lip_dtw(a, b, band=0)) == pytest.approx(expected, rel=1e-5)
    narrow, wide, all_ = (float(lip_dtw.lip_dtw(a, b, band=band)) for band in (2, 19, None))
    assert wide == all_ < narrow < expected


def test_padding_does_not_count():
    a, b = sequences(15, 14, 2, (2, 3))
    frames = (jnp.array([[15, 7, 1], [9, 9, 0]]), jnp.array([[14, 9, 4], [9, 2, 5]]))
    padded = [
        jnp.asarray(np.where(np.arange(x.shape[-2])[:, None] < np.asarray(n)[..., None, None], x, np.nan))
        for x, n in zip((a, b), frames, strict=True)
    ]
    ours = lip_dtw.lip_dtw(padded[0], padded[1], frames, band=2)
    for i, j in itertools.product(range(2), range(3)):
        n, m = int(frames[0][i, j]), int(frames[1][i, j])
        cost, pairs = table(a[i, j, :n], b[i, j, :m], 2) if n else (0, 1)
        assert float(ours[i, j]) == pytest.approx(cost / pairs, rel=1e-5)


def test_is_symmetric_and_runs_under_jit_and_vmap():
    a, b = sequences(11, 13, 1, (5,))
    once = jax.jit(jax.vmap(lip_dtw.lip_dtw))(a, b)
    np.testing.assert_allclose(lip_dtw.cost(b, a)[0], lip_dtw.cost(a, b)[0], rtol=1e-6)
    np.testing.assert_allclose(once, lip_dtw.lip_dtw(a, b), rtol=1e-6)
