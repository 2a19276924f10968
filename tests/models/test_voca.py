"""VOCA against the published network, its windows, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import voca as convert
from jaxtalk.models import voca
from jaxtalk.models.voca import Config, Voca

TINY = Config(coordinates=6, styles=2, widths=(3, 4, 4, 5), hidden=6, expression=4)


def test_golden():
    manifest, arrays = golden_fixture.load("voca_net")
    names = manifest["aliases"]
    state = {names.get(name, name): value for name, value in golden_fixture.state(manifest, arrays).items()}
    variables, config = convert.variables("golden", state)
    assert config == Config()
    given = golden_fixture.inputs(manifest)
    style = jax.nn.one_hot(given["subject"], config.styles)
    with jax.default_matmul_precision("highest"):
        motion, expression = jax.jit(Voca(config).apply)(variables, given["speech_features"][..., 0], style)
    golden_fixture.compare(manifest, arrays, "encoding", expression)
    golden_fixture.compare(manifest, arrays, "vertices", motion.reshape(3, -1, 3) + given["template"][..., 0])


def test_a_frame_hears_its_window_and_every_parameter_learns():
    features, style = jax.random.normal(jax.random.key(0), (2, 20, 3)), jnp.array([[1.0, 0.0], [0.3, 0.7]])
    heard = voca.windows(TINY, features)
    assert heard.shape == (2, 20, 16, 3)
    np.testing.assert_array_equal(heard[0, 10], features[0, 2:18])
    assert np.all(heard[:, 2, :6] == 0) and np.all(heard[:, 19, 9:] == 0)
    abstract = jax.eval_shape(Voca(TINY).init, jax.random.key(1), heard[:, 0], style)
    variables = golden_fixture.variables(abstract)

    @jax.jit
    def slopes(variables, features):
        """Of one frame's motion, and of a training step."""
        at = jax.grad(lambda x: voca.animate(Voca(TINY), variables, x, style)[:, 10].sum())(features)

        def loss(params):
            own = {**variables, "params": params}
            rows = heard.reshape(-1, 16, 3), jnp.repeat(style, 20, axis=0)
            (motion, _), updated = Voca(TINY).apply(own, *rows, train=True, mutable=["batch_stats"])
            return jnp.sum(jnp.sin(motion)), updated

        return at, jax.grad(loss, has_aux=True)(variables["params"])

    at, (learnt, updated) = slopes(variables, features)
    reach = np.abs(at).max((0, 2)) > 0
    assert np.flatnonzero(reach)[[0, -1]].tolist() == [2, 17]
    for path, slope in jax.tree_util.tree_leaves_with_path(learnt):
        assert np.isfinite(slope).all() and np.abs(slope).max() > 0, path
    mean = updated["batch_stats"]["norm"]["mean"]
    np.testing.assert_allclose(mean, 0.9 * variables["batch_stats"]["norm"]["mean"] + 0.1 * heard.mean(), atol=1e-6)
