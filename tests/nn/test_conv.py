"""Convolutions against lax and scipy, their derivatives in every mode, and the memory order of their gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from jaxtalk.nn.conv import Conv, ConvTranspose, convolve, convolve_transposed

CASES = [  # space, window, stride, padding, extra samples of the transposed one
    ((10,), (4,), 2, 1, 1),
    ((7, 6), (3, 3), (3, 2), (1, 0), (2, 1)),
    ((8, 5), (2, 1), (2, 1), 0, 0),
    ((6, 5), (3, 3), 1, 1, 0),
    ((4, 5, 6), (3, 3, 3), (1, 2, 2), 1, 0),
    ((7, 4, 3), (4, 2, 1), (2, 1, 1), (2, 1, 0), 0),
    ((4, 3), (2, 2), 1, 1, 0),  # the output is larger than the input
]


def operands(space, window, batch=2, channels=3, features=4):
    keys = jax.random.split(jax.random.key(len(space)), 2)
    return jax.random.normal(keys[0], (batch, *space, channels)), jax.random.normal(
        keys[1], (*window, channels, features)
    )


def plain(x, kernel, stride, padding, dilation=1, groups=1):
    axes = x.ndim - 2
    stride, padding = ((v,) * axes if isinstance(v, int) else v for v in (stride, padding))
    space = "DHW"[-axes:]
    numbers = (f"N{space}C", f"{space}IO", f"N{space}C")
    both_sides = [(p, p) for p in padding]
    return jax.lax.conv_general_dilated(
        x, kernel, stride, both_sides, None, (dilation,) * axes, numbers, feature_group_count=groups
    )


def plain_transposed(x, kernel, stride, padding, extra):
    """By definition: the linear transpose of the convolution that maps y's shape to x's."""
    axes = x.ndim - 2
    each = [(v,) * axes if isinstance(v, int) else v for v in (stride, padding, extra)]
    sizes = zip(x.shape[1:-1], kernel.shape, *each, strict=False)
    shape = (x.shape[0], *[(n - 1) * s - 2 * p + k + e for n, k, s, p, e in sizes], kernel.shape[-1])
    forward = lambda y: plain(y, jnp.swapaxes(kernel, -1, -2), stride, padding)  # noqa: E731
    return jax.linear_transpose(forward, jnp.zeros(shape))(x)[0]


@pytest.mark.parametrize("space, window, stride, padding, extra", CASES)
def test_values_and_gradients_are_those_of_lax(space, window, stride, padding, extra):
    del extra
    x, kernel = operands(space, window)
    ours = jax.jit(values_and_gradients(lambda x, k: convolve(x, k, stride, padding)))(x, kernel)
    expected = jax.jit(values_and_gradients(lambda x, k: plain(x, k, stride, padding)))(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, expected)


@pytest.mark.parametrize("space, window, stride, padding, extra", CASES)
def test_transposed_is_the_transpose(space, window, stride, padding, extra):
    x, kernel = operands(space, window)
    ours = jax.jit(values_and_gradients(lambda x, k: convolve_transposed(x, k, stride, padding, extra)))(x, kernel)
    expected = jax.jit(values_and_gradients(lambda x, k: plain_transposed(x, k, stride, padding, extra)))(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, expected)


SEQUENCES = [  # length, window, stride, padding, dilation, groups
    (90, 16, 1, 8, 1, 4),  # a long kernel in three blocks, the last one not full
    (32, 17, 1, 0, 1, 2),  # in one
    (41, 10, 5, 0, 1, 1),
    (23, 3, 2, 1, 1, 2),
    (30, 5, 1, 4, 2, 1),
    (30, 3, 2, 3, 4, 2),
]


@pytest.mark.parametrize("length, window, stride, padding, dilation, groups", SEQUENCES)
def test_sequences_by_every_formulation(monkeypatch, length, window, stride, padding, dilation, groups):
    """The forms for other backends are plain XLA too, so they can be checked anywhere."""
    x, kernel = operands((length,), (window,), channels=8 // groups, features=12)
    x = jnp.concatenate([x * (i + 1) for i in range(groups)], -1)

    def all_derivatives(layer):
        def value(x, kernel):
            return layer(x, kernel, stride, padding, dilation, groups)

        def run(*given):
            directions = tuple(jnp.cos(3 * v) for v in given)
            return values_and_gradients(value)(*given), jax.jvp(value, given, directions)[1]

        return jax.jit(run)(x, kernel)

    expected = all_derivatives(plain)
    for backend in ("cpu",) if stride == dilation == 1 else ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda name=backend: name)
        ours = all_derivatives(convolve)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-3), ours, expected)


def values_and_gradients(layer):
    def run(x, kernel):
        y, pull = jax.vjp(layer, x, kernel)
        return y, pull(jnp.sin(y))

    return run


def test_is_cross_correlation():
    x, kernel = operands((7, 6), (3, 3))
    expected = sum(correlate(x[0, ..., i], kernel[..., i, 1], "same") for i in range(3))
    np.testing.assert_allclose(convolve(x, kernel, padding=1)[0, ..., 1], expected, atol=1e-4)


@pytest.mark.parametrize(
    "layer, reference", [(convolve, plain), (convolve_transposed, functools.partial(plain_transposed, extra=0))]
)
def test_forward_mode_and_second_derivatives_are_those_of_lax(layer, reference):
    x, kernel = operands((5, 4), (3, 3))

    def derivatives(layer):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(layer(x, kernel, 2, 1)))

        def run(*given):
            directions = tuple(jnp.cos(3 * v) for v in given)
            return jax.jvp(loss, given, directions), jax.jvp(jax.grad(loss, (0, 1)), given, directions)[1]

        return jax.jit(run)(x, kernel)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), derivatives(layer), derivatives(reference)
    )


@pytest.mark.parametrize("layer", [convolve, convolve_transposed])
def test_maps_over_examples_and_over_kernels(layer):
    x, kernel = operands((5, 4), (3, 3), 4)
    grad = jax.grad(lambda kernel, x: jnp.sum(jnp.sin(layer(x, kernel, 2, 1))))
    each = jax.jit(jax.vmap(grad, (None, 0)))(kernel, x[:, None])
    np.testing.assert_allclose(each.sum(0), grad(kernel, x), rtol=1e-4, atol=1e-4)
    kernels = jnp.stack([kernel, -2 * kernel])
    grads = jax.vmap(grad, (0, None))(kernels, x)
    np.testing.assert_allclose(grads[1], grad(kernels[1], x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [convolve, convolve_transposed])
def test_gradients_are_convolutions_in_memory_order(layer):
    """No convolution in reverse mode may name the axes otherwise, nor dilate its input to find a kernel's gradient."""
    if layer is convolve and jax.default_backend() != "cpu":
        pytest.skip("only the CPU needs it; other backends have kernels of their own for gradients")
    x, kernel = operands((8, 6), (3, 3), 2, 3, 4)
    loss = lambda x, k: jnp.sum(layer(x, k, 2, 1) ** 2)  # noqa: E731
    jaxpr = jax.make_jaxpr(jax.grad(loss, (0, 1)))(x, kernel)
    convolutions = [e for e in _equations(jaxpr.jaxpr) if e.primitive.name == "conv_general_dilated"]
    assert len(convolutions) == 3
    for equation in convolutions:
        numbers = equation.params["dimension_numbers"]
        assert tuple(numbers) == ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    dilated = [e for e in convolutions if max(e.params["lhs_dilation"]) > 1]
    assert len(dilated) == 1  # the gradient of a strided one's input, or the transposed one itself
    assert dilated[0].invars[1].aval.shape[:2] == (3, 3)


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "jaxpr") or hasattr(x, "eqns")):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from _equations(inner)


def test_layers_have_the_parameters_and_shapes_that_they_state():
    x = jax.ShapeDtypeStruct((2, 8, 6, 3), jnp.float32)
    layer = Conv(5, (3, 3), 2, 1, dtype=jnp.bfloat16)
    y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), x)
    assert jax.tree.map(lambda p: (p.shape, p.dtype), variables["params"]) == {
        "kernel": ((3, 3, 3, 5), jnp.float32),
        "bias": ((5,), jnp.float32),
    }
    assert y.shape == (2, 4, 3, 5) and y.dtype == jnp.bfloat16
    layer = ConvTranspose(4, (2, 1), (2, 1), bias=False)
    y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), x)
    assert list(variables["params"]) == ["kernel"]
    assert y.shape == (2, 16, 6, 4)
