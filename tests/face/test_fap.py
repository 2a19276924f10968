"""The table of the 68 parameters, their units, and streams of them."""

import numpy as np

from jaxtalk.face import builtin, fap, fap_stream


def test_the_table_has_the_standards_groups_numbers_and_units():
    assert [p.number for p in fap.PARAMETERS] == list(range(1, 69)) and sum(fap.GROUPS.values()) == 68
    numbers = {"open_jaw": 3, "depress_chin": 18, "close_b_r_eyelid": 22, "tongue_roll": 47, "head_roll": 50}
    numbers |= {"lower_t_midlip_o": 51, "raise_r_cornerlip_o": 60, "bend_nose": 64, "pull_r_ear": 68}
    assert {name: fap.COLUMN[name] + 1 for name in numbers} == numbers
    # A parameter's group is that of its feature point but for the first two.
    bounds = np.cumsum([0, *fap.GROUPS.values()])
    for group, (first, last) in enumerate(zip(bounds[1:-1], bounds[2:], strict=True), start=2):
        assert {p.point.split(".")[0] for p in fap.PARAMETERS[first:last]} == {str(group)}
    assert [p.name for p in fap.PARAMETERS if not p.bidirectional] == [
        "open_jaw", "thrust_jaw", "lift_l_cheek", "lift_r_cheek", "tongue_roll",
    ]  # fmt: skip
    counts = {unit: sum(p.unit == unit for p in fap.PARAMETERS) for unit in ("MNS", "MW", "ES", "ENS", "IRISD", "AU")}
    assert counts == {"MNS": 23, "MW": 7, "ES": 6, "ENS": 16, "IRISD": 6, "AU": 8}


def test_units_grow_with_the_face_and_angles_do_not():
    model = builtin.model()
    measured = fap.distances(model)
    assert 0.055 < measured.ES < 0.07 and 0.04 < measured.MW < 0.06 and 0.008 < measured.IRISD < 0.013
    small, large = fap.units(measured), fap.units(fap.Distances(*(2 * size for size in measured)))
    turns = np.array([p.unit == "AU" for p in fap.PARAMETERS])
    np.testing.assert_allclose(large, np.where(turns, small, 2 * small))
    assert small[fap.COLUMN["head_yaw"]] == 1e-5 and not small[:2].any()
    assert np.isclose(small[fap.COLUMN["open_jaw"]] * 1024, measured.MNS)


def test_a_stream_holds_whole_numbers_and_one_way_parameters_only_go_there():
    faps = np.random.default_rng(0).normal(0, 300, (7, 68))
    made = fap_stream.stream(faps, 25.0)
    assert not made.selected[:, :2].any() and made.selected[:, 2:].all()
    both = ~fap.ONE_WAY
    both[:2] = False
    assert np.abs(made.values - faps)[:, both].max() <= 0.5 and made.values[:, fap.ONE_WAY].min() == 0


def test_missing_parameters_are_taken_from_their_twins():
    selected = np.zeros(68, bool)
    selected[[fap.COLUMN[name] for name in ("raise_l_i_eyebrow", "raise_r_cornerlip_o", "raise_b_midlip")]] = True
    faps = np.arange(68)[None] * 10.0
    values, known = (track[0] for track in fap_stream.complete(fap_stream.stream(faps, 25.0, selected=selected)))
    assert known.sum() == 8 and not values[~known].any()
    got = {name: values[column] for name, column in fap.COLUMN.items() if values[column]}
    corner, brow, middle = (
        10.0 * fap.COLUMN[n] for n in ("raise_r_cornerlip_o", "raise_l_i_eyebrow", "raise_b_midlip")
    )
    assert got == {
        "raise_l_i_eyebrow": brow, "raise_r_i_eyebrow": brow, "raise_b_midlip": middle, "raise_b_midlip_o": middle,
        "raise_l_cornerlip": corner, "raise_r_cornerlip": corner, "raise_l_cornerlip_o": corner,
        "raise_r_cornerlip_o": corner,
    }  # fmt: skip
