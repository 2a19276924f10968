"""FID's Inception against pytorch-fid's."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import perceptual
from jaxtalk.models import inception


@pytest.fixture(scope="module")
def golden():
    manifest, arrays = golden_fixture.load("perceptual_inception")
    state = golden_fixture.state(manifest, arrays)
    state |= {"AuxLogits.conv0.conv.weight": np.zeros((2, 2)), "fc.weight": np.zeros((1008, 2))}  # to be left out
    variables = perceptual.variables("golden", "inception", state)
    apply = jax.jit(inception.Inception().apply)

    def features(image):
        with jax.default_matmul_precision("highest"):
            return apply(variables, image[None])[0]

    return manifest, arrays, features, jnp.asarray(golden_fixture.inputs(manifest)["image"]).transpose(0, 2, 3, 1)


def test_golden_features(golden):
    manifest, arrays, features, image = golden
    golden_fixture.compare(manifest, arrays, "features", features(image))


def test_features_are_finite_and_of_each_picture_alone(golden):
    *_, features, image = golden
    flat = features(jnp.stack([jnp.zeros_like(image[0]), jnp.ones_like(image[0])]))
    assert np.isfinite(flat).all() and np.abs(flat[0] - flat[1]).max() > 1e-3
    mixed = features(jnp.stack([image[1], jnp.zeros_like(image[0])]))
    np.testing.assert_allclose(mixed[0], features(image)[1], atol=1e-4)
    np.testing.assert_allclose(mixed[1], flat[0], atol=1e-4)


def test_resizing_is_bilinear_without_antialiasing():
    manifest, arrays = golden_fixture.load("torch_pooling")
    x = jnp.asarray(golden_fixture.inputs(manifest)["x"]).transpose(0, 2, 3, 1)
    for name, side in (("resized", 7), ("resized_up", 29)):
        golden_fixture.compare(manifest, arrays, name, inception.resize(x, side).transpose(0, 3, 1, 2))
