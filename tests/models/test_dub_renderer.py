"""The dubbing renderer's three networks: limits, sizes, and that all of it learns."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.models import dub_flow, dub_fusion, dub_motion

PICTURES = jax.random.uniform(jax.random.key(0), (4, 2, 16, 16, 3))
FLOW = dub_flow.FlowNet(dub_flow.Config(widths=(4, 6, 8)))
TEXTURE = dub_motion.TextureNet(dub_motion.Config(width=4, hidden=4))
WIDTHS = (4, 6, 8, 8)


def lively(model, *given):
    return golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), *given))


def features(channels=(4, 8, 16)):
    return {
        f"features_{k}": jax.random.normal(jax.random.key(k), (2, 16 >> k, 16 >> k, n)) for k, n in enumerate(channels)
    }


def test_sizes_are_near_the_papers():
    """Its table 7: 38.7, 12.5 and 37.7 million."""
    picture = jnp.zeros((1, 192, 192, 3))
    kept = {f"features_{k}": jnp.zeros((1, 192 >> k, 192 >> k, n)) for k, n in enumerate(dub_motion.Config().features)}
    for model, given, published in (
        (dub_flow.FlowNet(), (picture,) * 2, 38.7e6),
        (dub_motion.TextureNet(), (picture,) * 3, 12.5e6),
        (dub_fusion.FusionNet(), (picture,) * 3 + (kept,), 37.7e6),
    ):
        shapes = jax.eval_shape(model.init, jax.random.key(0), *given)
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == pytest.approx(published, rel=0.03)


def test_an_untrained_flow_moves_nothing():
    variables = jax.jit(FLOW.init)(jax.random.key(0), *PICTURES[:2])
    warped, aux = jax.jit(FLOW.apply)(variables, *PICTURES[:2])
    assert aux["flow"].shape == (2, 16, 16, 2)
    np.testing.assert_allclose(warped, PICTURES[1], atol=1e-6)


def test_attention_chooses_between_colour_and_render():
    variables = lively(TEXTURE, *PICTURES[:3])
    apply = jax.jit(TEXTURE.apply)
    for bias, name in ((50.0, "colour"), (-50.0, "render")):
        variables["params"]["attention"]["bias"] = jnp.full(1, bias)
        picture, aux = apply(variables, *PICTURES[:3])
        np.testing.assert_allclose(picture, aux["colour"] if name == "colour" else PICTURES[0], atol=1e-5)
    assert [aux[f"features_{k}"].shape for k in range(3)] == [(2, 16, 16, 4), (2, 8, 8, 8), (2, 4, 4, 16)]


def test_without_sigma_the_texture_is_left_out():
    alone = dub_fusion.FusionNet(dub_fusion.Config(widths=WIDTHS, fusion="none"))
    learned, fixed = (dub_fusion.FusionNet(dub_fusion.Config(widths=WIDTHS, sigma=sigma)) for sigma in (None, 0.0))
    variables = lively(learned, *PICTURES[:3], features())
    for k in range(3):
        variables["params"][f"fuse_{k}"]["sigma"] = jnp.zeros(())  # as it starts
    expected, _ = jax.jit(alone.apply)(variables, *PICTURES[:3], features())
    assert 0 < expected.min() and expected.max() < 1
    for model in (learned, fixed):
        face, aux = jax.jit(model.apply)(variables, *PICTURES[:3], features())
        np.testing.assert_allclose(face, expected, atol=1e-6)
    assert aux["trust_1"].shape == (2, 3, 6)
    np.testing.assert_allclose(aux["trust_1"].sum(1), 1, atol=1e-6)


def test_of_two_scales_the_trusted_one_is_as_if_it_were_the_only_one():
    one, two = dub_fusion.Fusion((3,), 1.0), dub_fusion.Fusion((3, 5), 1.0)
    x, seen = jax.random.normal(jax.random.key(5), (2, 8, 8, 4)), jax.random.normal(jax.random.key(6), (2, 8, 8, 5))
    params = lively(two, x, seen)["params"]
    params["trust"] = {"kernel": jnp.zeros((8, 8)), "bias": jnp.repeat(jnp.array([50.0, -50.0]), 4)}
    single = {name: params[name] for name in ("squeeze", "scale_3", "gate")}
    single["trust"] = {"kernel": jnp.ones((4, 4)), "bias": jnp.ones(4)}
    (alone, trust), (both, _) = one.apply({"params": single}, x, seen), two.apply({"params": params}, x, seen)
    np.testing.assert_allclose(both, alone, atol=1e-6)
    np.testing.assert_array_equal(trust, 1)
    # With one scale there is nothing to choose: x + sigmoid(gate) relu(conv).
    assert np.abs(np.asarray(alone - x)).max() > 0


def test_every_parameter_of_the_chain_learns():
    fusion = dub_fusion.FusionNet(dub_fusion.Config(widths=WIDTHS))
    render, reference, cropped, true = PICTURES
    params = {
        "flow": lively(FLOW, render, reference)["params"],
        "texture": lively(TEXTURE, render, reference, cropped)["params"],
        "fusion": lively(fusion, render, reference, cropped, features())["params"],
    }

    @jax.jit
    @jax.grad
    def slopes(params):
        warped, _ = FLOW.apply({"params": params["flow"]}, render, reference)
        picture, aux = TEXTURE.apply({"params": params["texture"]}, render, reference, cropped)
        face, _ = fusion.apply({"params": params["fusion"]}, warped, render, cropped, aux)
        return sum(jnp.abs(made - true).mean() for made in (warped, picture, face))

    for path, slope in jax.tree_util.tree_leaves_with_path(slopes(params)):
        centred = str(path[-1].key) == "bias"  # a norm behind may take it away
        assert np.isfinite(slope).all() and (centred or np.abs(slope).max() > 0), path


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(InputError, match="multiples of 4"):
        jax.eval_shape(FLOW.init, jax.random.key(0), *jnp.zeros((2, 1, 18, 16, 3)))
