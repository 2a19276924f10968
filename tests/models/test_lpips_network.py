"""LPIPS with its networks against the lpips package."""

import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import perceptual
from jaxtalk.metrics.lpips import lpips


def load(kind: str):
    manifest, arrays = golden_fixture.load(f"perceptual_{kind}")
    state = golden_fixture.state(manifest, arrays)
    state = {name: np.abs(value) if name.startswith("lin") else value for name, value in state.items()}
    images = [jnp.asarray(value).transpose(0, 2, 3, 1) for value in golden_fixture.inputs(manifest).values()]
    return manifest, arrays, perceptual.model(kind)[0], perceptual.variables("golden", kind, state), images


@functools.partial(jax.jit, static_argnums=0)
def compare(network, variables, a, b):
    """The distance, that of each layer, and that without heads."""
    (a, heads), (b, _) = network.apply(variables, a), network.apply(variables, b)
    layers = [lpips([x], [y], [head]) for x, y, head in zip(a, b, heads, strict=True)]
    return lpips(a, b, heads), jnp.stack(layers), lpips(a, b)


@pytest.mark.parametrize("kind", ["lpips_alex", "lpips_vgg"])
def test_golden_distances(kind):
    manifest, arrays, network, variables, images = load(kind)
    with jax.default_matmul_precision("highest"):
        distances = compare(network, variables, *images)
    for name, value in zip(("distance", "layers", "without_heads"), distances, strict=True):
        golden_fixture.compare(manifest, arrays, name, value)


def test_black_and_white_are_apart_and_finite():
    *_, network, variables, (image, _) = load("lpips_alex")
    flat = jnp.stack([jnp.zeros_like(image[0]), jnp.ones_like(image[0])])
    with jax.default_matmul_precision("highest"):
        apart, same = (compare(network, variables, flat, other)[0] for other in (flat[::-1], flat))
    assert np.isfinite(apart).all() and (apart > 0.01).all()
    np.testing.assert_allclose(same, 0, atol=1e-12)
