"""GeneFace's checkpoints, laid out here as its trainer writes them, to a folder of ours."""

import json
import pickle

import golden_fixture
import jax
import numpy as np
import pytest

from jaxtalk.convert import geneface
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import audio2motion, motion_postnet

FIXTURES = {
    "audio2motion": "geneface_pitch_vae",
    "motion_sync_net": "geneface_syncnet",
    "motion_postnet": "geneface_pitch_postnet",
    "motion_discriminator": "geneface_mlp_discriminator",
    "pose_wavenet": "geneface_audio2pose",
}


@pytest.fixture(scope="module")
def states():
    """Each network's names and shapes, its arrays all of one number."""
    return {
        name: {
            key: np.full(shape, 0.01 * (1 + i), dtype)
            for i, (key, shape, dtype, *_) in enumerate(golden_fixture.load(fixture)[0]["state"])
        }
        for name, fixture in FIXTURES.items()
    }


def checkpoint(path, **children):
    """As the trainer writes it; pickled plainly, which the reader takes for a kind of checkpoint."""
    path.write_bytes(pickle.dumps({"epoch": 3, "global_step": 40000, "optimizer_states": [], "state_dict": children}))
    return path


def within(child, state):
    return {f"{child}.{name}": value for name, value in state.items()}


def postnet_checkpoint(path, states):
    """The PostNet's task holds two others, one of which holds the sync net again."""
    sync = within("model", states["motion_sync_net"])
    return checkpoint(
        path,
        audio2motion_task=within("syncnet_task", {k: v + 1 for k, v in sync.items()})
        | within("model", states["audio2motion"]),
        syncnet_task=sync,
        model=states["motion_postnet"],
        disc_model=states["motion_discriminator"],
    )


def test_the_postnets_checkpoint_gives_four_networks_and_the_outermost_of_two(tmp_path, states):
    source = postnet_checkpoint(tmp_path / "model_ckpt_steps_6000.ckpt", states)
    geneface.convert([source], tmp_path / "out")
    report = json.loads((tmp_path / "out/manifest.json").read_text())
    parts = {name: entry["part"] for name, entry in report["networks"].items()}
    assert parts == {
        "motion_postnet": "model",
        "motion_discriminator": "disc_model",
        "motion_sync_net": "syncnet_task.model",
        "audio2motion": "audio2motion_task.model",
    }
    assert report["sources"][0]["left_out"] == ["audio2motion_task.syncnet_task.model"]
    for name, entry in report["networks"].items():
        counters = [key for key in states[name] if key.endswith("num_batches_tracked")]
        assert entry["left_out"] == sorted(counters) and entry["arrays_used"] == len(states[name]) - len(counters)

    stored = weights.load(tmp_path / "out/audio2motion.safetensors")
    config = weights.config(audio2motion.Config, stored)
    assert config == audio2motion.Config(pitch=True, published_masks=True) and "LRS3" in stored.licence
    kernel = stored.variables["params"]["encoder"]["wavenet"]["gates_7"]["direction"]
    assert kernel.shape == (5, 256, 512)
    assert kernel[0, 0, 0] == states["audio2motion"]["vae.encoder.wn.in_layers.7.weight_v"][0, 0, 0]
    sync = weights.load(tmp_path / "out/motion_sync_net.safetensors").variables
    bias = sync["params"]["mouth"]["layer_0"]["conv"]["bias"]
    np.testing.assert_array_equal(bias, states["motion_sync_net"]["mouth_encoder.0.conv_block.0.bias"])
    postnet = weights.load(tmp_path / "out/motion_postnet.safetensors")
    config = weights.config(motion_postnet.Config, postnet)
    given = np.zeros((1, 4, 204), np.float32), np.ones((1, 4), np.float32), np.zeros((1, 4, 64), np.float32)
    like = jax.eval_shape(motion_postnet.MotionPostNet(config).init, jax.random.key(0), *given)
    weights.check("out", weights.flatten(postnet.variables), like)


def test_flat_names_and_files_of_their_own_come_before_copies_in_tasks(tmp_path, states):
    flat = {f"model.{key}": value for key, value in states["pose_wavenet"].items()}
    pose = checkpoint(tmp_path / "pose.ckpt", **flat)
    sync = checkpoint(tmp_path / "sync.ckpt", model=states["motion_sync_net"])
    held = within("syncnet_task", within("model", states["motion_sync_net"]))
    postnet = checkpoint(tmp_path / "postnet.ckpt", model=states["motion_postnet"], audio2motion_task=held)
    for order in ([sync, postnet], [postnet, sync, pose]):
        out = tmp_path / order[0].stem
        geneface.convert(order, out)
        networks = json.loads((out / "manifest.json").read_text())["networks"]
        assert sorted(networks) == ["motion_postnet", "motion_sync_net", "pose_wavenet"][: len(order)]
        assert networks["motion_sync_net"]["source"] == "sync.ckpt"


def test_what_does_not_fit_is_told_in_one_line(tmp_path, states):
    def refused(*sources):
        with pytest.raises(InputError) as caught:
            geneface.convert(sources, tmp_path / "out")
        message = str(caught.value)
        assert "\n" not in message and message.startswith(str(sources[-1])) and not (tmp_path / "out").exists()
        return message

    broken = dict(states["motion_postnet"])
    del broken["block2.1.conv_block.0.bias"]
    broken["block1.1.conv_block.0.weight"] = np.zeros((128, 128, 5), np.float32)
    message = refused(checkpoint(tmp_path / "broken.ckpt", model=broken))
    assert "params/layer_4/conv/bias is missing" in message
    assert "block1.1.conv_block.0.weight gives shape (5, 128, 128)" in message
    renderer = checkpoint(tmp_path / "field.ckpt", model={"sigma_net.net.0.weight": np.zeros((2, 2), np.float32)})
    assert "but model; give a checkpoint" in refused(renderer)
    (tmp_path / "other.ckpt").write_bytes(pickle.dumps({"model": {}}))
    assert "no state_dict" in refused(tmp_path / "other.ckpt")
    first, second = (checkpoint(tmp_path / f"{k}.ckpt", model=states["pose_wavenet"]) for k in (1, 2))
    assert "holds pose_wavenet as 1.ckpt does" in refused(first, second)
