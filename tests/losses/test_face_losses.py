"""Losses of 3D face reconstruction: numpy as oracle, limits, finite slopes."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import face_prior, landmarks, perception, photo

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.random(shape), jnp.float32)


def test_photo_is_the_mean_distance_of_colours_where_attention_lies():
    rendered, picture, attention = array(2, 5, 4, 3), array(2, 5, 4, 3), array(2, 5, 4)
    apart = np.linalg.norm(np.asarray(rendered - picture), axis=-1)
    expected = [np.average(apart[k], weights=np.asarray(attention[k])) for k in range(2)]
    # Weights below 1 in all do not count for more than they are.
    enough = attention + 1
    expected_enough = [np.average(apart[k], weights=np.asarray(enough[k])) for k in range(2)]
    np.testing.assert_allclose(photo.photo(rendered, picture, attention), expected, rtol=1e-4)
    np.testing.assert_allclose(photo.photo(rendered, picture, enough), expected_enough, rtol=1e-4)
    assert not photo.photo(rendered, picture, 0 * attention).any()
    spoilt = picture.at[:, 2].set(9.0)
    seen = attention.at[:, 2].set(0.0)
    np.testing.assert_allclose(photo.photo(rendered, spoilt, seen), photo.photo(rendered, picture, seen), rtol=1e-6)


def test_photo_of_equal_pictures_has_finite_slopes():
    picture = array(1, 3, 3, 3)
    slope = jax.grad(lambda p: photo.photo(p, picture, jnp.ones((1, 3, 3))).sum())(picture)
    np.testing.assert_array_equal(slope, 0.0)


def test_bridge_of_the_nose_and_inner_lips_weigh_twenty_times():
    truth = array(1, 68, 2)
    loss = [
        float(landmarks.nose_and_mouth(truth.at[0, k, 1].add(2.0), truth)[0]) for k in (0, 27, 28, 30, 31, 59, 60, 67)
    ]
    np.testing.assert_allclose(loss, 4 / 68 * np.array([1, 1, 20, 20, 1, 1, 20, 20]), rtol=1e-5)


def test_perception_is_a_cosine_of_what_the_network_says():
    first, second = array(3, 4, 4, 3), array(3, 4, 4, 3)
    weight = np.asarray(RNG.normal(size=(48, 6)), np.float32)

    def embed(crops):
        return crops.reshape(len(crops), -1) @ weight

    a, b = (np.asarray(embed(crops)) for crops in (first, second))
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    np.testing.assert_allclose(perception.perception(embed, first, second), 1 - cosine, rtol=1e-4)
    np.testing.assert_allclose(perception.perception(embed, first, 3 * first), 0, atol=1e-6)
    assert np.isfinite(jax.grad(lambda x: perception.perception(embed, x, first).sum())(0 * first)).all()


def test_coefficients_weigh_as_published():
    one = jnp.ones((2, 3))
    np.testing.assert_allclose(face_prior.plain_face(one, 0 * one, 0 * one), 3.0)
    np.testing.assert_allclose(face_prior.plain_face(0 * one, one, 2 * one), 0.8 * 3 + 1.7e-2 * 12, rtol=1e-6)


def test_even_albedo_is_the_variance_of_the_skin_alone():
    albedo, skin = array(2, 40, 3), jnp.asarray(np.arange(40) < 25, jnp.float32)
    expected = np.asarray(albedo)[:, :25].var(1).sum(-1)
    np.testing.assert_allclose(face_prior.even_albedo(albedo, skin), expected, rtol=1e-4)
    np.testing.assert_allclose(face_prior.even_albedo(jnp.ones((2, 40, 3)) * 0.3, skin), 0, atol=1e-10)


def test_grey_light_costs_nothing_and_coloured_light_its_variance():
    grey = jnp.tile(array(2, 9), (1, 3))
    np.testing.assert_allclose(face_prior.grey_light(grey), 0, atol=1e-10)
    light = array(2, 27)
    expected = np.asarray(light).reshape(2, 3, 9).var(1).mean(-1)
    np.testing.assert_allclose(face_prior.grey_light(light), expected, rtol=1e-4)
