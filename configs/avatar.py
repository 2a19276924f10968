"""One person's head and torso as a radiance field, from a video (RAD-NeRF's field, driven by landmarks as in GeneFace).

jaxtalk avatar fit VIDEO -o person/           does all of this
jaxtalk train avatar --person person/data     trains the field alone

A news reader, 71 s at 256 pixels (55 s learnt, the last 16 s held out, driven by their own tracked landmarks and
torso), two cores, 0.33 s a step. 24 held-out frames after 3,000 steps: PSNR 25.7 dB (mean over frames), SSIM 0.872;
26.7 dB and 0.891 with heads laid over the pixels above the mouth. docs/avatar.md says more.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jaxtalk.data import avatar_frames, head_shell, person_video
from jaxtalk.data.avatar_frames import AvatarFrames, Footage
from jaxtalk.face import builtin
from jaxtalk.io import image
from jaxtalk.losses import opacity
from jaxtalk.metrics import lpips, mean, psnr, ssim
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import radnerf
from jaxtalk.models.landmark_warp import Rest
from jaxtalk.render import grid_encoding, occupancy
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells
from jaxtalk.systems import avatar_align, avatar_field, avatar_store, identity
from jaxtalk.systems.avatar_field import Avatar, Moment
from jaxtalk.train import sharding
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SHOWN = 24  # held-out frames that are drawn for evaluation
ALIGNED = 2048  # pixels that say where a held-out head is
MOVES = "moves"  # name of the parameters that say how the training frames' heads are moved


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """What each loss counts beside the mean squared difference of colours."""

    labels: float = 3e-3
    """Of what is head and what torso, as the video was cut up."""
    ambient: float = 1e-5
    """Of using the plane of appearances outside of the face."""
    entropy: float = 1e-4
    """Of a head that is half transparent."""
    bent: float = 1e-3
    """Of moving the torso's pixels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains the field of one person's head and torso."""

    person: Path = Path("person/data")
    """Folder that `jaxtalk avatar fit` made of a video."""
    weights: Weights = Weights()
    width: int = 64
    levels: int = 16
    finest: int = 1024
    reach: float = 0.01
    """Metres: how far a landmark takes the skin along. 0: not at all, as published."""
    appearances: int = 256
    """Cells along the plane of appearances, at the finest level."""
    log2_rows: int = 16
    cells: int = 64
    """Along an axis of the occupancy grid."""
    bends: bool = True
    """Whether the torso is told how the head and it moved."""
    most: int = 192
    """Samples on a ray that crosses all of the head's space."""
    frames: int = 8
    """Frames in a step."""
    pixels: int = 384
    """Of each frame."""
    samples: int = 12
    """Of a pixel, in the mean, that the head's field is asked for."""
    steps: int = 8000
    rate: float = 5e-3
    """Of the grids."""
    network_rate: float = 3e-3
    """Of the perceptrons and codes."""
    pose_rate: float = 1e-4
    """Of the heads' poses, radians and units of 0.2 m, which begin as they were tracked."""
    seed: int = 0

    def network(self, frames: int) -> radnerf.Config:
        grids = {
            f"{name}_grid": grid_encoding.Config(
                dims=dims, levels=self.levels, finest=finest, log2_rows=self.log2_rows, start=start
            )
            for name, dims, finest, start in (
                ("position", 3, self.finest, 1e-4),
                ("ambient", 2, self.appearances, 1e-2),  # with less nothing would draw points apart in the plane
                ("torso", 2, self.finest, 1e-4),
            )
        }
        sizes = dict(width=self.width, geometry=self.width, frames=frames)
        return radnerf.Config(**grids, **sizes, eyes=True, bends=self.bends)

    @property
    def lattice(self) -> Lattice:
        return Lattice(cells=Cells(side=self.cells), most=self.most, growth=0.0)

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="avatar",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: AvatarFrames(task.known, self.frames, self.pixels).stream(self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=2000,
            save_every=150,  # so that an interruption costs about a minute
        )


