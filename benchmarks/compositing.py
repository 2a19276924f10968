"""Compositing in several formulations, and marching: milliseconds and memory. JSON lines.

    python benchmarks/compositing.py                        4096 rays of 64 samples, 65536 of 16, 4096 of 256
    python benchmarks/compositing.py --shape 4096x64        only this one
    python benchmarks/compositing.py --march                marching and packing of 65536 rays instead

Each formulation computes colour, depth and opacity (`forward`), and the gradients of a weighted sum of them for density
and colour besides (`both`); all take turns. `ours` is `jaxtalk.render.compositing`; `rule` is its cumulative sum with
the derivative by hand (closed form, `custom_jvp`); `matrix` a product with a triangular matrix; `shifts` log-step
shifts; `scan` goes from sample to sample. `torch` is what NeRF code in PyTorch does, a cumulative product, where
PyTorch is installed; it is a process of its own. `cpu_ms` is what all threads worked, which other work on the machine
disturbs less than `ms`, but PyTorch's threads work while they wait for each other, and that counts. `temp_mb` is what
XLA wants beside arguments and results; `difference` is the largest one of the gradients for density from those of
`ours`, relative to the largest.
"""

import argparse
import importlib.util
import os

import numpy as np
import timing

from jaxtalk.train import measure

SHAPES = ("4096x64", "65536x16", "4096x256")


def operands(rays: int, samples: int) -> list[np.ndarray]:
    """Density, width, colour, distance."""
    rng = np.random.default_rng(0)
    width = rng.uniform(0.02, 0.08, (rays, samples))
    given = 5 * rng.random((rays, samples)), width, rng.random((rays, samples, 3)), np.cumsum(width, -1)
    return [array.astype(np.float32) for array in given]


def formulations() -> dict:
    """Weights of samples from density times width."""
    import jax
    import jax.numpy as jnp

    from jaxtalk.render.compositing import before

    @jax.custom_jvp
    def rule(depth):
        return -jnp.expm1(-depth) * jnp.exp(-before(depth))

    @rule.defjvp
    def _(given, tangents):
        (depth,), (tangent,) = given, tangents
        light = jnp.exp(-before(depth))
        weights = -jnp.expm1(-depth) * light
        return weights, (light - weights) * tangent - weights * before(tangent)

    def matrix(depth):
        above = jnp.triu(jnp.ones((depth.shape[-1],) * 2), 1)
        return -jnp.expm1(-depth) * jnp.exp(-jnp.matmul(depth, above, precision="highest"))

    def shifts(depth):
        total, step = jnp.pad(depth[:, :-1], ((0, 0), (1, 0))), 1
        while step < depth.shape[-1]:
            total, step = total + jnp.pad(total[:, :-step], ((0, 0), (step, 0))), 2 * step
        return -jnp.expm1(-depth) * jnp.exp(-total)

    def scan(depth):
        def sample(light, depth):
            weight = -light * jnp.expm1(-depth)
            return light - weight, weight

        return jax.lax.scan(sample, jnp.ones(len(depth)), depth.T)[1].T

    return {"rule": rule, "matrix": matrix, "shifts": shifts, "scan": scan}


def calls(shape: str) -> tuple[dict, dict]:
    """A call for each formulation and pass; and the memory of each in MB."""
    import jax
    import jax.numpy as jnp

    from jaxtalk.render import compositing

    density, width, colour, distance = map(jnp.asarray, operands(*map(int, shape.split("x"))))
    draws = {"ours": compositing.composite}
    for name, weigh in formulations().items():
        draws[name] = lambda density, width, colour, distance, weigh=weigh: compositing.accumulate(
            weigh(density * width), colour, distance
        )
    found, memory = {}, {}
    for name, draw in draws.items():

        def both(density, width, colour, distance, draw=draw):
            drawn, pull = jax.vjp(lambda density, colour: draw(density, width, colour, distance), density, colour)
            return drawn, pull(jax.tree.map(jnp.ones_like, drawn))

        for part, function in (("forward", draw), ("both", both)):
            compiled = jax.jit(function).lower(density, width, colour, distance).compile()
            memory[name, part] = compiled.memory_analysis().temp_size_in_bytes / 1e6
            found[name, part] = lambda compiled=compiled: jax.block_until_ready(
                compiled(density, width, colour, distance)
            )
    return found, memory


