"""The perceptual loss on a pyramid, with features that can be followed by hand."""

import jax
import numpy as np
import pytest

from jaxtalk.losses import perceptual
from jaxtalk.models import vgg
from jaxtalk.nn.shrink import shrink


def pictures():
    return jax.random.uniform(jax.random.key(0), (2, 2, 16, 16, 3))


def plain(image):
    return [image, 2 * image[:, ::2, ::2]]


def test_it_is_the_weighted_sum_over_scales_and_maps():
    made, true = pictures()
    found = perceptual.perceptual(plain, made, true, 3.0, (1, 4))
    wanted = 0
    for scale in (1, 4):
        a, b = (np.asarray(shrink(image, scale)) for image in (made, true))
        wanted += 3 * abs(a - b).mean((1, 2, 3)) + 3 * 2 * abs(a - b)[:, ::2, ::2].mean((1, 2, 3))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_it_is_zero_for_equal_pictures_and_the_true_one_is_a_constant():
    made, true = pictures()
    np.testing.assert_allclose(perceptual.perceptual(plain, made, made), 0)
    gradient = jax.grad(lambda a, b: perceptual.perceptual(plain, a, b).sum(), argnums=(0, 1))(made, true)
    assert np.abs(gradient[0]).min() > 0 and np.abs(gradient[1]).max() == 0


@pytest.mark.slow
def test_published_layers_are_the_first_of_each_block_of_vgg19():
    network = vgg.VGG(vgg.Config(convolutions=vgg.VGG19.convolutions, widths=(2, 2, 2, 2, 2)))
    image = pictures()[0]
    variables = network.init(jax.random.key(0), image, perceptual.TAPS)
    maps = network.apply(variables, image, perceptual.TAPS)
    assert [maps[name].shape[1] for name in perceptual.TAPS] == [16, 8, 4, 2, 1]

    def loss(made):
        return perceptual.perceptual(
            lambda x: list(network.apply(variables, x, perceptual.TAPS).values()), made, 1 - image, 10.0, (1,)
        ).sum()

    gradient = jax.grad(loss)(image)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
