"""Convolutions over time that a mesh splits give what they give on one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.nn import time_parts
from jaxtalk.nn.conv import convolve
from jaxtalk.train import mesh, parallel
from jaxtalk.train.mesh import MeshShape
from jaxtalk.train.sharding import RULES

# Each of 8 frames hears 16 values, 3 apart: more than the 6 values that a quarter of them begins.
WINDOW, HOP = 16, 3
X = np.random.default_rng(0).standard_normal((4, 7 * HOP + WINDOW + 1, 5)).astype(np.float32)
KERNEL = np.random.default_rng(1).standard_normal((WINDOW, 5, 6)).astype(np.float32)


def frames(kernel, x):
    return time_parts.join(convolve(time_parts.cut(x, WINDOW, HOP), kernel, stride=HOP))


def loss(kernel, x):
    return (jnp.arange(8.0)[None, :, None] * jnp.tanh(frames(kernel, x))).sum()


def told(shape: MeshShape, devices: int):
    """Frames, and gradients for the kernel and for x."""
    with parallel.on(mesh.make(shape, jax.devices()[:devices]), RULES):
        return jax.jit(lambda *a: (frames(*a), *jax.grad(loss, (0, 1))(*a)))(KERNEL, X)


@pytest.mark.parametrize("shape", [MeshShape(data=2, sequence=4), MeshShape(sequence=2, tensor=4)], ids=str)
def test_parts_of_time_give_the_frames_and_gradients_of_all_of_it(shape):
    many = told(shape, 8)
    assert many[0].sharding.spec[1] == "sequence"
    for a, b in zip(many, told(MeshShape(), 1), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * float(jnp.abs(b).max()))


def test_without_a_mesh_nothing_is_cut():
    assert time_parts.ways() == 1
    x = jnp.asarray(X)
    assert time_parts.cut(x, WINDOW, HOP) is x and time_parts.join(x) is x


def test_frames_that_do_not_divide_are_refused_in_one_line():
    with pytest.raises(InputError, match="7 frames do not divide among --mesh.sequence 4"):
        with parallel.on(mesh.make(MeshShape(sequence=4), jax.devices()), RULES):
            jax.eval_shape(frames, KERNEL, X[:, :-HOP])
