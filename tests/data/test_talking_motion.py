"""People who talk as rows of sound and motion of points: units, time, pieces."""

import types
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import speech_windows
from jaxtalk.data import clips, talking_motion
from jaxtalk.data.talking_motion import MotionPieces, TalkingMotion
from jaxtalk.errors import InputError
from jaxtalk.face import builtin

RNG = np.random.default_rng(0)


def clock(spectrum, seconds):
    """An ear that hears the time alone."""
    return np.asarray(seconds, np.float32)[:, None]


def speaker(frames: int = 50, name: str = "a") -> TalkingMotion:
    """Whose motion, pose and sound are the number of the frame."""
    frame = np.arange(frames, dtype=np.float32)
    sound = np.arange(2 * frames, dtype=np.float32)[:, None] / 2
    return TalkingMotion(name, sound, np.repeat(frame[:, None], 204, 1), np.repeat(frame[:, None], 6, 1))


def recording(fps: float, lead: float, frames: int = 40) -> clips.Recording:
    expression = np.zeros((frames, 52), np.float32)
    expression[:, 17] = np.arange(frames) / fps  # seconds
    zero = np.zeros(frames, np.float32)
    return clips.Recording(
        "r", np.zeros((200, 80), np.float32), fps, expression, np.ones(52, bool), zero, zero.astype(np.int32), lead
    )


def test_motion_is_what_the_expression_does_to_the_points():
    model, expression = builtin.model(), RNG.uniform(0, 1, (3, 52)).astype(np.float32)
    moved = talking_motion.of_expression(expression).reshape(3, 68, 3) * talking_motion.UNIT
    vertices = np.asarray(model.vertices(expression=jnp.asarray(expression))) - np.asarray(model.template)
    np.testing.assert_allclose(moved, vertices[:, np.asarray(model.landmarks)], atol=1e-6)


@pytest.mark.parametrize("fps", [25.0, 30.0])
def test_rows_are_heard_where_frames_are_seen_whatever_the_frame_rate(fps):
    made = talking_motion.of_recording(recording(fps, lead=0.05), clock)
    assert len(made.motion) == round(40 / fps * 25) and len(made.sound) == 2 * len(made.motion)
    one_second = talking_motion.of_expression(np.eye(52, dtype=np.float32)[17:18])
    axis = np.abs(one_second).argmax()
    seen = made.motion[:, axis] / one_second[0, axis]
    last = 39 / fps  # beyond the last frame it goes on
    np.testing.assert_allclose(seen, np.minimum(made.sound[::2, 0] - 0.05, last), atol=1e-5)
    np.testing.assert_allclose(np.diff(made.sound[:, 0]), 0.02, atol=1e-5)


def test_a_part_keeps_sound_and_motion_together():
    part = speaker().part(slice(10, 20))
    np.testing.assert_array_equal(part.sound[::2, 0], part.motion[:, 0])
    assert len(part.pose) == 10 and part.motion[0, 0] == 10


def test_pieces_keep_sound_and_motion_together_at_any_pace():
    pieces = MotionPieces([speaker()], 20)
    assert len(pieces) == 3
    paces = set()
    for seed in range(5):
        piece = pieces.piece(0, np.random.default_rng(seed))
        assert piece["mask"].all() and piece["sound"].shape == (40, 1)
        np.testing.assert_allclose(piece["sound"][::2, 0], piece["motion"][:, 0], atol=1e-4)
        np.testing.assert_allclose(piece["pose"][:, 0] - piece["motion"][:, 0], -24.5, atol=1e-4)  # about its mean
        paces.add(round(float(piece["motion"][1, 0] - piece["motion"][0, 0]), 3))
    assert len(paces) == 5 and all(0.85 < pace < 1.15 for pace in paces)


def test_short_recordings_are_filled_up_and_masked():
    piece = MotionPieces([speaker(8)], 20).piece(0, np.random.default_rng(0))
    inside = int(piece["mask"].sum())
    assert 6 <= inside <= 9 and piece["mask"][:inside].all()
    assert not piece["motion"][inside:].any() and not piece["sound"][2 * inside :].any()


def test_each_source_has_its_share_of_a_stream():
    sources = [(MotionPieces([speaker(), speaker()], 12), 0.75), (MotionPieces([speaker(9)], 12), 0.25)]
    batches = talking_motion.stream(sources, 16, 0)
    whole = np.concatenate([batches[i]["mask"].all(-1) for i in range(4)])
    assert whole.sum() == 48  # the short one is never whole
    np.testing.assert_array_equal(batches[1]["sound"], talking_motion.stream(sources, 16, 0)[1]["sound"])


def test_the_person_stands_beside_the_others():
    batch = talking_motion.beside(MotionPieces([speaker()], 12), MotionPieces([speaker(9)], 12), 4, 0)[0]
    assert batch["own_sound"].shape == batch["sound"].shape == (4, 24, 1)
    assert batch["mask"].all() and not batch["own_mask"].all(-1).any()


def test_a_prepared_person_is_split_and_heard_as_early_as_people_are(monkeypatch):
    frames = 40
    person = types.SimpleNamespace(
        frames=frames, notes={"video": "me.mp4"}, speech=np.zeros(640 * frames, np.int16),
        face={"expression": RNG.uniform(size=(frames, 52)), "angles": np.ones((frames, 3)),
              "translation": np.zeros((frames, 3))},
        train=slice(0, 30), held_out=slice(30, 40),
    )  # fmt: skip
    monkeypatch.setattr(talking_motion.person_video, "read", lambda folder: person)
    parts = talking_motion.of_person(Path("me"), clock)
    assert len(parts.train.motion) == 30 and len(parts.held_out.sound) == 20
    np.testing.assert_allclose(parts.held_out.sound[0, 0], 30 / 25 + speech_windows.LEAD, atol=1e-6)
    np.testing.assert_allclose(
        parts.held_out.motion, talking_motion.of_expression(person.face["expression"][30:]), atol=1e-6
    )
    assert (parts.train.pose == [1, 1, 1, 0, 0, 0]).all()


def test_a_silent_person_is_refused(monkeypatch):
    monkeypatch.setattr(talking_motion.person_video, "read", lambda folder: types.SimpleNamespace(speech=None))
    with pytest.raises(InputError, match="me: the video is silent"):
        talking_motion.of_person(Path("me"), clock)
