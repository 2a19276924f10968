import numpy as np
import pytest
import soundfile

from jaxtalk.data import clip_alignment, clips, speech_frames
from jaxtalk.errors import InputError
from jaxtalk.face.arkit import INDEX


def _recording(seed: int, frames: int = 200, lag: int = 0) -> clips.Recording:
    """A mouth that opens with the loudness of some bands."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.normal(size=-(-frames * 4 // 8)), 8)[: frames * 4].astype(np.float32)
    mel = (loud[:, None] * np.linspace(0, 1, 80) + 0.1 * rng.normal(size=(len(loud), 80))).astype(np.float32)
    seen = loud[np.clip(np.rint((np.arange(frames) - lag) * 3.2).astype(int), 0, None)]
    expression = np.zeros((frames, 52), np.float32)
    expression[:, INDEX["jawOpen"]] = 0.2 + 0.05 * seen
    return clips.Recording(
        name=str(seed),
        mel=mel,
        fps=25.0,
        expression=expression,
        known=expression.std(0) > 0,
        opening=0.1 + 0.02 * seen,
        phoneme=np.full(frames, -1, np.int32),
    )


def test_facegood_weights_become_arkit_coefficients(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    jaw = np.linspace(0, 1, 30, dtype=np.float32)
    names = np.array(list(clips._FACEGOOD))
    weights = np.zeros((30, len(names)), np.float32)
    weights[:, list(names).index("mouth_stretch_c")] = jaw
    np.savez(tmp_path / "a.npz", weights=weights, names=names, fps=30.0)
    recording = clips.animated(tmp_path / "a.wav", tmp_path / "a.npz")
    np.testing.assert_array_equal(recording.expression[:, INDEX["jawOpen"]], jaw)
    assert recording.known.sum() == 1 and recording.mel.shape == (81, 80)
    assert np.corrcoef(recording.opening, jaw)[0, 1] > 0.999 and recording.opening[0] == 0


def test_a_file_that_is_no_track_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no")
    with pytest.raises(InputError, match=r"a\.npz: is no track"):
        clips.tracked(tmp_path / "a.wav", tmp_path / "a.npz")


def test_tracked_clip_has_the_opening_of_its_landmarks_and_scores_in_our_order(media):
    recording = clips.tracked(media / "video" / "vrt_3.mp4", media / "tracks" / "vrt_3.npz")
    with np.load(media / "tracks" / "vrt_3.npz") as track:
        column = track["blendshape_names"].tolist().index("jawOpen")
        np.testing.assert_array_equal(recording.expression[:, INDEX["jawOpen"]], track["blendshapes"][:, column])
    assert np.corrcoef(recording.opening, recording.expression[:, INDEX["jawOpen"]])[0, 1] > 0.7
    assert 0.02 < recording.opening.std() < 0.1 and len(recording.mel) == pytest.approx(80 * 125 / 25, abs=4)


def test_common_style_has_the_wanted_mean_and_spread():
    like = clips.Spread((np.full(52, 0.5, np.float32), np.full(52, 0.2, np.float32)), (0.1, 0.05))
    styled = clips.in_common_style(_recording(0), like)
    jaw = styled.expression[:, INDEX["jawOpen"]]
    assert jaw.mean() == pytest.approx(0.5, abs=1e-3) and jaw.std() == pytest.approx(0.2, abs=1e-3)
    assert styled.opening.std() == pytest.approx(0.05, abs=1e-3)
    assert np.all(styled.expression[:, INDEX["mouthPucker"]] == 0)


def test_late_pictures_are_found_and_a_left_out_clip_is_left_alone():
    ridge = clip_alignment.Ridge([_recording(i) for i in range(5)] + [_recording(5, lag=3), _recording(6, lag=-2)])
    assert clip_alignment.lags(ridge, set()).tolist() == [0, 0, 0, 0, 0, 3, -2]
    assert clip_alignment.lags(ridge, {5}).tolist() == [0, 0, 0, 0, 0, 0, -2]


def test_a_frame_hears_only_its_own_recording():
    frames = speech_frames.SpeechFrames([_recording(0, 50), _recording(1, 50)])
    alone = speech_frames.SpeechFrames([_recording(1, 50)])
    for i in (0, 1, 49):
        np.testing.assert_array_equal(frames.frame(50 + i)["window"], alone.frame(i)["window"])
    varied = frames.frame(20, np.random.default_rng(0))
    assert varied["window"].shape == (80, 16) and not np.array_equal(varied["window"], frames.frame(20)["window"])


def test_stream_keeps_the_shares_of_its_sources():
    one, other = speech_frames.SpeechFrames([_recording(0, 50)]), speech_frames.SpeechFrames([_recording(1, 60)])
    batch = next(iter(speech_frames.stream([(one, 0.75), (other, 0.25)], 40, 0)))
    mine = np.isin(batch["opening"], _recording(0, 50).opening)
    assert batch["window"].shape == (40, 80, 16) and abs(mine.mean() - 0.75) < 0.1
