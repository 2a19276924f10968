"""Which frames are hidden in pretraining, and with which others they are compared."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.models import time_mask


def test_about_half_is_hidden_in_spans_of_ten():
    own = jnp.arange(500)[None] < jnp.array([500, 500, 300, 7, 0])[:, None]
    masked = np.asarray(time_mask.spans(jax.random.key(0), own))
    assert not masked[~np.asarray(own)].any()
    assert 0.4 < masked[:3].sum() / own[:3].sum() < 0.55  # 1 - exp(-0.65) = 0.48
    for row, length in zip(masked[:2], (500, 500), strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        runs = edges.reshape(-1, 2)
        assert all(stop - start >= 10 or stop == length for start, stop in runs)
    assert masked[3].any() and not masked[4].any()


def test_the_number_of_spans_is_exact_and_where_they_begin_is_even():
    own = jnp.ones((2000, 40), bool)
    starts = np.asarray(time_mask.spans(jax.random.key(1), own, probability=0.1, length=1))
    assert np.all(starts.sum(1) == 4)
    np.testing.assert_allclose(starts.mean(0), 0.1, atol=0.03)


def test_distractors_are_the_other_masked_frames_of_the_utterance_drawn_evenly():
    masked = jnp.zeros((2, 12), bool).at[0, jnp.array([1, 4, 5, 9])].set(True).at[1, 2:9].set(True)
    drawn = np.asarray(time_mask.distractors(jax.random.key(0), masked, 3000))
    for row in range(2):
        hidden = np.flatnonzero(masked[row])
        for frame in hidden:
            seen, counts = np.unique(drawn[row, frame], return_counts=True)
            assert set(seen) == set(hidden) - {frame}
            np.testing.assert_allclose(counts / 3000, 1 / (len(hidden) - 1), atol=0.04)
