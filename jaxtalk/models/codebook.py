"""A codebook: vectors are replaced by the nearest of a few learnt ones (VQ-VAE; van den Oord et al., 2017).

x [..., w] --nearest of k codes--> index, and the code [..., w]

The replacement has no gradient, so x gets that of the code (`straight_through`). The codes learn by gradients of the
codebook loss (`jaxtalk.losses.codebook`) or, in their place, as moving averages of what was given to each (`Averages`;
the paper's appendix A.1). Codes that nothing comes to stay what they are for ever; `revive` moves them to where vectors
are. How many are in use, and how evenly: `jaxtalk.metrics.codebook`.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


class Coded(NamedTuple):
    indices: Int[Array, "*b"]
    codes: Float[Array, "*b w"]  # with a gradient for the codebook


class Codebook(nn.Module):
    """Parameters `codes` [k, w] in float32."""

    size: int
    width: int

    def setup(self):
        def start(key, shape, dtype):
            return jax.random.uniform(key, shape, dtype, -1.0 / self.size, 1.0 / self.size)

        self.codes = self.param("codes", start, (self.size, self.width), jnp.float32)

    def __call__(self, x: Float[Array, "*b w"]) -> Coded:
        indices = nearest(self.codes, x)
        return Coded(indices, self.codes[indices])


def distances(codes: Float[Array, "k w"], x: Float[Array, "*b w"]) -> Float[Array, "*b k"]:
    """Squared distances of each vector from each code: one matrix product, as |x|^2 + |c|^2 - 2 x c."""
    x = x.astype(jnp.float32)
    lengths = jnp.sum(codes**2, axis=1).reshape((1,) * (x.ndim - 1) + (-1,))
    return jnp.sum(x**2, axis=-1, keepdims=True) + lengths - 2 * jnp.dot(x, codes.T)


def nearest(codes: Float[Array, "k w"], x: Float[Array, "*b w"]) -> Int[Array, "*b"]:
    """The first of the codes that are closest."""
    return jnp.argmin(distances(*jax.lax.stop_gradient((codes, x))), axis=-1)


def straight_through(x: Float[Array, "*b w"], codes: Float[Array, "*b w"]) -> Float[Array, "*b w"]:
    """The codes, whose gradient goes to x as it is."""
    return x + jax.lax.stop_gradient(codes - x)


class Averages(NamedTuple):
    """How often each code was taken in a step, and the sum of the vectors that took it: moving averages."""

    counts: Float[Array, "k"]
    sums: Float[Array, "k w"]

    @classmethod
    def of(cls, codes: Float[Array, "k w"]) -> "Averages":
        """Those that give these codes, with the weight of one vector each."""
        return cls(jnp.ones(len(codes)), codes)

    def after(
        self, x: Float[Array, "*b w"], indices: Int[Array, "*b"], own: Bool[Array, "*b"] | None = None, decay=0.99
    ) -> "Averages":
        """After a step whose vectors x took the codes `indices`; `own`: which of them count."""
        counts, sums = assigned(x, indices, len(self.counts), own)
        return Averages(decay * self.counts + (1 - decay) * counts, decay * self.sums + (1 - decay) * sums)

    @property
    def codes(self) -> Float[Array, "k w"]:
        """Means of the vectors. Codes that nothing takes stay where they are: both averages fall alike."""
        return self.sums / jnp.maximum(self.counts, 1e-12)[:, None]


def assigned(
    x: Float[Array, "*b w"], indices: Int[Array, "*b"], size: int, own: Bool[Array, "*b"] | None = None
) -> tuple[Float[Array, "k"], Float[Array, "k w"]]:
    """How many vectors took each code, and their sums."""
    weight = jnp.ones(indices.shape) if own is None else own.astype(jnp.float32)
    place, x = indices.reshape(-1), x.reshape(-1, x.shape[-1]).astype(jnp.float32)
    weight = weight.reshape(-1)
    counts = jnp.zeros(size).at[place].add(weight)
    return counts, jnp.zeros((size, x.shape[-1])).at[place].add(jax.lax.stop_gradient(x) * weight[:, None])


def revive(
    rng: Key[Array, ""],
    codes: Float[Array, "k w"],
    used: Bool[Array, "k"],
    x: Float[Array, "*b w"],
    own: Bool[Array, "*b"] | None = None,
) -> Float[Array, "k w"]:
    """The codebook with every code that is not in use put on one of the vectors x, drawn anew for each.

    `used`: for example `CodebookUse.counts > 0` over the last few hundred steps; `own`: which vectors may be drawn (at
    least one).
    """
    x = x.reshape(-1, x.shape[-1]).astype(codes.dtype)
    chance = None if own is None else own.reshape(-1) / own.sum()
    drawn = jax.lax.stop_gradient(x)[jax.random.choice(rng, len(x), (len(codes),), p=chance)]
    return jnp.where(used[:, None], codes, drawn)
