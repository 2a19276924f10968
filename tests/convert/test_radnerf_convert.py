"""Published talking fields, laid out here as their trainers write them, to ours."""

import pickle

import golden_fixture
import jax
import numpy as np
import pytest

from jaxtalk import cli
from jaxtalk.convert import geneface, radnerf
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import adnerf
from jaxtalk.models import radnerf as model


def of(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Arrays that each have a number of their own."""
    return {name: np.full(shape, 1e-4 * (1 + i), np.float32) for i, (name, shape) in enumerate(shapes.items())}


def condition(windows: str, attention: str, inputs: int, smoothed: int) -> dict[str, tuple[int, ...]]:
    shapes, width = {}, inputs
    for k, out in enumerate((32, 32, 64, 64)):
        shapes |= {
            f"{windows}.encoder_conv.{2 * k}.weight": (out, width, 3),
            f"{windows}.encoder_conv.{2 * k}.bias": (out,),
        }
        width = out
    for k in (0, 2):
        shapes |= {f"{windows}.encoder_fc1.{k}.weight": (64, 64), f"{windows}.encoder_fc1.{k}.bias": (64,)}
    for k, out in enumerate((16, 8, 4, 2, 1)):
        name = f"{attention}.attentionConvNet.{2 * k}"
        shapes |= {f"{name}.weight": (out, width, 3), f"{name}.bias": (out,)}
        width = out
    net = f"{attention}.attentionNet.0"
    return shapes | {f"{net}.weight": (smoothed, smoothed), f"{net}.bias": (smoothed,)}


def mlp(name: str, *widths: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.net.{k}.weight": (o, i) for k, (i, o) in enumerate(zip(widths, widths[1:], strict=False))}


@pytest.fixture(scope="module")
def ngp():
    """RAD-NeRF with eyes and a torso, 64 wide, 5 frames."""
    three, two = (model.Config().position_grid.rows, 2), (model.Config().torso_grid.rows, 2)
    return of(
        condition("audio_net", "audio_att_net", 44, 8)
        | {"encoder.embeddings": three, "encoder_ambient.embeddings": two, "torso_encoder.embeddings": two}
        | mlp("ambient_net", 96, 64, 64, 2)
        | mlp("sigma_net", 65, 64, 64, 65)
        | mlp("color_net", 84, 64, 3)
        | mlp("torso_deform_net", 104, 64, 64, 2)
        | mlp("torso_net", 136, 32, 32, 4)
        | {"individual_codes": (5, 4), "individual_codes_torso": (5, 8)}
    ) | {"aabb_train": np.float32([-1, -0.5, -1, 1, 0.5, 1]), "density_grid": np.zeros((1, 8), np.float32)}


def write(path, held):
    path.write_bytes(pickle.dumps(held))
    return path


def test_a_field_with_eyes_and_torso_is_read_and_draws(ngp, tmp_path):
    source = write(tmp_path / "ngp_ep0028.pth", {"model": ngp, "epoch": 28})
    cli.main(["convert", "radnerf", str(source), str(tmp_path / "out.safetensors")])
    stored = weights.load(tmp_path / "out.safetensors")
    config = weights.config(model.Config, stored)
    assert (config.eyes, config.width, config.geometry, config.frames, config.condition.window) == (True, 64, 64, 5, 16)
    params = stored.variables["params"]
    np.testing.assert_array_equal(params["head"]["density_mlp"]["kernel_0"], ngp["sigma_net.net.0.weight"].T)
    np.testing.assert_array_equal(params["torso"]["look_mlp"]["kernel_2"], ngp["torso_net.net.2.weight"].T)
    points = jax.numpy.zeros((2, 3))
    told, code, eyes = (jax.numpy.ones(n) for n in (64, 4, 1))
    drawn = model.Head(config).apply({"params": params["head"]}, points, points + 0.5, told, code, eyes)
    assert np.isfinite(drawn.density).all() and drawn.colour.shape == (2, 3)


def test_a_head_may_have_no_torso_and_geneface_s_is_told_by_its_names(ngp, tmp_path):
    names = {"audio_net": "cond_prenet", "audio_att_net": "cond_att_net", "encoder": "position_embedder"}
    names |= {"encoder_ambient": "ambient_embedder"}
    state = {}
    for name, value in ngp.items():
        first, dot, rest = name.partition(".")
        if "torso" not in first:
            state[names.get(first, first) + dot + rest] = value
    state["individual_embeddings"] = state.pop("individual_codes")
    state["sigma_net.net.0.weight"] = state["sigma_net.net.0.weight"][:, :64]
    source = write(tmp_path / "model_ckpt_steps_250000.ckpt", {"state_dict": {"model": state}})
    geneface.convert([source], tmp_path / "out")
    stored = weights.load(tmp_path / "out" / "radnerf.safetensors")
    config = weights.config(model.Config, stored)
    assert not config.eyes and sorted(stored.variables["params"]) == ["codes", "condition", "head"]


def test_the_four_networks_of_ad_nerf_become_one_model(tmp_path):
    field = {f"pts_linears.{k}": (256, 127 if k == 0 else 383 if k == 5 else 256) for k in range(8)}
    field |= {"feature_linear": (256, 256), "alpha_linear": (1, 256), "rgb_linear": (3, 128)}
    field |= {f"views_linears.{k}": (128, 283 if k == 0 else 128) for k in range(3)}
    shapes = {f"{name}.weight": shape for name, shape in field.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in field.items()}
    heard = condition("a", "b", 29, 8)
    held = {"network_fn_state_dict": of(shapes), "network_fine_state_dict": of(shapes), "global_step": 400000}
    held["network_audnet_state_dict"] = of({k[2:]: v for k, v in heard.items() if k.startswith("a.")})
    held["network_audattnet_state_dict"] = of({k[2:]: v for k, v in heard.items() if k.startswith("b.")})
    source = write(tmp_path / "400000_head.tar", held)
    radnerf.convert(source, tmp_path / "out.safetensors", "adnerf")
    stored = weights.load(tmp_path / "out.safetensors")
    config = weights.config(adnerf.Config, stored)
    assert (config.condition.window, config.condition.smoothed) == (16, 8)
    kernel = stored.variables["params"]["fine"]["density_5"]["kernel"]
    np.testing.assert_array_equal(kernel, held["network_fine_state_dict"]["pts_linears.5.weight"].T)


def test_what_does_not_fit_is_told_in_one_line(ngp, tmp_path):
    def refused(held, kind):
        with pytest.raises(InputError) as caught:
            radnerf.convert(write(tmp_path / "x.pth", held), tmp_path / "out", kind)
        assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
        return str(caught.value)

    assert "lacks network_fn_state_dict" in refused({"model": ngp}, "adnerf")
    assert "lacks audio_net.encoder_conv.0.weight" in refused({"state_dict": {}}, "radnerf")
    odd = ngp | {"color_net.net.1.weight": np.zeros((3, 65), np.float32)}
    assert "color_net.net.1.weight gives shape" in refused({"model": odd}, "radnerf")


def test_a_manifest_s_shapes_are_those_of_the_fixture():
    state = golden_fixture.load("radnerf_mlps")[0]["state"]
    published = {name: tuple(shape) for name, shape, *_ in state}
    ours = condition("cond_prenet", "cond_att_net", 204, 5)
    assert {name: published[name] for name in ours} == ours
