"""Where a head is in a picture, found with its own field: the pose is moved until what is drawn lies on what is seen.

Trackers find a pose from landmarks, half a pixel or a degree beside. AD-NeRF's and RAD-NeRF's trackers then lay a face
model's texture over the pixels; here the avatar itself is laid over them. Training frames need none of this: their
poses are learnt along with the field.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from jaxtalk.render import volume
from jaxtalk.systems.avatar_field import Avatar, Codes, Moment

ROUNDS = 5
BUDGET = 24  # samples of a pixel, in the mean
TRACKED = 0.02  # radians and units of 0.2 m: standard deviation of the tracker's error
NOISE = 0.1  # of a colour, where the field is right


def rigid_places(
    shares: UInt8[np.ndarray, "s s 2"], mouth: Int[np.ndarray, "2"], count: int
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Rows and columns of `count` pixels of head and outline above the mouth, which no speech moves."""
    near = np.max([np.roll(shares[..., 0], step, axis) for step in (-4, 4) for axis in (0, 1)], axis=0) > 127
    near[max(int(mouth[0]) - len(shares) // 25, 1) :] = False
    places = np.argwhere(near) if near.any() else np.argwhere(np.ones_like(near))
    row, column = places[np.random.default_rng(0).integers(len(places), size=count)].T
    return row, column


def aligned(
    avatar: Avatar,
    params,
    space: volume.Box,
    moment: Moment,
    codes: Codes,
    pixels: Float[Array, "n 2"],
    colour: Float[Array, "n 3"],
    background: Float[Array, "n 3"],
) -> Moment:
    """The moment with its head moved to where `pixels`, chosen about the rigid parts of the head, show `colour`.

    Gauss-Newton's method, with the tracked pose as a prior; differences of more than `NOISE` count less (Cauchy).
    """
    budget, still = BUDGET * len(pixels), jnp.zeros(len(pixels))

    def difference(move):
        turned = moment.turned(move)
        drawn = avatar.train_view(params, space, turned, codes, pixels, background, budget, still)
        return (drawn.colour - colour).reshape(-1) / NOISE

    def closer(move, _):
        error, slope = difference(move), jax.jacfwd(difference)(move)
        weight = 1 / (1 + jnp.square(error))
        normal = jnp.matmul(slope.T, weight[:, None] * slope, precision="highest") + jnp.eye(6) / TRACKED**2
        wrong = jnp.matmul(slope.T, weight * error, precision="highest") + move / TRACKED**2
        return move - jnp.linalg.solve(normal, wrong), None

    return moment.turned(jax.lax.scan(closer, jnp.zeros(6), None, length=ROUNDS)[0])
