"""Pixels of a person's video as an avatar learns from them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from jaxtalk.data.avatar_frames import AvatarFrames, landmark_windows, mouth_side

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
import tiny_configs  # noqa: E402


@pytest.fixture(scope="module")
def known():
    return tiny_configs.footage(5, size=32)


def test_pixels_come_with_what_is_there(known):
    batch = AvatarFrames(known, frames=3, pixels=40).stream(0)[7]
    assert batch["pixel"].shape == (3, 40, 2) and batch["windows"].shape == (3, 5, 1, 12)
    for row, frame in enumerate(batch["frame"]):
        column, line = batch["pixel"][row].T
        np.testing.assert_allclose(batch["shares"][row] * 255, known.shares[frame, line, column], atol=1e-4)
        np.testing.assert_allclose(batch["colour"][row] * 255, known.pictures[frame, line, column], atol=1e-4)
        np.testing.assert_array_equal(batch["translation"][row], known.translation[frame])


def test_more_pixels_lie_about_mouth_and_head_than_elsewhere(known):
    batch = AvatarFrames(known, frames=8, pixels=200).stream(0)[0]
    away = np.abs(batch["pixel"][..., ::-1] - known.mouths[batch["frame"], None]).max(-1)
    assert (away[:, :75] <= mouth_side(32) // 2 + 1).all()
    share = batch["shares"][:, 75:150, 0].mean(), batch["shares"][:, 150:, 0].mean()
    assert share[0] > 2 * share[1] > 0.1


def test_the_same_batches_come_again(known):
    first, again = (AvatarFrames(known, 2, 8).stream(3)[11] for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])


def test_windows_hold_the_frames_around_and_repeat_the_ends():
    windows = landmark_windows(np.arange(36, dtype=np.float32).reshape(6, 6), 5)
    assert windows.shape == (6, 5, 1, 6)
    np.testing.assert_array_equal(windows[0, :, 0, 0], [0, 0, 0, 6, 12])
    np.testing.assert_array_equal(windows[3, :, 0, 1], [7, 13, 19, 25, 31])
