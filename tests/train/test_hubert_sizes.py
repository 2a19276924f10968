"""HuBERT's config at all sizes: parameters, FLOPs, and that loops, remat and meshes change no result."""

import dataclasses
import functools
import unittest.mock
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import hubert, wav2vec2
from jaxtalk.models import speech_encoder_flops
from jaxtalk.models.hubert_pretrain import Hubert
from jaxtalk.models.speech_encoder import ContextNetwork
from jaxtalk.train import hlo, mesh, parallel, work
from jaxtalk.train.mesh import MeshShape

TINY = hubert.Config(width=64, layers=2, conv_width=8, clusters=12, seconds=0.325, batch=8, steps=9)


def test_large_has_the_published_number_of_parameters_and_planning_it_needs_no_corpus():
    experiment = hubert.Config(size="large", corpus=Path("/nowhere")).experiment()
    params = jax.eval_shape(experiment.init, jax.random.key(0)).params
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) / 1e6 == pytest.approx(316.6, abs=0.1)
    assert experiment.batch["target"].shape == (512, 768)


def test_flops_on_paper_are_those_of_the_papers_products():
    task = hubert.Task(hubert.Config(size="large", seconds=1.0).filled())
    found = speech_encoder_flops.hubert(task.network.config, task.length)
    parameters = 24 * (4 * 1024**2 + 2 * 1024 * 4096)
    assert found.narrow + found.other_products == 2 * 49 * parameters
    assert found.attention == 24 * 2 * 2 * 49 * 49 * 1024
    frames = (3199, 1599, 799, 399, 199, 99, 49)
    convolutions = [2 * t * window * 512 * 512 for t, window in zip(frames[1:], (3, 3, 3, 3, 2, 2), strict=True)]
    assert (found.first, found.convolutions) == (2 * 3199 * 10 * 512, sum(convolutions))
    assert found.train == 3 * found.forward - found.first
    layers = dataclasses.replace(task.encoder, remat="layers")
    assert found.executed(layers) == found.train + found.attention + found.other_products
    assert found.executed(task.encoder) == found.train


def test_flops_on_paper_are_those_of_the_compiled_gradient():
    task = hubert.Task(TINY.filled())
    # Gradients of long positional kernels are taken by blocks on CPUs, which does more than it must.
    config = dataclasses.replace(task.network.config, encoder=dataclasses.replace(task.encoder, position_window=8))
    wave, masked = jnp.zeros((3, task.length)), jnp.zeros((3, task.frames), bool)
    params = jax.eval_shape(lambda key: Hubert(config).init(key, wave, masked, train=False), jax.random.key(0))
    gradient = jax.jit(jax.grad(lambda p: (Hubert(config).apply(p, wave, masked, train=True) ** 2).mean()))
    counted = sum(part.times * part.flops for part in work.read(hlo.parse(gradient.lower(params).compile().as_text())))
    assert counted == pytest.approx(3 * speech_encoder_flops.hubert(config, task.length).train, rel=0.002)


@pytest.mark.slow
@pytest.mark.parametrize(("scan", "remat"), [(True, "layers"), (False, "between")])
def test_loops_and_remat_change_neither_values_nor_gradients(scan, remat):
    plain = dataclasses.replace(hubert.Task(TINY.filled()).encoder, position_window=4, dropout=0.0)
    features = jax.random.normal(jax.random.key(1), (2, 9, 8))
    params = ContextNetwork(plain).init(jax.random.key(0), features)

    def told(config):
        def loss(params):
            return (ContextNetwork(config).apply(params, features, train=True)[0] ** 2).mean()

        return jax.jit(jax.value_and_grad(loss))(params)

    (value, gradient), (again, once_more) = told(plain), told(dataclasses.replace(plain, scan=scan, remat=remat))
    np.testing.assert_allclose(value, again, rtol=1e-5)
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * scale), gradient, once_more)


@functools.cache
def told(shape: MeshShape, devices: int, encoder: str):
    """Losses and gradient norms of three steps, LARGE's kind of network, whose convolutions are split, or BASE's."""
    like = dataclasses.replace(wav2vec2.ENCODERS["small"], conv_norm=encoder, conv_bias=encoder == "layer")
    with unittest.mock.patch.dict(wav2vec2.ENCODERS, {"small": like}):
        experiment = TINY.experiment()
    rng = np.random.default_rng(0)
    speech = rng.normal(size=experiment.batch["speech"].shape).astype(np.float32)
    batch = {"speech": speech, "target": rng.integers(0, 12, experiment.batch["target"].shape).astype(np.int32)}
    grid = mesh.make(shape, jax.devices()[:devices])
    state = parallel.init(experiment.init, jax.random.key(0), grid, experiment.rules)
    step = parallel.compile_step(experiment.step, state, grid, experiment.rules)
    found = []
    for _ in range(3):
        state, metrics = step(state, parallel.put(batch, grid))
        found += [float(metrics[name].value()) for name in ("masked", "unmasked", "gradient_norm")]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["layer", "group"])
@pytest.mark.parametrize(
    "shape",
    [
        MeshShape(data=2, fsdp=2, tensor=2),
        MeshShape(data=2, sequence=4),
        MeshShape(data=4, sequence=2),
        MeshShape(fsdp=2, sequence=2, tensor=2),
    ],
    ids=str,
)
def test_a_mesh_of_eight_gives_what_one_device_gives(shape, encoder):
    assert told(shape, 8, encoder) == pytest.approx(told(MeshShape(), 1, encoder), rel=1e-4)
