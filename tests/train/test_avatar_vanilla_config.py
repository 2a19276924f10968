"""The config that trains one person's field as deep perceptrons."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_configs

from configs import avatar
from configs import avatar_vanilla as config
from jaxtalk.systems.avatar_field import Moment


@pytest.fixture
def tiny(monkeypatch):
    """Six frames of a grey disc that goes by."""
    monkeypatch.setattr(avatar, "footage", lambda _: (tiny_configs.footage(6), tiny_configs.footage(2)))
    return config.Config(width=8, layers=2, coarse=4, fine=4, frames=2, pixels=16)


@pytest.mark.slow
def test_every_field_has_a_finite_slope_and_pixels_without_a_head_show_torso_or_background(tiny):
    task = config.Task(tiny)
    state, drawn = jax.jit(task.init)(jax.random.key(0)), tiny.experiment().data()[0]

    def told(params, batch):
        total, _ = task.loss(params, state.stats, batch, jax.random.key(1))
        moment = Moment.of(vars(task.known), 0)
        places = jnp.array([[-20.0, -20.0], [8.0, 8.0]])  # far beside the picture, and its middle
        return total, task.avatar.view(params, moment, places, jnp.ones((2, 3))).fine

    (total, seen), slopes = jax.jit(jax.value_and_grad(told, has_aux=True))(state.params, drawn)
    assert np.isfinite(total) and 0 <= float(seen.head[0]) == 0 < float(seen.head[1]) < 1
    behind = seen.torso[0] * 0 + (1 - seen.torso[0])  # as much of the white background as shines through
    assert (np.asarray(seen.colour[0]) >= float(behind) - 1e-5).all()
    assert {path[0].key for path, _ in jax.tree_util.tree_leaves_with_path(slopes)} == {
        "condition", "head_coarse", "head_fine", "torso_coarse", "torso_fine",
    }  # fmt: skip
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        assert np.isfinite(slope).all() and np.abs(slope).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.slow
def test_frames_that_were_not_seen_are_drawn_better_than_by_the_mean_frame(tiny, tmp_path):
    """A minute."""
    long = dataclasses.replace(tiny, width=48, layers=4, coarse=12, fine=12, pixels=128, steps=500, rate=3e-3)
    experiment = long.experiment()
    state = experiment.init(jax.random.key(0))
    step, data = jax.jit(experiment.step), experiment.data()
    for index in range(long.steps):
        state, _ = step(state, data[index])
    found = experiment.evaluate(state)
    true, known = tiny_configs.footage(2).pictures / 255, tiny_configs.footage(6).pictures / 255
    mean = -10 * np.log10(np.square(true - known.mean(0, keepdims=True)).mean((1, 2, 3))).mean()
    assert found["psnr"] > mean + 3
    experiment.export(state, tmp_path)
    assert (tmp_path / "held_out.png").is_file() and (tmp_path / "avatar_vanilla.safetensors").is_file()
