"""Which parameters speech moves, and the lips' opening in them."""

import numpy as np

from jaxtalk.face import fap, fap_mouth


def test_spoken_parameters_are_jaw_chin_and_lips():
    names = [fap.PARAMETERS[k].name for k in fap_mouth.SPOKEN]
    assert len(names) == 26 and names[0] == "open_jaw" and names[-1] == "raise_r_cornerlip_o"
    assert all("lip" in name or "jaw" in name or "chin" in name for name in names)


def test_opening_is_the_gap_of_the_inner_lips():
    faps = np.zeros((4, 68))
    faps[1, fap.COLUMN["raise_b_midlip"]] = -300  # lower lip down
    faps[2, fap.COLUMN["lower_t_midlip"]] = -100  # upper lip up
    faps[3, fap.COLUMN["raise_b_midlip"]], faps[3, fap.COLUMN["lower_t_midlip"]] = 200, -200  # both up
    np.testing.assert_allclose(fap_mouth.lip_opening(faps), [0, 300, 100, 0])
