"""Shapes, size and the properties by which FaceFeatures is used."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models import face_features

CROPS = jax.random.uniform(jax.random.key(1), (3, 96, 96, 3), minval=-1)


@pytest.fixture(scope="module")
def network():
    model = face_features.FaceFeatures()
    return model, golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), CROPS))


def test_small_with_unit_embeddings_and_maps_that_halve(network):
    model, variables = network
    found = jax.jit(model.apply)(variables, CROPS)
    np.testing.assert_allclose(np.linalg.norm(found.embedding, axis=-1), 1, atol=1e-5)
    assert [m.shape[1:] for m in found.maps] == [(48, 48, 16), (24, 24, 32), (12, 12, 64), (6, 6, 128)]
    assert all((m >= 0).all() and m.max() > 0 for m in found.maps)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) < 1.2e6


def test_trunk_alone_gives_the_same_maps_and_takes_other_sizes(network):
    model, variables = network
    for alone, within in zip(face_features.maps(variables, CROPS), model.apply(variables, CROPS).maps, strict=True):
        np.testing.assert_allclose(alone, within, atol=1e-5)
    wide = face_features.maps(variables, jnp.zeros((1, 64, 128, 3)))
    assert [m.shape[1:3] for m in wide] == [(32, 64), (16, 32), (8, 16), (4, 8)]


def test_pooled_features_are_the_means_of_all_channels():
    maps = [jax.random.normal(jax.random.key(k), (2, 8 >> k, 8 >> k, 3)) for k in range(2)]
    got = face_features.pooled(tuple(maps))
    assert got.shape == (2, 6)
    np.testing.assert_allclose(got[1, 4], np.mean(np.asarray(maps[1])[1, :, :, 1]), rtol=1e-5)
