"""The shipped judge on speech and lips of which the truth is known: the corpus's, on the built-in face."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.data import clip, lip_clips
from jaxtalk.errors import InputError
from jaxtalk.io import video
from jaxtalk.metrics import lip_sync as metric
from jaxtalk.systems import lip_sync


@pytest.fixture(scope="module")
def sentence():
    """Of a split that nothing learns from: landmarks and sound."""
    made = clip.make(0, 19)
    record = {"expression": made.expression, "identity": made.identity, "rotation": made.rotation}
    points = lip_clips.turned(lip_clips.face(record["expression"], record["identity"]), record["rotation"])
    return 500 * points[..., :2].astype(np.float32), made.speech.astype(np.float32) / 32768


def test_says_by_how_much_a_sound_is_off(sentence):
    landmarks, wave = sentence
    lead = round(0.05 * 16000)  # people are seen before they are heard, the corpus is exact
    in_sync = np.concatenate([np.zeros(lead, np.float32), wave])
    results = {}
    for shift in (0, 5, 10):
        face, sound = lip_sync.embed(landmarks, np.concatenate([np.zeros(shift * 640, np.float32), in_sync]))
        results[shift] = metric.lip_sync(jnp.asarray(face), jnp.asarray(sound))
        assert abs(float(results[shift].offset) + shift) <= 1  # late sound: negative
    face, sound = lip_sync.embed(landmarks, in_sync)
    mean = np.asarray(metric.shifted_distances(jnp.asarray(face), jnp.asarray(sound))).mean(0)
    assert mean[15] < mean[20] - 0.2 and mean[15] < mean[10] - 0.2
    assert float(results[0].confidence) > 0.3


def test_frames_without_a_face_lie_on_straight_lines():
    ends = np.stack([np.zeros((68, 2)), np.ones((68, 2))]).astype(np.float32)
    np.testing.assert_allclose(lip_sync.bridged(ends, np.array([1, 3]), np.arange(6))[:, 5, 1], [0, 0, 0.5, 1, 1, 1])


def test_a_video_without_a_face_is_named(tmp_path):
    with video.Writer(tmp_path / "grey.mp4", 64, 64) as writer:
        for _ in range(2):
            writer.write(np.full((64, 64, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"grey\.mp4: no face"):
        lip_sync.watch(tmp_path / "grey.mp4")


def test_figures_name_the_network():
    assert lip_sync.label().startswith("lip-sync-jaxtalk ")
