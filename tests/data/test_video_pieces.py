"""Where videos are cut into pieces, and the square of each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtalk.data import video_pieces
from jaxtalk.data.track_video import Seen

FACE = np.stack(np.meshgrid(np.linspace(0, 1, 4), np.linspace(0, 1, 17)), -1).reshape(68, 2).astype(np.float32)


def face(x, y, side=100.0):
    """68 points whose box has its corner at (x, y)."""
    return np.float32([x, y]) + np.float32(side) * FACE


def cut(places, longest=1000, **changes):
    frames = [Seen(0, face(*place)) for place in places]
    for index, frame in changes.items():
        frames[int(index[1:])] = frame
    return [(s.start, s.count, s.why) for s in video_pieces.stretches(frames, longest)]


def test_a_still_face_is_one_piece_up_to_the_longest():
    assert cut([(50, 50)] * 25) == [(0, 25, "")]
    assert cut([(50, 50)] * 25, longest=10) == [(0, 10, ""), (10, 10, ""), (20, 5, "")]


@pytest.mark.parametrize(("shift", "pieces"), [(59.0, 1), (61.0, 2)])
def test_a_piece_ends_where_less_than_a_quarter_of_the_boxes_union_overlaps(shift, pieces):
    """Squares of side 1 shifted by d overlap by (1 - d) / (1 + d) of their union: a quarter at 0.6."""
    assert len(cut([(50, 50), (50 + shift, 50)])) == pieces


def test_pieces_end_with_shots_and_where_the_face_is_lost():
    lost = Seen(0, None, "no face is found")
    assert cut([(50, 50)] * 9, _3=lost, _4=lost) == [(0, 3, ""), (3, 2, "no face is found"), (5, 4, "")]
    assert cut([(50, 50)] * 6, _4=Seen(1, face(50, 50)), _5=Seen(1, face(50, 50))) == [(0, 4, ""), (4, 2, "")]


def test_the_square_lies_about_the_median_box_and_a_little_higher():
    landmarks = np.stack([face(400, 300), face(400, 300), face(430, 300)])
    square = video_pieces.around(landmarks, 1000, 1000)
    assert square.side == 220
    assert (square.left + square.side / 2, square.top + square.side / 2) == (450, 340)


@given(st.integers(20, 300), st.integers(20, 300), st.floats(-50, 300), st.floats(-50, 300), st.floats(5, 400))
def test_squares_lie_in_the_picture(height, width, x, y, side):
    square = video_pieces.around(face(x, y, side)[None], height, width)
    assert 0 <= square.left <= width - square.side and 0 <= square.top <= height - square.side and square.side >= 1


def test_a_stretch_whose_face_wanders_out_of_one_square_is_cut_in_halves_that_hold_it():
    xs = np.linspace(0, 2000, 64)
    landmarks = np.stack([face(x, 100) for x in xs])
    parts = video_pieces.squares(landmarks, 400, 2200)
    assert len(parts) > 1
    assert [part.start for part, _ in parts[1:]] == [part.stop for part, _ in parts[:-1]]
    assert (parts[0][0].start, parts[-1][0].stop) == (0, 64)
    for part, square in parts:
        middles = landmarks[part].mean(1)[:, 0]
        assert (middles > square.left).all() and (middles < square.left + square.side).all()
