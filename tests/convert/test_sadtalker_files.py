"""SadTalker's published files, written here as they are laid out, to a folder of ours and back into models."""

import hashlib
import json
import pickle

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxtalk.convert import sadtalker_files
from jaxtalk.errors import InputError
from jaxtalk.face import recon_geometry
from jaxtalk.io import weights
from jaxtalk.models import audio2exp, audio2pose, face_recon, motion_mapping

NORM = ("weight", "bias", "running_mean", "running_var")


def random(name, *shape):
    return golden_fixture.weight(name, shape)


def recon_state(width=4):
    """R-Net as the published class would have it with one block in each level, written from its definition."""

    def norm(name, size):
        return {f"{name}.{kind}": random(f"{name}.{kind}", size) for kind in NORM} | {
            f"{name}.num_batches_tracked": np.zeros((), np.int64)
        }

    state = {"backbone.conv1.weight": random("conv1", width, 3, 7, 7)} | norm("backbone.bn1", width)
    given = width
    for level in range(4):
        name, inner, out = f"backbone.layer{level + 1}.0", width << level, 4 * width << level
        convolutions = [(1, given, inner, 1), (2, inner, inner, 3), (3, inner, out, 1)]
        for k, before, after, window in convolutions:
            state |= {f"{name}.conv{k}.weight": random(f"{name}.conv{k}", after, before, window, window)}
            state |= norm(f"{name}.bn{k}", after)
        state |= {f"{name}.downsample.0.weight": random(f"{name}.skip", out, given, 1, 1)}
        state |= norm(f"{name}.downsample.1", out)
        given = out
    for k, size in enumerate((80, 64, 80, 3, 27, 2, 1)):
        state |= {f"final_layers.{k}.weight": random(f"final.{k}", size, given, 1, 1)}
        state |= {f"final_layers.{k}.bias": random(f"final.{k}.bias", size)}
    return state


def mapping_state(coefficients, width=8):
    shapes = {"first.0": (width, coefficients, 7), "fc_t": (3, width), "fc_exp": (45, width)}
    shapes |= {f"encoder{k}.1": (width, width, 3) for k in range(3)}
    shapes |= {f"fc_{angle}": (66, width) for angle in ("roll", "pitch", "yaw")}
    weight = {f"{name}.weight": random(f"{name}.weight", *shape) for name, shape in shapes.items()}
    return weight | {f"{name}.bias": random(f"{name}.bias", shape[0]) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def states():
    """Each network's state dict; PoseVAE, which has one size only, is filled quickly."""
    expression, poses = (golden_fixture.load(f"sadtalker_{name}")[0] for name in ("audio2exp", "audio2pose"))
    return {
        "audio2exp": golden_fixture.state(expression, {}),
        "audio2pose": {
            name: np.full(shape, 0.01, dtype) for name, shape, dtype, *_ in poses["state"]
        },
        "face_3drecon": recon_state(),
        "mapping_70": mapping_state(70),
        "mapping_73": mapping_state(73),
    }  # fmt: skip


def flat(path, states, names=("audio2exp", "audio2pose", "face_3drecon")):
    """A file like SadTalker_V0.0.2_256.safetensors but for its renderer, with a word that nobody knows."""
    arrays = {f"{name}.{key}": value for name in names for key, value in states[name].items()}
    save_file(arrays | {"enhancer.first.conv.weight": np.zeros((2, 2), np.float32)}, path)
    return path


def checkpoint(path, **parts):
    path.write_bytes(pickle.dumps(parts))
    return path


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def converted(tmp_path_factory, states):
    """The published files and the folder made of them."""
    folder = tmp_path_factory.mktemp("sadtalker")
    step = {"optimizer_mapping": {"state": {}, "param_groups": []}, "epoch": 229}
    sources = [
        flat(folder / "SadTalker.safetensors", states),
        checkpoint(folder / "mapping_229.tar", mapping=states["mapping_70"], **step),
        checkpoint(folder / "mapping_109.tar", mapping=states["mapping_73"], **step),
    ]
    sadtalker_files.convert(sources, folder / "out")
    return sources, folder / "out"


def test_published_files_become_a_folder_of_networks_that_run(converted):
    _, folder = converted
    report = manifest(folder)
    names = ["audio2exp", "audio2pose", "audio2pose_discriminator", "face_recon", "mapping_70", "mapping_73"]
    assert sorted(report["networks"]) == names
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [*(f"{name}.safetensors" for name in names), "manifest.json"]
    )
    loaded = {name: weights.load(folder / entry["file"]) for name, entry in report["networks"].items()}
    model = audio2exp.ExpNet(audio2exp.Config(**loaded["audio2exp"].config))
    given = (jnp.zeros((1, 80, 16)), jnp.zeros((1, 64)), jnp.zeros(1))
    like = jax.eval_shape(model.init, jax.random.key(0), *given)
    weights.load(folder / "audio2exp.safetensors", like)
    config = face_recon.Config(**loaded["face_recon"].config | {"blocks": tuple(loaded["face_recon"].config["blocks"])})
    assert config == face_recon.Config(blocks=(1, 1, 1, 1), width=4)
    face, _ = jax.jit(face_recon.FaceRecon(config).apply)(loaded["face_recon"].variables, jnp.ones((1, 32, 32, 3)))
    assert np.ptp(recon_geometry.join(face)) > 0
    for coefficients in (70, 73):
        config = motion_mapping.Config(**loaded[f"mapping_{coefficients}"].config)
        assert config == motion_mapping.Config(coefficients=coefficients, width=8)
        window = jnp.ones((1, 27, coefficients))
        motion = motion_mapping.MappingNet(config).apply(loaded[f"mapping_{coefficients}"].variables, window)
        assert motion.yaw.shape == (1, 1, 66)
    assert audio2pose.Config(**loaded["audio2pose"].config).published_logvar


