"""MappingNet against the published network, over whole clips, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import sadtalker
from jaxtalk.models import motion_mapping
from jaxtalk.models.motion_mapping import Config, MappingNet


def test_golden_motion_of_a_window():
    manifest, arrays = golden_fixture.load("sadtalker_mapping")
    variables, config = sadtalker.mapping_variables("golden", golden_fixture.state(manifest, arrays))
    assert config == Config() and config.window == 27
    window = np.swapaxes(golden_fixture.inputs(manifest)["coeff"], 1, 2)
    with jax.default_matmul_precision("highest"):
        motion = MappingNet(config).apply(variables, jnp.asarray(window))
    for name, value in zip(("yaw", "pitch", "roll", "t", "exp"), motion, strict=True):
        golden_fixture.compare(manifest, arrays, name, value.reshape(2, -1))


@pytest.fixture(scope="module")
def small():
    config = Config(coefficients=73, width=16)
    clip = jax.random.normal(jax.random.key(1), (2, 9, 73))
    abstract = jax.eval_shape(MappingNet(config).init, jax.random.key(0), motion_mapping.padded(config, clip))
    return config, golden_fixture.variables(abstract), clip


def test_a_clip_goes_through_as_its_windows_do_one_by_one(small):
    config, variables, clip = small
    apply = jax.jit(lambda c: MappingNet(config).apply(variables, c))
    whole = apply(motion_mapping.padded(config, clip))
    for frame in (0, 4, 8):
        around = np.clip(np.arange(frame - 13, frame + 14), 0, 8)  # the published window: its ends repeat
        for got, want in zip(whole, apply(clip[:, around]), strict=True):
            np.testing.assert_allclose(got[:, frame], want[:, 0], atol=1e-5)
    assert whole.yaw.shape == (2, 9, 66) and whole.expression.shape == (2, 9, 15, 3)


@pytest.mark.slow
def test_a_portrait_is_a_clip_of_one_frame(small):
    config, variables, clip = small
    still = motion_mapping.padded(config, clip[:, :1])
    assert still.shape == (2, 27, 73)
    motion = MappingNet(config).apply(variables, still)
    longer = MappingNet(config).apply(variables, jnp.repeat(clip[:, :1], 30, axis=1))
    np.testing.assert_allclose(motion.expression[:, 0], longer.expression[:, 3], atol=1e-5)


def test_every_parameter_has_a_gradient_and_bfloat16_stays_close(small):
    config, variables, clip = small
    clip = motion_mapping.padded(config, clip)
    grads = jax.jit(jax.grad(lambda v: sum(jnp.sin(x).sum() for x in MappingNet(config).apply(v, clip))))(variables)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in jax.tree.leaves(grads))
    half = Config(coefficients=73, width=16, dtype=jnp.bfloat16)
    got, want = (jax.jit(MappingNet(c).apply)(variables, clip) for c in (half, config))
    for ours, full in zip(got, want, strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, full, atol=0.1)
