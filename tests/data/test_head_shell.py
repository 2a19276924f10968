"""Where a head can be at all."""

import sys
from pathlib import Path

import numpy as np
import pytest

from jaxtalk.data import head_shell
from jaxtalk.face import builtin
from jaxtalk.render import occupancy
from jaxtalk.render.occupancy import Cells

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
import tiny_configs  # noqa: E402

CELLS, UNIT = Cells(side=32), 0.2


@pytest.fixture(scope="module")
def shell():
    return head_shell.around(builtin.model(), tiny_configs.footage(5, size=32), CELLS, UNIT)


def _cells(points):
    return tuple(np.floor((np.asarray(points) / UNIT + 1) * CELLS.side / 2).astype(int).T)


def test_it_holds_the_face_that_the_pictures_show(shell):
    face = builtin.model()
    shown = face.template[face.landmarks[17:]]  # without the line of the jaw, which lies on the made-up outline
    assert shell[0][_cells(shown)].all()


def test_it_ends_at_the_outline_and_near_the_skin(shell):
    places = UNIT * np.asarray(occupancy.places(CELLS))
    assert 0.02 < shell.mean() < 0.2
    assert not shell[np.abs(places[..., 0]) > 0.14].any()  # the outline's radius is 0.1, and it moves by 0.025
    nose = builtin.model().template[builtin.model().landmarks[30]]
    assert not shell[places[..., 2] > float(nose[2]) + head_shell.HAIR].any()
    assert not shell[0][_cells(np.array([[0.0, 0.0, 0.02]]))].any()  # within the skull
