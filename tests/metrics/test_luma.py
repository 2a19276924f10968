import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxtalk.metrics import luma


def test_grey_levels_are_pillows_grey():
    colours = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    ours = luma.grey_levels(jnp.asarray(colours, jnp.float32) / 255)
    theirs = np.asarray(Image.fromarray(colours).convert("L"))
    assert (ours == theirs).mean() > 0.999 and np.abs(np.asarray(ours) - theirs).max() <= 1


def test_grey_stays_and_white_is_one():
    levels = jnp.arange(256.0)
    grey = jnp.broadcast_to(levels[:, None, None], (256, 1, 3)) / 255
    assert (luma.grey_levels(grey)[:, 0] == levels).all()
    np.testing.assert_allclose(luma.luma(jnp.ones((2, 1, 1, 3))), 1, atol=1e-6)
