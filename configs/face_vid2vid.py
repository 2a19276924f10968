"""face-vid2vid, SadTalker's renderer, from clips of talking heads: one frame of a clip drawn from another.

jaxtalk corpus corpus --clips 1200
jaxtalk train face_vid2vid --corpus corpus

Two cores, 64 pixels, 4,150 steps in four stages (weights and figures of each in docs/face_vid2vid.md), about 80 minutes
while much else ran: frames of the 44 people that were not learnt from 23.1 dB, copying the clip's first frame 20.0 dB.
Of people never seen copying is still better, and mouths hardly move.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import corpus, head_clips, talking_videos
from jaxtalk.errors import InputError
from jaxtalk.io import network_folder, weights
from jaxtalk.losses import gan, perceptual
from jaxtalk.losses import keypoints as keypoint_losses
from jaxtalk.metrics import lpips, mean, psnr
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import (
    dense_motion,
    face_features,
    head_pose,
    keypoints,
    vgg,
    vid2vid_discriminator,
    vid2vid_generator,
)
from jaxtalk.nn import flops, spectral_norm
from jaxtalk.render import spline
from jaxtalk.systems import identity
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_adversarial_step

KEPT = 0.75  # of the frames of a clip: the others, its end, are for evaluation
HELD_OUT = 6  # frames of a clip that are evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """Sizes of the four networks; the defaults are for 64 pixels on two cores."""

    detector: keypoints.Config = keypoints.Config(points=10, width=16, max_width=64, blocks=2, depth=4)
    estimator: head_pose.Config = head_pose.Config(points=10, width=8, blocks=(1, 1, 1, 1))
    generator: vid2vid_generator.Config = vid2vid_generator.Config(
        width=16,
        depth=4,
        volume_blocks=2,
        middle_blocks=2,
        hidden=32,
        motion=dense_motion.Config(compressed=2, width=8, max_width=64, blocks=2, window=5),
    )
    discriminator: vid2vid_discriminator.Config = vid2vid_discriminator.Config(width=8, max_width=64, spectral=True)

    def at(self, dtype) -> "Networks":
        """The same, computing in another precision."""
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Networks(**{name: dataclasses.replace(part, dtype=dtype) for name, part in parts.items()})


PUBLISHED = Networks(
    detector=keypoints.Config(),
    estimator=head_pose.Config(),
    generator=vid2vid_generator.Config(),
    discriminator=vid2vid_discriminator.Config(spectral=True),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """What each loss counts. 0 leaves it out, with what is computed for it alone. The defaults are the paper's."""

    perceptual: float = 10.0
    """Of each map of features."""
    pixels: float = 0.0
    """Of the mean difference of colours, which the paper does not have."""
    adversarial: float = 1.0
    matching: float = 10.0
    """Of each map of the discriminator."""
    equivariance: float = 10.0
    prior: float = 10.0
    head_pose: float = 20.0
    deformation: float = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Which clips."""

    corpus: Path | None = None
    """Folder that `jaxtalk corpus` wrote."""
    corpus_seed: int = 0
    """The seed it was written with."""
    videos: Path | None = None
    """Folder that `jaxtalk prepare` wrote."""
    heads: Path = Path("data/heads")
    """Folder for the cut frames, which are made first where they are missing."""
    clips: int = 64
    """How many clips of the corpus; all of the videos are taken."""
    held_out: int = 8
    """How many clips of the corpus are kept for evaluation; of the videos, all for testing."""
    frames: int = 32
    """How many frames of a clip."""
    size: int = 64
    """Pixels of a frame's side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Data):
    """Trains face-vid2vid: keypoints, head pose and expression, generator, discriminator."""

    networks: Networks = Networks()
    weights: Weights = Weights()
    scales: tuple[int, ...] = (1, 2, 4)
    """Of the perceptual loss: 1 / each."""
    features: Path | None = None
    """VGG-19 from `jaxtalk convert vgg19`, for the perceptual loss; our own FaceFeatures if not given."""
    start: Path | None = None
    """Folder of networks to start from: what a run or `jaxtalk convert sadtalker` wrote."""
    batch: int = 8
    accumulate: int = 1
    """Batches whose gradients make one step."""
    steps: int = 4000
    rate: float = 1e-3
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: bool = False
    """Compute what lies inside each network twice, so that it need not be kept."""
    average: float = 0.998
    seed: int = 0
    evaluate_every: int = 500

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="face_vid2vid",
            init=task.init,
            step=task.step(),
            data=lambda: head_clips.stream(head_clips.Pairs(task.clips, KEPT), self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            evaluate_every=self.evaluate_every,
            save_every=min(250, self.evaluate_every),
            batch=task.batch,
            flops=task.flops,
        )


