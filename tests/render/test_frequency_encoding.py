"""Sines and cosines at octaves against the published kernel and against double precision."""

import jax
import jax.numpy as jnp
import numpy as np
from golden_fixture import compare, inputs, load

from jaxtalk.render.frequency_encoding import frequencies


def test_published_values_of_poses_and_places():
    manifest, arrays = load("radnerf_sh_freq")
    given = inputs(manifest)
    compare(manifest, arrays, "freq_pose", frequencies(jnp.asarray(given["pose"]), 4))
    compare(manifest, arrays, "freq_xy", frequencies(jnp.asarray(given["xy"]), 10))


def test_sines_come_before_cosines_within_an_octave_with_any_axes_before():
    x = jax.random.uniform(jax.random.key(0), (2, 3, 4), minval=-1.0)
    blocks = [np.asarray(x, np.float64)]
    for octave in range(3):
        blocks += [np.sin(2**octave * blocks[0]), np.cos(2**octave * blocks[0])]
    np.testing.assert_allclose(frequencies(x, 3), np.concatenate(blocks, -1), atol=1e-6)
    np.testing.assert_array_equal(frequencies(x, 0), x)


def test_keeps_float32_for_inputs_of_fewer_bits():
    x = jnp.asarray([[0.7]], jnp.bfloat16)
    assert frequencies(x, 10).dtype == jnp.float32
    np.testing.assert_array_equal(frequencies(x, 10), frequencies(x.astype(jnp.float32), 10))
