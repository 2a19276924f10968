"""Pictures of coefficients: colours and places by their definitions, slopes by finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import builtin, recon_face, recon_geometry
from jaxtalk.face.recon_geometry import Albedo, Coefficients
from jaxtalk.render import recon_picture

SIZE = 40


@pytest.fixture(scope="module")
def face():
    model = builtin.model()
    rng = np.random.default_rng(0)
    smooth = np.asarray(model.template) * 3 + 0.5
    tints = 0.1 * rng.normal(size=(2, 1, 3)) * np.ones((2, len(smooth), 3))
    return recon_face.build(model, Albedo(jnp.asarray(smooth, jnp.float32), jnp.asarray(tints, jnp.float32)))


@pytest.fixture(scope="module")
def draw(face):
    return jax.jit(lambda coefficients: recon_picture.draw(face, coefficients, SIZE))


def coefficients(count=2, spread=0.0):
    rng = np.random.default_rng(1)
    sizes = (41, 52, 2, 3, 27, 3)
    scale = np.array([1, 0.1, 1, 0.2, 0.2, 0.05]) * spread
    return Coefficients(
        *(jnp.asarray(s * rng.normal(size=(count, n)), jnp.float32) for s, n in zip(scale, sizes, strict=True))
    )


def test_even_light_shows_the_albedo_in_the_middle_of_the_crop(face, draw):
    drawn = draw(coefficients())
    covered = np.asarray(drawn.covered[0])
    assert 0.15 < covered.mean() < 0.6 and covered[SIZE // 2, SIZE // 2] and not drawn.picture[0][~covered].any()
    even = 0.8 * np.sqrt(np.pi) / 2
    tip = np.asarray(recon_geometry.landmarks(face.model, coefficients()))[0, 30] * SIZE / 224
    colour = np.asarray(face.albedo.mean)[int(face.model.landmarks[30])] * even
    np.testing.assert_allclose(drawn.picture[0][tuple(tip.astype(int)[::-1])], colour, atol=0.03)
    np.testing.assert_allclose(drawn.landmarks, recon_geometry.landmarks(face.model, coefficients()), atol=1e-3)


def test_a_batch_is_drawn_as_each_alone(draw):
    both = coefficients(spread=1.0)
    drawn, alone = draw(both), draw(jax.tree.map(lambda x: jnp.stack([x[1], x[1]]), both))
    np.testing.assert_allclose(drawn.picture[1], alone.picture[0], atol=1e-4)
    np.testing.assert_allclose(drawn.albedo[1], alone.albedo[0], atol=1e-6)


def test_slopes_are_those_of_finite_differences(face, draw):
    """Exact in light and texture; in pose and shape within the face, where no outline passes."""
    start = coefficients(count=1, spread=0.5)
    middle = np.zeros((SIZE, SIZE), np.float32)
    inner = np.asarray(draw(start).covered[0])
    for shift in ((0, 2), (0, -2), (1, 2), (1, -2)):
        inner = inner & np.roll(inner, shift[1], shift[0])
    # The forehead: no eyelids, lips or nostrils, where surfaces hide each other.
    middle[4:9] = inner[4:9]
    weight = jnp.asarray(middle[..., None] * np.sin(np.arange(SIZE))[None, :, None], jnp.float32)

    def value(c):
        return (recon_picture.draw(face, c, SIZE).picture * weight[None]).sum()

    value = jax.jit(value)
    slopes = jax.jit(jax.grad(value))(start)
    rng = np.random.default_rng(2)
    for name, step, most in (
        ("light", 0.02, 0.01),
        ("texture", 0.05, 0.01),
        ("angles", 2e-3, 0.2),
        ("translation", 2e-3, 0.2),
    ):
        slope = np.asarray(getattr(slopes, name))
        way = rng.normal(size=slope.shape).astype(np.float32)
        ends = [value(start._replace(**{name: getattr(start, name) + s * step * way})) for s in (1, -1)]
        expected = float(ends[0] - ends[1]) / (2 * step)
        assert abs((slope * way).sum() - expected) <= most * np.linalg.norm(slope) * np.linalg.norm(way), name
    for name, slope in slopes._asdict().items():
        assert np.isfinite(slope).all() and np.abs(slope).max() > 0, name
