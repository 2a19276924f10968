"""The configs of Wav2Lip, at sizes that take a minute, on made-up faces whose mouths are as bright as their sound."""

import dataclasses

import jax
import numpy as np
import pytest

from configs import wav2lip, wav2lip_sync
from jaxtalk.data.spoken_faces import SpokenFace, Windows
from jaxtalk.io import weights

SYNC = wav2lip_sync.Config(width=2, batch=16, steps=80, rate=3e-3)
SPEAK = wav2lip.Config(width=2, judge_width=1, batch=2, steps=2, quality=0.07)


def speaker(seed: int, frames: int = 80) -> SpokenFace:
    rng = np.random.default_rng(seed)
    loud = np.convolve(rng.normal(size=round(3.2 * frames) + 24), np.hanning(25), "valid")
    loud = np.clip(loud / loud.std(), -2, 2)
    columns = loud[(3.2 * np.arange(frames)).astype(int) + 1]
    faces = np.full((frames, 96, 96, 3), 90, np.uint8)
    faces[:, 48:] = (128 + 50 * columns)[:, None, None, None]
    return SpokenFace(str(seed), faces, np.tile(loud[:, None], (1, 80)).astype(np.float32))


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    monkeypatch.setattr(wav2lip_sync, "JUDGED", 64)
    monkeypatch.setattr(wav2lip, "JUDGED", 16)
    monkeypatch.setattr(wav2lip_sync.Faces, "sources", lambda self: {"corpus": [speaker(k) for k in range(4)]})


def test_pairs_are_drawn_from_the_beginnings_and_judged_on_the_ends():
    batch = next(iter(SYNC.mixed(lambda windows: windows.pair, 8, 0)))
    assert batch["faces"].shape == (8, 5, 96, 96, 3) and batch["faces"].dtype == np.uint8
    assert wav2lip_sync.halves(batch["faces"]).shape == (8, 5, 48, 96, 3)
    rest = SYNC.held_out()["corpus"]
    assert isinstance(rest, Windows) and len(rest) < len(Windows([speaker(0)])) * 4


@pytest.mark.slow
def test_an_expert_that_can_learn_pairs_by_heart_judges_what_a_generator_makes(tmp_path):
    run = SYNC.experiment()
    state, step, batch = jax.jit(run.init)(jax.random.key(0)), jax.jit(run.step), next(iter(run.data()))
    for _ in range(20):
        state, metrics = step(state, batch)
    assert float(metrics["loss"].value()) < 0.3
    numbers = run.evaluate(state)
    assert set(numbers) == {"corpus_loss", "corpus_auc"} and np.isfinite(list(numbers.values())).all()
    run.export(state, tmp_path)

    run = dataclasses.replace(SPEAK, expert=tmp_path / "wav2lip_syncnet.safetensors").experiment()
    states, step, data = jax.jit(run.init)(jax.random.key(0)), jax.jit(run.step), iter(run.data())
    for _ in range(SPEAK.steps):
        states, metrics = step(states, next(data))
    names = {f"generator/{name}" for name in ("pixels", "sync", "quality")} | {"discriminator/loss"}
    assert all(np.isfinite(float(metrics[name].value())) for name in names)
    numbers = run.evaluate(states)
    assert set(numbers) == {
        f"corpus_{name}" for name in ("made_psnr", "copy_psnr", "true_sync", "made_sync", "other_sync")
    }
    run.export(states, tmp_path)
    assert weights.load(tmp_path / "wav2lip.safetensors").config == {"width": 2}
    assert weights.load(tmp_path / "wav2lip_discriminator.safetensors").name == "wav2lip_discriminator"
