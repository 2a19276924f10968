"""AlexNet against torchvision's, layer by layer."""

import golden_fixture
import jax
import jax.numpy as jnp
import pytest

from jaxtalk.convert import perceptual
from jaxtalk.errors import InputError
from jaxtalk.models import alexnet


@pytest.fixture(scope="module")
def golden():
    manifest, arrays = golden_fixture.load("perceptual_alexnet")
    variables = perceptual.variables("golden", "alexnet", golden_fixture.state(manifest, arrays))
    return manifest, arrays, variables


def test_golden_layers_before_and_after_relu(golden):
    manifest, arrays, variables = golden
    image = jnp.asarray(golden_fixture.inputs(manifest)["image"]).transpose(0, 2, 3, 1)
    taps = [output["name"] for output in manifest["outputs"]]
    with jax.default_matmul_precision("highest"):
        layers = jax.jit(lambda *given: alexnet.AlexNet().apply(*given, taps))(variables, image)
    for name, value in layers.items():
        golden_fixture.compare(manifest, arrays, name, value.transpose(0, 3, 1, 2))


def test_leading_axes_are_kept_and_the_least_size_is_as_stated(golden):
    *_, variables = golden

    def shape(side, tap):
        image = jax.ShapeDtypeStruct((2, 3, side, side, 3), jnp.float32)
        return jax.eval_shape(lambda image: alexnet.AlexNet().apply(variables, image, (tap,)), image)[tap].shape

    assert shape(31, "relu5") == (2, 3, 1, 1, 256)
    assert shape(63, "pool5") == (2, 3, 1, 1, 256)
    with pytest.raises(InputError, match="too few"):
        shape(30, "relu5")
    with pytest.raises(InputError, match="too few"):
        shape(62, "pool5")


def test_unknown_layers_are_named(golden):
    *_, variables = golden
    with pytest.raises(InputError, match="no layer pool3; choose from conv1, relu1, pool1"):
        alexnet.AlexNet().apply(variables, jnp.zeros((1, 64, 64, 3)), ("pool3",))