class Task:
    """The pure functions of one run, and the clips in memory once they are asked for."""

    def __init__(self, config: Config):
        self.config = config
        sizes = config.networks.at(config.dtype)
        self.movers = {
            "keypoints": keypoints.KeypointDetector(sizes.detector),
            "head_pose": head_pose.HeadPoseEstimator(sizes.estimator),
            "generator": vid2vid_generator.Generator(sizes.generator),
        }
        self.judge = vid2vid_discriminator.MultiScaleDiscriminator(sizes.discriminator)
        self.extract = extractor(config.features)
        schedule = optax.cosine_decay_schedule(config.rate, config.steps // config.accumulate)
        adam = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(schedule, b1=0.5))
        optimizer = optax.MultiSteps(adam, config.accumulate) if config.accumulate > 1 else adam
        self.optimizers = {"generator": optimizer, "discriminator": optimizer}

    @functools.cached_property
    def people(self) -> tuple[list[head_clips.HeadClip], list[head_clips.HeadClip]]:
        """Clips to learn from, and of people who are not learnt from."""
        return clips(self.config)

    @property
    def clips(self) -> list[head_clips.HeadClip]:
        return self.people[0]

    @property
    def batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of what `head_clips.stream` gives."""
        rows, size = self.config.batch, self.config.size
        pictures = {name: _floats(rows, size, size, 3) for name in ("source", "driving")}
        return pictures | {f"{name}_angles": _floats(rows, 3) for name in pictures}

    @property
    def flops(self) -> float:
        """Of a step, as the networks need them; moving features, norms and the optimisers are left out."""
        weight, size, points = self.config.weights, self.config.size, self.config.networks.detector.points
        rng, image, places = jax.random.key(0), _floats(1, size, size, 3), _floats(1, points, 3)
        inputs = {"keypoints": (image,), "head_pose": (image,), "generator": (image, places, places)}
        each = {name: flops.count(self.movers[name].init, rng, *inputs[name]) for name in self.movers}
        pictures = 3 if weight.equivariance else 2
        total = each["keypoints"].train + pictures * each["head_pose"].train + each["generator"].train
        if weight.perceptual:
            for scale in self.config.scales:
                seen = flops.count(self.extract, _floats(1, size // scale, size // scale, 3))
                total += seen.forward + seen.through
        if self.adversarial:
            judged = flops.count(self.judge.init, rng, image)
            total += judged.forward + judged.through + 2 * judged.train
        return float(self.config.batch * total)

    @property
    def adversarial(self) -> bool:
        return bool(self.config.weights.adversarial or self.config.weights.matching)

    def init(self, rng):
        image = jnp.zeros((1, self.config.size, self.config.size, 3))
        points = jnp.zeros((1, self.config.networks.detector.points, 3))
        inputs = {"keypoints": (image,), "head_pose": (image,), "generator": (image, points, points)}
        made = {name: self.begun(name, self.movers[name].init(rng, *inputs[name])) for name in self.movers}
        joined = {kind: {name: one[kind] for name, one in made.items()} for kind in ("params", "batch_stats")}
        variables = {"generator": joined}
        if self.adversarial:
            variables["discriminator"] = self.begun("discriminator", self.judge.init(rng, image))
        return {name: train_state.create(one, self.optimizers[name], rng) for name, one in variables.items()}

    def begun(self, name: str, fresh):
        """The variables of a network before the first step; only a discriminator may be missing where others start."""
        if self.config.start is None:
            return fresh
        path = self.config.start / f"{name}.safetensors"
        if name == "discriminator":  # stored with its kernels divided, so that `u` starts anew
            kept = weights.load(path, {"params": fresh["params"]}).variables if path.is_file() else {}
            return fresh | kept
        return weights.load(path, fresh).variables

    def step(self):
        judging = self.discriminator_loss if self.adversarial else None
        return make_adversarial_step(self.generator_loss, judging, self.optimizers, self.config.average)

    def apply(self, name: str, params, stats, *inputs, train: bool):
        """What one of the movers gives, and its new statistics."""
        module = self.movers[name]

        def run(params, *inputs):
            own = {"params": params, "batch_stats": stats[name]}
            return module.apply(own, *inputs, train=train, mutable=["batch_stats"])

        answer, changed = (jax.checkpoint(run) if self.config.remat else run)(params[name], *inputs)
        return answer, {name: changed["batch_stats"]}

    def draw(self, params, stats, source, others, *, train: bool):
        """The source picture moved to what each of `others` shows; the first of them is drawn.

        Returns the picture, for the source and all others the keypoints and their motion, and new statistics.
        """
        count = 1 + len(others)
        (canonical, _), new = self.apply("keypoints", params, stats, source, train=train)
        motion, more = self.apply("head_pose", params, stats, jnp.concatenate([source, *others]), train=train)
        points = jnp.split(motion.place(jnp.tile(canonical, (count, 1, 1))), count)
        (made, _), last = self.apply("generator", params, stats, source, points[0], points[1], train=train)
        return made, points, motion, new | more | last

    def generator_loss(self, params, stats, batch, rng, states):
        weight, source, driving = self.config.weights, batch["source"], batch["driving"]
        warp = spline.sample(rng, len(source))
        others = [driving, warp.picture(driving)] if weight.equivariance else [driving]
        made, points, motion, stats = self.draw(params, stats, source, others, train=True)
        count = 2 * len(source)  # of pictures whose pose is known
        known = jnp.concatenate([batch["source_angles"], batch["driving_angles"]])
        half = jnp.split(keypoint_losses.head_pose(motion.angles()[:count], known), 2)
        terms = {
            "prior": weight.prior * keypoint_losses.prior(points[1]),
            "head_pose": weight.head_pose * (half[0] + half[1]) / 2,
            "deformation": weight.deformation * keypoint_losses.deformation(motion.expression[len(source) : count]),
        }
        if weight.perceptual:
            extract = jax.checkpoint(self.extract) if self.config.remat else self.extract
            terms["perceptual"] = perceptual.perceptual(extract, made, driving, weight.perceptual, self.config.scales)
        if weight.pixels:
            terms["pixels"] = weight.pixels * jnp.abs(made - driving).mean((1, 2, 3))
        if weight.equivariance:
            apart = keypoint_losses.equivariance(points[1], points[2], warp.place)
            terms["equivariance"] = weight.equivariance * apart
        if self.adversarial:
            terms |= self.judged(states["discriminator"], made, driving)
        metrics = {name: Mean.of(term) for name, term in terms.items()}
        metrics["psnr"] = Mean.of(psnr.psnr(made, driving))
        return sum(term.mean() for term in terms.values()), (stats, metrics, {"made": jax.lax.stop_gradient(made)})

    def judged(self, judge, made, driving):
        own = {"params": judge.params, "batch_stats": judge.stats}
        weight = self.config.weights
        terms = {"adversarial": jnp.zeros(len(made)), "matching": jnp.zeros(len(made))}
        for (_, true), (score, false) in zip(self.judge.apply(own, driving), self.judge.apply(own, made), strict=True):
            terms["adversarial"] += weight.adversarial * gan.hinge_generator(score)
            terms["matching"] += gan.feature_matching(true, false, weight.matching)
        return terms

    def discriminator_loss(self, params, stats, batch, rng, states):
        both = jnp.concatenate([batch["driving"], batch["made"]])
        variables = {"params": params, "batch_stats": stats}
        answers, changed = self.judge.apply(variables, both, train=True, mutable=["batch_stats"])
        losses = [gan.hinge_discriminator(*jnp.split(scores, 2)) for scores, _ in answers]
        return sum(losses).mean(), (changed["batch_stats"], {"loss": Mean.of(sum(losses))})

    def evaluate(self, states) -> dict[str, float]:
        """Frames that were not learnt from, drawn from the first of their clip, beside that first frame itself."""
        numbers = {}
        for name, chosen in dict(zip(("unseen", "stranger"), self.people, strict=True)).items():
            measured = self.measured(states["generator"], chosen) if chosen else {}
            numbers |= {f"{name}_{key}": value for key, value in measured.items()}
        return numbers

    def measured(self, state, chosen) -> dict[str, float]:
        pairs = head_clips.Pairs(chosen, KEPT)
        rows = [row for index in range(len(pairs)) for row in pairs.held_out(index, HELD_OUT)]
        total: dict[str, Mean] = {}
        for first in range(0, len(rows), 2 * self.config.batch):
            chunk = rows[first : first + 2 * self.config.batch]
            batch = {key: jnp.asarray(np.stack([row[key] for row in chunk])) for key in chunk[0]}
            numbers = self.compared(state.variables, batch)
            total = mean.merged(total, numbers)
        numbers = mean.values(total)
        for name in ("", "_of_copy"):  # of the mean squared error of all frames, in which poor frames weigh more
            numbers[f"pooled_psnr{name}"] = float(psnr.decibels(jnp.float32(numbers.pop(f"error{name}"))))
        return numbers

    def compared(self, variables, batch) -> dict[str, Mean]:
        made = self.drawn(variables, batch["source"], batch["driving"])
        numbers = {}
        features = [self.maps(picture) for picture in (batch["driving"], made, batch["source"])]
        for name, picture, maps in (("", made, features[1]), ("_of_copy", batch["source"], features[2])):
            numbers[f"psnr{name}"] = Mean.of(psnr.psnr(picture, batch["driving"]))
            numbers[f"error{name}"] = Mean.of(psnr.squared_error(picture, batch["driving"]))
            numbers[f"distance{name}"] = Mean.of(lpips.lpips(maps, features[0]))
        return numbers

    @functools.cached_property
    def drawn(self):
        """drawn(variables, source, driving): the source as the driving picture has it."""

        def draw(variables, source, driving):
            made, *_ = self.draw(variables["params"], variables["batch_stats"], source, [driving], train=False)
            return made

        return jax.jit(draw)

    @functools.cached_property
    def maps(self):
        """Features that pictures are compared by: those of our own FaceFeatures, so no figure is LPIPS's."""
        return jax.jit(own_features())

    def export(self, states, folder: Path) -> None:
        """Writes a file for each network and `manifest.json`, as `jaxtalk convert sadtalker` does."""
        config, state, made = self.config, states["generator"], {}
        parts = {name: {kind: tree[name] for kind, tree in state.variables.items()} for name in self.movers}
        if self.adversarial:
            parts["discriminator"] = spectral_norm.fold(states["discriminator"].variables)
        networks = config.networks
        sizes = {"keypoints": networks.detector, "head_pose": networks.estimator, "generator": networks.generator}
        sizes["discriminator"] = dataclasses.replace(networks.discriminator, spectral=False)
        for name, variables in parts.items():
            stored = weights.Weights(
                variables=variables,
                name=f"vid2vid_{name}",
                config=weights.config_values(sizes[name]),
                licence="Apache-2.0",
                note=f"{config.steps} steps of configs/face_vid2vid.py at {config.size} pixels.",
            )
            given = {"source": "configs/face_vid2vid.py", "part": name, "used": len(jax.tree.leaves(variables))}
            made[name] = network_folder.save(folder, name, stored, **given)
        network_folder.write_manifest(folder, [], made, size=config.size)


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def clips(config: Data) -> tuple[list[head_clips.HeadClip], list[head_clips.HeadClip]]:
    """To learn from, and of people who are not learnt from; drawn and cut where they are not in `config.heads` yet."""
    chosen: list[dict[str, Callable[[], head_clips.HeadClip]]] = [{}, {}]
    if config.corpus:
        for makers, split, count in zip(chosen, ("train", "test"), (config.clips, config.held_out), strict=True):
            records = corpus.read(config.corpus, split)
            for record in (records[i] for i in range(min(count, len(records)))):
                makers[head_clips.name(record)] = functools.partial(
                    head_clips.drawn, record, config.corpus_seed, config.size, config.frames
                )
    if config.videos:
        for makers, split in zip(chosen, ("train", "test"), strict=True):
            for record in talking_videos.read(config.videos, split):
                makers[head_clips.name(record)] = functools.partial(
                    head_clips.filmed, record, config.size, config.frames
                )
    if not chosen[0]:
        raise InputError("nothing to learn from; give --corpus or --videos")
    folder = config.heads / f"{config.size}x{config.frames}"
    for makers in chosen:
        head_clips.write(folder, makers)
    return tuple([head_clips.read(folder / f"{name}.npz") for name in makers] for makers in chosen)


def own_features() -> perceptual.Extract:
    """Maps of the shipped FaceFeatures for pictures from 0 to 1."""
    variables = identity.shipped().variables
    return lambda image: face_features.maps(variables, 2.0 * image - 1.0)


def extractor(path: Path | None) -> perceptual.Extract:
    """What the perceptual loss compares: published VGG-19, or our own features."""
    if path is None:
        return own_features()
    stored = weights.load(path)
    if stored.name != "vgg19":
        raise InputError(f"{path}: holds {stored.name}, not vgg19; write it with jaxtalk convert vgg19")
    network = vgg.VGG(vgg.Config.of(stored.config))

    def extract(image):
        seen = network.apply(stored.variables, image, perceptual.TAPS)
        return [seen[name] for name in perceptual.TAPS]

    return extract
