"""The config that trains face-vid2vid, at a size that takes seconds."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import face_vid2vid as config
from configs import face_vid2vid_published
from jaxtalk.data import head_clips
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import dense_motion, head_pose, keypoints, vid2vid_discriminator, vid2vid_generator
from jaxtalk.nn import flops
from jaxtalk.systems import vid2vid_networks
from jaxtalk.train import loop

SIZE = 16
NETWORKS = config.Networks(
    detector=keypoints.Config(points=3, width=4, blocks=1, depth=2),
    estimator=head_pose.Config(points=3, width=4, blocks=(1, 1)),
    generator=vid2vid_generator.Config(
        width=4,
        depth=2,
        volume_blocks=1,
        middle_blocks=1,
        hidden=4,
        motion=dense_motion.Config(compressed=2, width=4, blocks=1, window=3),
    ),
    discriminator=vid2vid_discriminator.Config(width=4, blocks=2, spectral=True),
)
SMALL = {"networks": NETWORKS, "size": SIZE, "scales": (1, 2), "batch": 2}


@pytest.fixture(autouse=True)
def heads(monkeypatch):
    """Noise passes for heads, and pictures for their own features."""

    def clip(seed):
        rng = np.random.default_rng(seed)
        motion = [rng.normal(0, 0.2, (8, n)).astype(np.float32) for n in (52, 3, 3)]
        frames = rng.integers(0, 256, (8, SIZE, SIZE, 3)).astype(np.uint8)
        return head_clips.HeadClip(str(seed), str(seed), frames, np.arange(8), *motion)

    monkeypatch.setattr(config, "clips", lambda given: ([clip(0), clip(1)], [clip(2)]))
    monkeypatch.setattr(config, "own_features", lambda: lambda image: [image])


@pytest.fixture(scope="module")
def whole():
    return config.Config(**SMALL, steps=2, evaluate_every=10)


def batch_of(task):
    return jax.tree.map(jnp.asarray, head_clips.stream(head_clips.Pairs(task.clips), 2, 0)[0])


@pytest.mark.slow
def test_an_interrupted_run_that_is_repeated_equals_an_uninterrupted_one(tmp_path, whole):
    experiment = whole.experiment()  # one step function, so compiled once
    states = {}
    for folder, stops in {"whole": (2,), "parts": (1, 2)}.items():
        for steps in stops:
            given = dataclasses.replace(experiment, steps=steps, export=None)
            states[folder] = loop.run(given, tmp_path / folder, devices=jax.devices()[:1])
    jax.tree.map(np.testing.assert_array_equal, *(jax.device_get(_raw(states[k])) for k in ("whole", "parts")))
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    evaluated = lines[-1]
    assert {"unseen_psnr", "unseen_psnr_of_copy", "stranger_distance"} < evaluated.keys()
    experiment.export(states["whole"], tmp_path / "whole")
    _is_a_folder_of_networks(tmp_path / "whole", states["whole"])


def _raw(states):
    return {name: state.replace(rng=jax.random.key_data(state.rng)) for name, state in states.items()}


def _is_a_folder_of_networks(folder, states):
    """As `talk` reads it, and as another run starts from."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["size"] == SIZE
    assert set(manifest["networks"]) == {"keypoints", "head_pose", "generator", "discriminator"}
    generator = vid2vid_networks.network(folder, "generator")
    assert generator.config == NETWORKS.generator
    jax.tree.map(np.testing.assert_array_equal, generator.variables["params"], states["generator"].average["generator"])
    again = config.Task(config.Config(**SMALL, start=folder))
    assert jax.eval_shape(again.init, jax.random.key(0)).keys() == states.keys()
    kept = again.begun("head_pose", weights.load(folder / "head_pose.safetensors").variables)
    jax.tree.map(np.testing.assert_array_equal, kept["params"], states["generator"].average["head_pose"])


@pytest.mark.slow
def test_the_gradient_of_the_whole_generator_loss_is_finite_everywhere(whole):
    """Of noise, of one picture twice, and of black pictures."""
    task = config.Task(whole)
    states = jax.jit(task.init)(jax.random.key(0))
    one = states["generator"]
    gradient = jax.jit(jax.grad(task.generator_loss, has_aux=True))
    noise = batch_of(task)
    batches = [noise, noise | {"source": noise["driving"]}, jax.tree.map(jnp.zeros_like, noise)]
    for batch in batches:
        found, (_, metrics, _) = gradient(one.params, one.stats, batch, jax.random.key(1), states)
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))
    assert set(metrics) >= {
        "perceptual",
        "adversarial",
        "matching",
        "equivariance",
        "prior",
        "head_pose",
        "deformation",
    }
    moved = {
        name: optax.tree.norm(tree)
        for name, tree in gradient(one.params, one.stats, noise, jax.random.key(1), states)[0].items()
    }
    assert all(value > 0 for value in moved.values()) and len(moved) == 3


