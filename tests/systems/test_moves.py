import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import motion
from jaxtalk.systems import moves

REST = motion.still(11, 25.0, ("jawOpen",))


def test_scales_and_keeps_coefficients_in_range():
    lively = dataclasses.replace(REST, expression=jnp.full((11, 1), 0.6), rotation=jnp.ones((11, 3)))
    scaled = moves.scale(lively, expression=2.0, pose=0.5)
    np.testing.assert_allclose(scaled.expression, 1.0)
    np.testing.assert_allclose(scaled.rotation, 0.5)


def test_key_angles_are_reached_where_they_belong():
    turned = moves.turn(REST, pitch=(), yaw=(-20.0, 30.0, 10.0), roll=(5.0,))
    np.testing.assert_allclose(np.rad2deg(turned.rotation[jnp.array([0, 5, 10]), 1]), [-20, 30, 10], atol=1e-4)
    np.testing.assert_allclose(np.rad2deg(turned.rotation[:, 2]), 5.0, atol=1e-5)
    np.testing.assert_allclose(turned.rotation[:, 0], 0.0)


def test_borrowed_pose_starts_at_rest_and_never_jumps():
    nod = jnp.linspace(0.3, 0.7, 4)[:, None] * jnp.ones((1, 3))
    reference = dataclasses.replace(motion.still(4, 25.0, ()), rotation=nod)
    borrowed = moves.borrow_pose(REST, reference)
    np.testing.assert_allclose(borrowed.rotation[0], 0.0)
    assert float(jnp.abs(jnp.diff(borrowed.rotation, axis=0)).max()) <= 0.4 / 3 + 1e-6


@pytest.mark.parametrize("length", [1, 2, 5])
def test_there_and_back_visits_everything_step_by_step(length):
    places = moves.there_and_back(20, length)
    assert set(places) == set(range(length)) and np.abs(np.diff(places)).max(initial=0) <= 1


def test_blinks_are_read_and_repeated(tmp_path):
    (tmp_path / "blink.txt").write_text("0\n0.5\n1\n")
    np.testing.assert_allclose(moves.read_blinks(tmp_path / "blink.txt", 5), [0, 0.5, 1, 0, 0.5])


@pytest.mark.parametrize("content", ["", "a b c", "0.5\n2\n", "nan\n"])
def test_other_files_are_no_blinks(tmp_path, content):
    (tmp_path / "blink.txt").write_text(content)
    with pytest.raises(InputError, match="blink.txt"):
        moves.read_blinks(tmp_path / "blink.txt", 5)
