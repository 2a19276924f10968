"""Faces followed through videos: shots, searches, rivals, and tracks that are there already."""

import itertools

import numpy as np
import pytest

from jaxtalk.data import track_video
from jaxtalk.errors import InputError
from jaxtalk.face import detect, tracks
from jaxtalk.face.tracks import Track
from jaxtalk.io import video


def picture(level, size=64):
    return np.full((size, size, 3), level, np.uint8)


def found(size, x=0.0):
    points = np.linspace(0, size, 136).reshape(68, 2).astype(np.float32) + np.float32([x, 0])
    return detect.Face(np.concatenate([points.min(0), points.max(0)]), points, np.ones(68, np.float32), 0.9)


def as_read(level):
    """What `fake` sees in a picture of this grey level: 0 nothing, 200 and more two like faces, others one."""
    if level == 0:
        return []
    return [found(40.0), found(35.0)] if level >= 200 else [found(40.0, x=level), found(20.0)]


@pytest.fixture
def fake(monkeypatch):
    """Searches by grey level, counted; a face is followed while there is one."""
    searches = []

    def faces(image, accept=0.4):
        searches.append(int(image[0, 0, 0]))
        return as_read(searches[-1])

    def track(frames, start=None, accept=0.4):
        for image in frames:
            yield next(iter(as_read(int(image[0, 0, 0]))), None)

    monkeypatch.setattr(detect, "faces", faces)
    monkeypatch.setattr(detect, "track", track)
    return searches


def test_one_search_finds_a_face_that_is_followed_from_then_on(fake):
    seen = list(track_video.detected([picture(50)] * 20))
    assert len(seen) == 20 and len(fake) == 1
    assert all(s.shot == 0 and s.landmarks.shape == (68, 2) and not s.why for s in seen)


def test_a_new_shot_is_searched_anew(fake):
    seen = list(track_video.detected([picture(50)] * 5 + [picture(150)] * 5))
    assert [s.shot for s in seen] == [0] * 5 + [1] * 5 and fake == [50, 150]
    assert seen[4].landmarks[0, 0] == 50 and seen[5].landmarks[0, 0] == 150


def test_without_a_face_it_is_searched_for_twice_a_second(fake):
    seen = list(track_video.detected([picture(0)] * 50 + [picture(20)] * 14))
    assert len(seen) == 64 and len(fake) == 6
    assert [s.why == track_video.NOBODY for s in seen] == [True] * 60 + [False] * 4


def test_a_face_that_is_lost_is_searched_for_again(fake):
    seen = list(track_video.detected([picture(20)] * 5 + [picture(0)] * 2 + [picture(20)] * 20))
    assert [bool(s.why) for s in seen] == [False] * 5 + [True] * 12 + [False] * 10


def test_where_two_faces_are_of_like_size_nobody_is_the_speaker(fake):
    seen = list(track_video.detected([picture(220)] * 7 + [picture(100)] * 3))
    assert [s.why for s in seen] == [track_video.SEVERAL] * 7 + [""] * 3 and len(fake) == 2


def test_frames_of_another_rate_get_the_row_that_is_shown_then():
    landmarks = np.arange(30, dtype=np.float32)[:, None, None] * np.ones((1, 68, 2), np.float32)
    track = Track(landmarks=landmarks, confidence=np.ones((30, 68), np.float32), size=(64, 64), fps=30.0)
    track.confidence[12] = 0
    seen = list(track_video.tracked([picture(9)] * 27, track, 25.0))
    rows = [None if s.landmarks is None else int(s.landmarks[0, 0]) for s in seen]
    assert rows == [
        0,
        1,
        2,
        3,
        4,
        6,
        7,
        8,
        9,
        10,
        None,
        13,
        14,
        15,
        16,
        18,
        19,
        20,
        21,
        22,
        24,
        25,
        26,
        27,
        28,
        None,
        None,
    ]
    assert seen[10].why == track_video.NOBODY and seen[-1].why == track_video.ENDED


def test_a_track_of_pictures_of_another_size_is_refused():
    track = Track(landmarks=np.zeros((3, 68, 2)), confidence=np.ones((3, 68)), size=(64, 48), fps=25.0)
    with pytest.raises(InputError, match="48x64 pixels, the video of 64x64"):
        list(track_video.tracked([picture(9)] * 3, track, 25.0))


def test_real_clips_are_one_shot_and_two_of_them_two(media):
    """Whoever turns or talks makes no cut; another video does."""
    names = ("vox_00086", "vox_741400104", "vrt_5", "RD_Radio34_000")
    clips = [list(itertools.islice(video.frames(media / "video" / f"{name}.mp4"), 60)) for name in names]
    shots = [[shot for shot, _ in zip(clip, track_video._shots(clip), strict=False)] for clip in clips]
    assert all(len(shot) == 1 for shot in shots)
    assert len(list(track_video._shots(clips[0] + clips[1]))) == 2


@pytest.mark.slow
def test_own_networks_find_what_tracks_say_and_refuse_a_crowd(media):
    track = tracks.load(media / "tracks" / "vox_00010.npz")
    seen = list(track_video.detected(itertools.islice(video.frames(media / "video" / "vox_00010.mp4"), 60)))
    errors = [np.linalg.norm(s.landmarks - truth, axis=-1).mean() for s, truth in zip(seen, track.landmarks)]  # noqa: B905
    assert np.mean(errors) < 0.07 * np.linalg.norm(track.landmarks[0, 36] - track.landmarks[0, 45])
    crowd = itertools.islice(video.frames(media / "video" / "crowd_many_faces.mp4"), 3)
    assert {s.why for s in track_video.detected(crowd)} == {track_video.SEVERAL}
