"""A radiance field of a still face of the corpus, whose geometry is known: what the volume renderer can do.

    jaxtalk train face_scene --steps 3000

60 views of 128 x 128 pixels, two cores that others kept busy: 13 minutes of CPU time, 24 by the clock, a step in 0.32 s
in quieter moments. 12 views that are not learnt from:

    steps   PSNR (mean over views)   SSIM    depth off by (mean where the face is)
    1000    36.3 dB                  0.975   5.6 mm
    2000    37.6                     0.984   5.3
    3000    37.9                     0.985   5.3
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import face_scene
from jaxtalk.data.pixel_batches import PixelBatches
from jaxtalk.io import image
from jaxtalk.metrics import mean, psnr, ssim
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import instant_ngp
from jaxtalk.render import compositing, grid_encoding, occupancy, rays, volume
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

UNIT = 0.17  # metres in a unit of the field's space, so that the head lies within plus and minus one
PIECE = 4096  # rays that are drawn at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains a hashed grid on pictures of a face from all around."""

    face: int = 3
    """Number of the face."""
    views: int = 60
    held_out: int = 12
    size: int = 128
    """Pixels of a picture's side."""
    levels: int = 16
    finest: int = 512
    """Cells along an axis of the finest grid."""
    log2_rows: int = 16
    width: int = 64
    cells: int = 64
    """Along an axis of the occupancy grid."""
    most: int = 256
    """Samples on a ray that crosses all of space."""
    rays: int = 2048
    """In a step."""
    samples: int = 24
    """Of a ray, in the mean, that the field is asked for in a step."""
    steps: int = 3000
    rate: float = 1e-2
    seed: int = 0

    @property
    def network(self) -> instant_ngp.Config:
        grid = grid_encoding.Config(levels=self.levels, finest=self.finest, log2_rows=self.log2_rows, kind="hashed")
        return instant_ngp.Config(grid=grid, width=self.width)

    @property
    def lattice(self) -> Lattice:
        return Lattice(cells=Cells(side=self.cells), most=self.most, growth=0.0)

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="face_scene",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: PixelBatches(task.known.colour, self.rays).stream(self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=1000,
            save_every=1000,
        )


class Task:
    """The pictures in memory and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.network = instant_ngp.Field(config.network)
        self.known = face_scene.views(config.face, config.views, config.size)
        rate = optax.exponential_decay(config.rate, config.steps, 0.03)
        self.optimizer = optax.adam(rate, b2=0.99, eps=1e-15)

    @functools.cached_property
    def others(self) -> face_scene.Views:
        """Views that are not learnt from."""
        return face_scene.views(self.config.face, self.config.held_out, self.config.size, first=self.config.views)

    def init(self, rng):
        place = jnp.zeros((1, 3))
        full = occupancy.full(self.config.lattice.cells)
        variables = self.network.init(rng, place, place) | {"batch_stats": {"occupancy": full}}
        return train_state.create(variables, self.optimizer, rng)

    def field(self, params):
        return lambda points, directions: self.network.apply({"params": params}, points, directions)

    def density(self, params):
        return lambda points: self.network.apply({"params": params}, points, method="density")[0]

    def space(self, grid) -> volume.Box:
        return volume.around(grid, self.config.network.bound)

    def loss(self, params, stats, batch, rng):
        config, moved = self.config, jax.random.split(rng)
        grid = occupancy.refresh(stats["occupancy"], config.lattice.cells, self.density(params), moved[0])
        given = seen_by(self.known, batch["view"], batch["pixel"] + 0.5)
        noise = jax.random.uniform(moved[1], (len(batch["colour"]),))
        budget = config.samples * len(noise)
        drawn = volume.marched(self.field(params), given, self.space(grid), config.lattice, budget, noise)
        colour = compositing.over(drawn.seen, jnp.full(batch["colour"].shape, face_scene.BACKGROUND))
        error = jnp.square(colour - batch["colour"]).mean(-1)
        metrics = {
            "error": Mean.of(error),
            "asked": Mean.of(drawn.packed.count / 1.0),
            "dropped": Mean.of(drawn.packed.dropped / len(error)),
        }
        return error.mean(), ({"occupancy": grid}, metrics)

    @functools.cached_property
    def picture(self):
        """picture(params, grid, rays [n 3]) -> colour [n 3] and distance [n] in metres of what is seen."""

        def draw(params, space, given):
            seen = volume.marched_in_rounds(self.field(params), given, space, self.config.lattice)
            colour = compositing.over(seen, jnp.full_like(seen.values, face_scene.BACKGROUND))
            distance = (
                seen.depth / jnp.maximum(seen.opacity, 1e-6) - self.config.lattice.shortest / 2
            )  # middles of steps
            return colour, UNIT * distance

        @jax.jit
        def whole(params, grid, given):
            space = self.space(grid)
            return volume.whole(lambda piece: draw(params, space, piece), given, PIECE)

        return whole

    def drawn(self, state, views: face_scene.Views, index: int):
        """One view: colour [s s 3] and depth [s s] along the camera's axis in metres."""
        size = self.config.size
        pixels = rays.pixels(size, size).reshape(-1, 2)
        given = seen_by(views, jnp.full(len(pixels), index), pixels)
        colour, distance = self.picture(state.average, state.stats["occupancy"], given)
        forward = views.rotation[index].T @ np.array([0.0, 0.0, -1.0], np.float32)
        depth = distance * (given.direction @ forward)
        return colour.reshape(size, size, 3), depth.reshape(size, size)

    def evaluate(self, state) -> dict[str, float]:
        """PSNR (mean over views), SSIM, and how far the depth is off where a face is, in millimetres."""
        total: dict[str, Mean] = {}
        for index in range(self.config.held_out):
            colour, depth = self.drawn(state, self.others, index)
            true = jnp.asarray(self.others.colour[index], jnp.float32) / 255
            known = self.others.depth[index]
            error = np.abs(np.where(np.isfinite(known), np.asarray(depth) - known, 0))
            total = mean.merged(
                total,
                {
                    "psnr": Mean.of(psnr.psnr(colour, true)),
                    "ssim": Mean.of(ssim.ssim(colour[None], true[None])),
                    "depth_mm": Mean.of(jnp.asarray(1000 * error), jnp.isfinite(known)),
                },
            )
        return mean.values(total)

    def export(self, state, folder: Path) -> None:
        """Writes pictures: held-out views, true and drawn, and the drawn depth."""
        rows = []
        for index in range(min(6, self.config.held_out)):
            colour, depth = (np.asarray(x) for x in self.drawn(state, self.others, index))
            grey = np.clip((0.9 - depth) / 0.25, 0, 1)[..., None].repeat(3, -1)
            rows.append(np.concatenate([self.others.colour[index], _bytes(colour), _bytes(grey)], axis=0))
        image.save(folder / "views.png", np.concatenate(rows, axis=1))


def seen_by(views: face_scene.Views, view, pixels) -> rays.Rays:
    """Rays through `pixels` of pictures number `view`, in the field's space."""
    through = rays.through(views.camera, pixels)
    each = jax.tree.map(lambda x: x[:, None], through)
    turned = rays.relative(each, jnp.asarray(views.rotation)[view], jnp.asarray(views.translation)[view])
    return rays.Rays(turned.origin[:, 0] / UNIT, turned.direction[:, 0])


def _bytes(picture) -> np.ndarray:
    return (255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8)