def test_the_manifest_accounts_for_every_array(converted, states):
    sources, folder = converted
    report = manifest(folder)
    for source, entry in zip(sources, report["sources"], strict=True):
        assert entry["file"] == source.name
        assert entry["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert [entry["left_out"] for entry in report["sources"]] == [
        ["enhancer.* (1 array)"], ["epoch", "optimizer_mapping"], ["epoch", "optimizer_mapping"]
    ]  # fmt: skip
    for part in ("audio2exp", "audio2pose", "face_3drecon"):
        entries = [entry for entry in report["networks"].values() if entry["part"] == part]
        named = [name for entry in entries for name in entry["left_out"]]
        assert sum(entry["arrays_used"] for entry in entries) + len(named) == len(states[part])
        assert set(named) < set(states[part])
    unused = report["networks"]["audio2pose"]["left_out"]
    assert "netG.encoder.linear_logvar.weight" in unused and all("tracked" in n or "logvar" in n for n in unused)
    used = report["networks"]["mapping_70"]
    assert used == {
        "file": "mapping_70.safetensors", "source": "mapping_229.tar", "part": "mapping", "arrays_used": 18,
        "left_out": [],
    }  # fmt: skip


def test_older_files_give_the_same_networks(tmp_path, converted, states):
    older = [
        checkpoint(tmp_path / "auido2exp.pth", model=states["audio2exp"], optimizer={}, epoch=300),
        checkpoint(tmp_path / "auido2pose.pth", model=states["audio2pose"], epoch=140),
        checkpoint(tmp_path / "epoch_20.pth", net_recon=states["face_3drecon"], opt_00={"state": {}}),
    ]
    sadtalker_files.convert(older, tmp_path / "old")
    new, old = manifest(converted[1])["networks"], manifest(tmp_path / "old")["networks"]
    assert old.keys() == new.keys() - {"mapping_70", "mapping_73"}
    for name in old:
        assert new[name]["left_out"] == old[name]["left_out"]
        files = (folder / f"{name}.safetensors" for folder in (converted[1], tmp_path / "old"))
        assert len({weights.label(weights.load(file)) for file in files}) == 1
    assert manifest(tmp_path / "old")["sources"][0]["left_out"] == ["epoch", "optimizer"]


