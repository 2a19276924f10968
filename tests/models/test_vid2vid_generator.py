"""SadTalker's renderer against the published network, and a small one to train."""

import dataclasses
import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.convert import sadtalker_vid2vid
from jaxtalk.errors import InputError
from jaxtalk.models import dense_motion
from jaxtalk.models.plain_decoder import PlainDecoder
from jaxtalk.models.vid2vid_generator import Config, Generator


def first(x):
    """Channels before space, as the fixtures have them."""
    return np.moveaxis(x, -1, 1)


@pytest.mark.slow
def test_golden_generator():
    manifest, arrays = golden_fixture.load("sadtalker_generator")
    variables = sadtalker_vid2vid.generator_variables("golden", golden_fixture.state(manifest, arrays))
    given = {name: jnp.asarray(value) for name, value in golden_fixture.inputs(manifest).items()}
    image = jnp.moveaxis(given["image"], 1, -1)
    with jax.default_matmul_precision("highest"):
        picture, aux = jax.jit(Generator().apply)(variables, image, given["kp_source"], given["kp_driving"])
    golden_fixture.compare(manifest, arrays, "feature_3d", first(aux["volume"]))
    golden_fixture.compare(manifest, arrays, "mask", first(aux["mask"]))
    golden_fixture.compare(manifest, arrays, "deformation", aux["places"])
    golden_fixture.compare(manifest, arrays, "occlusion_map", aux["occlusion"][:, None])
    golden_fixture.compare(manifest, arrays, "decoder_input", first(aux["feature"]))
    golden_fixture.compare(manifest, arrays, "G_middle_0", first(aux["middle_0"]))
    golden_fixture.compare(manifest, arrays, "prediction", first(picture))


SMALL = Config(
    width=2,
    depth=4,
    volume_blocks=1,
    middle_blocks=1,
    hidden=3,
    motion=dense_motion.Config(compressed=2, width=2, max_width=4, blocks=1),
)


@pytest.fixture(scope="module")
def small():
    model = Generator(SMALL)
    keys = jax.random.split(jax.random.key(1), 3)
    image = jax.random.uniform(keys[0], (2, 16, 24, 3))
    source, driving = (jax.random.uniform(key, (2, 2, 3), minval=-0.8, maxval=0.8) for key in keys[1:])
    given = (image, source, driving)
    return model, golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), *given)), given


@pytest.mark.slow
def test_learns_and_every_parameter_has_a_finite_gradient(small):
    model, variables, given = small
    target = jax.random.uniform(jax.random.key(5), given[0].shape)
    optimizer = optax.adam(3e-3)

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # half the time of compiling
    def step(variables, state):
        def loss(params, *points):
            (picture, _), updated = model.apply(
                variables | {"params": params}, given[0], *points, train=True, mutable=["batch_stats"]
            )
            return jnp.mean((picture - target) ** 2), updated

        gradient = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
        (value, updated), gradients = gradient(variables["params"], *given[1:])
        updates, state = optimizer.update(gradients[0], state)
        return {"params": optax.apply_updates(variables["params"], updates), **updated}, state, value, gradients

    state, losses = optimizer.init(variables["params"]), []
    for _ in range(6):
        variables, state, value, gradients = step(variables, state)
        losses.append(float(value))
    assert losses[-1] < 0.97 * losses[0]
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert "bias" in name or np.abs(gradient).max() > 0, name  # norms take biases before them away


@pytest.mark.slow
def test_drawing_from_the_volume_is_drawing_from_the_picture_also_in_half_precision(small):
    model, variables, (image, source, driving) = small
    whole, aux = jax.jit(model.apply)(variables, image, source, driving)
    assert whole.shape == image.shape and whole.dtype == jnp.float32
    assert 0 <= whole.min() and whole.max() <= 1
    assert aux["volume"].shape == (2, 4, 4, 6, 4) and aux["mask"].shape == (2, 4, 4, 6, 3)
    half = Generator(dataclasses.replace(SMALL, dtype=jnp.bfloat16))
    for network, tolerance in ((model, 1e-5), (half, 0.1)):
        volume = jax.jit(functools.partial(network.apply, method="encode"))(variables, image)
        parts, _ = jax.jit(functools.partial(network.apply, method="draw"))(variables, volume, source, driving)
        assert parts.dtype == jnp.float32 and volume.dtype == network.config.dtype
        np.testing.assert_allclose(parts, whole, atol=tolerance)


def test_the_plain_decoder_draws_from_all_of_its_parameters():
    decoder = PlainDecoder(width=2, middle=2)
    feature = jax.random.normal(jax.random.key(1), (1, 4, 6, 8))
    variables = golden_fixture.variables(jax.eval_shape(decoder.init, jax.random.key(0), feature))

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def drawn(params):
        def loss(params):
            (picture, aux), updated = decoder.apply(
                variables | {"params": params}, feature, train=True, mutable=["batch_stats"]
            )
            return jnp.sum(jnp.sin(3 * picture)), (picture, aux["middle_0"], updated)

        return jax.grad(loss, has_aux=True)(params)

    gradients, (picture, middle, updated) = drawn(variables["params"])
    assert picture.shape == (1, 16, 24, 3) and picture.dtype == jnp.float32 and middle.shape == feature.shape
    assert 0 < picture.min() and picture.max() < 1 and set(updated) == {"batch_stats"}
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        assert "bias" in str(path) or np.abs(gradient).max() > 0, path  # norms take biases before them away


@pytest.mark.parametrize("decoder", ["spade", "plain"])
@pytest.mark.parametrize("downs", [0, 1, 2])
def test_fewer_halvings_make_more_cells_of_the_same_picture(decoder, downs):
    model = Generator(dataclasses.replace(SMALL, decoder=decoder, downs=downs))
    image, points = jnp.zeros((1, 16, 24, 3)), jnp.zeros((1, 2, 3))
    (picture, aux), variables = jax.eval_shape(model.init_with_output, jax.random.key(0), image, points, points)
    assert picture.shape == image.shape and model.config.multiple == 2 << downs
    assert aux["volume"].shape[1:4] == aux["mask"].shape[1:4] == (4, 16 >> downs, 24 >> downs)
    layers = variables["params"]["decoder"]
    channels = SMALL.width if downs else {"spade": 8, "plain": 4}[decoder] * SMALL.width
    assert layers["out"]["kernel"].shape[-2] == channels and sum(name.startswith("up_") for name in layers) == downs


def test_refuses_pictures_that_cannot_be_halved_so_often():
    points = jnp.zeros((1, 15, 3))
    with pytest.raises(InputError, match="multiples of 128"):
        jax.eval_shape(Generator().init, jax.random.key(0), jnp.zeros((1, 256, 250, 3)), points, points)
