"""Loss of the face detector: which cells hold a face's middle, and where and how large it is, per example."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

NEAR = 0.3  # of a face's side: cells so near its middle are neither face nor background
FACES = 4.0  # weight of a cell that holds a face


def detection(
    logit: Float[Array, "b y x"],
    found_middle: Float[Array, "b y x 2"],
    found_side: Float[Array, "b y x"],
    stride: int,
    middle: Float[Array, "b k 2"],
    side: Float[Array, "b k"],
    shown: Bool[Array, "b k"],
) -> tuple[Float[Array, "b"], Float[Array, "b"]]:
    """Focal loss of the cells (Lin et al. 2017), and error of place and log size where there are faces, summed up.

    The first three are the answer in each cell of `stride` pixels, the last three the faces that are there. A face
    belongs to the cell in which its middle lies.
    """
    y, x = jnp.mgrid[: logit.shape[1], : logit.shape[2]]
    centres = (jnp.stack([x, y], axis=-1) + 0.5) * stride
    offset = jnp.abs(middle[:, :, None, None] - centres[None, None])
    shown = shown[:, :, None, None]
    mine = (offset.max(-1) <= stride / 2) & shown  # [b k y x]
    near = (jnp.linalg.norm(offset, axis=-1) < jnp.maximum(stride, NEAR * side[:, :, None, None])) & shown
    face = mine.any(1)
    doubtful = near.any(1) & ~face

    chance = jax.nn.sigmoid(logit)
    weight = jnp.where(face, FACES * (1 - chance), jnp.where(doubtful, 0.05, 1.0) * chance**1.5)
    focal = (weight * optax.sigmoid_binary_cross_entropy(logit, face.astype(jnp.float32))).sum((1, 2))

    owner = mine.argmax(1)[:, None]  # [b 1 y x]
    place = jnp.take_along_axis(middle[:, :, None, None], owner[..., None], axis=1)[:, 0]
    size = jnp.take_along_axis(side[:, :, None, None], owner, axis=1)[:, 0]
    error = jnp.abs(found_middle - place).sum(-1) / size + jnp.abs(jnp.log(found_side / size))
    return focal, (error * face).sum((1, 2))
