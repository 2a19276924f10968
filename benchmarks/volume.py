"""Rays and samples a second of whole radiance fields, ours and PyTorch's; pictures and their memory. JSON lines.

    pip install 'jaxtalk[bench]'
    python benchmarks/volume.py                                            all fields; rays, gradients and pictures
    taskset -c 0 python benchmarks/volume.py --fields radnerf_64 --works forward both --compile

Fields: `instant_ngp` (a hashed grid, width 64), `radnerf_64` and `radnerf_128` (tiled grids of space and of the plane
of appearances; the widths of RAD-NeRF and GeneFace) and `adnerf` (two deep perceptrons, 64 and 128 + 64 samples). A
ball is occupied, about as large as a head in its picture; rays are those of pixels at random, each with at most 16
samples. `adnerf`, which samples all of space, gets a 64th of the rays. Parameters are random, so the fields are thin.

    forward   colour, depth and opacity of rays
    both      that, and the gradient of all parameters
    picture   ours only: frames of 256 and 512 pixels a side, RAD-NeRF's with torso and background
              (`avatar_field.picture`). `thin` as the fields are, so that every sample is asked for; `dense` with a
              density of about 100 a unit, so that rays are dark after four steps or so, as at a surface

Ours finds its samples in that time (marching; a second look where the first found weight). PyTorch's side
(`torch_field.py`) is handed them and computes on the same parameters: `plain` as one writes it first; `planes` with the
quickest way to read grids that was found; `compiled` is that under torch.compile, if `--compile` asks for it. Results
are compared, and the script fails where they differ. Each side is a process of its own; they take turns. `ratio` is
PyTorch's time over ours, `cpu_ratio` that of what all threads worked at least, which a busy machine disturbs less: keep
to one core there, as PyTorch's threads work while they wait. `temp_mb` is what XLA wants beside arguments and results;
for `adnerf`, whose pictures take minutes, that of a picture of 256 without drawing it. All processes get malloc
thresholds that keep freed memory.
"""

import argparse
import functools
import importlib.util
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import timing
from sadtalker_networks import MALLOC, version

from jaxtalk.train import measure

FIELDS = ("instant_ngp", "radnerf_64", "radnerf_128", "adnerf")
WORKS = ("forward", "both", "picture")
SIZES = (256, 512)
RADIUS = 0.55  # of the occupied ball; space ends at 1
CLOSE = {"outputs": 1e-4, "gradients": 1e-2}  # differences that rounding explains, relative


