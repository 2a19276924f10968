"""A head is found where its field and a picture agree."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.face.camera import Pinhole
from jaxtalk.models.radnerf import Config, RadNerf
from jaxtalk.render import grid_encoding, occupancy, rays
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells
from jaxtalk.systems import avatar_align, avatar_field
from jaxtalk.systems.avatar_field import Avatar, Moment

SIZE = 16
AWAY = jnp.array([0.01, -0.012, 0.008, 0.01, -0.008, 0.02])


def test_a_head_that_was_tracked_beside_its_place_is_moved_back(monkeypatch):
    monkeypatch.setattr(avatar_align, "NOISE", 1e-3)  # a field of random weights has little contrast
    grid = lambda dims: grid_encoding.Config(dims=dims, levels=2, base=4, finest=8, log2_rows=8)  # noqa: E731
    config = Config(position_grid=grid(3), ambient_grid=grid(2), torso_grid=grid(2), width=16, geometry=8, frames=3)
    camera = Pinhole(jnp.float32(30.0), jnp.full(2, SIZE / 2), jnp.float32(1.0))
    avatar = Avatar(RadNerf(config), Lattice(cells=Cells(side=16), most=32, growth=0.0), camera, SIZE)
    windows = jax.random.normal(jax.random.key(0), (5, 1, 12))
    there = Moment(windows, jnp.zeros(1), jnp.eye(3), jnp.zeros(3), jnp.eye(2, 3))
    nothing = jnp.zeros((1, 3))
    abstract = jax.eval_shape(
        avatar.network.init, jax.random.key(0), windows, nothing, nothing, nothing[:, :2], there.pose, 0
    )
    params = jax.tree.map(jnp.asarray, golden_fixture.variables(abstract)["params"])
    matter = jnp.where(jnp.linalg.norm(occupancy.places(avatar.lattice.cells), axis=-1) < 0.5, 2.0, 0.0)
    space, codes = avatar.space(matter), avatar_field.codes(params, 0)
    pixels = rays.pixels(SIZE, SIZE).reshape(-1, 2)
    dark = jnp.zeros((len(pixels), 3))

    @jax.jit
    def found(move):
        seen = avatar.view(params, space, there, codes, pixels, dark).colour
        return avatar_align.aligned(avatar, params, space, there.turned(move), codes, pixels, seen, dark)

    before, after = there.turned(AWAY), found(AWAY)
    error = lambda moment: np.linalg.norm(moment.pose - there.pose)  # noqa: E731
    assert error(after) < 0.3 * error(before)
    assert error(found(jnp.zeros(6))) < 1e-3
