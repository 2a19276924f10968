import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import speech_windows
from jaxtalk.data import clip, lip_clips
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, landmarks, mouth, rotation


def _clip(lead: float, fps: float = 25.0) -> lip_clips.LipClip:
    """Whose first landmark and whose sound say when they are, in seconds of the sound."""
    mel = np.repeat(np.arange(800, dtype=np.float32)[:, None] / 80, 80, axis=1)
    when = np.arange(int(10 * fps), dtype=np.float32) / fps + lead
    return lip_clips.LipClip("a", mel, fps, np.broadcast_to(when[:, None, None], (len(when), 68, 3)), lead)


@pytest.mark.parametrize("lead, fps", [(0.0, 25.0), (0.05, 25.0), (-0.11, 30.0)])
def test_picture_is_ahead_of_the_sound_in_every_source_alike(lead, fps):
    source, rng = lip_clips.LipStretches([_clip(lead, fps)], 50), np.random.default_rng(0)
    for _ in range(20):
        drawn = source.stretch(0, rng)
        assert drawn["mel"].shape == (160, 80) and drawn["landmarks"].shape == (50, 68, 3)
        inside = slice(8, 42)
        heard = drawn["mel"][np.rint(np.arange(50) * 3.2).astype(int), 0][inside]
        ahead = drawn["landmarks"][inside, 0, 0] - heard
        within = (heard > 0.3) & (heard < 9.5)
        assert np.abs(ahead[within] - speech_windows.LEAD).max() < 0.03
        assert np.ptp(ahead[within]) < 0.026  # two roundings to columns
    seen = _clip(lead, fps).at_video_rate()
    np.testing.assert_allclose(seen[20:200, 0, 0], np.arange(20, 200) / 25 + speech_windows.LEAD, atol=1e-4)


def test_landmarks_of_the_corpus_are_those_of_the_face_model():
    record = clip.example(0, 0, 3)
    made = lip_clips.synthetic(record)
    model, n = builtin.model(), 7
    whole = model.vertices(jnp.asarray(record["identity"]), jnp.asarray(record["expression"][n]))
    posed = rotation.matrix(jnp.asarray(record["rotation"][n])) @ whole[model.landmarks].T
    np.testing.assert_allclose(made.landmarks[n], posed.T * jnp.array([[1.0, -1.0, -1.0]]), atol=1e-5)
    opening = np.asarray(landmarks.lip_opening(jnp.asarray(made.landmarks)))
    assert np.corrcoef(opening, record["expression"] @ mouth.mouth().opening)[0, 1] > 0.9


def test_a_file_that_is_no_track_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no")
    with pytest.raises(InputError, match=r"a\.npz: is no track"):
        lip_clips.tracked(tmp_path / "a.wav", tmp_path / "a.npz")
