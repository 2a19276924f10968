import jax
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import motion

NAMES = ("jawOpen", "mouthPucker")


def sample(frames=50, fps=25.0):
    keys = jax.random.split(jax.random.key(0), 3)
    tracks = [jax.random.normal(k, (frames, n)) for k, n in zip(keys, (2, 3, 3), strict=True)]
    return motion.Motion(*tracks, fps, NAMES)


def test_save_and_load_give_the_same_motion(tmp_path):
    motion.save(tmp_path / "m.npz", sample())
    back = motion.load(tmp_path / "m.npz")
    assert back.names == NAMES and back.fps == 25.0
    np.testing.assert_array_equal(back.expression, sample().expression)


def test_resample_keeps_the_duration_and_the_frames_in_common():
    doubled = motion.resample(sample(), 50.0)
    assert len(doubled) == 100 and doubled.seconds == sample().seconds
    np.testing.assert_allclose(doubled.rotation[::2], sample().rotation, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"garbage" * 50])
def test_load_names_the_file_that_is_no_motion(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(InputError, match="bad.npz"):
        motion.load(tmp_path / "bad.npz")


def test_resample_takes_a_motion_without_expression():
    bare = motion.resample(motion.still(50, 25.0, ()), 50.0)
    assert bare.expression.shape == (100, 0) and bare.rotation.shape == (100, 3)
