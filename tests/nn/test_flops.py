"""Products counted on paper: by hand, and as the compiler counts them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn import flops
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.upsample import EnlargedConv
from jaxtalk.train import hlo, work


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def of(layer, *shape):
    return flops.count(layer.init, jax.random.key(0), floats(*shape)).forward


def test_taps_that_meet_padding_are_no_products():
    assert of(Conv(5, (3, 3), padding=1), 2, 4, 6, 7) == 2 * 2 * (3 * 4 - 2) * (3 * 6 - 2) * 7 * 5
    assert of(Conv(4, (3,), stride=2, padding=1, groups=2), 1, 8, 4) == 2 * (3 * 4 - 1) * 2 * 4
    assert of(nn.Dense(3), 2, 5, 7) == 2 * 2 * 5 * 7 * 3


@pytest.mark.parametrize(("window", "stride", "padding", "dilation"), [(7, 2, 3, 1), (3, 1, 2, 2), (4, 3, 0, 1)])
def test_pairs_are_those_of_a_convolution_of_ones(window, stride, padding, dilation):
    pairs = jax.lax.conv_general_dilated(
        jnp.ones((1, 1, 11)), jnp.ones((1, 1, window)), (stride,), [(padding, padding)], rhs_dilation=(dilation,)
    )
    assert flops._pairs(11, pairs.shape[-1], window, stride, padding, dilation) == pairs.sum()


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_an_enlarged_picture_needs_one_product_for_each_pair_of_a_pixel_and_what_is_different(factor):
    """Along a line of n pixels: which sums of taps meet which pixels, equal ones once."""
    size, needed = 6, set()
    for place in range(factor * size):
        taps = [(place + tap - 1) // factor for tap in range(3)]
        kind = tuple(tap - place // factor for tap in taps)
        needed |= {(kind, place // factor, pixel) for pixel in taps if 0 <= pixel < size}
    assert of(EnlargedConv(1, factor), 1, size, size, 1) == 2 * len(needed) ** 2


def test_a_gradient_of_layers_takes_what_was_counted():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(Conv(8, (3, 3), stride=2, padding=1)(x))
            x = nn.relu(Conv(8, (3, 3))(x))
            return nn.Dense(4)(x.mean((1, 2)))

    network, image = Network(), floats(3, 13, 13, 2)
    params = jax.eval_shape(network.init, jax.random.key(0), image)
    found = flops.count(network.init, jax.random.key(0), image)
    loss = lambda params, image: (network.apply(params, image) ** 2).sum()  # noqa: E731
    for argument, told in ((0, found.train), (1, found.through)):
        compiled = jax.jit(jax.grad(loss, argument)).lower(params, image).compile()
        counted = sum(part.times * part.flops for part in work.read(hlo.parse(compiled.as_text())))
        assert counted == pytest.approx(told, rel=0.01)
    np.testing.assert_array_less(found.first, found.forward)
