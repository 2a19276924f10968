"""What pixels see of head, torso and background."""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.models.landmark_warp import Rest
from jaxtalk.models.radnerf import Config, RadNerf
from jaxtalk.render import grid_encoding
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells
from jaxtalk.systems import avatar_field
from jaxtalk.systems.avatar_field import Avatar, Codes, Moment

SIZE = 16


def _grid(dims):
    return grid_encoding.Config(dims=dims, levels=2, finest=32, log2_rows=8)


@pytest.fixture(scope="module")
def avatar():
    config = Config(position_grid=_grid(3), ambient_grid=_grid(2), torso_grid=_grid(2), width=16, geometry=8, frames=3)
    config = dataclasses.replace(config, eyes=True)
    camera = Pinhole(jnp.float32(30.0), jnp.full(2, SIZE / 2), jnp.float32(1.0))
    rest = Rest(0.1 * jax.random.normal(jax.random.key(1), (4, 3)), jnp.full((4, 3), 0.01), reach=0.05)
    return Avatar(RadNerf(config), Lattice(cells=Cells(side=16), most=32, growth=0.0), camera, SIZE, rest)


@pytest.fixture(scope="module")
def params(avatar):
    moment = _moment()
    given = moment.windows, jnp.zeros((1, 3)), jnp.zeros((1, 3)), jnp.zeros((1, 2)), moment.pose, 0, moment.eyes
    abstract = jax.eval_shape(lambda *x: avatar.network.init(jax.random.key(0), *x), *map(jnp.asarray, given))
    return jax.tree.map(jnp.asarray, golden_fixture.variables(abstract)["params"])


def _moment(yaw=0.0, aside=0.0, seed=0):
    windows = jax.random.normal(jax.random.key(seed), (5, 1, 12))
    turn = rotation.matrix(jnp.array([0.0, yaw, 0.0]))
    return Moment(windows, jnp.array([0.5]), turn, jnp.array([aside, 0.0, 0.0]), jnp.eye(2, 3))


def _ball(avatar):
    """Matter in the middle of the head's space only."""
    from jaxtalk.render import occupancy

    return jnp.where(jnp.linalg.norm(occupancy.places(avatar.lattice.cells), axis=-1) < 0.5, 2.0, 0.0)


def test_the_background_shows_where_nothing_stands_before_it_and_the_head_goes_with_its_pose(avatar, params):
    space, codes = avatar.space(_ball(avatar)), avatar_field.codes(params, 0)
    blue = jnp.broadcast_to(jnp.array([0.0, 0.0, 1.0]), (SIZE, SIZE, 3))
    draw = jax.jit(lambda moment: avatar.picture(params, space, moment, codes, blue))
    here, there = (draw(_moment(aside=aside)) for aside in (0.0, 0.1))
    opacity = np.asarray(here.head).reshape(SIZE, SIZE)
    assert opacity[0, 0] == 0 and opacity[8, 8] > 0.1
    middle = lambda drawn: float((drawn.head.reshape(SIZE, SIZE).sum(0) * np.arange(SIZE)).sum() / drawn.head.sum())  # noqa: E731
    assert 2 < middle(there) - middle(here) < 4  # 0.1 m are 3 pixels
    corner = here.torso[0] * 0 + (1 - here.torso[0]) * blue[0, 0]
    assert (here.colour[0] >= corner - 1e-6).all()


def test_pieces_and_training_s_budget_see_the_same(avatar, params):
    space, codes, moment = avatar.space(_ball(avatar)), avatar_field.codes(params, 1), _moment(yaw=0.3)
    grey = jnp.full((SIZE, SIZE, 3), 0.5)
    whole = jax.jit(lambda: avatar.picture(params, space, moment, codes, grey, piece=100))()
    pixels = avatar_field.rays.pixels(SIZE, SIZE).reshape(-1, 2)
    count = len(pixels)
    train = jax.jit(
        lambda: avatar.train_view(
            params, space, moment, codes, pixels, grey.reshape(-1, 3), count * 32, jnp.zeros(count)
        )
    )()
    np.testing.assert_allclose(train.colour, whole.colour, atol=5e-4)
    np.testing.assert_allclose(train.head, whole.head, atol=5e-4)
    assert train.asked.sum() > 0


def test_pixels_that_are_not_rigid_do_not_tell_where_the_head_is(avatar, params):
    space, pixels = avatar.space(_ball(avatar)), avatar_field.rays.pixels(SIZE, SIZE).reshape(-1, 2)[::5]
    count, codes = len(pixels), avatar_field.codes(params, 0)

    @jax.jit
    @jax.grad
    def slope(move, rigid):
        given = space, _moment().turned(move), codes, pixels, jnp.zeros((count, 3)), 16 * count, jnp.zeros(count)
        return jnp.sin(avatar.train_view(params, *given, rigid=rigid).colour).sum()

    some = slope(jnp.zeros(6), jnp.arange(count) % 2 == 0)
    assert (np.abs(some) > 1e-6).all() and np.isfinite(some).all()
    assert (np.asarray(slope(jnp.zeros(6), jnp.zeros(count, bool))) == 0).all()


def test_a_move_turns_the_head_about_its_own_origin():
    moved = _moment(aside=0.3).turned(jnp.array([0.0, 0.2, 0.0, 0.5, 0.0, 0.0]))
    np.testing.assert_allclose(rotation.angles(moved.rotation), [0, 0.2, 0], atol=1e-6)
    np.testing.assert_allclose(moved.translation, [0.3 + 0.5 * avatar_field.UNIT, 0, 0], atol=1e-6)


def test_a_torso_that_does_not_bend_stays_where_it_is(avatar, params):
    still = avatar._replace(network=RadNerf(dataclasses.replace(avatar.network.config, bends=False)))
    pixels, code = avatar_field.rays.pixels(SIZE, SIZE).reshape(-1, 2), avatar_field.codes(params, 0).torso
    moved = dataclasses.replace(_moment(yaw=0.3, aside=0.1), sway=jnp.array([[0.9, 0.1, 0.2], [0.0, 1.1, -0.1]]))
    for one, same in ((still, True), (avatar, False)):
        look = jax.jit(lambda moment, one=one: one.torso(params, moment, pixels, code)[1])
        assert np.allclose(look(moved), look(_moment()), atol=1e-6) == same


def test_everything_that_a_frame_is_told_has_a_slope(avatar, params):
    space, pixels = avatar.space(_ball(avatar)), avatar_field.rays.pixels(SIZE, SIZE).reshape(-1, 2)[::5]
    count = len(pixels)

    def light(params, moment, head, torso):
        drawn = avatar.train_view(
            params, space, moment, Codes(head, torso), pixels, jnp.zeros((count, 3)), 16 * count, jnp.zeros(count)
        )
        return jnp.sin(drawn.colour).sum() + drawn.ambient.sum()

    given = (params, _moment(), *avatar_field.codes(params, 0))
    slopes = jax.jit(jax.grad(light, argnums=(0, 1, 2, 3)))(*given)
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(slope).all(), name
        assert np.abs(slope).max() > 0 or "codes" in name, name  # codes are given apart
