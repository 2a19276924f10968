"""Visemes and expressions spelled out in low-level parameters."""

import numpy as np
import pytest

from jaxtalk.face import arkit, fap, fap_stream, visemes


def stream(viseme=None, expression=None, low=None):
    selected = np.zeros((1, 68), bool)
    selected[:, 0], selected[:, 1] = viseme is not None, expression is not None
    values = np.zeros((1, 68), int)
    for name, value in (low or {}).items():
        selected[0, fap.COLUMN[name]], values[0, fap.COLUMN[name]] = True, value
    fields = np.array([viseme or [0] * 4]), np.array([expression or [0] * 6])
    return fap_stream.FapStream(values, selected, *fields, 25.0)


def expanded(**fields):
    return dict(zip(fap.COLUMN, visemes.expand(stream(**fields))[0][0], strict=True))


def test_there_are_fourteen_visemes_and_six_expressions_of_known_shapes():
    assert len(visemes.VISEMES) == 15 and [s.name for s in visemes.EXPRESSIONS[1:]] == [
        "joy", "sadness", "anger", "fear", "disgust", "surprise",
    ]  # fmt: skip
    for shapes in (visemes.VISEMES, visemes.EXPRESSIONS):
        rows = visemes.coefficients(shapes)
        assert rows.shape == (len(shapes), len(arkit.NAMES)) and rows.max() <= 1 and not rows[0].any()
        assert len(np.unique(rows, axis=0)) == len(shapes)


def test_lips_part_in_a_and_meet_in_p():
    def gap(k):
        of = expanded(viseme=[k, 0, 63, 0])
        return -of["raise_b_midlip"] - of["lower_t_midlip"]

    gaps = [gap(k) for k in range(15)]
    assert abs(gaps[1]) < 15 and gaps[10] == max(gaps) > 500
    assert all(gap > 20 for gap in gaps[3:])


def test_lips_narrow_in_u_and_widen_in_i():
    widths = [expanded(viseme=[k, 0, 63, 0])["stretch_l_cornerlip"] for k in range(15)]
    assert widths[14] == min(widths) < -100 and widths[12] == max(widths) > 50


@pytest.mark.parametrize(
    "expression, raised, lowered",
    [
        (1, ["raise_l_cornerlip_o", "lift_r_cheek"], []),
        (2, ["raise_r_i_eyebrow"], ["raise_r_cornerlip_o"]),
        (3, ["squeeze_l_eyebrow"], ["raise_l_i_eyebrow", "close_t_l_eyelid"]),
        (4, ["raise_l_i_eyebrow", "stretch_r_cornerlip"], ["close_t_r_eyelid"]),
        (5, [], ["lower_t_lip_lm", "lower_t_midlip_o"]),
        (6, ["raise_l_m_eyebrow", "open_jaw"], ["raise_b_midlip", "close_t_l_eyelid"]),
    ],
)
def test_expressions_do_what_the_standard_describes(expression, raised, lowered):
    of = expanded(expression=[expression, 63, 0, 0, 0, 0])
    assert all(of[name] > 20 for name in raised) and all(of[name] < -20 for name in lowered)


def test_blends_are_means_and_intensities_scale():
    first, second = (visemes.parameters()[0][k] for k in (3, 14))
    mixed = visemes.expand(stream(viseme=[3, 14, 21, 0]))[0][0]
    np.testing.assert_allclose(mixed, first / 3 + second * 2 / 3)
    joy, fear = (visemes.parameters()[1][k] for k in (1, 4))
    mixed = visemes.expand(stream(expression=[1, 63, 4, 21, 0, 0]))[0][0]
    np.testing.assert_allclose(mixed, joy + fear / 3)


def test_low_level_parameters_are_added_and_frames_without_a_viseme_have_none():
    both, given = visemes.expand(stream(viseme=[10, 0, 63, 0], low={"open_jaw": 100}))
    assert both[0, 2] == pytest.approx(visemes.parameters()[0][10][2] + 100) and given[2] and not given[:2].any()
    plain, given = visemes.expand(stream(low={"open_jaw": 100}))
    assert plain.sum() == 100 and given.sum() == 1
