"""Windows of talking faces: what belongs together, what does not, and clips on disk."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clip_frames, head_clips, spoken_faces
from jaxtalk.data.spoken_faces import SpokenFace, Windows
from jaxtalk.errors import InputError

RNG = np.random.default_rng(0)


def clip(frames: int = 60, late: float = 0.0, name: str = "a") -> SpokenFace:
    """Frame k is k all over but for its left column, which is 255; column j of the sound is j."""
    faces = np.tile(np.arange(frames, dtype=np.uint8)[:, None, None, None], (1, 96, 96, 3))
    faces[:, :, 0] = 255
    sound = np.tile(np.arange(round(3.2 * frames), dtype=np.float32)[:, None], (1, 80))
    return SpokenFace(name, faces, sound, late)


def shown(faces):
    return faces[..., 50, 50, 0].astype(int)


def test_sound_begins_with_the_first_of_five_frames_however_late_they_come():
    assert clip().columns(10).tolist() == list(range(32, 48))
    assert clip(late=0.08).columns(np.array([10, 0])).tolist() == [[*range(25, 41)], [0] * 7 + [*range(1, 10)]]
    assert clip().columns(59)[-1] == 191  # the last column goes on


def test_half_of_the_pairs_belong_together_and_the_others_share_no_frame():
    windows = Windows([clip(), clip(80)], 0.75)
    pairs = [windows.pair(i % len(windows), RNG) for i in range(200)]
    together = np.array([pair["together"] for pair in pairs])
    assert 0.35 < together.mean() < 0.65
    start = np.array([shown(pair["faces"])[0] for pair in pairs])
    heard = np.array([pair["mel"][0, 0] for pair in pairs]) / 3.2
    assert all((np.diff(shown(pair["faces"])) == 1).all() for pair in pairs)
    assert (np.abs(heard - start)[together == 1] < 1).all()
    apart = np.abs(heard - start)[together == 0]
    assert (apart > spoken_faces.NEAR - 1).all() and (apart <= spoken_faces.FAR).all()
    assert start.max() + 4 < 60 and pairs[0]["mel"].shape == (80, 16)
    mirrored = [pair["faces"][0, 0, -1, 0] == 255 for pair in pairs]
    assert 0.3 < np.mean(mirrored) < 0.7


def test_each_frame_of_speech_hears_from_two_frames_before_and_is_shown_another_time():
    one = Windows([clip()]).speech(3, np.random.default_rng(1))
    start, other = shown(one["faces"])[0], shown(one["references"])[0]
    assert abs(start - other) >= 5
    assert one["mels"].shape == (5, 80, 16) and one["mel"][0, 0] == int(3.2 * start)
    assert one["mels"][:, 7, 0].tolist() == [int(3.2 * (start - 2 + i)) for i in range(5)]
    assert (one["faces"][0, 0, 0, 0] == 255) == (one["references"][0, 0, 0, 0] == 255)  # mirrored together


def test_the_rest_of_a_clip_shares_no_frame_with_its_beginning():
    clips = [clip()]
    kept, rest = (
        {f for i in range(60) for f in shown(w.pair(i % len(w), RNG)["faces"])}
        for w in (Windows(clips, 0.6), Windows(clips, 0.6, rest=True))
    )
    assert max(kept) < 36 <= min(rest)
    with pytest.raises(InputError, match="too few"):
        Windows([clip(20)], 0.75, rest=True)


def test_drawn_faces_come_as_late_as_peoples(monkeypatch):
    def render(whole, seed, index, size):
        assert (seed, index, len(whole.expression)) == (3, 7, 6)
        file = io.BytesIO()
        Image.fromarray(np.full((size, size, 3), [200, 100, 50], np.uint8)).save(file, "PNG")
        points = np.tile(RNG.uniform(60, 120, (68, 2)), (6, 1, 1)).astype(np.float32)
        return clip_frames.Video([file.getvalue()] * 6, points, np.zeros(4, np.float32))

    monkeypatch.setattr(clip_frames, "render", render)
    record = {
        name: np.zeros((9, n), np.float32) for name, n in (("expression", 52), ("rotation", 3), ("translation", 3))
    }
    record |= {"index": 7, "style": 3, "blink": np.zeros(9, np.float32), "identity": np.zeros(5, np.float32)}
    record |= {"articulation": np.ones(len(head_clips._STYLE), np.float32), "speech": np.zeros(16000, np.int16)}
    made = spoken_faces.drawn(record, 3, 6)
    assert made.faces.shape == (6, 96, 96, 3) and (made.faces == [50, 100, 200]).all()
    assert made.late == speech_windows.LEAD and made.mel.shape == (81, mel.BANDS)


def test_clips_on_disk_are_made_once_and_come_back(tmp_path):
    made = []

    def make():
        made.append(1)
        return clip(late=0.04)

    for _ in range(2):
        spoken_faces.write(tmp_path / "faces", {"a": make})
    found = spoken_faces.read(tmp_path / "faces" / "a.npz")
    assert len(made) == 1 and (found.name, found.late) == ("a", 0.04)
    np.testing.assert_array_equal(found.faces, clip().faces)
    (tmp_path / "b.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="b.npz.*no clip of a spoken face"):
        spoken_faces.read(tmp_path / "b.npz")
