import numpy as np
import pytest

from jaxtalk.data import head_motion, phonemes, tts
from jaxtalk.face.arkit import INDEX

NONE = head_motion.Accents(np.zeros(0), np.zeros(0))


def test_blinks_come_as_often_as_people_blink_in_conversation():
    """26 a minute with log-normal intervals, each blink 100 to 450 ms long, faster to close than to open."""
    times = np.arange(0, 1800, 0.01)
    closure = head_motion.blinks(np.random.default_rng(0), times)
    onsets = np.flatnonzero((closure > 0.5) & (np.roll(closure, 1) <= 0.5))
    assert 24 < len(onsets) / 30 < 28
    intervals = np.log(np.diff(times[onsets]))
    assert np.std(intervals) == pytest.approx(0.6, abs=0.1)
    assert abs(np.mean((intervals - intervals.mean()) ** 3) / np.std(intervals) ** 3) < 0.35  # symmetric in the log
    shut = closure > 0.02
    starts, ends = np.flatnonzero(shut & ~np.roll(shut, 1)), np.flatnonzero(shut & ~np.roll(shut, -1))
    lengths = (ends - starts) * 0.01
    assert lengths.min() > 0.1 and lengths.max() < 0.45
    peaks = np.array([start + np.argmax(closure[start : end + 1]) for start, end in zip(starts, ends, strict=True)])
    assert ((peaks - starts) < (ends - peaks)).mean() > 0.95
    assert closure[peaks].min() > 0.8  # lids meet


def test_blink_rate_can_be_chosen():
    times = np.arange(0, 1200, 0.02)
    counts = [
        ((b := head_motion.blinks(np.random.default_rng(1), times, rate)) > 0.5)[1:].astype(int) @ (b[:-1] <= 0.5)
        for rate in (10.0, 40.0)
    ]
    assert 8 < counts[0] / 20 < 12 and 34 < counts[1] / 20 < 44


def test_styles_are_many_and_stay_the_same():
    styles = [head_motion.pose_style(i) for i in range(head_motion.STYLES)]
    assert len(set(styles)) == head_motion.STYLES == 46
    assert styles == [head_motion.pose_style(i) for i in range(head_motion.STYLES)]
    assert styles[0].posture == (0, 0, 0) and np.mean(styles[0].amplitude) < np.mean([s.amplitude for s in styles])


def test_head_moves_as_much_as_trackers_measure():
    """Medians over styles of what 27 tracked clips show: 2 to 5 degrees, below one hertz, some millimetres."""
    times = np.arange(0, 60, 0.04)
    moves = [
        head_motion.head(np.random.default_rng(i), times, head_motion.pose_style(i), NONE)
        for i in range(0, head_motion.STYLES, 3)
    ]
    spread = np.median([rotation.std(0) for rotation, _ in moves], 0) * 180 / np.pi
    assert (spread > 1.5).all() and (spread < 6).all()
    speed = np.median([np.abs(np.diff(rotation, axis=0)).mean(0) * 25 for rotation, _ in moves], 0) * 180 / np.pi
    assert (speed > 1).all() and (speed < 12).all()
    assert 0.001 < np.median([translation.std(0) for _, translation in moves]) < 0.01
    assert all(rotation.dtype == translation.dtype == np.float32 for rotation, translation in moves)


def test_movement_does_not_depend_on_the_frame_rate():
    style = head_motion.pose_style(3)
    beats = head_motion.Accents(np.array([1.0, 2.0]), np.array([0.9, 0.8]))
    slow, fast = (
        head_motion.head(np.random.default_rng(0), np.arange(0, 4 * fps) / fps, style, beats)[0] for fps in (25, 50)
    )
    np.testing.assert_allclose(slow, fast[::2], atol=2e-3)


def test_head_nods_on_accents():
    """Averaged over many draws the noise vanishes and the beat remains, where the accent is."""
    style = next(s for s in map(head_motion.pose_style, range(46)) if s.beat[0] > 0.04)
    times = np.arange(0, 4, 0.04)
    beats = head_motion.Accents(np.array([2.0]), np.array([1.0]))
    pitch = np.mean(
        [
            head_motion.head(np.random.default_rng(i), times, style, beats)[0][:, 0]
            - head_motion.head(np.random.default_rng(i), times, style, NONE)[0][:, 0]
            for i in range(40)
        ],
        0,
    )
    assert abs(times[np.argmax(pitch)] - 2.0) < 0.1
    assert pitch.max() > 0.5 * style.beat[0] and abs(pitch[times < 1.2]).max() < 0.01


def test_accents_are_stressed_vowels_and_louder_ones_are_stronger():
    speech = tts.synthesise("Peter never bought the beautiful yellow boat.")
    track = phonemes.track(speech.phones)
    found = head_motion.accents(track, speech.samples, speech.rate)
    assert len(found.times) >= 5 and (np.diff(found.times) > 0).all()
    assert found.strength.min() > 0 and found.strength.max() < 1
    louder = speech.samples.copy()
    place = int(found.times[2] * speech.rate)
    louder[place - 1500 : place + 1500] *= 4
    again = head_motion.accents(track, louder, speech.rate)
    assert again.strength[2] > found.strength[2]


def test_gaze_lids_and_brows_are_valid_and_gaze_is_shared_by_both_eyes():
    times = np.arange(0, 60, 0.04)
    rng = np.random.default_rng(0)
    blink = head_motion.blinks(rng, times)
    expression = head_motion.eyes(rng, times, blink, NONE)
    assert expression.min() >= 0 and expression.max() <= 1
    assert not expression[:, [INDEX["jawOpen"], INDEX["mouthSmileLeft"]]].any()
    np.testing.assert_array_equal(expression[:, INDEX["eyeLookOutLeft"]], expression[:, INDEX["eyeLookInRight"]])
    assert (expression[:, INDEX["eyeBlinkLeft"]] >= blink - 1e-6).all()
    looks = expression[:, INDEX["eyeLookOutLeft"]] - expression[:, INDEX["eyeLookInLeft"]]
    assert 0.02 < looks.std() < 0.3
    assert (np.abs(np.diff(looks)) < 1e-6).mean() > 0.7  # it rests most of the time


def test_brows_rise_with_accents():
    times = np.arange(0, 20, 0.04)
    beats = head_motion.Accents(np.arange(1.0, 20, 2), np.full(10, 0.95))

    def raised(accents, seed):
        blink = np.zeros(len(times), np.float32)
        return head_motion.eyes(np.random.default_rng(seed), times, blink, accents)[:, INDEX["browOuterUpLeft"]]

    with_beats, without = (np.mean([raised(a, i).max() for i in range(10)]) for a in (beats, NONE))
    assert with_beats > without + 0.15
