"""Temporal flicker: what changes from frame to frame though nothing moved there. From 0, lower is steadier.

The warping error of Lai et al. ("Learning blind video temporal consistency", ECCV 2018, eq. 10 and 11): the next frame
is brought back along the optical flow, and the squared difference is averaged over the pixels that both frames show:

    E_t = sum M |V_t - warp(V_t+1)|^2 / sum M        [t-1], squared units of the pixels, summed over colours

Which pixels are seen in both is told by going there and back (Ruder, Dosovitskiy and Brox, "Artistic style transfer for
videos", GCPR 2016, eq. 6 and 7; Sundaram et al., 2010). Traps: a frozen video has none; the figure is the flow's as
much as the video's, so flow must come from one estimator at one size (papers take that of the true video by FlowNet 2;
`jaxtalk eval` takes scikit-image's iterative Lucas-Kanade on the video itself); some code divides by the three colours,
some leaves the mask out.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Flow = Float[Array, "*b h w 2"]  # pixels to the right and down


def warping_error(
    frames: Float[Array, "t h w c"], flow: Float[Array, "s h w 2"], seen: Bool[Array, "s h w"]
) -> Float[Array, "s"]:
    """E_t of each frame but the last, s = t - 1; 0 where no pixel is seen in both.

    `flow` leads from each frame to the next, `seen` as from `visible`. Pixels that leave the frame do not count.
    """
    back, inside = jax.vmap(warp)(frames[1:], flow)
    counted = (seen & inside).astype(frames.dtype)
    error = jnp.square(frames[:-1] - back).sum(-1)
    return (error * counted).sum((1, 2)) / jnp.maximum(counted.sum((1, 2)), 1.0)


def visible(forward: Flow, backward: Flow) -> Bool[Array, "*b h w"]:
    """Pixels of a frame that the next frame shows as well, and that lie on no edge of the motion.

    Hidden is where forward and backward flow (of the next frame, taken where forward leads) do not undo each other to
    within 0.01 (|f|^2 + |b|^2) + 0.5; an edge is where |grad u|^2 + |grad v|^2 > 0.01 |f|^2 + 0.002.
    """
    returned, inside = jnp.vectorize(warp, signature="(h,w,c),(h,w,d)->(h,w,c),(h,w)")(backward, forward)
    squares = jnp.square(forward).sum(-1), jnp.square(returned).sum(-1)
    hidden = jnp.square(forward + returned).sum(-1) > 0.01 * (squares[0] + squares[1]) + 0.5
    slopes = jnp.gradient(forward, axis=(-3, -2))
    edge = sum(jnp.square(slope).sum(-1) for slope in slopes) > 0.01 * squares[0] + 0.002
    return inside & ~hidden & ~edge


def warp(image: Float[Array, "h w c"], flow: Float[Array, "h w 2"]) -> tuple[Float[Array, "h w c"], Bool[Array, "h w"]]:
    """The image at each pixel's place plus its flow, bilinear, and whether that place lies in the image."""
    height, width, _ = image.shape
    y, x = jnp.mgrid[:height, :width]
    x, y = x + flow[..., 0], y + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x, y = jnp.clip(x, 0, width - 1), jnp.clip(y, 0, height - 1)
    left = jnp.minimum(jnp.floor(x), max(width - 2, 0)).astype(int)
    top = jnp.minimum(jnp.floor(y), max(height - 2, 0)).astype(int)
    right, below = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[below, left] * (1 - across) + image[below, right] * across
    return upper * (1 - down) + lower * down, inside
