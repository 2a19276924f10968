"""The configs of GeneFace's motion, at sizes that take seconds, on made-up people whose face follows their sound."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import audio2motion, motion_postnet, motion_sync, pose_wavenet
from jaxtalk.data import talking_motion
from jaxtalk.data.talking_motion import MotionPieces, Parts, TalkingMotion
from jaxtalk.io import weights
from jaxtalk.losses import sync
from jaxtalk.metrics import motion_domain
from jaxtalk.models import audio2motion as network
from jaxtalk.models.motion_postnet import Config, MotionPostNet

FEATURES = 6
EFFECT = np.random.default_rng(9).normal(0, 0.4, (FEATURES, 204)).astype(np.float32)


def speaker(seed: int, frames: int = 60, size: float = 1.0, offset: float = 0.0) -> TalkingMotion:
    """Smooth noise for sound; of it motion is a linear function, and the head nods with it."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(2 * frames + 16, FEATURES))
    sound = np.stack([np.convolve(x, np.hanning(17), "valid") for x in steps.T], -1).astype(np.float32)
    sound = sound / sound.std()
    pose = np.concatenate([0.02 * sound[::2, :3], 0.002 * sound[::2, 3:]], -1)
    return TalkingMotion(str(seed), sound, size * sound[::2] @ EFFECT + np.float32(offset), pose)


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    others = [speaker(seed) for seed in range(6)]
    monkeypatch.setattr(motion_sync.Speech, "sources", lambda self: [(MotionPieces(others, self.frames), 1.0)])
    monkeypatch.setattr(motion_sync.Speech, "held_out", lambda self: [speaker(50), speaker(51)])
    own = Parts(speaker(70, size=0.5, offset=0.4), speaker(71, size=0.5, offset=0.4))
    monkeypatch.setattr(talking_motion, "of_person", lambda folder, ear: own)
    monkeypatch.setattr(motion_sync.Speech, "listen", lambda self: None)
    return own


SYNC = motion_sync.Config(width=2, noise=0.0, frames=40, batch=8, steps=200, rate=3e-3)
MOTION = audio2motion.Config(
    width=12, encoder_layers=1, decoder_layers=1, flow_width=8, flow_layers=1, noise=0.0, dropout=0.0, frames=40,
    batch=8, steps=250, rate=5e-3,
)  # fmt: skip
POSTNET = motion_postnet.Config(width=8, frames=40, batch=8, steps=250, rate=3e-3)
POSE = pose_wavenet.Config(width=12, hearing=8, dropout=0.5, frames=40, batch=8, steps=200, rate=5e-3)


def trained(config, steps: int | None = None):
    """The experiment, its state, and the metrics of the last step."""
    experiment = config.experiment()
    state, metrics = jax.jit(experiment.init)(jax.random.key(0)), {}
    step, data = jax.jit(experiment.step), experiment.data()
    for i in range(config.steps if steps is None else steps):
        state, metrics = step(state, data[i])
    return experiment, state, {name: float(mean.value()) for name, mean in metrics.items()}


@pytest.fixture
def speech(tmp_path):
    """Networks as they begin, for those that come after them."""
    for config in (SYNC, MOTION):
        experiment, state, _ = trained(config, 0)
        experiment.export(state, tmp_path)
    return {"audio2motion": tmp_path / "audio2motion.safetensors", "sync": tmp_path / "motion_sync_net.safetensors"}


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("motion", "postnet", "pose")]


@pytest.mark.parametrize("name", ["sync", *SLOW])
def test_a_step_moves_everything_by_finite_gradients(name, request):
    config = {"sync": SYNC, "motion": MOTION, "postnet": POSTNET, "pose": POSE}[name]
    if name in ("motion", "postnet"):
        speech = request.getfixturevalue("speech")
        config = dataclasses.replace(config, **(speech if name == "postnet" else {"sync": speech["sync"]}))
    experiment, state, told = trained(dataclasses.replace(config, steps=20), 1)
    assert all(np.isfinite(value) for value in told.values()), told
    assert all(value == 0 for key, value in told.items() if key.endswith("skipped"))
    assert all(value > 0 for key, value in told.items() if key.endswith("gradient_norm"))


def test_the_postnet_begins_as_the_identity():
    postnet = MotionPostNet(Config(width=4))
    motion, mask = jnp.asarray(speaker(50).motion[None]), jnp.ones((1, 60))
    begun = jax.jit(lambda rng: motion_postnet.unchanging(postnet.init(rng, motion, mask)))(jax.random.key(0))
    np.testing.assert_array_equal(jax.jit(postnet.apply)(begun, motion, mask), motion)


def test_a_postnet_can_be_learnt_from_the_person_alone(made_up, monkeypatch):
    monkeypatch.setattr(motion_sync.Speech, "sources", None)  # others are not asked for
    task = object.__new__(motion_postnet.Task)
    task.config, task.person = dataclasses.replace(POSTNET, others=False), made_up
    batch = task.batches()[0]
    assert batch["sound"].shape == batch["own_sound"].shape and np.abs(batch["sound"] - batch["own_sound"]).max() > 0


def test_without_a_flow_the_prior_is_standard_normal():
    assert MOTION.network(FEATURES).couplings == 4
    plain = dataclasses.replace(MOTION, flow_prior=False).network(FEATURES)
    assert plain.couplings == 0
    config = dataclasses.replace(MOTION, flow_prior=False)
    _, state, _ = trained(config, 0)
    assert not any("coupling" in path for path in weights.flatten(state.params))


@pytest.mark.slow
def test_the_expert_tells_sync_on_people_it_never_met():
    experiment, state, _ = trained(SYNC)
    found = experiment.evaluate(state)
    one_half = float(sync.cross_entropy(jnp.float32(0.5), jnp.float32(1.0)))  # what knows nothing pays
    assert found["auc"] > 0.8 and found["loss"] < one_half - 0.1, found


@pytest.mark.slow
def test_motion_follows_speech_that_was_never_heard_better_than_a_still_face(tmp_path):
    experiment, state, _ = trained(MOTION)
    found = experiment.evaluate(state)
    assert found["opening"] > 0.7 and found["error_over_still_face"] < 0.5, found
    experiment.export(state, tmp_path)
    stored = weights.load(tmp_path / "audio2motion.safetensors")
    assert weights.config(network.Config, stored).features == FEATURES and "lip_tcn" in stored.note


@pytest.mark.slow
def test_the_postnet_brings_motion_nearer_to_the_persons_than_raw_motion(tmp_path, made_up):
    """The person moves half as far as others about another mean."""
    for config in (SYNC, MOTION):
        experiment, state, _ = trained(config)
        experiment.export(state, tmp_path)
    files = {"audio2motion": tmp_path / "audio2motion.safetensors", "sync": tmp_path / "motion_sync_net.safetensors"}
    experiment, states, _ = trained(dataclasses.replace(POSTNET, **files))
    found = experiment.evaluate(states)
    for name, most in (("mean", 0.8), ("frechet", 0.8), ("nearest", 0.95)):
        assert found[f"corrected_{name}"] < most * found[f"raw_{name}"], (name, found)
    assert found["corrected_opening"] > found["raw_opening"] - 0.1, found
    true = motion_domain.distance(made_up.held_out.motion, made_up.train.motion)
    assert true.frechet < found["corrected_frechet"]


@pytest.mark.slow
def test_poses_are_foretold_better_than_by_any_pose_of_the_person():
    experiment, state, _ = trained(POSE)
    found = experiment.evaluate(state)
    assert found["surprise"] < found["surprise_anywhere"] - 0.1, found
    assert np.isfinite(list(found.values())).all()
