import jax.numpy as jnp
import numpy as np

from jaxtalk.data import pose_pieces

RNG = np.random.default_rng(0)


def heard(frames):
    track = np.arange(frames, dtype=np.float32)[:, None]
    return {"sound": track * np.ones(4, np.float32), "pose": track * np.ones(6, np.float32), "style": np.int32(frames)}


def test_sound_and_pose_of_a_piece_belong_together():
    batch = pose_pieces.dataset([heard(40), heard(50), heard(10)], frames=33, batch=16, seed=0)[3]
    assert batch["sound"].shape == (16, 33, 4) and batch["pose"].shape == (16, 33, 6)
    np.testing.assert_array_equal(batch["sound"][..., 0], batch["pose"][..., 0])
    np.testing.assert_array_equal(np.diff(batch["pose"][..., 0]), 1.0)
    assert set(batch["style"].tolist()) == {40, 50}


def test_order_is_fixed_by_the_seed():
    one, same, other = (pose_pieces.dataset([heard(60)], 33, 8, seed)[0]["pose"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_every_frame_is_heard_once_and_in_order():
    frames = 300  # more than a block
    record = {
        "index": 0,
        "speech": (9000 * RNG.standard_normal(640 * frames).clip(-3, 3)).astype(np.int16),
        "expression": np.zeros((frames, 52), np.float32),
        "phoneme": np.zeros(1, np.int32),
        "phoneme_start": np.zeros(1, np.float32),
        "phoneme_end": np.full(1, frames / 25, np.float32),
        "phoneme_stress": np.zeros(1, np.int32),
        "rotation": RNG.random((frames, 3), np.float32),
        "translation": RNG.random((frames, 3), np.float32),
        "style": 7,
    }
    one = pose_pieces.hear([record], lambda windows: jnp.asarray(windows[:, :2, 8]))[0]
    recording = pose_pieces.clips.synthetic(record)
    column = pose_pieces.speech_windows.columns(np.arange(frames) / 25)[:, 8]
    expected = recording.mel[np.clip(column, 0, len(recording.mel) - 1), :2]
    np.testing.assert_allclose(one["sound"], expected, atol=1e-6)
    np.testing.assert_array_equal(one["pose"][:, :3], record["rotation"])
