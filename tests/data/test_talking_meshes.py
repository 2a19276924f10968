"""Meshes that talk: FACEGOOD's map onto ARKit's shapes, numbers that are linear in the motion, sentences and pieces."""

import numpy as np
import pytest

from jaxtalk.audio import mel
from jaxtalk.data import facegood_meshes, talking_meshes
from jaxtalk.data.talking_meshes import Pieces, Recording, TalkingMesh
from jaxtalk.errors import InputError
from jaxtalk.face import motion_basis
from jaxtalk.face.arkit import INDEX, NAMES
from jaxtalk.face.motion_basis import MotionBasis

RNG = np.random.default_rng(0)
MOVES = RNG.normal(size=(3, 7, 3)).astype(np.float32)


def basis(offsets, count: int = 5) -> MotionBasis:
    nothing = np.zeros(0, int)
    return MotionBasis(
        template=np.zeros(offsets.shape[1:], np.float32), triangles=np.zeros((0, 3), int), lips=nothing, upper=nothing,
        basis=motion_basis.components(offsets, count), jaw=np.asarray(0),
    )  # fmt: skip


def recording(frames: int = 60) -> Recording:
    spectrum = RNG.normal(size=(round(frames / 30 * mel.COLUMNS_PER_SECOND), 80)).astype(np.float32)
    return Recording("a", "b", spectrum, 30.0, MOVES, RNG.normal(size=(frames, 3)).astype(np.float32))


def test_a_table_of_real_names(media):
    with np.load(media / "facegood" / "2_01.npz") as file:
        names, weights = file["names"].tolist(), file["weights"]
    assert set(facegood_meshes.TABLE) <= set(names)
    assert {ours for shares in facegood_meshes.TABLE.values() for ours, _ in shares} <= set(NAMES)
    expression, fps = facegood_meshes.expression(media / "facegood" / "2_01.npz")
    assert fps == 30 and expression.shape == (len(weights), 52)
    np.testing.assert_allclose(expression[:, INDEX["jawOpen"]], weights[:, names.index("mouth_stretch_c")])


def test_quarters_make_a_whole_shape(tmp_path):
    names = ["mouth_funnel_dl", "mouth_funnel_dr", "mouth_funnel_ul", "mouth_funnel_ur", "mouth_pucker_l", "tongue_u"]
    np.savez(tmp_path / "x.npz", weights=np.ones((2, 6), np.float32), names=names, fps=30)
    expression, _ = facegood_meshes.expression(tmp_path / "x.npz")
    moved = {NAMES[k]: float(v) for k, v in enumerate(expression[0]) if v}
    assert moved == {"mouthFunnel": 1.0, "mouthPucker": 0.5}


def test_what_holds_no_weights_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", other=np.ones(3))
    with pytest.raises(InputError, match="x.npz"):
        facegood_meshes.expression(tmp_path / "x.npz")


def test_numbers_of_a_rig_are_those_of_its_vertices():
    one, frames = recording(), np.arange(60)
    known = basis(one.offsets(frames))
    numbers = one.numbers(known)
    assert numbers.shape == (60, 3)  # three shapes, so no more
    np.testing.assert_allclose(numbers, known.numbers(one.offsets(frames)), atol=1e-4)
    np.testing.assert_allclose(known.offsets(numbers), one.offsets(frames), atol=1e-4)
    recorded = Recording("a", "b", one.mel, 30.0, one.offsets(frames))
    np.testing.assert_allclose(recorded.numbers(known), numbers, atol=1e-4)


def test_another_frame_rate_is_the_same_motion_at_other_times():
    one = recording()
    known = basis(one.offsets(np.arange(60)))

    def ear(spectrum, seconds):
        return np.asarray(seconds, np.float32)[:, None]

    half = talking_meshes.heard(one, known, 0, ear, 15.0, moments=2)
    np.testing.assert_allclose(half.motion, one.numbers(known)[::2], atol=1e-4)
    np.testing.assert_allclose(half.sound[:4, 0], [0, 1 / 30, 2 / 30, 3 / 30], atol=1e-6)
    assert len(half.sound) == 60 and len(half.level) == 30


def spoken(frames: int, level=None) -> TalkingMesh:
    time = np.arange(frames, dtype=np.float32)[:, None]
    return TalkingMesh("a", 3, time, np.zeros(frames) if level is None else level, 10 * time)


def test_sentences_are_cut_where_it_is_quiet():
    level = np.ones(200)
    level[98:103] = -1  # within 2 to 5 s of 30 frames
    parts = talking_meshes.sentences(spoken(200, level), 30.0)
    assert [len(part.motion) for part in parts] == [100, 100]
    assert np.concatenate([part.sound for part in parts])[:, 0].tolist() == list(range(200))
    assert len(talking_meshes.sentences(spoken(20), 30.0)) == 0  # less than a second


def test_pieces_keep_sound_and_motion_together():
    pieces = Pieces([spoken(50), spoken(12)], frames=20)
    assert len(pieces) == 4
    for index in range(4):
        piece = pieces.piece(index, np.random.default_rng(index))
        np.testing.assert_allclose(piece["motion"], 10 * piece["sound"], rtol=1e-5)
        assert piece["speaker"] == 3
    assert 9 <= piece["length"] <= 12 + 2 and piece["motion"].shape == (20, 1)


def test_a_batch_of_whole_sentences_tells_their_lengths():
    batch = talking_meshes.together([spoken(5), spoken(3)])
    assert batch["length"].tolist() == [5, 3] and batch["motion"][1, :, 0].tolist() == [0, 10, 20, 20, 20]
