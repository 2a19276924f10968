"""PoseVAE against the published network, chunking at every length, smoothing against scipy, and training."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import savgol_filter

from jaxtalk.convert import sadtalker
from jaxtalk.models import audio2pose


@pytest.fixture(scope="module")
def golden():
    manifest, arrays = golden_fixture.load("sadtalker_audio2pose")
    state = golden_fixture.state(manifest, arrays)
    given = {name: jnp.asarray(value) for name, value in golden_fixture.inputs(manifest).items()}
    return manifest, arrays, state, given


def test_golden_poses(golden):
    manifest, arrays, state, given = golden
    variables, _ = sadtalker.audio2pose_variables("golden", state)
    model = audio2pose.PoseVAE(sadtalker.AUDIO2POSE_CONFIG)
    mel, reference, z = given["indiv_mels"][:, :, 0], given["ref"][:, 0, -6:], given["z"]
    style = given["class"]

    @jax.jit
    def run(variables):
        sound = model.apply(variables, mel[:, 1:33], method="listen")
        decoded = model.apply(variables, sound, reference, z[0], style, method="decode")
        encoded = model.apply(variables, sound, reference, given["pose_motion_gt"], style, method="encode")
        return sound, decoded, encoded, audio2pose.generate(model, variables, reference, style, mel, z.swapaxes(0, 1))

    with jax.default_matmul_precision("highest"):
        sound, decoded, (mean, log_variance), poses = run(variables)
    golden_fixture.compare(manifest, arrays, "audio_emb", sound)
    golden_fixture.compare(manifest, arrays, "decoder_pose_motion", decoded)
    golden_fixture.compare(manifest, arrays, "encoder_mu", mean)
    np.testing.assert_array_equal(log_variance, mean)  # as published
    golden_fixture.compare(manifest, arrays, "pose_pred", poses)
    golden_fixture.compare(manifest, arrays, "pose_motion_pred", poses - reference[:, None])


def test_published_discriminator_is_the_stack_of_convolutions_it_claims(golden):
    """Against the same layers written out in numpy from the published arrays."""
    state = golden[2]
    _, variables = sadtalker.audio2pose_variables("golden", state)
    x = np.random.default_rng(0).standard_normal((2, 32, 6)).astype(np.float32)
    with jax.default_matmul_precision("highest"):
        score = audio2pose.Discriminator(32).apply(variables, jnp.asarray(x))
    y = x.swapaxes(1, 2).astype(np.float64)
    for i, stride in enumerate([2, 2, 1, 1]):
        name = f"netD_motion.seq.{i}" + (".conv" if i < 3 else "")
        y = np.pad(y, [(0, 0), (0, 0), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(y, state[f"{name}.weight"].shape[-1], axis=2)[:, :, ::stride]
        y = np.einsum("bitk,oik->bot", windows, state[f"{name}.weight"])
        if i < 3:
            norm = {
                k: state[f"netD_motion.seq.{i}.norm.{k}"][:, None]
                for k in ("weight", "bias", "running_mean", "running_var")
            }
            y = (y - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5) * norm["weight"] + norm["bias"]
            y = np.maximum(y, 0)
        else:
            y = y + state[f"{name}.bias"][:, None]
    assert score.shape == (2, 8)
    np.testing.assert_allclose(score, y[:, 0], rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def small():
    config = audio2pose.Config(sequence=8, latent=4, styles=3, width=2)
    model = audio2pose.PoseVAE(config)
    mel, motion = jnp.zeros((2, 8, 80, 16)), jnp.zeros((2, 8, 6))
    given = (mel, motion[:, 0], motion, jnp.zeros(2, int), jnp.zeros((2, 4)))
    return model, golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), *given))


@pytest.fixture(scope="module")
def chunk(small):
    """Motion for eight windows of sound."""
    model, variables = small

    @jax.jit
    def run(mel, reference, z, style):
        sound = model.apply(variables, mel, method="listen")
        return model.apply(variables, sound, reference, z, style, method="decode")

    return run


@pytest.mark.parametrize("frames", [1, 5, 17, 20])
def test_any_number_of_frames_follows_the_published_loop(small, chunk, frames):
    keys = jax.random.split(jax.random.key(frames), 3)
    mel, reference = jax.random.normal(keys[0], (2, frames, 80, 16)), jax.random.normal(keys[1], (2, 6))
    z, style = jax.random.normal(keys[2], (2, audio2pose.chunks(frames, 8), 4)), jnp.array([0, 2])
    poses = audio2pose.generate(*small, reference, style, mel, z)

    heard, motion = mel[:, 1:], [jnp.zeros((2, 1, 6))]
    whole, rest = divmod(frames - 1, 8)
    for i in range(whole):
        motion.append(chunk(heard[:, 8 * i : 8 * i + 8], reference, z[:, i], style))
    if rest:
        last = heard[:, -8:]
        last = jnp.concatenate([last[:, :1].repeat(8 - last.shape[1], axis=1), last], axis=1)
        motion.append(chunk(last, reference, z[:, whole], style)[:, -rest:])
    np.testing.assert_allclose(poses, reference[:, None] + jnp.concatenate(motion, axis=1), atol=1e-5)


def test_styles_latents_and_sound_all_matter(chunk):
    mel, reference, z, style = (
        jax.random.normal(jax.random.key(0), (2, 8, 80, 16)),
        jnp.zeros((2, 6)),
        jnp.zeros((2, 4)),
        jnp.zeros(2, int),
    )
    base = chunk(mel, reference, z, style)
    changed = [
        (-mel, reference, z, style),
        (mel, reference + 1, z, style),
        (mel, reference, z + 1, style),
        (mel, reference, z, style + 1),
    ]
    for given in changed:
        assert np.abs(chunk(*given) - base).max(axis=(1, 2)).min() > 1e-4


@pytest.mark.parametrize("frames", [1, 2, 3, 12, 14])
def test_smoothing_is_scipys(frames):
    poses = np.random.default_rng(0).standard_normal((2, frames, 6)).astype(np.float32)
    window = 13 if frames >= 13 else (frames - 1) // 2 * 2 + 1
    expected = savgol_filter(poses, window, 2, axis=1) if window > 2 else poses
    np.testing.assert_allclose(audio2pose.smooth(jnp.asarray(poses)), expected, atol=1e-5)


def test_training_reaches_every_parameter_of_both_networks(small):
    model, variables = small
    judge = audio2pose.Discriminator(width=2)
    judge_variables = golden_fixture.variables(jax.eval_shape(judge.init, jax.random.key(0), jnp.zeros((2, 8, 6))))
    keys = jax.random.split(jax.random.key(1), 4)
    mel, motion = jax.random.normal(keys[0], (2, 8, 80, 16)), jax.random.normal(keys[1], (2, 8, 6))
    given = (mel, jax.random.normal(keys[2], (2, 6)), motion, jnp.array([0, 2]), jax.random.normal(keys[3], (2, 4)))

    @jax.jit
    @jax.grad
    def gradient(params):
        (predicted, aux), updated = model.apply(
            {**variables, "params": params[0]}, *given, train=True, mutable=["batch_stats"]
        )
        score, _ = judge.apply({**judge_variables, "params": params[1]}, predicted, train=True, mutable=["batch_stats"])
        divergence = jnp.exp(aux["log_variance"]) + aux["mean"] ** 2 - aux["log_variance"]
        return jnp.sum((score - 1) ** 2) + jnp.sum((predicted - motion) ** 2) + jnp.sum(divergence)

    grads = gradient((variables["params"], judge_variables["params"]))
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all(), path
        before_norm = path[-1].key == "bias" and path[-2].key in {"conv", "in_1", "conv_1", "skip"}
        assert before_norm or np.abs(leaf).max() > 0, path