class Task:
    """The video in memory and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.known, self.others = footage(config)
        self.shell = head_shell.around(builtin.model(), self.known, config.lattice.cells, avatar_field.UNIT)
        rest = (
            Rest(jnp.asarray(self.known.mean), jnp.asarray(self.known.spread), config.reach) if config.reach else None
        )
        self.avatar = Avatar(
            radnerf.RadNerf(config.network(len(self.known))),
            config.lattice,
            self.known.camera,
            self.known.pictures.shape[1],
            rest,
        )
        fall = functools.partial(optax.exponential_decay, transition_steps=config.steps, decay_rate=0.05)
        later = lambda step: fall(config.pose_rate)(step) * (step > 0.1 * config.steps)  # when there is a head  # noqa: E731
        rates = {"table": fall(config.rate), MOVES: later, "rest": fall(config.network_rate)}
        self.optimizer = optax.partition(
            {name: optax.adam(rate, b2=0.99, eps=1e-15) for name, rate in rates.items()},
            lambda params: jax.tree_util.tree_map_with_path(
                lambda path, _: name if (name := sharding.names(path)[-1]) in rates else "rest", params
            ),
        )

    def init(self, rng):
        moment = Moment.of(vars(self.known), 0)
        nowhere = jnp.zeros((1, 3))
        variables = self.avatar.network.init(
            rng, moment.windows, nowhere, nowhere, nowhere[:, :2], moment.pose, jnp.int32(0), moment.eyes
        )
        grid = {"occupancy": jnp.where(self.shell, 2 * avatar_field.THRESHOLD, occupancy.UNSEEN)}
        params = variables["params"] | {MOVES: jnp.zeros((len(self.known), 6))}
        return train_state.create({"params": params, "batch_stats": grid}, self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        config, moved = self.config, jax.random.split(rng)
        every = Moment.of(batch).turned(moves(params)[batch["frame"]])
        one = jax.tree.map(lambda x: x[0], every)
        grid = occupancy.refresh(stats["occupancy"], config.lattice.cells, self.avatar.density(params, one), moved[0])
        space = self.avatar.space(grid)
        noise = jax.random.uniform(moved[1], batch["pixel"].shape[:2])

        def view(moment, frame, pixels, background, noise, rigid):
            codes = avatar_field.codes(params, frame)
            budget = config.samples * len(noise)
            return self.avatar.train_view(params, space, moment, codes, pixels + 0.5, background, budget, noise, rigid)

        given = (batch[name] for name in ("frame", "pixel", "background"))
        seen = jax.vmap(view)(every, *given, noise, batch["rigid"])
        terms = self.terms(seen, batch)
        metrics = {name: Mean.of(term) for name, term in terms.items()} | {"asked": Mean.of(seen.asked)}
        return sum(term.mean() for term in terms.values()), ({"occupancy": grid}, metrics)

    def terms(self, seen: avatar_field.Drawn, batch):
        """The losses of each pixel [f, n]."""
        weight = self.config.weights
        head, torso = batch["shares"][..., 0], batch["shares"][..., 1]
        labelled = opacity.surprise(seen.head, head) + (1 - head) * opacity.surprise(seen.torso, torso)
        return {
            "colour": jnp.square(seen.colour - batch["colour"]).mean(-1),
            "labels": weight.labels * labelled,
            "ambient": weight.ambient * seen.ambient * (1 - head),
            "entropy": weight.entropy * opacity.entropy(seen.head),
            "bent": weight.bent * jnp.abs(seen.bent).sum(-1) * torso,
        }

    @functools.cached_property
    def picture(self):
        """picture(params, grid, moment, background) -> the frame as `Drawn`, with the first training frame's codes."""

        @jax.jit
        def draw(params, grid, moment, background):
            codes = avatar_field.codes(params, 0)
            return self.avatar.picture(params, self.avatar.space(grid), moment, codes, background)

        return draw

    def drawn(self, state, moment: Moment):
        background = jnp.asarray(self.known.background, jnp.float32) / 255
        return self.picture(state.average, state.stats["occupancy"], moment, background)

    @functools.cached_property
    def align(self):
        @jax.jit
        def align(params, grid, moment, pixels, colour, background):
            space, codes = self.avatar.space(grid), avatar_field.codes(params, 0)
            return avatar_align.aligned(self.avatar, params, space, moment, codes, pixels + 0.5, colour, background)

        return align

    def tracked(self, frame: int) -> Moment:
        """A held-out moment with its head where landmarks put it."""
        return Moment.of(vars(self.others), frame)

    def aligned(self, state, frame: int) -> Moment:
        """The same with its head laid over the pixels above the mouth (`avatar_align`)."""
        others = self.others
        row, column = avatar_align.rigid_places(others.shares[frame], others.mouths[frame], ALIGNED)
        pixels = jnp.asarray(np.stack([column, row], -1), jnp.float32)
        colours = (jnp.asarray(x[row, column], jnp.float32) / 255 for x in (others.pictures[frame], others.background))
        return self.align(state.average, state.stats["occupancy"], self.tracked(frame), pixels, *colours)

    def posed(self, state, frame: int) -> dict[str, Moment]:
        """What a held-out frame is drawn from to be judged, and what stands before the names of those figures."""
        return {"": self.tracked(frame), "aligned_": self.aligned(state, frame)}

    def evaluate(self, state) -> dict[str, float]:
        """Held-out frames with their own landmarks: PSNR (mean over frames) and SSIM of whole frames, PSNR of the head
        alone, and how unlike the aligned faces look to face-identity-jaxtalk (LPIPS without heads). Their heads are
        where landmarks put them or, `aligned_...`, where this field lies best on the pixels above the mouth.
        """
        total: dict[str, Mean] = {}
        for frame in avatar_frames.shown(len(self.others), SHOWN):
            for name, moment in self.posed(state, frame).items():
                found = self.compared(self.drawn(state, moment).colour, frame)
                total = mean.merged(total, {name + key: Mean.of(value) for key, value in found.items()})
        return mean.values(total)

    def compared(self, colour: Float[Array, "n 3"], frame: int) -> dict[str, Float[Array, "1"]]:
        """A drawn held-out frame with the true one."""
        colour = colour.reshape(1, *self.others.background.shape).clip(0, 1)
        true = jnp.asarray(self.others.pictures[frame], jnp.float32)[None] / 255
        head = jnp.asarray(self.others.shares[frame, ..., 0], jnp.float32)[None] / 255
        return {
            "psnr": psnr.psnr(colour, true),
            "ssim": ssim.ssim(colour, true),
            "head_psnr": psnr.within(colour, true, head),
            "face_lpips": self.unlike(colour[0], frame),
        }

    def unlike(self, colour, frame: int):
        """Distance [1] of a drawn held-out frame's face from the true one."""
        variables = identity.shipped().variables
        pictures = np.uint8(255 * np.asarray(colour) + 0.5), self.others.pictures[frame]
        crops = [identity.crop(picture, self.others.landmarks[frame]) for picture in pictures]
        seen = [identity.perceptual(variables, jnp.asarray(crop, jnp.float32)[None] / 255).maps for crop in crops]
        return lpips.lpips(*seen)

    def export(self, state, folder: Path) -> None:
        """Writes the avatar (`avatar_store`) and pictures of held-out frames."""
        note = f"Field of one person, trained by configs/avatar.py on {len(self.known)} frames."
        params = {name: value for name, value in state.average.items() if name != MOVES}
        video = person_video.read(self.config.person)
        heads = Moment.of(vars(self.known)).turned(moves(state.average))
        avatar_store.save(folder, self.avatar, {"params": params, "batch_stats": state.stats}, video, heads, note)
        self.show(state, folder)

    def show(self, state, folder: Path) -> None:
        """Writes pictures of held-out frames: true, drawn, what is head, what torso."""
        size, columns = self.avatar.size, []
        for frame in avatar_frames.shown(len(self.others), SHOWN)[:6]:
            drawn = self.drawn(state, self.tracked(frame))
            layers = [np.asarray(drawn.colour).reshape(size, size, 3)]
            layers += [np.repeat(np.asarray(x).reshape(size, size, 1), 3, -1) for x in (drawn.head, drawn.torso)]
            rows = [self.others.pictures[frame], *((255 * layer.clip(0, 1) + 0.5).astype(np.uint8) for layer in layers)]
            columns.append(np.concatenate(rows))
        image.save(folder / "held_out.png", np.concatenate(columns, axis=1))


def moves(params) -> Float[Array, "t 6"]:
    """How each training frame's head is moved from where it was tracked (`Moment.turned`), on the whole nowhere."""
    return params[MOVES] - jax.lax.stop_gradient(params[MOVES].mean(0, keepdims=True))


def footage(config: Config) -> tuple[Footage, Footage]:
    """What is learnt and what is held out."""
    person, smoothed = person_video.read(config.person), radnerf.Config().condition.smoothed
    return tuple(avatar_frames.of_person(person, part, smoothed) for part in (person.train, person.held_out))