@pytest.mark.parametrize("left_out", ["adversarial", "perceptual"])
def test_a_weight_of_zero_leaves_a_loss_out(left_out):
    zero = {left_out: 0.0} | ({"matching": 0.0} if left_out == "adversarial" else {})
    task = config.Task(config.Config(**SMALL, weights=config.Weights(**zero)))
    states, metrics = jax.eval_shape(
        lambda rng, batch: task.step()(task.init(rng), batch), jax.random.key(0), batch_of(task)
    )
    assert ("discriminator" in states) == (left_out != "adversarial")
    assert f"generator/{left_out}" not in metrics and "generator/prior" in metrics


def test_accumulated_batches_make_one_step():
    task = config.Task(config.Config(**SMALL, accumulate=2))
    single = config.Task(config.Config(**SMALL))
    params = {"w": jnp.array([1.0, -2.0])}
    halves = [{"w": jnp.array([0.3, 0.1])}, {"w": jnp.array([-0.1, 0.5])}]
    state, moved = task.optimizers["generator"].init(params), params
    for half in halves:
        change, state = task.optimizers["generator"].update(half, state, moved)
        moved = optax.apply_updates(moved, change)
    mean = {"w": (halves[0]["w"] + halves[1]["w"]) / 2}
    change, _ = single.optimizers["generator"].update(mean, single.optimizers["generator"].init(params), params)
    np.testing.assert_allclose(moved["w"], params["w"] + change["w"], rtol=1e-6)


def test_the_published_networks_compute_in_the_precision_that_is_asked_for():
    half = config.PUBLISHED.at("bfloat16")
    assert {part.dtype for part in (half.detector, half.estimator, half.generator, half.discriminator)} == {"bfloat16"}


def test_shapes_of_a_batch_are_those_of_its_stream_and_need_no_clips(monkeypatch):
    made = config.Config(**SMALL).experiment()
    told = jax.tree.map(lambda x: (x.shape, x.dtype), made.data()[0])
    assert told == {name: (like.shape, like.dtype) for name, like in made.batch.items()}
    monkeypatch.setattr(config, "clips", lambda given: pytest.fail("planning reads no clips"))
    assert config.Config(**SMALL).experiment().batch == made.batch


def test_flops_on_paper_are_of_the_networks_that_the_losses_run():
    of = lambda **weights: config.Task(config.Config(**SMALL, weights=config.Weights(**weights))).flops  # noqa: E731
    still, judged = dict(perceptual=0.0, equivariance=0.0), dict(adversarial=0.0, matching=0.0)
    pose = flops.count(
        head_pose.HeadPoseEstimator(NETWORKS.estimator).init, jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3))
    )
    assert of(perceptual=0.0) - of(**still) == 2 * pose.train  # the warped picture, of a batch of two
    assert of(perceptual=0.0) > of(**judged, perceptual=0.0) > of(**judged, **still) > 0


def test_published_is_the_same_with_other_values():
    large = face_vid2vid_published.Config()
    assert (large.networks, large.size, large.weights) == (config.PUBLISHED, 256, config.Weights())
    assert issubclass(face_vid2vid_published.Config, config.Config)


def test_nothing_to_learn_from_is_said(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(InputError, match="--corpus or --videos"):
        config.clips(config.Config())


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"remat": True}, {"dtype": "bfloat16"}])
def test_remat_and_bfloat16_leave_the_gradient_as_it_is(change):
    gradients = []
    for given in ({}, change):
        task = config.Task(config.Config(**SMALL, **given))
        states = jax.jit(task.init)(jax.random.key(0))
        one = states["generator"]
        loss = jax.jit(
            jax.grad(
                lambda p, b, task=task, one=one, s=states: task.generator_loss(p, one.stats, b, jax.random.key(1), s)[0]
            )
        )
        gradients.append(loss(one.params, batch_of(task)))
    flat = [jnp.concatenate([x.ravel() for x in jax.tree.leaves(g)]).astype(jnp.float32) for g in gradients]
    cosine = jnp.vdot(*flat) / (jnp.linalg.norm(flat[0]) * jnp.linalg.norm(flat[1]))
    assert cosine > (0.9999 if "remat" in change else 0.9)
