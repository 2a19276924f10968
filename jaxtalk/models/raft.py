"""RAFT-small: where each pixel of one picture is in another (Teed and Deng, ECCV 2020, sec. 3 and appendix A).

    pictures [h, w, 3] --convolutions--> features [h/8, w/8, 128] --products of all pairs--> 4 scales of [h/8, w/8] each
    first picture --convolutions--> state [h/8, w/8, 96], context [h/8, w/8, 64]
    12 times: products in 7 x 7 cells around where the flow points, flow, context --GRU--> state, flow + change
    flow [h/8, w/8, 2] --bilinear, x 8--> [h, w, 2]

The fast relative of 1 million parameters. Samples between cells are tents along each axis (|distance| < 1), so that a
window is two small matrix products instead of gathers; beyond the border they are zero.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.errors import InputError
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.instance_norm import normalised
from jaxtalk.nn.pool import average_pool

LEVELS, RADIUS = 4, 3
SIDE = 2 * RADIUS + 1
MULTIPLE, SMALLEST = 8, 64  # pixels of a side: the coarsest of the four scales has a cell at least
Cells = Float[Array, "b h w 2"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    widths: tuple[int, int, int] = (32, 64, 96)  # at 1/2, 1/4 and 1/8
    features: int = 128
    state: int = 96
    context: int = 64
    iterations: int = 12
    dtype: DTypeLike = jnp.float32


class Raft(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, first: Float[Array, "b h w 3"], second: Float[Array, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 2"], dict[str, Array]]:
        """For each pixel of `first`, (x right, y down) in pixels to the same thing in `second`; float32.

        Pictures are RGB from 0 to 1. aux["coarse"] [n, b, h/8, w/8, 2] is the flow after each round, in cells.
        """
        c, (height, width) = self.config, first.shape[1:3]
        if height % MULTIPLE or width % MULTIPLE or min(height, width) < SMALLEST:
            raise InputError(
                f"cannot follow {height} x {width} pixels; resize to multiples of {MULTIPLE} from {SMALLEST} on"
            )
        both = 2 * jnp.concatenate([first, second]).astype(jnp.float32) - 1
        seen = Encoder(c.widths, c.features, True, c.dtype, name="features")(both).astype(jnp.float32)
        pyramid = correlations(*jnp.split(seen, 2))
        inner = Encoder(c.widths, c.state + c.context, False, c.dtype, name="context")(both[: len(first)])
        state, context = nn.tanh(inner[..., : c.state]), nn.relu(inner[..., c.state :])
        step = nn.scan(
            Step, variable_broadcast="params", split_rngs={"params": False}, in_axes=nn.broadcast, length=c.iterations
        )
        start = jnp.zeros((*inner.shape[:3], 2), jnp.float32)
        (_, flow), rounds = step(c, name="step")((state, start), context, pyramid)
        return enlarged(flow), {"coarse": rounds}


class Encoder(nn.Module):
    """7 x 7 to half the size, then two blocks at each of three sizes, and 1 x 1."""

    widths: tuple[int, int, int]
    features: int
    norm: bool  # of each channel of each picture
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        def conv(x: Array, features: int, window: int, stride: int, name: str) -> Array:
            y = Conv(features, (window, window), stride, window // 2, dtype=self.dtype, name=name)(x)
            return normalised(y).astype(self.dtype) if self.norm else y

        def block(x: Array, features: int, stride: int, name: str) -> Array:
            y = nn.relu(conv(x, features // 4, 1, 1, f"{name}_conv_1"))
            y = nn.relu(conv(y, features // 4, 3, stride, f"{name}_conv_2"))
            y = nn.relu(conv(y, features, 1, 1, f"{name}_conv_3"))
            return nn.relu(y + (x if stride == 1 else conv(x, features, 1, stride, f"{name}_skip")))

        x = nn.relu(conv(x, self.widths[0], 7, 2, "in"))
        for k, features in enumerate(self.widths):
            x = block(x, features, 1 if k == 0 else 2, f"block_{k}_0")
            x = block(x, features, 1, f"block_{k}_1")
        return Conv(self.features, (1, 1), dtype=self.dtype, name="out")(x)


class Step(nn.Module):
    """One round: look where the flow points, and change it."""

    config: Config

    @nn.compact
    def __call__(
        self, carry: tuple[Float[Array, "b h w s"], Cells], context: Float[Array, "b h w c"], pyramid: list[Array]
    ) -> tuple[tuple[Float[Array, "b h w s"], Cells], Cells]:
        state, flow = carry
        flow = jax.lax.stop_gradient(flow)  # as published

        def conv(x: Array, features: int, window: int, name: str) -> Array:
            layer = Conv(features, (window, window), padding=window // 2, dtype=self.config.dtype, name=name)
            return layer(x)

        found = nn.relu(conv(look(pyramid, flow), 96, 1, "correlation"))
        moved = nn.relu(conv(nn.relu(conv(flow, 64, 7, "flow_1")), 32, 3, "flow_2"))
        motion = nn.relu(conv(jnp.concatenate([found, moved], -1), 80, 3, "motion"))
        given = jnp.concatenate([context, motion, flow.astype(motion.dtype)], -1)
        both = jnp.concatenate([state, given], -1)
        update, reset = (nn.sigmoid(conv(both, state.shape[-1], 3, name)) for name in ("update", "reset"))
        new = nn.tanh(conv(jnp.concatenate([reset * state, given], -1), state.shape[-1], 3, "new"))
        state = (1 - update) * state + update * new
        change = conv(nn.relu(conv(state, 128, 3, "head_1")), 2, 3, "head_2")
        flow = flow + change.astype(jnp.float32)
        return (state, flow), flow


def correlations(first: Float[Array, "b h w c"], second: Float[Array, "b h w c"]) -> list[Float[Array, "b h w _ _"]]:
    """Products of each cell of one with all of the other over sqrt(c), and means over 2 x 2, 4 x 4, 8 x 8 of those."""
    pairs = jnp.einsum("bhwc,byxc->bhwyx", first, second, precision="highest") / np.sqrt(first.shape[-1])
    pyramid = [pairs]
    for _ in range(LEVELS - 1):
        halved = average_pool(pyramid[-1].reshape(-1, *pyramid[-1].shape[3:], 1), 2, 2)
        pyramid.append(halved.reshape(*pairs.shape[:3], *halved.shape[1:3]))
    return pyramid


def look(pyramid: list[Float[Array, "b h w _ _"]], flow: Cells) -> Float[Array, "b h w n"]:
    """Products of 7 x 7 cells around cell + flow at each scale; x is the slower axis of a window, as published."""
    height, width = flow.shape[1:3]
    cell = jnp.stack(jnp.meshgrid(jnp.arange(width, dtype=jnp.float32), jnp.arange(height, dtype=jnp.float32)), -1)
    place, windows = cell[None] + flow, []
    for level, pairs in enumerate(pyramid):
        across, down = (
            tents(place[..., axis, None] / 2**level + np.arange(-RADIUS, RADIUS + 1)[None, None, None], size)
            for axis, size in ((0, pairs.shape[4]), (1, pairs.shape[3]))
        )
        rows = jnp.einsum("bhwiy,bhwyx->bhwix", down, pairs, precision="highest")
        window = jnp.einsum("bhwix,bhwjx->bhwji", rows, across, precision="highest")
        windows.append(window.reshape(*flow.shape[:3], SIDE * SIDE))
    return jnp.concatenate(windows, -1)


def tents(place: Float[Array, "*p"], size: int) -> Float[Array, "*p size"]:
    """Weights of the cells between which a place lies; none beyond the border."""
    cells = jnp.arange(size, dtype=jnp.float32).reshape((1,) * place.ndim + (size,))
    return jnp.maximum(0.0, 1.0 - jnp.abs(place[..., None] - cells))


def enlarged(flow: Cells) -> Float[Array, "b h2 w2 2"]:
    """Cells to pixels: 8 times the size, bilinear with the outer cells on the outer pixels, and 8 times the length."""
    down, across = (
        tents(jnp.linspace(0.0, size - 1.0, MULTIPLE * size, dtype=jnp.float32), size) for size in flow.shape[1:3]
    )
    return MULTIPLE * jnp.einsum("ih,bhwc,jw->bijc", down, flow, across, precision="highest")
