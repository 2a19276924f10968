"""RAFT-small against torchvision's class, and what its parts should do."""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import raft as convert
from jaxtalk.errors import InputError
from jaxtalk.models import raft


def test_golden_flow():
    manifest, arrays = golden_fixture.load("raft_small")
    variables = convert.variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    first, second = (jnp.asarray(np.moveaxis(given[name], 1, -1)) for name in ("first", "second"))
    model = raft.Raft(dataclasses.replace(raft.Config(), iterations=4))
    with jax.default_matmul_precision("highest"):
        flow, aux = jax.jit(model.apply)(variables, first, second)
        start = jax.jit(raft.enlarged)(aux["coarse"][0])
    golden_fixture.compare(manifest, arrays, "flow_1", np.moveaxis(np.asarray(start), -1, 1))
    golden_fixture.compare(manifest, arrays, "flow", np.moveaxis(np.asarray(flow), -1, 1))


def test_the_authors_names_lead_to_the_same_places():
    """Their names for torchvision's, array for array."""
    manifest, _ = golden_fixture.load("raft_small")
    names = {
        "feature_encoder.": "fnet.",
        "context_encoder.": "cnet.",
        ".motion_encoder.convcorr1.0": ".encoder.convc1",
        ".motion_encoder.convflow1.0": ".encoder.convf1",
        ".motion_encoder.convflow2.0": ".encoder.convf2",
        ".motion_encoder.conv.0": ".encoder.conv",
        ".recurrent_block.convgru1": ".gru",
        "net.conv.": "net.conv2.",
        "net.convnormrelu.0": "net.conv1",
    }
    names |= {f".convnormrelu{k}.0": f".conv{k}" for k in (1, 2, 3)}
    theirs, ours = {}, {}
    for k, (name, shape, *_) in enumerate(manifest["state"]):
        ours[name] = np.full(shape, k, np.float32)
        for old, new in names.items():
            name = name.replace(old, new)
        theirs[name] = np.full(shape, k, np.float32)
    jax.tree.map(np.testing.assert_array_equal, convert.variables("a", ours), convert.variables("b", theirs))


def test_where_the_flow_points_is_where_it_looks():
    """The middle of the finest window is the product with the cell that the flow points to, x slower than y."""
    pairs = jax.random.normal(jax.random.key(0), (1, 3, 4, 8, 9))
    flow = jnp.broadcast_to(jnp.array([2.0, 1.0]).reshape(1, 1, 1, 2), (1, 3, 4, 2))
    window = raft.look([pairs], flow).reshape(1, 3, 4, raft.SIDE, raft.SIDE)
    for y, x in ((0, 0), (2, 3)):
        np.testing.assert_allclose(window[0, y, x, 3, 3], pairs[0, y, x, y + 1, x + 2], atol=1e-6)
        np.testing.assert_allclose(window[0, y, x, 4, 5], pairs[0, y, x, y + 3, x + 3], atol=1e-6)
    assert not np.asarray(window[0, 0, 0, 0]).any()  # one cell to the left of the border


def test_a_flow_that_grows_evenly_is_enlarged_without_loss():
    y, x = jnp.meshgrid(jnp.linspace(0.0, 1.0, 5), jnp.linspace(0.0, 2.0, 7), indexing="ij")
    large = raft.enlarged(jnp.stack([x, y], -1)[None])
    assert large.shape == (1, 40, 56, 2)
    np.testing.assert_allclose(large[0, 3, :, 0], 8 * np.linspace(0, 2, 56), atol=1e-5)
    np.testing.assert_allclose(large[0, :, 3, 1], 8 * np.linspace(0, 1, 40), atol=1e-5)


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(InputError, match="multiples of 8"):
        jax.eval_shape(raft.Raft().init, jax.random.key(0), *jnp.zeros((2, 1, 68, 64, 3)))
    with pytest.raises(InputError, match="holds no RAFT"):
        convert.variables("a.pth", {"x": np.zeros(2)})