class Ours:
    """A field with random parameters before a camera."""

    def __init__(self, name: str, rays: int):
        import jax
        import jax.numpy as jnp

        from jaxtalk.face.camera import Pinhole
        from jaxtalk.render import march, occupancy, volume
        from jaxtalk.render import rays as ray_casting

        self.name, draw = name, np.random.default_rng(0)
        self.told = {"condition": draw.standard_normal(64, np.float32), "code": draw.standard_normal(4, np.float32)}
        self.lattice = march.Lattice()
        matter = jnp.linalg.norm(occupancy.places(self.lattice.cells), axis=-1) < RADIUS
        self.space = volume.Box(-jnp.ones(3), jnp.ones(3), matter)
        camera = Pinhole(jnp.asarray(600.0), jnp.asarray([128.0, 128.0]), jnp.asarray(3.5))
        pixels = draw.uniform(0, 256, (rays // 64 if name == "adnerf" else rays, 2)).astype(np.float32)
        self.rays = ray_casting.through(camera, jnp.asarray(pixels))
        self.params = _random(jax.eval_shape(self._init), draw)

    def _init(self):
        import jax
        import jax.numpy as jnp

        rng, place = jax.random.key(0), jnp.zeros((1, 3))
        if self.name == "adnerf":
            each = [self.module.init(rng, place, place, self.told["condition"])["params"] for _ in range(2)]
            return {"coarse": each[0], "fine": each[1]}
        told = () if self.name == "instant_ngp" else (self.told["condition"], self.told["code"])
        return self.module.init(rng, place, place, *told)["params"]

    @functools.cached_property
    def module(self):
        from jaxtalk.models import adnerf, instant_ngp, radnerf

        if self.name == "adnerf":
            return adnerf.Field()
        if self.name == "instant_ngp":
            return instant_ngp.Field()
        return radnerf.Head(radnerf_config(self.name))

    def field(self, params):
        import jax

        def ask(points, directions):
            if self.name == "instant_ngp":
                return self.module.apply({"params": params}, points, directions)
            condition = self.told["condition"]
            if self.name == "adnerf":
                density, colour = self.module.apply({"params": params}, points, directions, condition)
                return jax.nn.relu(density), jax.nn.sigmoid(colour)
            sample = self.module.apply({"params": params}, points, directions, condition, self.told["code"])
            return sample.density, sample.colour

        return ask

    @functools.cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """Where the field is asked: what PyTorch is handed."""
        import jax
        import jax.numpy as jnp

        from jaxtalk.render import march, ray_samples, rays, volume

        near, far = rays.box(self.rays, self.space.low, self.space.high)
        if self.name != "adnerf":
            walk = jax.jit(lambda: march.march(self.rays, near, far, self.space.occupied, self.lattice))
            return {key: np.asarray(value) for key, value in walk()._asdict().items()}

        @jax.jit
        def find(params):
            coarse = ray_samples.stratified(near, far, 64)
            weights = volume._sampled(self.field(params["coarse"]), self.rays, coarse, ray_samples.FOREVER)[1]
            more = ray_samples.importance(ray_samples.middles(coarse), weights[:, 1:-1], 128)
            return {"coarse": coarse, "fine": jnp.sort(jnp.concatenate([coarse, more], -1), -1)}

        return {key: np.asarray(value) for key, value in find(self.params).items()}

    @property
    def count(self) -> int:
        """Samples that the field is asked for."""
        return (
            sum(x.size for x in self.samples.values()) if self.name == "adnerf" else (self.samples["width"] > 0).sum()
        )

    def seen(self, params, rays):
        """What rays see: composites of the coarse and the fine field, or of the only one."""
        from jaxtalk.render import rays as ray_casting
        from jaxtalk.render import volume

        if self.name == "adnerf":
            piece = ray_casting.box(rays, self.space.low, self.space.high)
            return volume.layered(self.field(params["coarse"]), self.field(params["fine"]), rays, *piece)
        budget = -(-int(self.count) // 1024) * 1024
        return (volume.marched(self.field(params), rays, self.space, self.lattice, budget).seen,)

    def work(self, work: str):
        """A function of parameters and rays."""
        import jax

        if work == "forward":
            return self.seen

        def loss(params, rays):
            seen = self.seen(params, rays)
            return sum((each.values**2).mean() for each in seen), seen

        def both(params, rays):
            gradient, seen = jax.grad(loss, has_aux=True)(params, rays)
            return seen, gradient

        return both


def radnerf_config(name: str):
    from jaxtalk.models import radnerf

    width = int(name.split("_")[1])
    return radnerf.Config(width=width, geometry=width, frames=1)


def grids() -> dict:
    """Configs of grids, by their names among the parameters. The torso's is as that of the plane of appearances."""
    from jaxtalk.models import instant_ngp, radnerf

    head = radnerf.Config()
    return {"grid": instant_ngp.Config().grid, "position_grid": head.position_grid, "ambient_grid": head.ambient_grid}


def _random(shapes, draw):
    """Kernels that keep activations about as they are, and tables whose fine levels add little to coarse ones.

    If all levels were as large, the gradient of the plane of appearances would jump wherever rounding takes a place
    across an edge of a fine cell, and no two computations would agree.
    """
    import jax
    import jax.numpy as jnp

    configs = {config.rows: config for config in grids().values()}

    def leaf(path, shape):
        values = draw.standard_normal(shape.shape, np.float32)
        if path[-1].key == "table":
            grid = configs[len(values)]
            fall = grid.growth ** -np.arange(grid.levels, dtype=np.float32)
            scale = 0.3 * np.repeat(fall, grid.level_rows)[:, None]
        else:
            scale = 0.1 if values.ndim == 1 else (2 / len(values)) ** 0.5
        if path[-2:][0].key == "density" and values.ndim == 1:
            values += 20  # or a ReLU may leave the field empty
        return jnp.asarray(np.float32(scale) * values)

    return jax.tree_util.tree_map_with_path(leaf, shapes)


def ours(options) -> None:
    import flax.traverse_util
    import jax

    side, work = Ours(options.fields[0], options.rays), options.works[0]
    flat = {f"params/{key}": value for key, value in flax.traverse_util.flatten_dict(side.params, sep="/").items()}
    given = flat | {f"samples/{key}": value for key, value in side.samples.items()}
    given |= {f"told/{key}": value for key, value in side.told.items()} | side.rays._asdict()
    np.savez(options.folder / "given.npz", **given)
    call, taken = measure.timed(lambda: jax.jit(side.work(work)).lower(side.params, side.rays).compile())
    counted = {"rays": len(side.rays.origin), "samples": int(side.count)}
    memory = call.memory_analysis().temp_size_in_bytes / 1e6

    def last(result) -> dict:
        seen, gradient = result if work == "both" else (result, {})
        arrays = {f"outputs/{key}": x for key, x in enumerate(jax.tree.leaves(seen))}
        flat = flax.traverse_util.flatten_dict(gradient, sep="/")
        np.savez(options.folder / "ours.npz", **arrays, **{f"gradients/{key}": x for key, x in flat.items()})
        return {"temp_mb": memory}

    timing.serve(
        lambda: jax.block_until_ready(call(side.params, side.rays)), {"first_s": taken.seconds} | counted, last
    )


def theirs(options) -> None:
    import torch_field

    side = torch_field.Side(options.fields[0], options.works[0], options.side, options.folder / "given.npz", grids())

    def last(results: dict) -> dict:
        np.savez(options.folder / f"{options.side}.npz", **{key: x.cpu().numpy() for key, x in results.items()})
        return {}

    timing.serve(side.run, {"first_s": measure.timed(side.run)[1].seconds}, last)


def compare(options) -> dict:
    """All sides of one work of one field, in turns."""
    (name,), (work,) = options.fields, options.works
    sides = ["ours"]
    if importlib.util.find_spec("torch"):
        sides += (["plain"] if name == "adnerf" else ["plain", "planes"]) + ["compiled"] * options.compile
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--folder", folder, "--fields", name, "--works", work, "--rays", options.rays]
        workers = {side: timing.Worker("--side", side, *arguments) for side in sides}
        taken = measure.turns({side: worker.time for side, worker in workers.items()}, options.rounds)
        last = {side: worker.finish() for side, worker in workers.items()}
        results = {side: dict(np.load(Path(folder) / f"{side}.npz")) for side in sides}
    rays, samples = (workers["ours"].first[key] for key in ("rays", "samples"))
    line: dict = {"field": name, "work": work, "rays": rays, "samples": samples}
    for side in sides:
        figures = measure.figures(taken[side])
        rates = {"rays_per_s": rays / figures["median_s"], "samples_per_s": samples / figures["median_s"]}
        rates |= {"samples_per_cpu_s": samples / figures["least_cpu_s"], "first_s": workers[side].first["first_s"]}
        line[side] = figures | rates | last[side]
        if side != "ours":
            line[side]["differences"] = differences(results["ours"], results[side])
            line[side]["ratio"] = figures["median_s"] / line["ours"]["median_s"]
            line[side]["cpu_ratio"] = figures["least_cpu_s"] / line["ours"]["least_cpu_s"]
    return line


def differences(ours: dict, theirs: dict) -> dict[str, float]:
    """Of outputs and of gradients: the largest of all arrays', each as a whole relative to its size."""
    found: dict[str, float] = {}
    for key, value in ours.items():
        kind = key.split("/")[0]
        error = np.linalg.norm(value - theirs[key]) / np.linalg.norm(value)
        found[kind] = max(found.get(kind, 0.0), float(error))
        if not error < CLOSE[kind]:
            raise SystemExit(f"{key} differs from PyTorch's by {error}")
    return found


def picture(name: str, size: int, rounds: int) -> dict:
    """Frames of a field before the camera, ours only."""
    import jax
    import jax.numpy as jnp

    from jaxtalk.face.camera import Pinhole
    from jaxtalk.render import rays as ray_casting
    from jaxtalk.render import volume

    side = Ours(name, 64)
    if name.startswith("radnerf"):
        draw, params = avatar(side, size)
    else:
        camera = Pinhole(jnp.asarray(600.0 * size / 256), jnp.full(2, size / 2), jnp.asarray(3.5))
        given, params = ray_casting.through(camera, ray_casting.pixels(size, size).reshape(-1, 2)), side.params

        def see(params, piece):
            if name == "adnerf":
                return side.seen(params, piece)
            return volume.marched_in_rounds(side.field(params), piece, side.space, side.lattice)

        def draw(params):
            return volume.whole(functools.partial(see, params), given, 512 if name == "adnerf" else 8192)

    call, taken = measure.timed(lambda: jax.jit(draw).lower(params).compile())
    line = {"field": name, "work": "picture", "size": size, "first_s": taken.seconds}
    line["temp_mb"] = call.memory_analysis().temp_size_in_bytes / 1e6
    if name == "adnerf":
        return line
    thick = dense(side)
    looks = {"thin": params, "dense": params | {"head": thick} if "head" in params else thick}
    timed = {
        look: lambda params=params: measure.timed(lambda: jax.block_until_ready(call(params)))[1]
        for look, params in looks.items()
    }
    for look, each in measure.turns(timed, rounds).items():
        figures = measure.figures(each)
        line[look] = {"ms": 1e3 * figures["median_s"], "least_cpu_ms": 1e3 * figures["least_cpu_s"]}
    return line


def avatar(side: Ours, size: int):
    """A function that draws a frame of a person, and parameters whose head is that of `side`."""
    import jax
    import jax.numpy as jnp

    from jaxtalk.face.camera import Pinhole
    from jaxtalk.models import radnerf
    from jaxtalk.systems import avatar_field

    network = radnerf.RadNerf(radnerf_config(side.name))
    camera = Pinhole(jnp.asarray(600.0 * size / 256), jnp.full(2, size / 2), jnp.asarray(3.5 * avatar_field.UNIT))
    person = avatar_field.Avatar(network, side.lattice, camera, size)
    heard = network.config.condition
    windows = jnp.zeros((heard.smoothed, heard.window, 204))
    moment = avatar_field.Moment(windows, jnp.zeros(1), jnp.eye(3), jnp.zeros(3), jnp.eye(2, 3))
    place = jnp.zeros((1, 3))
    shapes = jax.eval_shape(
        lambda: network.init(jax.random.key(0), windows, place, place, place[:, :2], moment.pose, jnp.int32(0))
    )
    params = _random(shapes["params"], np.random.default_rng(0)) | {"head": side.params}
    background = jnp.ones((size, size, 3))

    def draw(params):
        return person.picture(params, side.space, moment, avatar_field.codes(params, 0), background)

    return draw, params


def dense(side: Ours, density: float = 100.0):
    """The field's parameters such that its density in the ball is about so much.

    The density's last layer then sums up what comes before, which is not negative, times what makes the mean right.
    """
    import jax

    last = max(side.params["density_mlp"])
    kernel = side.params["density_mlp"][last]

    def times(factor: float):
        layers = side.params["density_mlp"] | {last: kernel.at[:, 0].set(factor)}
        return side.params | {"density_mlp": layers}

    points = np.random.default_rng(0).uniform(-RADIUS, RADIUS, (1024, 3)).astype(np.float32) / 3**0.5
    found = jax.jit(lambda params: side.field(params)(points, points)[0])(times(0.1))
    return times(0.1 * np.log(density) / np.log(np.asarray(found)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rays", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which needs a C++ compiler")
    parser.add_argument("--side", choices=("ours", "picture", "plain", "planes", "compiled"), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "picture":
        return timing.show(picture(options.fields[0], options.size, options.rounds))
    if options.side:
        return (ours if options.side == "ours" else theirs)(options)
    os.environ |= {name: str(value) for name, value in MALLOC.items()}
    versions = {name: version(name) for name in ("jax", "jaxlib", "torch")}
    for name, work in itertools.product(options.fields, options.works):
        about = timing.about("volume", **versions, commit=measure.commit(), load=os.getloadavg()[0])
        if work == "picture":
            for size in SIZES[:1] if name == "adnerf" else SIZES:
                worker = timing.Worker(
                    "--side", "picture", "--fields", name, "--size", size, "--rounds", options.rounds
                )
                timing.show(about | worker.first)
        else:
            case = argparse.Namespace(**vars(options) | {"fields": [name], "works": [work]})
            timing.show(about | compare(case))


if __name__ == "__main__":
    main()
