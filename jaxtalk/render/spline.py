"""Random warps of pictures by an affine map and a thin-plate spline, as first-order motion models draw them.

    place(p) = A p + b + sum_j w_j U(|p - c_j|_1),   U(d) = d^2 log(d + 1e-6),   control points c_j on a grid

The warped picture shows at p what the picture has at place(p). Coordinates are (x, y) from -1 to 1, the middles of the
outermost pixels. As in the public code of first-order motion models and face-vid2vid the distance is the sum of |x| and
|y|, and the spline moves x and y alike.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxtalk.render import texture
from jaxtalk.render.sample_volume import line


class Warp(NamedTuple):
    """One warp for each of b pictures."""

    affine: Float[Array, "b 2 3"]
    weights: Float[Array, "b g g"]  # of the control points

    def place(self, points: Float[Array, "b n 2"]) -> Float[Array, "b n 2"]:
        """Where in the picture the warped one takes what it shows at `points`."""
        y, x = jnp.meshgrid(line(self.weights.shape[1]), line(self.weights.shape[2]), indexing="ij")
        controls = jnp.stack([x, y], -1).reshape(1, 1, -1, 2)
        distance = jnp.abs(points[:, :, None] - controls).sum(-1)  # [b, n, g * g]
        bend = distance**2 * jnp.log(distance + 1e-6)
        bend = jnp.einsum("bng,bg->bn", bend, self.weights.reshape(len(self.weights), -1), precision="highest")
        straight = jnp.einsum("bij,bnj->bni", self.affine[..., :2], points, precision="highest")
        return straight + self.affine[:, None, :, 2] + bend[..., None]

    def picture(self, image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """The warped pictures, bilinear; beyond their border pictures are mirrored."""
        height, width = image.shape[1:3]
        y, x = jnp.meshgrid(line(height), line(width), indexing="ij")
        grid = jnp.broadcast_to(jnp.stack([x, y], -1).reshape(1, -1, 2), (len(image), height * width, 2))
        inside = 1 - jnp.abs((self.place(grid) + 1) % 4 / 2 - 1)  # from 0 to 1, mirrored
        there = inside * jnp.array([[[width - 1, height - 1]]], jnp.float32) + 0.5
        return jax.vmap(texture.at)(image, there.reshape(*image.shape[:3], 2))


def sample(key: Key[Array, ""], count: int, affine: float = 0.05, spline: float = 0.005, grid: int = 5) -> Warp:
    """`count` random warps; `affine` and `spline` are standard deviations, the defaults those of face-vid2vid."""
    keys = jax.random.split(key)
    noise = affine * jax.random.normal(keys[0], (count, 2, 3))
    return Warp(noise + jnp.eye(2, 3)[None], spline * jax.random.normal(keys[1], (count, grid, grid)))
