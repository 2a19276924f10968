"""A still scene in a hashed grid, as a network to train."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models.instant_ngp import Config, Field
from jaxtalk.render import compositing, grid_encoding

SMALL = Config(grid=grid_encoding.Config(levels=2, finest=32, log2_rows=8, kind="hashed"), width=8, bound=2.0)


def test_density_does_not_depend_on_where_it_is_seen_from_but_colour_does():
    points = jax.random.uniform(jax.random.key(0), (6, 3), minval=-2, maxval=2)
    ahead, up = (jnp.broadcast_to(jnp.array(v, jnp.float32), points.shape) for v in ([0, 0, -1], [0, 1, 0]))
    params = Field(SMALL).init(jax.random.key(1), points, ahead)
    params = jax.tree.map(lambda x: 3 * x, params)
    (density, colour), (same, other) = (Field(SMALL).apply(params, points, d) for d in (ahead, up))
    np.testing.assert_array_equal(density, same)
    assert np.abs(colour - other).max() > 1e-3 and (colour >= 0).all() and (colour <= 1).all() and (density > 0).all()


@pytest.mark.slow
def test_gradients_are_finite_normals_come_out_and_bfloat16_stays_close():
    points = jax.random.uniform(jax.random.key(0), (6, 3), minval=-2, maxval=2)
    directions = jnp.broadcast_to(jnp.array([0.0, 0.6, -0.8]), points.shape)
    params = jax.tree.map(lambda x: 3 * x, Field(SMALL).init(jax.random.key(1), points, directions))
    params["params"]["grid"]["table"] *= 3000

    def total(params, config):
        density, colour = Field(config).apply(params, points, directions)
        return jnp.sin(density).sum() + jnp.sin(colour).sum()

    value, grads = jax.jit(jax.value_and_grad(total), static_argnums=1)(params, SMALL)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in jax.tree.leaves(grads))
    half = dataclasses.replace(SMALL, dtype=jnp.bfloat16)
    np.testing.assert_allclose(total(params, half), value, atol=0.5)
    normal = compositing.normals(lambda x: Field(SMALL).apply(params, x, method="density")[0], points)
    np.testing.assert_allclose(jnp.linalg.norm(normal, axis=-1), 1, atol=1e-5)