def test_all_that_does_not_fit_is_named_in_one_line_and_nothing_written(tmp_path, states):
    face, mapping = dict(states["face_3drecon"]), dict(states["mapping_73"])
    del face["backbone.layer2.0.conv2.weight"]
    face["final_layers.7.bias"] = np.zeros(2, np.float32)
    mapping["fc_t.weight"] = np.zeros((4, 8), np.float32)
    mapping["encoder1.1.weight"] = np.zeros(8, np.float32)
    sources = [
        checkpoint(tmp_path / "epoch_20.pth", net_recon=face),
        checkpoint(tmp_path / "mapping.tar", mapping=mapping),
    ]
    with pytest.raises(InputError) as caught:
        sadtalker_files.convert(sources, tmp_path / "out")
    message = str(caught.value)
    assert "\n" not in message
    for part in [
        "epoch_20.pth: face_3drecon: does not fit the model: final_layers.7.bias is unexpected",
        "params/block_2_0/conv_2/kernel is missing",
        "mapping.tar: mapping: does not fit the model: ",
        "fc_t.weight gives shape (8, 4) where params/translation/kernel has (8, 3)",
        "encoder1.1.weight has shape (8,), which cannot be laid out as params/conv_1/kernel (3, 8, 8)",
    ]:
        assert part in message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch_20.pth", "mapping.tar"]


@pytest.mark.slow
def test_the_renderer_is_told_by_its_checkpoint(tmp_path, monkeypatch):
    """Its discriminator is one of pictures; whatever judges a mapping stays where it is."""
    state = golden_fixture.state(*golden_fixture.load("facevid2vid_discriminator"))
    monkeypatch.setitem(sadtalker_files.PARTS, "generator", lambda source, state: [])
    sources = [
        checkpoint(tmp_path / "facevid2vid.tar", generator={}, discriminator=state, optimizer_generator={}),
        checkpoint(tmp_path / "mapping.tar", mapping=mapping_state(70), discriminator=state),
    ]
    sadtalker_files.convert(sources, tmp_path / "out")
    report = manifest(tmp_path / "out")
    assert sorted(report["networks"]) == ["discriminator", "mapping_70"]
    assert report["networks"]["discriminator"]["arrays_used"] == len(state)
    assert [entry["left_out"] for entry in report["sources"]] == [["optimizer_generator"], ["discriminator"]]
    renderer = {"kp_detector": {"kp.bias": np.zeros(15)}, "he_estimator": {"fc_t.bias": np.zeros(3)}}
    source = checkpoint(tmp_path / "broken.tar", **renderer, generator={"first.conv.bias": np.zeros(64)})
    monkeypatch.undo()
    with pytest.raises(InputError) as caught:
        sadtalker_files.convert([source], tmp_path / "broken")
    for part in ("kp_extractor: ", "he_estimator: ", "generator: its generator has no decoder"):
        assert f"broken.tar: {part}" in str(caught.value)


@pytest.mark.slow
def test_the_whole_renderer_is_converted(tmp_path):
    names = {"generator": "generator", "kp_detector": "kpdetector", "he_estimator": "heestimator"}
    states = {part: golden_fixture.state(*golden_fixture.load(f"sadtalker_{name}")) for part, name in names.items()}
    sadtalker_files.convert([checkpoint(tmp_path / "facevid2vid.tar", **states)], tmp_path / "out")
    report = manifest(tmp_path / "out")["networks"]
    for part, name in (("generator", "generator"), ("kp_detector", "keypoints"), ("he_estimator", "head_pose")):
        entry = report[name]
        assert entry["arrays_used"] + len(entry["left_out"]) == len(states[part])
        assert all("num_batches_tracked" in key or key == "down.weight" for key in entry["left_out"])


def test_a_mapping_of_another_number_of_coefficients_is_none(tmp_path):
    source = checkpoint(tmp_path / "mapping.tar", mapping=mapping_state(71))
    with pytest.raises(InputError, match=r"first\.0\.weight gives shape \(7, 71, 8\) where params/first/kernel has"):
        sadtalker_files.convert([source], tmp_path / "out")


def test_the_same_network_twice_is_refused(tmp_path, states):
    sources = [checkpoint(tmp_path / f"{k}.pth", mapping=states["mapping_70"]) for k in range(2)]
    with pytest.raises(InputError, match=r"1\.pth: holds mapping_70 as 0\.pth does; convert them into two folders"):
        sadtalker_files.convert(sources, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"state_dict": {}, "epoch": 1}), "holds no network of SadTalker that is converted, but "),
        (pickle.dumps([1, 2]), "is no checkpoint of SadTalker"),
        (b"nothing of the kind", "is no pickle of arrays or damaged"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(content)
        expected = message if name == "a.pth" else "is no readable safetensors file"
        with pytest.raises(InputError, match=expected) as caught:
            sadtalker_files.convert([tmp_path / name], tmp_path / "out")
        assert name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"missing\.pth"):
        sadtalker_files.convert([tmp_path / "missing.pth"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
