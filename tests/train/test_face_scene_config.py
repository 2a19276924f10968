"""The config that trains a radiance field of a still face."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import face_scene as config
from jaxtalk.data import face_scene
from jaxtalk.train import mesh, parallel

TINY = config.Config(
    views=3, held_out=1, size=16, levels=2, finest=16, log2_rows=8, width=8, cells=16, most=16, rays=64, samples=4
)  # fmt: skip


def test_rays_meet_the_face_where_the_picture_shows_it_and_at_the_depth_that_it_has():
    views = face_scene.views(seed=1, count=2, size=24)
    assert views.colour.shape == (2, 24, 24, 3) and (views.colour[:, 0, 0] == 255).all()
    seen = np.isfinite(views.depth)
    assert 0.3 < seen.mean() < 0.8 and 0.6 < views.depth[seen].min() and views.depth[seen].max() < 1.0
    row, column = np.argwhere(seen[1])[100]
    given = config.seen_by(views, jnp.array([1]), jnp.array([[column + 0.5, row + 0.5]]))
    forward = views.rotation[1].T @ np.array([0, 0, -1], np.float32)
    distance = views.depth[1, row, column] / (np.asarray(given.direction[0]) @ forward)
    point = config.UNIT * np.asarray(given.origin[0]) + distance * np.asarray(given.direction[0])
    shown = views.camera.project(jnp.asarray(views.rotation[1] @ point)[None])[0]
    np.testing.assert_allclose(shown[:2], [column + 0.5, row + 0.5], atol=0.01)
    assert np.abs(point).max() < config.UNIT  # inside of the field's space


def _losses(devices):
    task = config.Task(TINY)
    experiment = TINY.experiment()
    made = mesh.make(devices=jax.devices()[:devices])
    state = parallel.init(task.init, jax.random.key(0), made)
    step, data, losses = parallel.compile_step(experiment.step, state, made), experiment.data(), []
    for index in range(4):
        state, metrics = step(state, parallel.put(data[index], made))
        losses.append(float(metrics["error"].value()))
    return losses


@pytest.mark.slow
def test_eight_devices_train_as_one():
    one, eight = _losses(1), _losses(8)
    np.testing.assert_allclose(one, eight, rtol=2e-4)


@pytest.mark.slow
def test_a_short_run_finds_views_that_it_has_not_seen(tmp_path):
    """Beside the mean colour of what was seen, and with what depth shows: 1.5 minutes."""
    short = dataclasses.replace(
        config.Config(), size=32, views=30, held_out=3, steps=300, cells=32, most=128, rays=1024
    )
    experiment = short.experiment()
    state = experiment.init(jax.random.key(0))
    step, data = jax.jit(experiment.step), experiment.data()
    for index in range(short.steps):
        state, _ = step(state, data[index])
    found = experiment.evaluate(state)
    task = config.Task(short)
    true = task.others.colour.astype(np.float32) / 255
    blind = -10 * np.log10(np.square(true - task.known.colour.mean((0, 1, 2)) / 255).mean())
    assert found["psnr"] > blind + 12 and found["depth_mm"] < 15
    experiment.export(state, tmp_path)
    assert (tmp_path / "views.png").is_file()
