"""What frozen features know: the accuracy of a linear classifier (softmax regression) that is trained on them."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jaxtalk.metrics.mean import Mean

_DECAY = 1e-4  # weight of the squared norm, against overfitting


class Probe(NamedTuple):
    mean: Float[Array, "d"]
    spread: Float[Array, "d"]
    kernel: Float[Array, "d c"]
    bias: Float[Array, "c"]

    def __call__(self, features: Float[Array, "n d"]) -> Float[Array, "n c"]:
        """Logits."""
        return (features - self.mean[None]) / self.spread[None] @ self.kernel + self.bias[None]


@functools.partial(jax.jit, static_argnames=("classes", "steps"))
def fit(features: Float[Array, "n d"], labels: Int[Array, "n"], *, classes: int, steps: int = 300) -> Probe:
    """Full-batch Adam on the cross-entropy, from zero; features are standardised first."""
    spread = jnp.maximum(features.std(0), 1e-6)
    start = Probe(features.mean(0), spread, jnp.zeros((features.shape[1], classes)), jnp.zeros(classes))
    truth = jax.nn.one_hot(labels, classes)

    def loss(weights):
        probe = start._replace(kernel=weights[0], bias=weights[1])
        error = optax.softmax_cross_entropy(probe(features), truth)
        return error.mean() + _DECAY * jnp.sum(weights[0] ** 2)

    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, steps))
    weights = (start.kernel, start.bias)

    def improve(_, carry):
        weights, state = carry
        change, state = optimizer.update(jax.grad(loss)(weights), state)
        return optax.apply_updates(weights, change), state

    weights, _ = jax.lax.fori_loop(0, steps, improve, (weights, optimizer.init(weights)))
    return start._replace(kernel=weights[0], bias=weights[1])


def accuracy(probe: Probe, features: Float[Array, "n d"], labels: Int[Array, "n"]) -> Mean:
    """Share of rows whose likeliest class is their own."""
    return Mean.of((jnp.argmax(probe(features), axis=-1) == labels).astype(jnp.float32))
