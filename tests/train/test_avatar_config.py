"""The config that trains one person's field."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny_configs

from configs import avatar as config
from jaxtalk.train import mesh, parallel


@pytest.fixture
def tiny(monkeypatch):
    """Six frames of a grey disc that goes by."""
    monkeypatch.setattr(config, "footage", lambda _: (tiny_configs.footage(6), tiny_configs.footage(2)))
    sizes = dict(levels=2, finest=16, log2_rows=8, width=8, cells=16, most=16, frames=8, pixels=16, samples=4)
    return config.Config(**sizes)


def _losses(tiny, devices, steps=3):
    experiment = tiny.experiment()
    made = mesh.make(devices=jax.devices()[:devices])
    state = parallel.init(experiment.init, jax.random.key(0), made)
    step, data, losses = parallel.compile_step(experiment.step, state, made), experiment.data(), []
    for index in range(steps):
        state, metrics = step(state, parallel.put(data[index], made))
        losses.append({name: float(metric.value()) for name, metric in metrics.items()})
    return losses


@pytest.mark.slow
def test_eight_devices_train_as_one(tiny):
    one, eight = _losses(tiny, 1), _losses(tiny, 8)
    for a, b in zip(one, eight, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-6, err_msg=name)
    assert one[0]["asked"] > 1


@pytest.mark.slow
def test_frames_that_were_not_seen_are_drawn_better_than_by_the_mean_frame(tiny, tmp_path, monkeypatch):
    """Half a minute."""
    long = dataclasses.replace(tiny, levels=4, width=32, pixels=64, samples=8, most=32, steps=400, rate=1e-2)
    experiment = long.experiment()
    state = experiment.init(jax.random.key(0))
    step, data = jax.jit(experiment.step), experiment.data()
    for index in range(long.steps):
        state, _ = step(state, data[index])
    found = experiment.evaluate(state)
    true = tiny_configs.footage(2).pictures / 255
    mean = tiny_configs.footage(6).pictures.mean(0)[None] / 255
    assert found["psnr"] > -10 * np.log10(np.square(true - mean).mean()) + 3
    kept = []
    monkeypatch.setattr(config.person_video, "read", lambda folder: folder)
    monkeypatch.setattr(config.avatar_store, "save", lambda *given: kept.append(given))  # has tests of its own
    experiment.export(state, tmp_path)
    (folder, avatar, variables, person, heads, _), known = kept[0], tiny_configs.footage(6)
    assert folder == tmp_path and person == long.person and (tmp_path / "held_out.png").is_file()
    assert set(variables["params"]) == {"condition", "head", "torso", "codes", "torso_codes"}  # and no moves
    away = np.abs(heads.translation - known.translation)
    assert 0 < away.max() < 0.02 and avatar.rest.reach == long.reach
