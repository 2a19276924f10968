"""Clips of heads: poses, cutting, pairs, and a folder that a stopped run leaves in order."""

import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxtalk.data import articulation, clip_frames, head_clips
from jaxtalk.errors import InputError
from jaxtalk.face import rotation
from jaxtalk.models import keypoints

RNG = np.random.default_rng(0)


def clip(name: str = "a", count: int = 8, size: int = 8) -> head_clips.HeadClip:
    """Frame k is grey 10 k, its left half darker by 5."""
    frames = np.tile(10 * np.arange(count, dtype=np.uint8)[:, None, None, None], (1, size, size, 3))
    frames[:, :, size // 2 :] += 5
    motion = [RNG.normal(0, 0.2, (2 * count, n)).astype(np.float32) for n in (52, 3, 3)]
    return head_clips.HeadClip(name, name, frames, 2 * np.arange(count), *motion)


def test_degrees_turn_a_head_as_the_face_model_does():
    """Turned with y up and z towards the viewer, then flipped, or flipped and then turned: the same picture."""
    radians = RNG.uniform(-0.5, 0.5, (20, 3)).astype(np.float32)
    points = RNG.normal(size=(5, 3)).astype(np.float32)
    flip = np.array([1, -1, -1], np.float32)
    turned = np.einsum("nij,vj->nvi", rotation.matrix(jnp.asarray(radians)), points) * flip
    matrix = keypoints.rotation(jnp.asarray(head_clips.degrees(radians)))
    np.testing.assert_allclose(np.einsum("nij,vj->nvi", matrix, points * flip), turned, atol=2e-3)  # 3.14 for pi


def test_looking_right_and_up_and_leaning_are_yaw_pitch_and_roll():
    found = head_clips.degrees(np.radians([[10.0, 0, 0], [0, 10, 0], [0, 0, 10]]))
    np.testing.assert_allclose(np.abs(found), [[0, 10, 0], [10, 0, 0], [0, 0, 10]], atol=1e-4)


def record(frames: int = 5, size: int = 64) -> dict:
    pictures = [Image.fromarray(np.full((size, size, 3), 40 * k, np.uint8)) for k in range(frames)]
    files = [io.BytesIO() for _ in pictures]
    for picture, file in zip(pictures, files, strict=True):
        picture.save(file, "PNG")
    points = RNG.normal(size / 2, 5, (frames, 68, 2)).astype(np.float32)
    sizes = {"expression": 52, "rotation": 3, "translation": 3}
    motion = {name: RNG.normal(size=(frames, n)).astype(np.float32) for name, n in sizes.items()}
    return motion | {
        "frames": [file.getvalue() for file in files],
        "landmarks": points,
        "name": b"folder/talk",
        "person": b"someone",
        "start": 50,
    }


def test_filmed_records_keep_their_motion_and_some_of_their_frames():
    given = record()
    made = head_clips.filmed(given, 16, 3)
    assert (made.name, made.person) == ("folder-talk-000050", "someone")
    assert made.shown.tolist() == [0, 2, 4] and made.frames.shape == (3, 16, 16, 3)
    assert made.frames[:, 8, 8, 0].tolist() == [0, 80, 160]
    np.testing.assert_allclose(made.rotation, given["rotation"], rtol=1e-6)
    np.testing.assert_allclose(made.angles(), head_clips.degrees(given["rotation"][[0, 2, 4]]), atol=1e-4)


def test_drawn_records_are_drawn_with_their_own_motion(monkeypatch):
    given = record() | {"index": 7, "style": 3, "blink": np.zeros(5, np.float32)}
    given |= {
        "articulation": np.zeros(len(articulation.Style.__dataclass_fields__)),
        "identity": np.zeros(41, np.float32),
    }
    seen = {}

    def render(clip, seed, index, size):
        seen.update(expression=clip.expression, place=(seed, index, size))
        return clip_frames.Video(
            [given["frames"][k] for k in (0, 4)], given["landmarks"][[0, 4]], np.zeros(4, np.float32)
        )

    monkeypatch.setattr(clip_frames, "render", render)
    made = head_clips.drawn(given, 1, 16, 2)
    assert seen["place"] == (1, 7, 32) and made.name == "corpus-000007"
    np.testing.assert_array_equal(seen["expression"], given["expression"][[0, 4]])


def test_a_stopped_run_goes_on_with_what_is_missing(tmp_path):
    made = []

    def make(name):
        made.append(name)
        if name == "b" and made.count("b") == 1:
            raise KeyboardInterrupt
        return clip(name)

    makers = {name: lambda name=name: make(name) for name in "abc"}
    with pytest.raises(KeyboardInterrupt):
        head_clips.write(tmp_path, makers)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    head_clips.write(tmp_path, makers)
    assert made == ["a", "b", "b", "c"]
    again = head_clips.read(tmp_path / "c.npz")
    assert again.name == "c" and again.frames.dtype == np.uint8
    (tmp_path / "b.npz").write_bytes(b"no clip")
    with pytest.raises(InputError, match=r"b\.npz: is no clip of a head .*remove it"):
        head_clips.read(tmp_path / "b.npz")


def test_pairs_are_two_learnt_frames_mirrored_with_their_poses():
    one = clip()
    pairs = head_clips.Pairs([one], share=0.5)
    rng, mirrored = np.random.default_rng(0), 0
    for _ in range(40):
        pair = pairs.pair(0, rng)
        darker_left = pair["source"][:, :4].mean() < pair["source"][:, 4:].mean()
        places = []
        for name in ("source", "driving"):
            angles = pair[f"{name}_angles"] * (1 if darker_left else np.array([-1, 1, -1]))
            apart = np.abs(one.angles() - angles).sum(-1)
            places.append(int(apart.argmin()))
            assert apart.min() < 1e-4
        assert places[0] != places[1] and max(places) < 4
        mirrored += not darker_left
    assert 8 < mirrored < 32


def test_held_out_frames_are_those_that_are_not_learnt_from():
    rows = head_clips.Pairs([clip()], share=0.5).held_out(0, 3)
    assert [round(float(row["driving"][0, 0, 0]) * 25.5) for row in rows] == [4, 6, 7]
    assert all(float(row["source"][0, 0, 0]) == 0 for row in rows)


def test_the_stream_is_the_same_again():
    pairs = head_clips.Pairs([clip("a"), clip("b")])
    first, second = (head_clips.stream(pairs, 4, seed=3)[5] for _ in range(2))
    np.testing.assert_array_equal(first["driving"], second["driving"])
    assert first["source"].shape == (4, 8, 8, 3) and first["source_angles"].shape == (4, 3)
