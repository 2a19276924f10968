"""R-Net against the published network, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import sadtalker
from jaxtalk.face import recon_geometry
from jaxtalk.models.face_recon import Config, FaceRecon


def test_golden_coefficients():
    manifest, arrays = golden_fixture.load("sadtalker_facerecon")
    variables, config = sadtalker.face_recon_variables("golden", golden_fixture.state(manifest, arrays))
    assert config == Config()
    crop = np.moveaxis(golden_fixture.inputs(manifest)["image"], 1, -1)
    with jax.default_matmul_precision("highest"):
        coefficients, aux = jax.jit(FaceRecon(config).apply)(variables, jnp.asarray(crop))
    golden_fixture.compare(manifest, arrays, "backbone", aux["features"][:, :, None, None])
    golden_fixture.compare(manifest, arrays, "coeff", recon_geometry.join(coefficients))


@pytest.fixture(scope="module")
def small():
    model = FaceRecon(Config(blocks=(2, 1), width=4))
    crops = jax.random.uniform(jax.random.key(1), (2, 32, 32, 3))
    return model, jax.eval_shape(model.init, jax.random.key(0), crops), crops


def test_training_starts_from_the_mean_face(small):
    model, _, crops = small
    (coefficients, aux), _ = jax.jit(model.init_with_output)(jax.random.key(0), crops)
    assert aux["features"].shape == (2, 32) and np.abs(aux["features"]).max() > 0
    assert not np.any(recon_geometry.join(coefficients))


def test_heads_are_as_large_as_the_face_model():
    model = FaceRecon(Config(blocks=(1,), width=2, identity=4, expression=5, texture=6))
    shapes, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), jnp.zeros((3, 16, 16, 3)))[0]
    assert [part.shape for part in shapes] == [(3, n) for n in (4, 5, 6, 3, 27, 3)]
    assert sum(Config().heads.values()) == 257


def test_training_updates_statistics_and_every_parameter_has_a_gradient(small):
    model, abstract, crops = small
    variables = golden_fixture.variables(abstract)

    def loss(params):
        (coefficients, _), updated = model.apply(
            {**variables, "params": params}, crops, train=True, mutable=["batch_stats"]
        )
        return jnp.sin(recon_geometry.join(coefficients)).sum(), updated

    grads, updated = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in jax.tree.leaves(grads))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), updated["batch_stats"], variables["batch_stats"])
    assert all(jax.tree.leaves(moved))


def test_bfloat16_compute_stays_close_and_gives_float32(small):
    model, abstract, crops = small
    variables = golden_fixture.variables(abstract)
    half = FaceRecon(Config(blocks=(2, 1), width=4, dtype=jnp.bfloat16))
    got, want = (recon_geometry.join(jax.jit(m.apply)(variables, crops)[0]) for m in (half, model))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, want, atol=0.05 * np.abs(want).max())
