"""Windows and pairs that the sync expert is trained with, and its verdict."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.systems import motion_sync

CLIPS, FRAMES = 3, 40
NUMBER = 1000 * jnp.arange(CLIPS)[:, None] + jnp.arange(FRAMES)[None]  # clip and frame
MOTION = jnp.repeat(NUMBER[..., None].astype(jnp.float32), 204, -1)
SOUND = jnp.repeat(NUMBER.astype(jnp.float32), 2, axis=1)[..., None]


class Clock(nn.Module):
    """Hears and sees the number of the first frame as an angle."""

    def __call__(self, sound, mouth):
        angles = 0.05 * sound[..., 0, 0], 0.05 * mouth[..., 0, 0]
        return tuple(jnp.stack([jnp.cos(a), jnp.sin(a)], -1) for a in angles)


def test_windows_of_sound_and_mouth_begin_at_the_same_frame():
    starts = jnp.array([[0, 7], [3, 35], [1, 2]])
    mouth, sound = motion_sync.mouth_windows(MOTION, starts), motion_sync.sound_windows(SOUND, starts)
    assert mouth.shape == (3, 2, 5, 60) and sound.shape == (3, 2, 10, 1)
    np.testing.assert_array_equal(mouth[..., 0], sound[:, :, ::2, 0])
    np.testing.assert_array_equal(mouth[1, 1, :, 0], 1000 + jnp.arange(35, 40))


def test_half_of_the_pairs_belong_together_and_no_other_does():
    mask = jnp.ones((CLIPS, FRAMES)).at[1, 25:].set(0)
    sound, mouth, together = jax.jit(motion_sync.pairs, static_argnums=4)(jax.random.key(0), SOUND, MOTION, mask, 400)
    heard, seen = sound[..., 0, 0], mouth[..., 0, 0]
    right = np.asarray(together) > 0.5
    assert 0.45 < right.mean() < 0.55
    np.testing.assert_array_equal(np.asarray(heard)[right], np.asarray(seen)[right])
    apart = np.abs(np.asarray(heard - seen))[~right]
    assert apart.min() >= 2
    near, other = ((apart >= 2) & (apart <= 5)).mean(), (apart > 500).mean()
    assert 0.375 < near < 0.55 and 0.2 < other < 0.3
    own = np.asarray(jnp.concatenate([heard[1], seen[1]]))
    own = own[(own >= 1000) & (own < 2000)]
    assert own.max() <= 1020  # windows end within the mask


def test_the_verdict_is_good_for_motion_in_sync_and_ignores_what_is_masked():
    network, mask, first = Clock(), jnp.ones((CLIPS, FRAMES)).at[2, 20:].set(0), jnp.array([0, 4, 2])
    good, whole = motion_sync.verdict(network, {}, SOUND, MOTION, mask, first)
    bad, _ = motion_sync.verdict(network, {}, SOUND, jnp.roll(MOTION, 6, axis=1), mask, first)
    assert whole.tolist() == [[1.0] * 7, [1.0] * 7, [1.0] * 3 + [0.0] * 4]  # 2 + 5 x 3 = 17 fits into 20 frames
    assert float((good * whole).max()) < 1e-3 and float((bad * whole).sum() / whole.sum()) > 0.02