def theirs(shape: str, part: str) -> None:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    density, width, colour, distance = map(torch.from_numpy, operands(*map(int, shape.split("x"))))

    def run():
        given = [array.detach().requires_grad_(part == "both") for array in (density, colour)]
        alpha = 1 - torch.exp(-given[0] * width)
        light = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha[:, :-1]], -1), -1)
        weights = alpha * light
        drawn = (weights[..., None] * given[1]).sum(-2), (weights * distance).sum(-1), weights.sum(-1)
        if part == "both":
            sum(array.sum() for array in drawn).backward()
        return drawn

    timing.serve(run)


def composite(shape: str, rounds: int) -> None:
    found, memory = calls(shape)
    gradients = {name: np.asarray(call()[1][0]) for (name, part), call in found.items() if part == "both"}
    for part in ("forward", "both"):
        sides = {name: lambda call=call: measure.timed(call)[1] for (name, of), call in found.items() if of == part}
        workers = {}
        if importlib.util.find_spec("torch"):
            workers["torch"] = timing.Worker("--side", part, "--shape", shape)
        taken = measure.turns(sides | {name: worker.time for name, worker in workers.items()}, rounds)
        for worker in workers.values():
            worker.finish()
        line = timing.about("compositing", shape=shape, part=part)
        for name, each in taken.items():
            figures = measure.figures(each)
            line[name] = {"ms": 1e3 * figures["median_s"], "cpu_ms": 1e3 * figures["cpu_s"]}
            if (name, part) in memory:
                line[name]["temp_mb"] = memory[name, part]
            if part == "both" and name in gradients:
                error = np.abs(gradients[name] - gradients["ours"]).max() / np.abs(gradients["ours"]).max()
                line[name]["difference"] = float(error)
        timing.show(line)


def march(rounds: int) -> None:
    """Rays of a picture of 256 x 256 through a ball that fills a third of it."""
    import jax
    import jax.numpy as jnp

    from jaxtalk.face.camera import Pinhole
    from jaxtalk.render import march, occupancy, rays

    camera = Pinhole(jnp.asarray(600.0), jnp.asarray([128.0, 128.0]), jnp.asarray(3.0))
    for most in (16, 64):
        lattice = march.Lattice(most=most)
        given = rays.through(camera, rays.pixels(256, 256).reshape(-1, 2))
        piece = rays.box(given, jnp.asarray([-1.0, -0.5, -1.0]), jnp.asarray([1.0, 0.5, 1.0]))
        occupied = jnp.linalg.norm(occupancy.places(lattice.cells), axis=-1) < 0.4
        walk = jax.jit(lambda *given, lattice=lattice: march.march(*given, lattice))
        samples = jax.block_until_ready(walk(given, *piece, occupied))
        budget = int(samples.there.sum())
        pack = jax.jit(lambda samples, budget=budget: march.pack(samples, budget))
        packed, values = pack(samples), jnp.ones((budget, 4))
        unpack = jax.jit(lambda packed, values, most=most: march.unpack(packed, values, most))
        back = jax.jit(
            lambda packed, values, most=most: jax.grad(lambda v: march.unpack(packed, v, most).sum())(values)
        )
        sides = {
            "march": lambda walk=walk, piece=piece, occupied=occupied, given=given: walk(given, *piece, occupied),
            "pack": lambda pack=pack, samples=samples: pack(samples),
            "unpack": lambda unpack=unpack, packed=packed, values=values: unpack(packed, values),
            "unpack gradient": lambda back=back, packed=packed, values=values: back(packed, values),
        }
        timed = {
            name: lambda call=call: measure.timed(lambda: jax.block_until_ready(call()))[1]  # noqa: B023
            for name, call in sides.items()
        }
        line = timing.about("marching", rays=256 * 256, most=most, lattice=lattice.length, samples=budget)
        for name, each in measure.turns(timed, rounds).items():
            figures = measure.figures(each)
            line[name] = {"ms": 1e3 * figures["median_s"], "cpu_ms": 1e3 * figures["cpu_s"]}
        timing.show(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", help="rays x samples")
    parser.add_argument("--march", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--side", choices=("forward", "both"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return theirs(options.shape, options.side)
    if options.march:
        return march(options.rounds)
    for shape in [options.shape] if options.shape else SHAPES:
        composite(shape, options.rounds)


if __name__ == "__main__":
    main()
