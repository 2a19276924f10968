"""How a torso moves: what is found is what pictures were moved by."""

import numpy as np
import pytest
import scipy.ndimage

from jaxtalk.data import torso_track


def clip(moves: np.ndarray, size: int = 48) -> np.ndarray:
    """Pictures [t s s 3] of one smooth texture whose place under each of the maps [t 2 3] a pixel shows."""
    rng = np.random.default_rng(0)
    texture = scipy.ndimage.gaussian_filter(rng.uniform(size=(size, size, 3)), (2, 2, 0), mode="wrap")
    texture = (texture - texture.min()) / np.ptp(texture)
    y, x = (2 * (np.mgrid[:size, :size] + 0.5) / size - 1).reshape(2, -1)
    pictures = []
    for move in moves:
        column, row = ((move @ np.stack([x, y, np.ones_like(x)]) + 1) / 2 * size - 0.5).reshape(2, size, size)
        look = [scipy.ndimage.map_coordinates(texture[..., c], [row, column], order=1, mode="wrap") for c in range(3)]
        pictures.append(np.stack(look, -1))
    return np.uint8(255 * np.array(pictures) + 0.5)


def labels(frames: int, size: int = 48) -> np.ndarray:
    """Torso in the lower half."""
    shares = np.zeros((frames, size, size, 2), np.uint8)
    shares[:, size // 2 :, :, 1] = 255
    return shares


def test_a_torso_is_followed_through_shifts_and_a_turn():
    still, rng = np.eye(2, 3), np.random.default_rng(1)
    moves = np.stack([still + np.c_[0.02 * rng.normal(size=(2, 2)), 0.05 * rng.normal(size=2)] for _ in range(8)])
    found = torso_track.follow(clip(moves), labels(8))
    # Which of the frames is at rest nobody knows, so maps are compared from one frame to another.
    between = lambda maps: [_joined(_inverse(maps[0]), move) for move in maps[1:]]  # noqa: E731
    middle = np.array([0.0, 0.5, 1.0])  # the torso's
    wrong = np.array([a @ middle - b @ middle for a, b in zip(between(found), between(moves), strict=True)])
    assert np.abs(wrong).max() < 0.5 * 2 / 48  # half a pixel, where shifts reach three


def test_who_was_interrupted_goes_on_with_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(torso_track, "AT_ONCE", 2)
    moves = np.stack([np.eye(2, 3) + np.c_[np.zeros((2, 2)), [0.02 * k, 0]] for k in range(5)])
    pictures, kept, blurred, looked = clip(moves), tmp_path / "kept.npz", torso_track._blurred, []
    straight = torso_track.follow(pictures, labels(5))

    def broken(*given):
        looked.append(given)
        if len(looked) in (5, 9):
            raise KeyboardInterrupt
        return blurred(*given)

    monkeypatch.setattr(torso_track, "_blurred", broken)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            torso_track.follow(pictures, labels(5), kept)
    np.testing.assert_array_equal(torso_track.follow(pictures, labels(5), kept), straight)
    assert len(looked) == 2 * torso_track.ROUNDS * 3 + 2  # nothing that was done is done again


def _joined(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    full = np.concatenate([inner, [[0, 0, 1]]])
    return outer @ full


def _inverse(move: np.ndarray) -> np.ndarray:
    return np.linalg.inv(np.concatenate([move, [[0, 0, 1]]]))[:2]


def test_a_torso_that_rests_has_identities():
    still = np.tile(np.eye(2, 3), (3, 1, 1))
    np.testing.assert_allclose(torso_track.follow(clip(still), labels(3)), still, atol=2e-3)


def test_without_a_torso_nothing_moves():
    moves = np.stack([np.eye(2, 3) + np.c_[np.zeros((2, 2)), [0.1 * k, 0]] for k in range(3)])
    nothing = np.zeros((3, 48, 48, 2), np.uint8)
    np.testing.assert_array_equal(torso_track.follow(clip(moves), nothing), np.tile(np.eye(2, 3), (3, 1, 1)))
