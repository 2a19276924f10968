"""Skin by its colour: scipy as oracle, and pictures in which the truth is known."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import multivariate_normal

from jaxtalk.face import builtin, skin_colour
from jaxtalk.face.skin_colour import SkinColour

RNG = np.random.default_rng(0)


def test_probability_is_bayes_rule():
    mean, root = RNG.random((2, 3)), 0.2 * RNG.normal(size=(2, 3, 3))
    covariance = root @ root.transpose(0, 2, 1) + 0.01 * np.eye(3)
    constant = np.log([0.8, 0.2]) - np.linalg.slogdet(covariance)[1] / 2
    values = (mean, np.linalg.inv(covariance), constant)
    found = SkinColour(*(jnp.asarray(value, jnp.float32) for value in values))
    colours = RNG.random((4, 5, 3))
    skin, other = (multivariate_normal(mean[k], covariance[k]).pdf(colours) for k in range(2))
    expected = 0.8 * skin / (0.8 * skin + 0.2 * other)
    got = jax.jit(lambda c: found.probability(c))(jnp.asarray(colours, jnp.float32))
    np.testing.assert_allclose(got, expected, atol=1e-4)


def face_points(size):
    template = np.asarray(builtin.model().template[builtin.model().landmarks])
    return np.stack([size / 2 + 3 * size * template[:, 0], size / 2 - 3 * size * (template[:, 1] + 0.03)], -1)


def test_labels_are_cheeks_and_what_lies_far_off_but_no_lips_or_eyes():
    points = face_points(100)
    skin, other = skin_colour.label(points, (100, 100))
    at = {
        name: tuple(points[k].astype(int)[::-1]) for name, k in (("nose", 30), ("lip", 51), ("eye", 37), ("brow", 19))
    }
    assert skin[at["nose"]] and not skin[at["lip"]] and not skin[at["eye"]] and not skin[at["brow"]]
    cheek = (points[2] + points[31]) / 2
    assert skin[tuple(cheek.astype(int)[::-1])]
    assert other[0, 0] and other[99, 99] and not (skin & other).any()
    assert 0.02 < skin.mean() < 0.3 and other.mean() > 0.1


def test_fit_tells_a_ruddy_face_from_what_is_green():
    points = np.repeat(face_points(64)[None], 3, 0)
    pictures = RNG.normal([0.2, 0.5, 0.2], 0.05, (3, 64, 64, 3))
    centre = np.hypot(*(np.mgrid[:64, :64] - 32)) < 20
    pictures[:, centre] = RNG.normal([0.8, 0.5, 0.4], 0.05, (3, centre.sum(), 3))
    found = skin_colour.fit(pictures, points)
    chance = np.asarray(found.probability(jnp.asarray(pictures[0], jnp.float32)))
    assert chance[centre].mean() > 0.95 and chance[~centre].mean() < 0.05
