"""Figures by published networks, which stand here with small sizes and weights of no meaning."""

import math
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.io import image, video, weights
from jaxtalk.metrics import lip_sync
from jaxtalk.models import arcface, syncnet, wav2lip_syncnet
from jaxtalk.systems import eval_networks, evaluate
from jaxtalk.systems.eval_columns import choose

SIZE, FRAMES = 128, 34


def _saved(folder: Path, name: str, network, *inputs) -> None:
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    variables = jax.tree.map(lambda leaf: np.abs(rng.normal(0, 0.1, leaf.shape)).astype(np.float32), shapes)
    settings = weights.config_values(network.config)
    made = weights.Weights(variables=variables, name=name, config=settings, licence="", note="")
    weights.save(folder / f"{name}.safetensors", made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    mfcc, faces = jnp.zeros((1, 13, 20)), jnp.zeros((1, 5, 224, 224, 3))
    _saved(folder, "syncnet", syncnet.SyncNet(syncnet.Config(width=2, embedding=8)), mfcc, faces)
    spectrum, halves = jnp.zeros((1, 80, 16)), jnp.zeros((1, 5, 48, 96, 3))
    expert = wav2lip_syncnet.SyncExpert(wav2lip_syncnet.Config(width=2))
    _saved(folder, "wav2lip_syncnet", expert, spectrum, halves)
    _saved(folder, "arcface", arcface.IResNet(arcface.Config(depth=18, width=4)), jnp.zeros((1, 112, 112, 3)))
    return folder


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> Path:
    """The shipped portrait, moving sideways, with noise for sound."""
    path = tmp_path_factory.mktemp("videos") / "filmed.mp4"
    sample = Path(str(resources.files("jaxtalk") / "samples" / "portrait.jpg"))
    portrait = Image.fromarray(image.load(sample)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    sound = np.random.default_rng(0).normal(0, 0.1, 16000 * FRAMES // 25).astype(np.float32), 16000
    with video.Writer(path, SIZE, SIZE, 25.0, audio=sound) as file:
        for k in range(FRAMES):
            file.write(np.asarray(portrait.transform((SIZE, SIZE), Image.Transform.AFFINE, (1, 0, k / 8, 0, 1, 0))))
    return path


@pytest.mark.slow
def test_sync_and_identity_are_measured_and_labelled(folder, filmed):
    networks = eval_networks.load(folder)
    names = ("lse_d", "lse_c", "av_offset", "sync_score", "csim")
    columns = choose(names, {"truth", "sound"}, networks)
    made = evaluate.clip("clip", filmed, filmed, filmed, columns, networks, progress=False)
    assert set(made.values) == set(names)
    assert all(math.isfinite(value) for value in made.values.values())
    assert made.values["lse_d"] > 0 and abs(made.values["av_offset"]) <= lip_sync.REACH
    assert -1 <= made.values["sync_score"] <= 1
    assert made.values["csim"] == pytest.approx(1.0, abs=1e-5)
    assert made.networks["lse_c"].startswith("syncnet ") and made.networks["csim"].startswith("arcface ")


def test_published_figures_need_a_folder_of_published_networks(tmp_path, folder):
    with pytest.raises(InputError, match="lse_c: needs the network syncnet"):
        choose(("lse_c",), {"sound"}, eval_networks.load(None))
    shipped = weights.shipped("lip_tcn")
    (tmp_path / "ear.safetensors").write_bytes(shipped.read_bytes())
    with pytest.raises(InputError, match="ear.safetensors: holds lip_tcn; an evaluation can use"):
        eval_networks.load(tmp_path)
