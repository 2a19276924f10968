"""Means that merge: over steps, devices and hosts a mean is carried as (sum, count)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Mean(NamedTuple):
    """A running mean; `a.merge(b)` is the mean over both, whatever their sizes."""

    sum: Float[Array, ""]
    count: Float[Array, ""]

    @classmethod
    def of(cls, values: Float[Array, "*b"], mask: Float[Array, "*b"] | None = None) -> "Mean":
        """Mean of `values`, each weighted by `mask` (same shape) where given."""
        weights = jnp.ones_like(values) if mask is None else mask.astype(values.dtype)
        return cls(jnp.sum(values * weights), jnp.sum(weights))

    def merge(self, other: "Mean") -> "Mean":
        return Mean(self.sum + other.sum, self.count + other.count)

    def value(self) -> Float[Array, ""]:
        """The mean; 0 of nothing."""
        return self.sum / jnp.maximum(self.count, 1e-12)


def merged(total: dict[str, Mean], more: dict[str, Mean]) -> dict[str, Mean]:
    """Both together; what is in `more` alone begins."""
    return total | {name: total[name].merge(mean) if name in total else mean for name, mean in more.items()}


def values(metrics: dict[str, Mean]) -> dict[str, float]:
    """Plain numbers of a dict of means, for logs; waits for the device."""
    return {name: float(metric.value()) for name, metric in jax.device_get(metrics).items()}
