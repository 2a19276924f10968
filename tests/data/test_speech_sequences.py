import dataclasses

import numpy as np
import pytest

from jaxtalk.data import clips, speech_sequences


def _recording(frames: int = 250, fps: float = 25.0, lead: float = 0.0) -> clips.Recording:
    """Sound whose level at each column is the time in seconds, and a mouth that opens as time goes on."""
    columns = int(frames / fps * 80)
    seen = (np.arange(frames) / fps + lead).astype(np.float32)
    expression = np.tile(seen[:, None], (1, 52))
    return clips.Recording(
        name="ramp",
        mel=np.tile(np.arange(columns, dtype=np.float32)[:, None] / 80, (1, 80)),
        fps=fps,
        expression=expression,
        known=np.ones(52, bool),
        opening=seen,
        phoneme=np.arange(frames, dtype=np.int32),
        lead=lead,
    )


@pytest.mark.parametrize(("fps", "lead"), [(25.0, 0.0), (30.0, 0.05)])
def test_columns_meet_the_movement_of_their_moment(fps, lead):
    expression, opening, phoneme = speech_sequences.on_columns(_recording(fps=fps, lead=lead))
    seconds = np.arange(len(opening)) / 80
    inner = slice(20, -20)
    np.testing.assert_allclose(opening[inner], seconds[inner], atol=1e-4)
    np.testing.assert_allclose(expression[inner, 7], seconds[inner], atol=1e-4)
    assert np.abs(phoneme / fps + lead - seconds)[inner].max() <= 0.51 / fps


def test_stretches_keep_sound_and_movement_together_and_mask_what_lies_outside():
    recording = _recording(60)
    source = speech_sequences.SpeechSequences([recording], 128)
    assert len(source) == -(-len(recording.mel) // 128)
    masked = False
    for seed in range(20):
        one = source.stretch(0, np.random.default_rng(seed))
        assert one["mel"].shape == (128, 80) and one["expression"].shape == (64, 52) and one["tracked"] == 0
        heard = one["mel"][::2, 0]
        inside = one["mask"] > 0
        assert np.abs(heard - one["opening"])[inside].max() < 0.06  # the last frame stays for 0.04 s
        masked |= not inside.all()
    assert masked


def test_a_recording_shorter_than_a_stretch_is_padded_and_masked():
    one = speech_sequences.SpeechSequences([_recording(20)], 128, tracked=True).stretch(0, np.random.default_rng(0))
    assert 20 <= one["mask"].sum() < 50 and one["tracked"] == 1


def test_sources_have_their_shares_in_a_fixed_order():
    first = _recording()
    second = dataclasses.replace(first, opening=first.opening - 100)
    sources = [(speech_sequences.SpeechSequences([r], 64), share) for r, share in ((first, 3.0), (second, 1.0))]
    batches = [speech_sequences.stream(sources, 8, seed=1)[i] for i in (0, 0, 1)]
    assert ((batches[0]["opening"] < -50).mean(1) > 0.5).sum() == 2
    np.testing.assert_array_equal(batches[0]["mel"], batches[1]["mel"])
    assert not np.array_equal(batches[0]["mel"], batches[2]["mel"])
