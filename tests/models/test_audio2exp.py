"""ExpNet against the published network, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import sadtalker
from jaxtalk.models import audio2exp


def test_golden_expression():
    manifest, arrays = golden_fixture.load("sadtalker_audio2exp")
    config = audio2exp.Config()
    variables = sadtalker.audio2exp_variables("golden", golden_fixture.state(manifest, arrays), config)
    given = {name: jnp.asarray(value) for name, value in golden_fixture.inputs(manifest).items()}
    with jax.default_matmul_precision("highest"):
        expression, aux = audio2exp.ExpNet(config).apply(
            variables, given["mel"].reshape(1, 5, 80, 16), given["ref"], given["ratio"][..., 0]
        )
    golden_fixture.compare(manifest, arrays, "audio_embedding", aux["embedding"][0])
    golden_fixture.compare(manifest, arrays, "exp", expression)


@pytest.fixture(scope="module")
def small():
    model = audio2exp.ExpNet(audio2exp.Config(coefficients=52, width=4))
    mel = jax.random.normal(jax.random.key(1), (2, 3, 80, 16))
    reference, blink = jnp.zeros((2, 3, 52)), jnp.zeros((2, 3))
    given = (mel, reference, blink)
    abstract = jax.eval_shape(model.init, jax.random.key(0), *given)
    return model, golden_fixture.variables(abstract), given


def test_training_updates_statistics_and_every_parameter_has_a_gradient(small):
    model, variables, given = small

    def loss(params):
        (expression, _), updated = model.apply(
            {**variables, "params": params}, *given, train=True, mutable=["batch_stats"]
        )
        return jnp.sum(jnp.sin(3 * expression)), updated

    grads, updated = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(grads):
        centred = "conv" in str(path) and "bias" in str(path)  # batch norm takes a bias before it away
        assert centred or np.abs(gradient).max() > 0, path
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), updated["batch_stats"], variables["batch_stats"])
    assert all(jax.tree.leaves(moved))


def test_depends_on_sound_reference_and_blink_frame_by_frame(small):
    model, variables, (mel, reference, blink) = small
    apply = jax.jit(lambda *given: model.apply(variables, *given)[0])
    base = apply(mel, reference, blink)
    for changed in [
        (mel.at[1, 2].add(1.0), reference, blink),
        (mel, reference.at[1, 2].add(1.0), blink),
        (mel, reference, blink.at[1, 2].add(1.0)),
    ]:
        difference = np.abs(apply(*changed) - base).max(-1)
        assert difference[1, 2] > 1e-4
        assert difference.sum() - difference[1, 2] < 1e-4


@pytest.mark.slow
def test_bfloat16_compute_stays_close_and_gives_float32(small):
    _, variables, given = small
    config = audio2exp.Config(coefficients=52, width=4, dtype=jnp.bfloat16)
    half = audio2exp.ExpNet(config).apply(variables, *given)[0]
    full = small[0].apply(variables, *given)[0]
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, full, atol=0.1)
