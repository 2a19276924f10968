"""A stream that is stopped in the middle goes on with the very batches that would have come, for every kind of data.

By grain's own check: the state is kept before each of the first batches, and all that follows from each is compared.
The sets are so small that these batches reach over several epochs.
"""

import grain
import numpy as np
import pytest

from jaxtalk.data import (
    clips,
    fap_clips,
    head_clips,
    lip_clips,
    pose_pieces,
    speech_crops,
    speech_frames,
    speech_sequences,
    windows,
)

BATCHES = 5


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def recording(frames=40):
    return clips.Recording(
        name="a",
        mel=normal(frames * 16 // 5, 80),
        fps=25.0,
        expression=normal(frames, 52),
        known=np.ones(52, bool),
        opening=normal(frames),
        phoneme=np.arange(frames, dtype=np.int32),
    )


def head(frames=5):
    return head_clips.HeadClip(
        name="a",
        person="a",
        frames=np.random.default_rng(1).integers(0, 255, (frames, 8, 8, 3), np.uint8),
        shown=np.arange(frames),
        rotation=normal(frames, 3),
        translation=normal(frames, 3),
        expression=normal(frames, 52),
    )


def of_speech_crops():
    recordings = [np.arange(6400, dtype=np.int16), np.arange(9600, dtype=np.int16)]
    return speech_crops.SpeechCrops(recordings, 3200).stream(2, seed=3)


def of_speech_frames():
    frames = speech_frames.SpeechFrames([recording(4)])
    return speech_frames.stream([(frames, 0.5), (frames, 0.5)], 4, seed=3)


def of_speech_sequences():
    stretches = speech_sequences.SpeechSequences([recording(), recording()], 32)
    return speech_sequences.stream([(stretches, 0.5), (stretches, 0.5)], 4, seed=3)


def of_lip_clips():
    stretches = lip_clips.LipStretches([lip_clips.LipClip("a", normal(128, 80), 25.0, normal(40, 68, 3))], 10)
    return lip_clips.stream([(stretches, 1.0)], 3, seed=3)


def of_fap_clips():
    return fap_clips.stream([(normal(5, 6, 18), np.arange(5), 1.0)], 2, seed=3)


def of_pose_pieces():
    heard = [{"sound": normal(12, 4), "pose": normal(12, 6), "style": np.int32(k)} for k in range(3)]
    return pose_pieces.dataset(heard, 10, 2, seed=3)


def of_head_clips():
    return head_clips.stream(head_clips.Pairs([head(), head(), head()]), 2, seed=3)


def of_windows():
    records = grain.MapDataset.source([{"frame": np.arange(9)}, {"frame": np.arange(7)}])
    chosen = windows.Windows(
        records, np.array([9, 7]), 3, lambda record, first, count: {"frame": record["frame"][first : first + count]}
    )
    return windows.stream([(chosen, 0.75), (chosen, 0.25)], 4, seed=3)


STREAMS = [
    of_speech_crops, of_speech_frames, of_speech_sequences, of_lip_clips, of_fap_clips, of_pose_pieces, of_head_clips,
    of_windows,
]  # fmt: skip


@pytest.mark.parametrize("stream", STREAMS)
def test_from_every_state_the_same_batches_follow(stream):
    first = stream()[:BATCHES]
    grain.experimental.assert_equal_output_after_checkpoint(first.to_iter_dataset(grain.ReadOptions(0, 0)))
    values = [first[number] for number in range(BATCHES)]
    assert any(not np.array_equal(values[0][name], values[1][name]) for name in values[0])


@pytest.mark.parametrize("stream", STREAMS)
def test_a_state_is_good_for_a_stream_made_anew(stream):
    """The number of the next batch is all there is to it: nothing of what was drawn before, nor of reading ahead."""
    going = iter(stream().to_iter_dataset(grain.ReadOptions(2, 4)))
    for _ in range(3):
        next(going)
    state = going.get_state()
    assert state == {"next_index": 3}
    again = iter(stream().to_iter_dataset(grain.ReadOptions(0, 0)))
    again.set_state(state)
    np.testing.assert_equal([next(again), next(again)], [next(going), next(going)])
    going.close()
    again.close()
