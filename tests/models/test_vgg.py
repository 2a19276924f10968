"""VGG-16 and VGG-19 against torchvision's, layer by layer, and as part of a loss."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import perceptual
from jaxtalk.errors import InputError
from jaxtalk.models import imagenet, vgg

SMALL = vgg.Config(convolutions=(1, 2, 1, 1, 1), widths=(4, 6, 8, 8, 8))


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_golden_layers_before_and_after_relu(kind):
    manifest, arrays = golden_fixture.load(f"perceptual_{kind}")
    variables = perceptual.variables("golden", kind, golden_fixture.state(manifest, arrays))
    network, _ = perceptual.model(kind)
    image = jnp.asarray(golden_fixture.inputs(manifest)["image"]).transpose(0, 2, 3, 1)
    taps = [output["name"] for output in manifest["outputs"]]
    with jax.default_matmul_precision("highest"):
        layers = jax.jit(lambda *given: network.apply(*given, taps))(variables, image)
    assert set(layers) == set(taps)
    for name, value in layers.items():
        golden_fixture.compare(manifest, arrays, name, value.transpose(0, 3, 1, 2))


@pytest.fixture(scope="module")
def small():
    model = vgg.VGG(SMALL)
    image = jax.random.uniform(jax.random.key(1), (2, 3, 32, 48, 3))
    return model, golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), image)), image


def test_relu_and_pooling_follow_their_convolution_and_leading_axes_are_kept(small):
    model, variables, image = small
    seen = jax.jit(lambda image: model.apply(variables, image, SMALL.layers))(image)
    np.testing.assert_array_equal(seen["relu2_2"], np.maximum(seen["conv2_2"], 0))
    assert seen["conv2_2"].min() < 0
    blocks = seen["relu2_2"].reshape(2, 3, 8, 2, 12, 2, 6)
    np.testing.assert_array_equal(seen["pool2"], blocks.max((3, 5)))
    assert seen["pool5"].shape == (2, 3, 1, 1, 8)
    alone = jax.jit(lambda image: model.apply(variables, image, ("relu3_1",)))(image[1, 2])["relu3_1"]
    np.testing.assert_allclose(alone, seen["relu3_1"][1, 2], atol=1e-5)


def test_nothing_behind_the_last_tap_is_computed(small):
    model, _, image = small
    abstract = jax.eval_shape(lambda key: model.init(key, image, ("relu1_1", "conv2_1")), jax.random.key(0))
    assert set(abstract["params"]) == {"conv1_1", "conv2_1"}


def test_a_perceptual_loss_has_finite_gradients_on_flat_pictures(small):
    model, variables, image = small
    taps = ("relu1_1", "relu3_1", "pool5")

    def loss(image, other):
        pairs = (model.apply(variables, picture, taps) for picture in (image, other))
        return sum(jnp.abs(a - b).mean() for a, b in zip(*map(dict.values, pairs), strict=True))

    gradient = jax.jit(jax.grad(loss))
    for flat in (0.0, 1.0):
        assert np.isfinite(gradient(jnp.full_like(image, flat), image)).all()
    assert np.abs(gradient(image, image[::-1])).max() > 0


def test_pictures_in_the_range_of_lpips_give_the_same_after_its_scaling():
    image = jax.random.uniform(jax.random.key(0), (4, 3))
    shift, scale = (jnp.broadcast_to(jnp.asarray(v), (4, 3)) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    np.testing.assert_allclose(imagenet.normalise(image), (2 * image - 1 - shift) / scale, atol=1e-5)


def test_unknown_layers_are_named(small):
    model, variables, image = small
    with pytest.raises(InputError, match="no layer relu1_2, relu9_9; choose from conv1_1, relu1_1, pool1"):
        model.apply(variables, image, ("relu1_2", "relu9_9"))


def test_bfloat16_stays_close(small):
    model, variables, image = small
    half = vgg.VGG(vgg.Config(convolutions=SMALL.convolutions, widths=SMALL.widths, dtype=jnp.bfloat16))
    full, low = (jax.jit(network.apply)(variables, image)["pool5"] for network in (model, half))
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, full, atol=0.05 * float(jnp.abs(full).max()))
