"""The generator behind every golden test: if these numbers move, no fixture can match."""

import golden_fixture
import numpy as np


def test_weights_are_the_documented_ones():
    assert golden_fixture.weight("a.weight", (3,)).tolist() == [
        0.9348751306533813,
        0.8875762224197388,
        1.021381139755249,
    ]
    expected = [0.19574688374996185, -0.7028018832206726, 0.04571058601140976, 0.8666355013847351]
    assert golden_fixture.weight("a.weight", (2, 2), salt=1).ravel().tolist() == expected
    assert golden_fixture.weight("b.running_var", (2,)).tolist() == [0.7168432474136353, 1.1886811256408691]
    assert golden_fixture.weight("c.num_batches_tracked", (), "int64") == 0


def test_smooth_images_are_the_documented_ones():
    spec = {"name": "x", "shape": [1, 2, 2], "kind": "waves", "scale": 1.0, "shift": 0.0}
    expected = [0.653673529624939, -0.5957314372062683, -0.1852746307849884, -0.045601893216371536]
    np.testing.assert_allclose(golden_fixture._input(spec, 0).ravel(), expected, rtol=1e-6)


def test_spectral_vectors_are_unit_and_aligned():
    manifest = {
        "salt": 0,
        "state": [
            ["n.weight_orig", [4, 3, 2], "float32"],
            ["n.weight_u", [4], "float32"],
            ["n.weight_v", [6], "float32"],
        ],
    }
    state = golden_fixture.state(manifest, {})
    u, v = state["n.weight_u"], state["n.weight_v"]
    np.testing.assert_allclose([u @ u, v @ v], 1.0, rtol=1e-5)
    kernel = state["n.weight_orig"].reshape(4, 6)
    np.testing.assert_allclose(u @ kernel @ v, np.linalg.norm(kernel.T @ u), rtol=1e-5)
