"""What the networks of motion hear."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.audio import mel
from jaxtalk.io import weights
from jaxtalk.models import lip_tcn
from jaxtalk.systems import motion_ear

RNG = np.random.default_rng(0)


def test_lip_tcn_is_heard_up_to_its_last_layer(tmp_path, monkeypatch):
    monkeypatch.setattr(motion_ear, "_BLOCK", 32)  # so that blocks meet
    config = lip_tcn.Config(phonemes=3, width=8, dilations=(1, 2))
    params = jax.jit(lip_tcn.LipTCN(config).init)(jax.random.key(0), jnp.zeros((1, 32, 80)))["params"]
    values = weights.config_values(config)
    stored = weights.Weights(variables={"params": params}, name="lip_tcn", config=values, licence="", note="")
    weights.save(tmp_path / "ear.safetensors", stored)
    spectrum = RNG.normal(size=(150, 80)).astype(np.float32)
    expression, _ = lip_tcn.hear(config, params, spectrum)
    seconds = np.arange(0, 100) / 50
    rows = motion_ear.ear("lip_tcn", tmp_path / "ear.safetensors")(spectrum, seconds)
    last = params["expression"]
    expected = lip_tcn.at(expression, seconds * mel.COLUMNS_PER_SECOND)
    np.testing.assert_allclose(rows @ last["kernel"] + last["bias"][None], expected, atol=1e-4)


def test_log_mel_is_heard_around_each_moment():
    spectrum = np.repeat(np.arange(100, dtype=np.float32)[:, None], 80, axis=1)
    rows = motion_ear.ear("mel")(spectrum, np.array([0.5, 9.0]))
    assert rows.shape == (2, 240) and rows.dtype == np.float32
    assert rows[0, ::80].tolist() == [39, 40, 41] and rows[1, ::80].tolist() == [99, 99, 99]  # the end goes on
