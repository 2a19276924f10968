"""A smooth deformation of the whole picture that follows a few places: hair, neck and background around a moving head.

    displacement of the face's nodes --smoothing--> of all nodes [g g 2] --inverse, resize--> of every pixel [h w 2]

The picture carries a coarse grid of nodes. Where the face is seen, nodes follow it; elsewhere they follow their
neighbours (a membrane), and along the picture's border they stay. Least squares in the displacements, so the
solution is one matrix that depends on the portrait only:

    (C + a L + pin) d = C m,   C: trust in each node's measurement m, L: the grid's Laplacian.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.render import texture

NODES = 40  # along each side
STIFFNESS = 0.05  # a: how much the membrane resists against following one fully trusted node
PIN = 1e4
ROUNDS = 12  # of the fixed point that inverts the deformation; it contracts because the picture never folds


def nodes(height: int, width: int) -> Float[Array, "g g 2"]:
    """Pixel coordinates (x, y) of the grid's nodes: the centres of g x g equal cells."""
    step = (jnp.arange(NODES) + 0.5) / NODES
    return jnp.stack(jnp.meshgrid(step * width, step * height), -1)


def follower(trust: Float[Array, "g g"]) -> Float[Array, "n n"]:
    """The matrix from measured displacements of all nodes to the smooth ones, n = g * g. `trust` is 0 where unknown."""
    size = trust.shape[0]
    line = 2 * jnp.eye(size) - jnp.eye(size, k=1) - jnp.eye(size, k=-1)
    line = line.at[0, 0].set(1.0).at[-1, -1].set(1.0)
    laplacian = jnp.kron(line, jnp.eye(size)) + jnp.kron(jnp.eye(size), line)
    rim = jnp.ones((size, size)).at[1:-1, 1:-1].set(0.0)
    trust = (trust * (1 - rim)).ravel()
    system = STIFFNESS * laplacian + jnp.diag(trust + PIN * rim.ravel())
    return jax.scipy.linalg.solve(system, jnp.diag(trust), assume_a="pos")


def backward(displacement: Float[Array, "g g 2"], height: int, width: int) -> Float[Array, "h w 2"]:
    """Where each pixel comes from, relative to itself: r(x) = -d(x + r(x)), for the nodes' displacement in pixels."""
    size = displacement.shape[0]
    cell = jnp.array([[[width, height]]]) / size
    where = nodes(height, width) / cell  # in node units, first node at 0.5
    shift = displacement / cell

    def step(_, back):
        return -texture.at(shift, where + back)

    back = jax.lax.fori_loop(0, ROUNDS, step, -shift) * cell
    return jax.image.resize(back, (height, width, 2), "cubic")
