import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics import lip_sync
from jaxtalk.metrics.mean import Mean


def pair(seed, *shape):
    return (jnp.asarray(x) for x in np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32))


def loops(face, sound, reach):
    """The published evaluation, window by window in float64."""
    face, sound = np.asarray(face, np.float64), np.asarray(sound, np.float64)
    padded = np.concatenate([np.zeros((reach, face.shape[1])), sound, np.zeros((reach, face.shape[1]))])
    distances = np.array(
        [[np.linalg.norm(face[i] - padded[i + k] + 1e-6) for k in range(2 * reach + 1)] for i in range(len(face))]
    )
    mean = distances.mean(0)
    best = int(np.argmin(mean))
    return distances, mean.min(), np.median(mean) - mean.min(), reach - best, np.median(mean) - distances[:, best]


def test_equals_the_published_evaluation_written_as_loops():
    face, sound = pair(0, 37, 6)
    sound = 0.5 * sound + jnp.roll(face, -3, axis=0)
    distances, *expected = loops(face, sound, 5)
    np.testing.assert_allclose(lip_sync.shifted_distances(face, sound, 5), distances, rtol=1e-5)
    for value, wanted in zip(lip_sync.lip_sync(face, sound, 5), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("early", [-15, -4, 0, 7, 15])
def test_offset_counts_the_frames_that_the_sound_is_early_by(early):
    words, _ = pair(1, 240, 8)
    face, sound = words[20:220], words[20 + early : 220 + early]  # row i of the sound belongs to face i + early
    scores = jax.jit(lip_sync.lip_sync)(face, sound)
    assert float(scores.offset) == early
    assert float(scores.confidence) > 1
    assert early or float(scores.distance) < 1e-4


def test_clips_of_a_batch_are_scored_alone_and_average():
    face, sound = pair(2, 2, 3, 20, 4)
    together = lip_sync.lip_sync(face, sound)
    alone = lip_sync.lip_sync(face[1, 2], sound[1, 2])
    mapped = jax.vmap(lip_sync.lip_sync)(face, sound)
    for value, one, other in zip(together, alone, mapped, strict=True):
        np.testing.assert_allclose(value[1, 2], one, rtol=1e-6)
        np.testing.assert_allclose(value, other, rtol=1e-6)
    assert together.distance.dtype == together.offset.dtype == jnp.float32
    expected = np.mean(np.asarray(together.distance))
    assert float(Mean.of(together.distance).value()) == pytest.approx(expected, rel=1e-5)


def test_same_for_all_turns_of_the_space_of_embeddings():
    face, sound = pair(3, 30, 5)
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(4).normal(size=(5, 5)))[0], jnp.float32)
    for value, turned in zip(lip_sync.lip_sync(face, sound), lip_sync.lip_sync(face @ turn, sound @ turn), strict=True):
        np.testing.assert_allclose(value, turned, atol=1e-4)


def test_mean_frame_confidence_is_the_confidence():
    scores = lip_sync.lip_sync(*pair(5, 50, 4))
    assert float(scores.frame_confidence.mean()) == pytest.approx(float(scores.confidence), abs=1e-5)
    assert np.ptp(scores.frame_confidence) > 0.1


def test_one_window_and_zeros_are_finite_with_finite_gradients():
    for face, sound in [pair(6, 1, 4), (jnp.zeros((3, 4)), jnp.zeros((3, 4)))]:
        for value in lip_sync.lip_sync(face, sound):
            assert np.isfinite(value).all()
        slopes = jax.grad(lambda f, s: lip_sync.lip_sync(f, s).distance + lip_sync.sync_score(f, s), (0, 1))(
            face, sound
        )
        assert all(np.isfinite(slope).all() for slope in slopes)
    assert float(lip_sync.sync_score(jnp.zeros((3, 4)), jnp.ones((3, 4)))) == 0


def test_sync_score_is_the_mean_cosine_whatever_the_lengths():
    face = jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    sound = jnp.array([[5.0, 0.0], [0.0, 0.1], [1.0, 1.0]])
    np.testing.assert_allclose(lip_sync.agreement(face, sound), [1.0, 0.0, 0.5**0.5], atol=1e-6)
    assert float(lip_sync.sync_score(face, sound)) == pytest.approx((1 + 0.5**0.5) / 3, abs=1e-6)
