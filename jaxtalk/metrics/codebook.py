"""How much of a codebook is in use?

A vector-quantised model (VQ-VAE, van den Oord et al., 2017) whose codes are few in use says little with each. Usage is
the share of codes that occur at all, perplexity how many evenly used codes would say as much. Traps: both depend on how
much data was coded (a batch of fewer frames than codes cannot use them all), so name the set and its frames; with
several codebooks, or codes for parts of a face as in CodeTalker, figures of one and of all together are different.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class CodebookUse(NamedTuple):
    """How often each code occurred; `a.merge(b)` counts both."""

    counts: Int[Array, "k"]

    @classmethod
    def of(cls, codes: Int[Array, "*b"], size: int, mask: Bool[Array, "*b"] | None = None) -> "CodebookUse":
        """Counts codes 0 ... size - 1 where `mask` holds (everywhere if not given); what is no code is not counted."""
        return cls(_counts(codes, size, codes >= 0 if mask is None else mask))

    def merge(self, other: "CodebookUse") -> "CodebookUse":
        return CodebookUse(self.counts + other.counts)

    def used(self) -> Float[Array, ""]:
        """Share of the codes that occurred; from 0 (nothing was coded) to 1, higher is better."""
        return (self.counts > 0).astype(jnp.float32).mean()

    def perplexity(self) -> Float[Array, ""]:
        """exp of the entropy of the codes' shares: 1 for one code, the codebook's size if all are used evenly.

        Higher is better. 0 if nothing was coded.
        """
        return _perplexity(self.counts)


@functools.partial(jax.jit, static_argnames="size")
def _counts(codes: Int[Array, "*b"], size: int, mask: Bool[Array, "*b"]) -> Int[Array, "k"]:
    place = jnp.where(mask & (codes >= 0), codes, size)  # beyond the last: dropped
    return jnp.zeros(size, jnp.int32).at[place].add(1, mode="drop")


@jax.jit
def _perplexity(counts: Int[Array, "k"]) -> Float[Array, ""]:
    total = counts.sum()
    share = counts / jnp.maximum(total, 1)
    entropy = -jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1.0)), 0.0).sum()
    return jnp.where(total > 0, jnp.exp(entropy), 0.0)
