import json

import flax.linen as nn
import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.metrics.mean import Mean
from jaxtalk.train import loop, mesh, parallel, state, step
from jaxtalk.train.checkpoint import Best
from jaxtalk.train.experiment import Experiment

MODEL = nn.Sequential([nn.Dense(16), jnp.tanh, nn.Dense(1)])
OPTIMIZER = optax.adam(1e-2)
INPUTS = np.random.default_rng(0).standard_normal((256, 4)).astype(np.float32)


def loss(params, stats, batch, rng):
    noise = 0.01 * jax.random.normal(rng, batch["x"].shape)
    error = (MODEL.apply({"params": params}, batch["x"] + noise)[:, 0] - batch["y"]) ** 2
    return error.mean(), (stats, {"error": Mean.of(error)})


def dataset():
    def example(i):
        return {"x": INPUTS[i], "y": np.sin(INPUTS[i]).sum()}

    return grain.MapDataset.range(256).seed(1).shuffle().map(example).repeat().batch(16, drop_remainder=True)


def experiment(steps, **changes):
    def init(rng):
        return state.create(MODEL.init(rng, jnp.zeros((1, 4))), OPTIMIZER, rng)

    settings = dict(save_every=20, evaluate_every=10**6, log_every=10) | changes
    return Experiment(
        name="toy", init=init, step=step.make_step(loss, OPTIMIZER), data=dataset, steps=steps, **settings
    )


def same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_training_lowers_the_loss_and_logs_it(tmp_path):
    loop.run(experiment(200), tmp_path, devices=jax.devices()[:1])
    errors = [json.loads(line)["error"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    variance = np.var(np.sin(INPUTS).sum(-1))
    assert errors[-1] < 0.2 * variance < errors[0]


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    one = jax.devices()[:1]
    whole = loop.run(experiment(40), tmp_path / "whole", devices=one)
    loop.run(experiment(20), tmp_path / "parts", devices=one)
    parts = loop.run(experiment(40), tmp_path / "parts", devices=one)
    same(whole.params, parts.params, rtol=0, atol=0)
    same(whole.average, parts.average, rtol=0, atol=0)


def test_eight_devices_train_as_one(tmp_path):
    one = loop.run(experiment(20), tmp_path / "one", devices=jax.devices()[:1])
    eight = loop.run(experiment(20), tmp_path / "eight", devices=jax.devices()[:8])
    same(one.params, eight.params, rtol=1e-4, atol=1e-5)  # sums over the batch in another order


def test_evaluate_and_export_see_the_final_state(tmp_path):
    seen = []
    final = loop.run(
        experiment(
            20,
            evaluate=lambda s: {"step": float(s.step)},
            export=lambda s, folder: seen.append((int(s.step), folder)),
        ),
        tmp_path,
        devices=jax.devices()[:1],
    )
    assert seen == [(20, tmp_path)] and int(final.step) == 20
    assert any(json.loads(line)["kind"] == "eval" for line in (tmp_path / "log.jsonl").read_text().splitlines())


def test_adversarial_step_moves_both_networks_once():
    generator, discriminator = nn.Dense(2), nn.Dense(1)
    optimizers = {"generator": optax.sgd(0.1), "discriminator": optax.sgd(0.1)}

    def generator_loss(params, stats, batch, rng, states):
        fake = generator.apply({"params": params}, batch["z"])
        score = discriminator.apply({"params": states["discriminator"].params}, fake)
        return ((score - 1) ** 2).mean(), (stats, {})

    def discriminator_loss(params, stats, batch, rng, states):
        fake = generator.apply({"params": states["generator"].params}, batch["z"])
        real, false = (discriminator.apply({"params": params}, x) for x in (batch["x"], fake))
        return ((real - 1) ** 2).mean() + (false**2).mean(), (stats, {"real": Mean.of(real[:, 0])})

    def init(rng):
        networks = {"generator": (generator, 3), "discriminator": (discriminator, 2)}
        return {k: state.create(m.init(rng, jnp.zeros((1, n))), optimizers[k], rng) for k, (m, n) in networks.items()}

    grid = mesh.make(devices=jax.devices()[:1])
    before = parallel.init(init, jax.random.key(0), grid)
    after, metrics = step.make_adversarial_step(generator_loss, discriminator_loss, optimizers)(
        before, {"z": jnp.ones((4, 3)), "x": jnp.ones((4, 2))}
    )
    for name in before:
        assert int(after[name].step) == 1
        with pytest.raises(AssertionError):
            same(before[name].params, after[name].params, rtol=1e-6)
    always = {f"{name}/{metric}" for name in before for metric in ("gradient_norm", "skipped")}
    assert set(metrics) == {"discriminator/real"} | always


def test_the_best_is_that_of_the_evaluation_at_its_own_step(tmp_path):
    one = jax.devices()[:1]
    changes = dict(
        save_every=5, evaluate_every=10, keep=1, best=Best("step"), evaluate=lambda s: {"step": float(s.step)}
    )
    loop.run(experiment(25, **changes), tmp_path, devices=one)
    steps = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    assert steps == {
        10,
        25,
    }  # the smallest number is that of step 10; steps 5, 15 and 20 have none of their own or more
