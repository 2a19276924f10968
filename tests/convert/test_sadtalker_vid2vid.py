"""What the converter does to the names and arrays of face-vid2vid; whole networks are in tests/models."""

import numpy as np
import pytest

from jaxtalk.convert import sadtalker_vid2vid, spectral_norm
from jaxtalk.errors import InputError


def test_spectral_norm_is_folded_with_the_vectors_of_the_file():
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((4, 3, 2, 2)).astype(np.float32)
    u, s, vt = np.linalg.svd(kernel.reshape(4, -1))
    state = {"a.weight_orig": kernel, "a.weight_u": u[:, 0], "a.weight_v": vt[0], "a.bias": u[0], "b.weight_v": vt[1]}
    folded = spectral_norm.fold("file", state)
    assert set(folded) == {"a.weight", "a.bias", "b.weight_v"}  # the last is weight norm's
    np.testing.assert_allclose(folded["a.weight"], kernel / s[0], rtol=1e-5)
    assert folded["a.weight"].dtype == np.float32
    # PyTorch divides by u^T W v even where u and v are not the first singular vectors.
    state["a.weight_u"], state["a.weight_v"] = u[:, 1], vt[1]
    np.testing.assert_allclose(spectral_norm.fold("file", state)["a.weight"], kernel / s[1], rtol=1e-5)


def test_missing_spectral_vector_is_named():
    state = {"a.weight_orig": np.ones((2, 2)), "a.weight_u": np.ones(2)}
    with pytest.raises(InputError, match=r"file: a\.weight_orig lacks .*a\.weight_v"):
        spectral_norm.fold("file", state)


def test_gamma_comes_before_beta():
    name = "decoder.up_0.norm_s.mlp_{}.weight"
    state = {name.format("beta"): np.zeros((2, 3, 1, 1)), name.format("gamma"): np.ones((2, 3, 1, 1))}
    joined = sadtalker_vid2vid.prepared("file", state)
    assert list(joined) == [name.format("both")]
    np.testing.assert_array_equal(joined[name.format("both")].ravel(), [1] * 6 + [0] * 6)


def test_other_decoders_and_missing_arrays_are_told():
    with pytest.raises(InputError, match="no SPADE decoder"):
        sadtalker_vid2vid.generator_variables("file", {"final.weight": np.ones(1)})
    with pytest.raises(InputError, match=r"file: .*heatmap/kernel is missing"):
        sadtalker_vid2vid.keypoint_variables("file", {"kp.bias": np.ones(15)})
