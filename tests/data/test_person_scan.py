"""Is a video one that an avatar can be made of? Odd ones are refused in one line, and a broken look goes on."""

import numpy as np
import pytest

from jaxtalk.data import person_scan, person_video, track_video
from jaxtalk.errors import InputError
from jaxtalk.face import detect
from jaxtalk.io import image, video

COUNT = 130
FACE = np.random.default_rng(0).uniform(12, 36, (68, 2)).astype(np.float32)


def film(path, pictures, fps=25.0):
    with video.Writer(path, pictures[0].shape[1], pictures[0].shape[0], fps=fps, crf=8) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def room(count, height=48, width=48):
    """A still camera; what is shown grows darker little by little in one corner, so that frames differ."""
    pictures = np.full((count, height, width, 3), 90, np.uint8)
    pictures[:, -12:, -12:] -= (np.arange(count) % 60).astype(np.uint8)[:, None, None, None]
    return list(pictures)


@pytest.fixture
def faces(monkeypatch):
    """Stands in for the networks: `faces.missing` is where, of what is followed, they find nothing."""

    class Faces:
        missing, why, searched, followed, stop = (), track_video.NOBODY, 0, 0, None

        def __call__(self, frames):
            frames = list(frames)
            if len(frames) == 1:  # a probe
                self.searched += 1
                hidden = self.searched - 1 in self.missing
                yield track_video.Seen(0, None, self.why) if hidden else track_video.Seen(0, FACE)
                return
            for _ in frames:
                if self.followed == self.stop:
                    raise KeyboardInterrupt
                self.followed += 1
                yield track_video.Seen(0, FACE + 0.01 * self.followed)

    found = Faces()
    monkeypatch.setattr(person_scan, "by_networks", found)
    return found


def refused(path, folder, **options) -> str:
    with pytest.raises(InputError) as error:
        person_video.prepare(path, folder / "me" / "data", size=64, **options)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert not (folder / "me").exists()
    return str(error.value)


def test_what_is_no_video_is_refused(tmp_path):
    image.save(tmp_path / "me.png", room(1)[0])
    assert "no video" in refused(tmp_path / "me.png", tmp_path)
    (tmp_path / "notes.txt").write_text("no video")
    refused(tmp_path / "notes.txt", tmp_path)
    refused(tmp_path / "missing.mp4", tmp_path)


def test_few_frames_a_second_are_refused_and_many_are_thinned_out(tmp_path, faces):
    assert "frames a second" in refused(film(tmp_path / "slow.mp4", room(60), fps=10.0), tmp_path)
    found = person_scan.scan(film(tmp_path / "fast.mp4", room(2 * COUNT), fps=50.0))
    assert len(found.seen) == COUNT


def test_a_face_that_is_away_for_long_is_told_before_all_frames_are_followed(tmp_path, faces):
    clip = film(tmp_path / "away.mp4", room(COUNT))
    faces.missing = (3, 4, 5)
    said = refused(clip, tmp_path)
    assert said.count("no face is found") == 3 and "at 1.0 s" in said and faces.followed == 0
    faces.searched, faces.why = 0, track_video.SEVERAL
    assert "several faces" in refused(clip, tmp_path)
    faces.searched, faces.missing = 0, (3,)
    assert person_scan.scan(clip).seen.all()


def test_a_slow_pan_is_told_from_a_head_that_reaches_into_a_corner():
    y, x = np.mgrid[:36, :64]

    def wall(k):
        """Faint, smooth stripes, seen from a camera that moves half a pixel a frame, forth and back."""
        at = x + 0.5 * abs(k % 40 - 20)
        return (0.5 + 0.04 * np.sin(at / 3) + 0.04 * np.sin(at / 7 + y / 5)).astype(np.float32)

    panned = np.stack([wall(k) for k in range(80)])
    assert person_scan.shifted(panned) > 2 * person_scan.SHIFTED
    still = np.stack([wall(0)] * 80) + np.random.default_rng(0).normal(0, 0.01, (80, 36, 64)).astype(np.float32)
    assert person_scan.shifted(still) == 0
    for k, picture in enumerate(still):  # hair in the left corner
        picture[:, : 4 + abs(k % 16 - 8)] = 0.2
    assert person_scan.shifted(still) == 0 < person_scan._corner_shifted(still)


def test_a_hand_before_the_face_hides_it_for_as_long_as_it_is_there(monkeypatch):
    place = np.concatenate([FACE.min(0), FACE.max(0)])
    shown = detect.Face(place, FACE, np.ones(68, np.float32), 1.0)
    monkeypatch.setattr(track_video, "detected", lambda frames: (track_video.Seen(0, FACE) for _ in frames))
    monkeypatch.setattr(detect, "_refine", lambda image, *_, **__: [shown._replace(confidence=float(image[0, 0, 0]))])
    monkeypatch.setattr(detect, "faces", lambda image, accept=0.4: [shown] if image[0, 0, 0] else [])
    hidden = [5, 6, 7, 20]
    frames = [np.full((4, 4, 3), k not in hidden, np.uint8) for k in range(30)]
    seen = [found.landmarks is not None for found in person_scan.by_networks(frames)]
    assert [k for k, one in enumerate(seen) if not one] == hidden and len(seen) == 30


def test_an_upright_picture_is_cut_within_its_width(tmp_path, faces):
    left, top, side = person_scan.scan(film(tmp_path / "upright.mp4", room(COUNT, height=96))).square
    assert side <= 48 and left == 0 and top + side <= 96


def test_a_disk_that_is_too_small_is_told_before_the_first_look(tmp_path, faces, monkeypatch):
    clip = film(tmp_path / "clip.mp4", room(COUNT))
    nothing = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(person_video.shutil, "disk_usage", lambda _: nothing)
    with pytest.raises(InputError, match="GB are needed"):
        person_video.prepare(clip, tmp_path / "me", size=64)
    assert faces.searched == 0 and not (tmp_path / "me").exists()


def test_a_look_that_was_broken_off_goes_on_at_its_last_piece(tmp_path, faces, monkeypatch):
    monkeypatch.setattr(person_scan, "PIECE", 40)
    clip, kept = film(tmp_path / "clip.mp4", room(COUNT)), tmp_path / "followed.npz"
    straight = person_scan.scan(clip)
    faces.followed = faces.searched = 0
    for stop in (90, 100):
        faces.stop = stop
        with pytest.raises(KeyboardInterrupt):
            person_scan.scan(clip, kept=kept)
        faces.followed, faces.stop = 40 * (stop // 40), None  # the stand-in counts as in a run that goes through
    searched = faces.searched
    again = person_scan.scan(clip, kept=kept)
    assert faces.searched == searched <= person_scan.PROBES + 2  # nobody looks at all of it again
    assert faces.followed == COUNT  # 80 were kept, 50 are followed
    for ours, theirs in zip(again[:2], straight[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.square == straight.square
