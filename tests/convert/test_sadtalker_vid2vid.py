"""What the converter does to the names and arrays of face-vid2vid; whole networks are in tests/models."""

import golden_fixture
import numpy as np
import pytest

from jaxtalk.convert import sadtalker_vid2vid, spectral_norm
from jaxtalk.convert.state_dict import left_out
from jaxtalk.errors import InputError
from jaxtalk.models import vid2vid_generator


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


def test_no_decoder_and_missing_arrays_are_told():
    with pytest.raises(InputError, match="file: its generator has no decoder"):
        sadtalker_vid2vid.generator_variables("file", {"first.conv.weight": np.ones(1)})
    with pytest.raises(InputError, match=r"file: .*heatmap/kernel is missing"):
        sadtalker_vid2vid.keypoint_variables("file", {"kp.bias": np.ones(15)})


def plain_state() -> dict[str, np.ndarray]:
    """The shared part as the golden fixture of SadTalker's generator names it; stem and decoder from the definition.

    Zeros without memory: what is asked here is names and shapes.
    """
    entries = {name: shape for name, shape, *_ in golden_fixture.load("sadtalker_generator")[0]["state"]}
    shapes = {name: shape for name, shape in entries.items() if not name.startswith("decoder.")}
    shapes["first.conv.weight"] = [64, 3, 7, 7]

    def convolution(name, given, out, window):
        shapes.update({f"{name}.weight": [out, given, window, window], f"{name}.bias": [out]})

    def norm(name, size):
        shapes.update({f"{name}.{kind}": [size] for kind in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = []

    for block in range(6):
        for k in (1, 2):
            convolution(f"resblocks_2d.2dr{block}.conv{k}", 256, 256, 3)
            norm(f"resblocks_2d.2dr{block}.norm{k}", 256)
    for k, (given, out) in enumerate([(256, 128), (128, 64)]):
        convolution(f"up_blocks.{k}.conv", given, out, 3)
        norm(f"up_blocks.{k}.norm", out)
    convolution("final", 64, 3, 7)
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


@pytest.mark.slow
def test_the_generator_without_spade_is_read():
    state = plain_state()
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    parameters = sum(value.size for name, value in state.items() if not name.endswith(statistics))
    assert (len(state), round(parameters / 1e6, 3)) == (304, 53.101)  # as was counted in the published class
    config, table = sadtalker_vid2vid.generator_kind("file", state)
    variables = sadtalker_vid2vid.generator_variables("file", state)
    assert config == vid2vid_generator.Config(decoder="plain")
    assert variables["params"]["decoder"]["up_1"]["conv"]["kernel"].shape == (3, 3, 128, 64)
    assert all(name.endswith("num_batches_tracked") for name in left_out(state, table))
    del state["up_blocks.0.norm.weight"]
    with pytest.raises(InputError, match="file: .*params/decoder/up_0/norm/scale is missing"):
        sadtalker_vid2vid.generator_variables("file", state)
