import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.data import landmark_augment
from jaxtalk.face.landmarks import lip_opening
from jaxtalk.face.lip_shape import lip_shape


def _talking(clips: int, frames: int) -> jnp.ndarray:
    """Lips that part in a face of random points whose eyes are level."""
    rng = np.random.default_rng(0)
    face = np.repeat(0.2 * rng.normal(size=(clips, 1, 68, 3)), frames, axis=1)
    face[:, :, 36:42, 0] -= 1
    face[:, :, 42:48, 0] += 1
    face[..., 48:68, :] *= 0.2
    face[..., 48:68, 1] += 1
    face[..., [65, 66, 67], 1] += 0.3 + 0.2 * np.sin(np.arange(frames))[None, :, None]
    return jnp.asarray(300 * face, jnp.float32)


def test_lips_go_on_parting_when_they_did():
    face = _talking(64, 40)
    varied = jax.jit(landmark_augment.vary)(jax.random.key(0), face)
    assert varied.shape == (64, 40, 68, 2)
    before, after = (np.asarray(lip_opening(x)) for x in (face, varied))
    followed = [np.corrcoef(a, b)[0, 1] for a, b in zip(before, after, strict=True)]
    assert np.median(followed) > 0.7
    spread = after.std(1) / before.std(1)
    assert np.percentile(spread, 5) < 0.75 and np.percentile(spread, 95) > 1.05


def test_every_clip_looks_different_in_each_draw():
    face = jnp.repeat(_talking(1, 10), 8, axis=0)
    first, second = (lip_shape(landmark_augment.vary(jax.random.key(i), face)) for i in (0, 1))
    assert float(jnp.abs(first - second).max((1, 2, 3)).min()) > 0.01
    assert float(jnp.abs(first[0] - first[1]).max()) > 0.01
