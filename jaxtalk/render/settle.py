"""Keeps XLA from computing the same thing many times over.

On CPUs XLA folds whatever is elementwise, lookups included, into each of its readers: a blur of three taps along two
axes looks every pixel up nine times. It does not fold across the border of a conditional.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import PyTree


def settle(values: PyTree) -> PyTree:
    """`values` as they are, computed once whoever reads them (under vmap only the first half of that holds)."""
    first = jax.tree.leaves(values)[0].ravel()[0]
    # True for all but NaN, which the compiler cannot know.
    return lax.cond(first == first, lambda v: v, lambda v: jax.tree.map(jnp.zeros_like, v), values)
