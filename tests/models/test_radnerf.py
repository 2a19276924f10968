"""The talking field in grids: its perceptrons against the published ones, and as a network to train."""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import radnerf as names
from jaxtalk.convert.state_dict import convert
from jaxtalk.models import radnerf
from jaxtalk.models.condition_encoder import ConditionEncoder, WindowEncoder
from jaxtalk.models.radnerf import Config, Head, Mlp, RadNerf, Torso
from jaxtalk.render import grid_encoding

SMALL = Config(
    **{f"{name}_grid": grid_encoding.Config(dims=2 + (name == "position"), levels=2, finest=32, log2_rows=8)
       for name in ("position", "ambient", "torso")},
    width=16, geometry=8, frames=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def published():
    """The fixture has the perceptrons alone: grids and codes are left out of what is expected."""
    manifest, arrays = golden_fixture.load("radnerf_mlps")
    like = _abstract(Config(frames=1), 204)
    without = {"head": {k: v for k, v in like["head"].items() if "grid" not in k}}
    without |= {"torso": {k: v for k, v in like["torso"].items() if k != "grid"}, "condition": like["condition"]}
    table = [rule for rule in names.GENEFACE if rule.path is not None]
    state = golden_fixture.state(manifest, arrays)
    params = convert("golden", state, table, {"params": without})["params"]
    inputs = {name: jnp.asarray(value) for name, value in golden_fixture.inputs(manifest).items()}
    return manifest, arrays, params, inputs


def _abstract(config: Config, inputs: int):
    return jax.eval_shape(RadNerf(config).init, jax.random.key(0), *_inputs(config, inputs))["params"]


def _inputs(config: Config, inputs: int, rows: int = 7):
    keys = jax.random.split(jax.random.key(1), 5)
    windows = jax.random.normal(keys[0], (config.condition.smoothed, config.condition.window, inputs))
    points = jax.random.uniform(keys[1], (rows, 3), minval=-0.9, maxval=0.9)
    directions = jax.random.normal(keys[2], (rows, 3))
    directions = directions / jnp.linalg.norm(directions, axis=-1, keepdims=True)
    pixels = jax.random.uniform(keys[3], (rows, 2), minval=-1, maxval=1)
    return windows, points, directions, pixels, jax.random.normal(keys[4], (6,)), jnp.int32(1)


def test_golden_condition(published):
    manifest, arrays, params, inputs = published
    with jax.default_matmul_precision("highest"):
        each = WindowEncoder().apply({"params": params["condition"]["encoder"]}, inputs["cond"])
        told = ConditionEncoder().apply({"params": params["condition"]}, inputs["cond"])
    golden_fixture.compare(manifest, arrays, "cond_prenet", each)
    golden_fixture.compare(manifest, arrays, "cond_feat", told)


def test_golden_head(published):
    manifest, arrays, params, inputs = published

    def part(name, *inputs):
        return Head().apply({"params": params["head"]}, *inputs, method=name)

    with jax.default_matmul_precision("highest"):
        told = ConditionEncoder().apply({"params": params["condition"]}, inputs["cond"])
        ambient = part("ambient", inputs["pos_feat"], told)
        density, geometry = part("geometry", inputs["pos_feat"], inputs["ambient_feat"])
        colour = part("colour", inputs["dir_feat"], geometry, inputs["ind_code"][0])
    for name, value in {"ambient_pos": ambient, "sigma": density, "geo_feat": geometry, "color": colour}.items():
        golden_fixture.compare(manifest, arrays, name, value)


def test_golden_torso(published):
    manifest, arrays, params, inputs = published
    place, told = inputs["torso_h"][:, :42], inputs["torso_h"][:, 42:]

    @jax.vmap  # the fixture tells each pixel another pose
    def both(place, told, grid):
        variables = {"params": params["torso"]}
        moved = Torso().apply(variables, place[None], told, method="bend")
        opacity, colour = Torso().apply(variables, grid[None], place[None], told, method="look")
        return moved[0], jnp.concatenate([opacity, colour[0]])

    with jax.default_matmul_precision("highest"):
        moved, look = both(place, told, inputs["torso_grid"])
    golden_fixture.compare(manifest, arrays, "torso_dx", moved)
    golden_fixture.compare(manifest, arrays, "torso_alpha_color", look)


def test_shared_inputs_are_as_in_every_row():
    x, shared = jax.random.normal(jax.random.key(0), (5, 3)), jax.random.normal(jax.random.key(1), (4,))
    told = jnp.concatenate([x, jnp.broadcast_to(shared, (5, 4))], axis=-1)
    out, params = Mlp((8, 2)).init_with_output(jax.random.key(2), x, shared)
    np.testing.assert_allclose(out, Mlp((8, 2)).apply(params, told), atol=1e-6)


@pytest.mark.slow
def test_every_parameter_has_a_finite_gradient_in_both_modes_and_bfloat16_stays_close():
    inputs = _inputs(SMALL, 9)
    params = RadNerf(SMALL).init(jax.random.key(0), *inputs)

    def total(params, config):
        return sum(jnp.sin(x).sum() for x in jax.tree.leaves(RadNerf(config).apply(params, *inputs)))

    value, grads = jax.jit(jax.value_and_grad(total), static_argnums=1)(params, SMALL)
    for path, g in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(g).all() and np.abs(g).max() > 0, path
    along = jax.jit(lambda p, g: jax.jvp(lambda p: total(p, SMALL), (p,), (g,))[1])(params, grads)
    np.testing.assert_allclose(along, sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)), rtol=1e-4)
    half = dataclasses.replace(SMALL, dtype=jnp.bfloat16)
    np.testing.assert_allclose(jax.jit(total, static_argnums=1)(params, half), value, atol=0.3)


def test_eyes_are_told_where_the_head_listens_and_only_there():
    windows, points, directions, _, _, _ = _inputs(SMALL, 9)
    seeing = dataclasses.replace(SMALL, eyes=True)
    told, code = jnp.ones(64), jnp.ones(4)
    params = Head(seeing).init(jax.random.key(0), points, directions, told, code, jnp.ones(1))
    shut, wide = (Head(seeing).apply(params, points, directions, told, code, jnp.array([e])) for e in (0.0, 1.0))
    assert np.abs(shut.density - wide.density).max() > 1e-4
    with pytest.raises(ValueError, match="without control of its eyes"):
        Head(SMALL).init(jax.random.key(0), points, directions, told, code, jnp.ones(1))


def test_slopes_of_density_are_bounded():
    slope = jax.grad(lambda x: radnerf.truncated_exp(x))
    assert slope(jnp.float32(40.0)) == jnp.exp(15.0) and jnp.isfinite(radnerf.truncated_exp(jnp.float32(40.0)))
    np.testing.assert_allclose(slope(jnp.float32(1.5)), np.exp(1.5), rtol=1e-6)
