"""wav2vec 2.0's config at all sizes: parameters, shapes and FLOPs without data, and how its quantiser cools."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import wav2vec2
from jaxtalk.train import hlo, work


@pytest.mark.parametrize(
    ("size", "millions", "samples"),
    [("base", 95.0, 245_840), pytest.param("large", 317.4, 327_760, marks=pytest.mark.slow)],
)
def test_published_sizes_have_the_published_parameters_and_planning_needs_no_recordings(size, millions, samples):
    experiment = wav2vec2.Config(size=size, recordings=Path("/nowhere")).experiment()
    params = jax.eval_shape(experiment.init, jax.random.key(0)).params
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) / 1e6 == pytest.approx(millions, abs=0.1)
    rows = experiment.batch["temperature"].shape[0]
    assert experiment.batch["speech"].shape == (rows, samples)
    assert (samples - 400) // 320 % 128 == 127  # frames fill the lanes of TPUs


@pytest.mark.slow
def test_flops_on_paper_are_those_of_the_compiled_gradient():
    given = wav2vec2.Config(width=64, layers=1, conv_width=8, projection=24, entries=12, seconds=0.32, batch=3)
    task = wav2vec2.Task(wav2vec2.filled(given, wav2vec2.SIZES))
    # Gradients of long positional kernels are taken by blocks on CPUs, which does more than it must.
    encoder = dataclasses.replace(task.encoder, position_window=8)
    task.network = task.network.clone(config=dataclasses.replace(task.network.config, encoder=encoder))
    params = jax.eval_shape(task.init, jax.random.key(0)).params
    gradient = jax.jit(jax.grad(lambda params, batch: task.loss(params, None, batch, jax.random.key(0))[0]))
    text = gradient.lower(params, task.batch).compile().as_text()
    counted = sum(part.times * part.flops for part in work.read(hlo.parse(text)))
    assert counted == pytest.approx(task.flops, rel=0.002)


def test_the_quantiser_cools_as_published_and_each_process_gets_its_own_rows():
    def temperature(size, step):
        task = wav2vec2.Task(wav2vec2.filled(wav2vec2.Config(size=size), wav2vec2.SIZES))
        found = task.cool(step, {"speech": np.zeros((3, 2), np.float32)})["temperature"]
        assert found.shape == (3,)
        return float(found[0])

    assert [temperature(size, 0) for size in ("small", "base", "large")] == [2, 2, 2]
    assert temperature("small", 1250) == pytest.approx(1.0) and temperature("small", 4000) == 0.5
    assert temperature("base", 100_000) == pytest.approx(2 * 0.999995**100_000) and temperature("base", 300_000) == 0.5
    assert temperature("large", 590_000) > 0.1 == pytest.approx(temperature("large", 600_000))


def test_base_and_large_rise_for_eight_hundredths_of_the_steps_and_fall_to_nothing():
    config = wav2vec2.filled(wav2vec2.Config(size="base", steps=25, rate=0.5), wav2vec2.SIZES)
    optimizer = wav2vec2.optimizer(config)
    params = {"w": jnp.zeros(1)}
    state, sizes = optimizer.init(params), []
    for _ in range(26):
        change, state = optimizer.update({"w": jnp.full(1, 1e6)}, state, params)
        sizes.append(-float(change["w"][0]))
    assert np.argmax(sizes) == 2 and sizes[2] == pytest.approx(0.5, rel=1e-3)
    assert sizes[0] == 0 and sizes[25] == pytest.approx(0, abs=1e-6)
