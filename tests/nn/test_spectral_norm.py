"""SpectralConv against numpy's singular values and the plain convolution."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.spectral_norm import SpectralConv, divide, fold


def trained(rounds: int):
    layer, x = SpectralConv(6, (3, 3)), jax.random.normal(jax.random.key(0), (2, 7, 7, 4))
    variables = layer.init(jax.random.key(1), x, train=False)
    for _ in range(rounds):
        _, changed = layer.apply(variables, x, train=True, mutable=["batch_stats"])
        variables = variables | changed
    return layer, x, variables


def test_the_norm_is_one_after_a_few_rounds():
    _, _, variables = trained(60)
    kernel, _ = divide(variables["params"]["kernel"], variables["batch_stats"]["u"])
    assert abs(np.linalg.svd(kernel.reshape(-1, 6), compute_uv=False)[0] - 1) < 1e-3


def test_one_round_is_that_of_numpy():
    kernel, u = np.asarray(jax.random.normal(jax.random.key(2), (3, 4, 5))), np.asarray([0.1, 0.7, 0.2, -0.6, 0.3])
    matrix = kernel.reshape(-1, 5).astype(np.float64)
    v = matrix @ u / np.linalg.norm(matrix @ u)
    moved = v @ matrix / np.linalg.norm(v @ matrix)
    found, next_u = divide(jnp.asarray(kernel), jnp.asarray(u, jnp.float32))
    np.testing.assert_allclose(next_u, moved, atol=1e-6)
    np.testing.assert_allclose(found, kernel / (v @ matrix @ moved), rtol=1e-5)


def test_only_training_moves_u_and_the_folded_kernel_is_that_of_a_plain_layer():
    layer, x, variables = trained(1)
    answer, changed = layer.apply(variables, x, train=False, mutable=["batch_stats"])
    np.testing.assert_array_equal(changed["batch_stats"]["u"], variables["batch_stats"]["u"])
    np.testing.assert_allclose(Conv(6, (3, 3)).apply(fold(variables), x), answer, atol=1e-5)


def test_the_gradient_does_not_lengthen_the_kernel():
    """What is divided by its norm has no slope along itself."""
    layer, x, variables = trained(60)

    def loss(kernel):
        params = variables["params"] | {"kernel": kernel}
        return jnp.sum(layer.apply(variables | {"params": params}, x, train=False) ** 3)

    kernel = variables["params"]["kernel"]
    gradient = jax.grad(loss)(kernel)
    along = jnp.vdot(gradient, kernel) / (jnp.linalg.norm(gradient.ravel()) * jnp.linalg.norm(kernel.ravel()))
    assert abs(along) < 1e-3
