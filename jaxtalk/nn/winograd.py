"""Wide convolutions with half the products: Winograd's F(4, 3) along the width (Lavin and Gray, CVPR 2016).

Four neighbours of a window of three taps need 12 products; six do, of sums of the inputs with sums of the taps, from
whose products sums give the four. The sums cost little where each meets many channels. Along one axis only, so that
rounding errors stay small: at most 5 times those of a sum at once on 512 channels, where two axes gave 37 times. On a
CPU, 64 x 64 pixels of 512 channels took 0.6 to 0.75 of the time; compiling takes longer.

A longer window is taken in threes, whose products are added before the last sums; the taps that remain, at once.
"""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

# What to add up of six inputs in a row, of three taps, of the six products; points 0, 1, -1, 2, -2 and infinity.
_INPUTS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_TAPS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_FEW = 384  # products for each sum, below which it does not pay
_SMALL = 512  # outputs of a channel, below which the sums of the taps take longer than what they save
_LITTLE = 1e9  # products in all, below which the time of compiling matters more


def pays(places: Sequence[int], kernel: Sequence[int]) -> bool:
    """Whether outputs at `places` [b, *space] from a kernel [*window, i, o] are quicker so on a CPU."""
    *others, taps, channels, features = kernel
    width, rows, count = places[-1], math.prod(others), math.prod(places)
    fits = taps >= 3 and taps % 3 < 2 and -(-width // 4) * 4 <= 1.2 * width
    wide = count >= _SMALL and rows * min(channels, features) >= _FEW
    return fits and wide and count * math.prod(kernel) >= _LITTLE


def convolve_winograd(
    x: Float[Array, "b *space i"],
    kernel: Float[Array, "*window i o"],
    convolve: Callable[[Array, Array], Array],
    padding: int = 0,
) -> Float[Array, "b *space_out o"]:
    """The convolution in steps of 1, padded on both sides along the width.

    `convolve` does those with a window of 1 along the width, and whatever padding the other axes have.
    """
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(padding, padding), (0, 0)])
    taps = kernel.shape[-3]
    width, threes = x.shape[-2] - taps + 1, taps // 3
    tiles = -(-width // 4)
    room = [(0, 0)] * (x.ndim - 2) + [(0, 4 * (tiles + threes) + 2 - x.shape[-2]), (0, 0)]
    blocks = jnp.pad(x, room) if room[-2][1] > 0 else x

    def every_fourth(first: int) -> Array:
        return blocks[..., first : first + 4 * tiles - 3 : 4, :]

    inputs = [every_fourth(k) for k in range(3 * threes + 3)]
    parts = [kernel[..., k : k + 1, :, :] for k in range(taps)]
    products = []
    for for_input, for_taps in zip(_INPUTS, _TAPS, strict=True):
        sums = [_sum(for_input, inputs[k : k + 6]) for k in range(0, 3 * threes, 3)]
        weights = [_sum(for_taps, parts[k : k + 3]) for k in range(0, 3 * threes, 3)]
        products.append(convolve(jnp.concatenate(sums, -1), jnp.concatenate(weights, -2)))
    y = jnp.stack([_sum(row, products) for row in _OUTPUTS], -2)
    y = y.reshape(*y.shape[:-3], 4 * tiles, -1)[..., :width, :]
    for k in range(3 * threes, taps):
        y = y + convolve(x[..., k : k + width, :], parts[k])
    return y


def _sum(weights: Sequence[int | float], terms: Sequence[Array]) -> Array:
    total = None
    for weight, term in zip(weights, terms, strict=True):
        if weight:
            part = term if weight == 1 else weight * term
            total = part if total is None else total + part
    return total
