"""face-vid2vid's discriminator against the published one, and small with two scales."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import sadtalker_vid2vid
from jaxtalk.models.vid2vid_discriminator import Config, MultiScaleDiscriminator
from jaxtalk.nn.shrink import shrink


def test_golden_discriminator():
    manifest, arrays = golden_fixture.load("facevid2vid_discriminator")
    variables = sadtalker_vid2vid.discriminator_variables("golden", golden_fixture.state(manifest, arrays))
    image = jnp.moveaxis(golden_fixture.inputs(manifest)["image"], 1, -1)
    with jax.default_matmul_precision("highest"):
        [(scores, features)] = jax.jit(MultiScaleDiscriminator().apply)(variables, image)
    for k, feature in enumerate(features):
        golden_fixture.compare(manifest, arrays, f"feature_map_{k}", np.moveaxis(feature, -1, 1))
    golden_fixture.compare(manifest, arrays, "prediction_map", scores[:, None])


def test_each_scale_sees_its_own_picture_with_its_own_weights():
    model = MultiScaleDiscriminator(Config(shrink=(1, 2), width=2, max_width=6, blocks=2))
    image = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), image))
    assert set(variables["params"]) == {"scale_1", "scale_2"}

    def loss(params, image):
        return sum(jnp.sum(jnp.sin(scores)) for scores, _ in model.apply({"params": params}, image))

    for gradient in jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(variables["params"], image)):
        assert np.isfinite(gradient).all()
    large, small = model.apply(variables, image)
    assert large[0].shape == (2, 11, 11) and small[0].shape == (2, 3, 3)
    alone = MultiScaleDiscriminator(Config(shrink=(1,), width=2, max_width=6, blocks=2))
    again = alone.apply({"params": {"scale_1": variables["params"]["scale_2"]}}, shrink(image, 2))
    np.testing.assert_allclose(again[0][0], small[0], atol=1e-5)
