"""The front of a face that is fitted, and how its colours differ."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import builtin, builtin_albedo, builtin_texture, recon_face, store
from jaxtalk.face.recon_geometry import Albedo


@pytest.fixture(scope="module")
def albedo():
    return builtin_albedo.build(looks=4, components=3)


@pytest.fixture(scope="module")
def face(albedo):
    return recon_face.build(builtin.model(), albedo)


def test_components_rebuild_the_looks_they_were_made_of(albedo):
    """Four looks have three components, and each look lies at coefficients of unit spread."""
    looks = np.stack([builtin_albedo._colours(np.random.default_rng([seed, 40])) for seed in range(4)]).reshape(4, -1)
    mean, basis = np.asarray(albedo.mean).ravel(), np.asarray(albedo.basis).reshape(3, -1)
    coefficients = (looks - mean) @ np.linalg.pinv(basis)
    np.testing.assert_allclose(coefficients @ basis + mean, looks, atol=1e-4)
    np.testing.assert_allclose(np.cov(coefficients.T), np.eye(3), atol=1e-3)


def test_vertices_have_the_colour_of_the_texture_there(albedo):
    rng = np.random.default_rng([0, 40])
    look = builtin_texture.sample_look(rng)
    model, colours = builtin.model(), builtin_albedo._colours(rng := np.random.default_rng([0, 40]))
    cheek = np.linalg.norm(np.asarray(model.template) - [0.045, -0.02, 0.08], axis=-1).argmin()
    np.testing.assert_allclose(colours[cheek], look.skin, atol=0.15)
    assert albedo.mean.shape == model.template.shape


def test_the_cut_keeps_the_front_and_only_what_it_needs(face):
    whole, cut = builtin.model(), face.model
    np.testing.assert_array_equal(cut.template[cut.landmarks], whole.template[whole.landmarks])
    assert len(cut.template) < len(whole.template) and cut.template[:, 2].min() > 0.01
    points = np.asarray(cut.template[cut.landmarks])
    assert cut.template[:, 1].min() > points[8, 1] - 0.01 and cut.template[:, 1].max() > points[17:27, 1].max() + 0.03
    used = np.union1d(np.asarray(cut.triangles), np.asarray(cut.landmarks))
    np.testing.assert_array_equal(used, np.arange(len(cut.template)))
    assert len(cut.region) == len(cut.triangles) == len(cut.uv_triangles)
    assert face.albedo.basis.shape == (3, *cut.template.shape) and cut.identity.shape[1] == len(cut.template)


def test_plain_skin_is_on_cheeks_but_not_on_lips_eyes_or_brows(face):
    place, skin = np.asarray(face.model.template), np.asarray(face.skin)
    assert not skin[np.asarray(face.model.landmarks)[[*range(17, 27), *range(36, 68)]]].any()
    for x in (-0.045, 0.045):
        assert skin[np.linalg.norm(place - [x, -0.02, 0.08], axis=-1).argmin()] == 1
    inner = np.asarray(face.model.triangles)[np.asarray(face.model.region) != 0]
    assert not skin[inner].any() and 0.1 < skin.mean() < 0.9


def test_a_stored_face_needs_colours(tmp_path, albedo):
    store.save(tmp_path / "face.npz", builtin.model(), albedo)
    stored, own = recon_face.load(tmp_path / "face.npz"), recon_face.build(builtin.model(), albedo)
    np.testing.assert_array_equal(stored.albedo.basis, own.albedo.basis)
    np.testing.assert_array_equal(stored.skin, own.skin)
    store.save(tmp_path / "grey.npz", builtin.model())
    assert store.load_albedo(tmp_path / "grey.npz", store.load(tmp_path / "grey.npz")) is None
    with pytest.raises(InputError, match="grey.npz: has no colours"):
        recon_face.load(tmp_path / "grey.npz")
    store.save(tmp_path / "other.npz", builtin.model(), Albedo(jnp.zeros((5, 3)), jnp.zeros((2, 5, 3))))
    with pytest.raises(InputError, match="other.npz: is a damaged face model"):
        store.load_albedo(tmp_path / "other.npz", store.load(tmp_path / "other.npz"))
