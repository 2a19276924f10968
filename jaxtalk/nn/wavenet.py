"""Gated convolutions over time that a condition steers: WaveNet's residual stack (van den Oord et al., 2016, sec. 2.3),
looking both ways, as WaveGlow (Prenger et al., 2019) and the variational speech models after it have it.

x [t, w] --layers of tanh(a) sigmoid(b), where a, b = convolution(x) + linear(condition)--> sum of their outputs [t, w]

Each layer sees `window` moments, so `layers` of them see layers * (window // 2) to either side. Kernels are given by
direction and length (weight normalisation; Salimans and Kingma, 2016).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import convolve


class WeightNormConv(nn.Module):
    """Convolution that keeps the number of moments. An output's kernel is along `direction` and `scale` long."""

    features: int
    window: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t i"]) -> Float[Array, "b t o"]:
        shape = (self.window, x.shape[-1], self.features)
        direction = jnp.asarray(self.param("direction", nn.initializers.lecun_normal(), shape, jnp.float32))
        length = jnp.sqrt(jnp.sum(direction**2, axis=(0, 1)))
        scale = self.param("scale", lambda _: length)  # so that the kernel starts as the direction
        bias = jnp.asarray(self.param("bias", nn.initializers.zeros, shape[-1:], jnp.float32), self.dtype)
        kernel = ((scale / length)[None, None] * direction).astype(self.dtype)
        y = convolve(x.astype(self.dtype), kernel, padding=self.window // 2)
        return y + bias[None, None]


class WaveNet(nn.Module):
    """The stack. Where the mask is 0 the output is 0 and nothing is seen: padded clips give what clips alone give."""

    width: int
    window: int
    layers: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t w"], condition: Float[Array, "b t c"], mask: Float[Array, "b t"]
    ) -> Float[Array, "b t w"]:
        """`x` is 0 where the mask is."""
        mask = mask[..., None].astype(self.dtype)
        steering = WeightNormConv(2 * self.width * self.layers, dtype=self.dtype, name="condition")(condition)
        steering = jnp.split(steering, self.layers, axis=-1)
        x, total = x.astype(self.dtype), jnp.zeros(x.shape, self.dtype)
        for k in range(self.layers):
            inside = WeightNormConv(2 * self.width, self.window, self.dtype, name=f"gates_{k}")(x) + steering[k]
            signal, gate = jnp.split(inside, 2, axis=-1)
            last = k == self.layers - 1
            features = self.width if last else 2 * self.width
            y = WeightNormConv(features, dtype=self.dtype, name=f"out_{k}")(jnp.tanh(signal) * jax.nn.sigmoid(gate))
            if not last:
                step, y = jnp.split(y, 2, axis=-1)
                x = (x + step) * mask
            total = total + y
        return total * mask
