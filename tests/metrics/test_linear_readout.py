import importlib.util

import numpy as np
import pytest

from benchmarks import sadtalker_readout
from jaxtalk.metrics.linear_readout import lagged, readout

RNG = np.random.default_rng(0)


def test_a_linear_target_is_read_out_and_noise_is_not():
    features = RNG.normal(size=(120, 6))
    target = features @ np.arange(1.0, 7.0) + 3.0
    np.testing.assert_allclose(readout(features, target, penalty=1e-3), target, atol=1e-2)
    noise = RNG.normal(size=120)
    assert abs(float(lagged(features, noise, 0)[0])) < 0.3


def test_is_what_numpy_solves_on_the_other_folds():
    x, y = RNG.normal(size=(40, 3)), RNG.normal(size=40)
    mean, spread, level = x[10:].mean(0), x[10:].std(0) + 1e-6, y[10:].mean()
    a = np.concatenate([(x[10:] - mean) / spread, np.sqrt(2.0) * np.eye(3)])
    weight = np.linalg.lstsq(a, np.concatenate([y[10:] - level, np.zeros(3)]), rcond=None)[0]
    expected = (x[:10] - mean) / spread @ weight + level
    np.testing.assert_allclose(readout(x, y, 4, 2.0)[:10], expected, atol=1e-9)


@pytest.mark.parametrize("late", [-2, 0, 3])
def test_finds_the_shift(late):
    features = RNG.normal(size=(150, 4))
    target = np.roll(features @ np.array([1.0, -1.0, 2.0, 0.5]), late)
    assert int(lagged(features, target, 4).argmax()) == 4 + late


@pytest.mark.slow
def test_coefficients_of_sadtalker_belong_to_the_frames_of_its_video(media):
    """With our own tracker, which sees small lips roughly; the shift is what is settled here."""
    seen = sadtalker_readout.seen_opening(media, None)
    found = lagged(sadtalker_readout.coefficients(media), seen, 2)
    assert int(found.argmax()) == 2 and float(found[2]) > 0.7


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="needs the extra mediapipe")
def test_readout_of_sadtalker_by_mediapipe(media, published):
    seen = sadtalker_readout.seen_opening(media, published / "face_landmarker.task")
    found = lagged(sadtalker_readout.coefficients(media), seen, 2)
    assert int(found.argmax()) == 2 and float(found[2]) >= 0.8
