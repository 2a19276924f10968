"""The FAP perceptron at work: whole recordings, live, and files that are not its weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import mixed_features
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import fap_perceptron
from jaxtalk.systems import fap_listener

CONFIG = fap_perceptron.Config(patterns=7, code="softmax")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Random weights as training writes them."""
    path = tmp_path_factory.mktemp("fap") / "fap.safetensors"
    params = fap_perceptron.FapPerceptron(CONFIG).init(jax.random.key(0), jnp.zeros((1, 6, 18)))["params"]
    params = jax.tree.map(lambda x: 3 * x, params)
    variables = {
        "params": params,
        "patterns": {"centres": 100 * jax.random.normal(jax.random.key(1), (7, 68))},
        "scale": {"mean": jnp.zeros(18).at[17].set(-30.0), "spread": jnp.ones(18)},
    }
    weights.save(
        path,
        weights.Weights(
            variables=variables, name="fap", config=weights.config_values(CONFIG), licence="Apache-2.0", note=""
        ),
    )
    return path


@pytest.fixture(scope="module")
def wave():
    """Four seconds of a voice that glides and pauses."""
    t = np.arange(4 * 16000) / 16000
    tone = sum(np.sin(2 * np.pi * k * (120 * t + 10 * t**2)) / k for k in range(1, 20))
    loud = np.clip(np.sin(2 * np.pi * 1.3 * t), 0, 1)
    return (0.1 * tone * loud + 1e-3 * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)


@pytest.mark.slow
def test_live_frames_are_those_of_the_whole_recording(file, wave):
    """Whatever the size of the pieces; the last frames wait for sound that does not come."""
    by = fap_listener.load(file)
    features = np.asarray(mixed_features.mixed(jnp.asarray(wave)))
    scale = mixed_features.scale(features)
    whole = fap_listener.animate(by, wave, 25)
    assert whole.shape == (100, 68) and np.abs(np.diff(whole, axis=0)).max() > 1
    for piece in (640, 3001, 40000):
        live = fap_listener.Live(by, 25, scale)
        parts, known = [], 0
        for start in range(0, len(wave), piece):
            parts.append(live.push(wave[start : start + piece]))
            known += len(parts[-1])
            said = min(start + piece, len(wave)) / 16000
            assert known == max(0, int(np.floor((said - fap_listener.latency(25)) * 25 + 1e-6) + 1))
        live = np.concatenate(parts)
        assert len(live) == 97
        # Pitch is decided for the whole of a recording, and live with what was heard so far: it may differ at times.
        apart = np.abs(live - whole[: len(live)]).max(-1)
        assert np.median(apart) < 1e-2 * np.abs(whole).max()


def test_usual_scale_until_the_speaker_is_known(file, wave):
    by = fap_listener.load(file)
    own = mixed_features.scale(np.asarray(mixed_features.mixed(jnp.asarray(wave))))
    usual, knowing = fap_listener.Live(by), fap_listener.Live(by, scale=own)
    first = usual.push(wave[:16000]), knowing.push(wave[:16000])
    assert np.abs(first[0] - first[1]).max() > 1
    later = [live.push(wave[16000:])[-5:] for live in (usual, knowing)]
    assert np.abs(later[0] - later[1]).max() < 0.3 * np.abs(first[0] - first[1]).max()


def test_no_sound_gives_no_frames(file):
    live = fap_listener.Live(fap_listener.load(file))
    assert live.push(np.zeros(0, np.float32)).shape == (0, 68)
    assert live.push(np.zeros(100, np.float32)).shape == (0, 68)


def test_other_weights_are_refused(tmp_path, file):
    stored = weights.load(file)
    broken = {k: v for k, v in stored.variables.items() if k != "scale"}
    path = tmp_path / "other.safetensors"
    weights.save(
        path, weights.Weights(variables=broken, name="fap", config=stored.config, licence=stored.licence, note="")
    )
    with pytest.raises(InputError, match="other.safetensors.*scale"):
        fap_listener.load(path)
