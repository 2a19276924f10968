"""Frames a second of CodeTalker and FaceFormer, ours and as published in PyTorch. Prints JSON lines.

    pip install 'jaxtalk[bench]'
    python benchmarks/mesh_speed.py --seconds 10 20                     all sides, half the published widths
    python benchmarks/mesh_speed.py --linear --plot docs/images/mesh_linear.png     ours, up to 3,000 frames
    python benchmarks/mesh_speed.py --network FOLDER SPEECH...          how far the fast way is from the exact one

Sizes: VOCASET's 5,023 vertices at 30 frames a second; `published` widths (CodeTalker 1024, FaceFormer 64) or `half` or
a `quarter` of CodeTalker's. Parameters are random and the same on both sides; speech is random rows, since the speech
encoder runs once a clip and is the same work on both sides. PyTorch computes all frames so far anew for each
(`torch_mesh.py`).

    exact    each frame fed back from decoding all frames so far, as published; `apart` is from PyTorch's numbers
    fast     fed back from a window of the newest 32 frames, with 600 frames of the past; decoded together once at the
             end; `apart` is from exact

`apart`: largest distance of a vertex over the root mean square of its motion. `faster` is PyTorch's time over ours,
`cpu_ratio` that of what all threads worked, which a busy machine disturbs less: keep to one core there (taskset), as
PyTorch's threads work while they wait. Each side is a process of its own, one after another; ours is timed at its
second call (the first compiles), PyTorch at its first, after a short clip.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import timing

from jaxtalk.train import measure

FPS, SPEECH = 30, 64  # numbers of a row of speech
LENGTHS = (150, 300, 600, 1200, 2000, 3000)  # frames
LONGEST_EXACT = 1200
WIDTHS = {"published": 1024, "half": 512, "quarter": 256}
WINDOW, PAST = 32, 600  # frames; the second: all that published networks can see


def networks(kind: str, size: str):
    """Model and prior; None for FaceFormer."""
    from jaxtalk.models import codetalker, faceformer, motion_decoder, motion_vqvae

    if kind == "faceformer":
        return faceformer.FaceFormer(motion_decoder.Config(speech=None)), None
    width = WIDTHS[size]
    decoder = motion_decoder.Config(width=width, layers=6, hidden=2 * width, speech=None)
    model = codetalker.CodeTalker(codetalker.Config(decoder=decoder, features=width))
    return model, motion_vqvae.MotionVqvae(
        motion_vqvae.Config(width=width, hidden=3 * width // 2, code_width=width // 16)
    )


def variables(model, prior):
    """Random ones, so that layers keep the size of what they are given."""
    import jax
    import jax.numpy as jnp

    coordinates, styles = 15069, 8
    shapes = [
        jax.eval_shape(
            lambda: model.init(
                jax.random.key(0), jnp.zeros((1, 4, SPEECH)), jnp.zeros((1, 4, coordinates)), jnp.zeros((1, styles))
            )
        )
    ]
    if prior:
        shapes.append(jax.eval_shape(lambda: prior.init(jax.random.key(0), jnp.zeros((1, 4, coordinates)))))
    draw = np.random.default_rng(0)

    def fill(path, leaf):
        name = path[-1].key
        if name == "scale":
            return np.ones(leaf.shape, np.float32)
        fan = np.prod(leaf.shape[:-1]) if name == "kernel" else 1 if name in ("codes", "styles") else 100
        return (draw.standard_normal(leaf.shape) / np.sqrt(fan)).astype(np.float32)

    return [jax.tree_util.tree_map_with_path(fill, shape) for shape in shapes]


def spoken(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of speech and a style."""
    rows = np.random.default_rng(1).standard_normal((frames, SPEECH))
    smooth = np.stack([np.convolve(row, np.ones(5) / 5, "same") for row in rows.T], -1)
    return smooth.astype(np.float32), np.eye(8, dtype=np.float32)[0]


def ours(kind: str, way: str, size: str, frames: int):
    """A call that animates, and what it gives as numpy."""
    import jax
    import jax.numpy as jnp

    from jaxtalk.models import codetalker, faceformer

    model, prior = networks(kind, size)
    given = variables(model, prior)
    rows, style = spoken(frames)

    @jax.jit
    def animate(given, rows, style):
        speech = model.apply(given[0], rows[None], method="listen")
        if kind == "faceformer":
            return faceformer.generate(model, given[0], speech, style[None])[0]
        window, past = (WINDOW, min(PAST, frames)) if way == "fast" else (None, None)
        both = codetalker.Variables(*given)
        return codetalker.generate(model, prior, both, speech, style[None], window, past=past).motion[0]

    given = jax.tree.map(jnp.asarray, given)
    return lambda: np.asarray(animate(given, rows, style))


def torch_side(kind: str, size: str, frames: int, folder: Path):
    """The same in PyTorch."""
    import torch_mesh

    from jaxtalk.io import weights

    model, prior = networks(kind, size)
    decoder = model.config if kind == "faceformer" else model.config.decoder
    config = {name: getattr(decoder, name) for name in ("width", "layers", "heads", "period", "moments")}
    if prior:
        config |= {"code_width": prior.config.code_width, "prior_heads": prior.config.heads}
        config |= {"prior_layers": prior.config.layers}
    given = variables(model, prior)
    arrays = {f"params/{key}": x for key, x in weights.flatten(given[0]["params"]).items()}
    if prior:
        arrays |= {f"prior/{key}": x for key, x in weights.flatten(given[1]["params"]).items()}

    def side(count: int):
        rows, style = spoken(count)
        np.savez(folder / "given.npz", rows=rows, style=style, **arrays)
        return torch_mesh.Side(kind, folder / "given.npz", config)

    side(10).run()
    return side(frames).run


def serve(options) -> None:
    """A side: one line with what it took, and its motion in a file."""
    kind, way, frames = options.side[0], options.side[1], int(options.side[2])
    with tempfile.TemporaryDirectory() as folder:
        if way == "pytorch":
            call = torch_side(kind, options.size, frames, Path(folder))
        else:
            call = ours(kind, way, options.size, frames)
            call()
        motion, taken = measure.timed(call)
    np.save(options.result, motion)
    timing.show({"seconds": taken.seconds, "cpu_s": taken.cpu, "peak_gb": measure.peak_gb()})


def timed(kind: str, way: str, size: str, frames: int, folder: Path) -> tuple[dict, np.ndarray]:
    """One side in a process of its own: its line and its motion [t, v, 3]."""
    import json

    result = folder / f"{kind}_{way}_{frames}.npy"
    command = [sys.executable, sys.argv[0], "--side", kind, way, str(frames), "--size", size, "--result", str(result)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{kind} {way}: failed\n{done.stderr[-2000:]}")
    taken = json.loads(done.stdout.splitlines()[-1])
    motion = np.load(result)
    line = timing.about("mesh_speed", network=kind, way=way, size=size, frames=frames)
    line |= {**taken, "frames_per_s": frames / taken["seconds"], "real_time": frames / FPS / taken["seconds"]}
    return line, motion.reshape(len(motion), -1, 3)


def apart(motion: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance of a vertex, over the root mean square of the motion."""
    return float(np.linalg.norm(motion - truth, axis=-1).max() / np.sqrt((truth**2).sum(-1).mean()))


def compare(options, folder: Path) -> None:
    for seconds in options.seconds:
        frames = round(seconds * FPS)
        for kind, ways in (("faceformer", ("exact",)), ("codetalker", ("exact", "fast"))):
            seen = {}
            for way in (*ways, *([] if options.ours else ["pytorch"])):
                seen[way] = timed(kind, way, options.size, frames, folder)
            for way, (line, motion) in seen.items():
                if way != "pytorch" and "pytorch" in seen:
                    theirs = seen["pytorch"][0]
                    line |= {
                        "faster": theirs["seconds"] / line["seconds"],
                        "cpu_ratio": theirs["cpu_s"] / line["cpu_s"],
                    }
                truth = seen.get("pytorch" if way == "exact" else "exact")
                if way != "pytorch" and truth:
                    line |= {"apart": apart(motion, truth[1])}
                timing.show(line)


def linear(options, folder: Path) -> None:
    """Time over length, and a plot of it."""
    found = {}
    for way in ("fast", "exact"):
        for frames in LENGTHS:
            if way == "fast" or frames <= LONGEST_EXACT:
                line, _ = timed("codetalker", way, options.size, frames, folder)
                timing.show(line)
                found.setdefault(way, []).append((frames, line["cpu_s"]))
    if options.plot:
        draw(found, options.plot, options.size)


def draw(found: dict, path: Path, size: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), dpi=120)
    for way, points in found.items():
        axes.plot(*zip(*points, strict=True), "o-", label=way)
    frames, seconds = found["fast"][-1]
    axes.plot([0, frames], [0, seconds], ":", color="grey", label="a straight line")
    axes.set(xlabel="frames", ylabel="seconds of work", title=f"CodeTalker, {size} of the published width")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def trained(options) -> None:
    """On real speech through a trained network: how many vertices the fast way moves elsewhere, and how far."""
    from jaxtalk.audio import load
    from jaxtalk.systems import mesh_networks

    network = mesh_networks.load(options.network)
    for path in options.speech:
        sound = mesh_networks.listen(network, load.load(path)[: int(options.seconds[0] * 16_000)])
        made = {window: mesh_networks.animate(network, sound, mesh_networks.style(network), window or None)
                for window in (0, *options.windows)}  # fmt: skip
        truth = mesh_networks.offsets(network, made[0])
        for window in options.windows:
            far = np.linalg.norm(mesh_networks.offsets(network, made[window]) - truth, axis=-1)
            line = timing.about("mesh_windows", speech=path.stem, window=window, frames=len(truth))
            size = float(np.sqrt((truth**2).sum(-1).mean()))
            timing.show(line | {"mean": float(far.mean()), "largest": float(far.max()), "motion": size})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path, nargs="*")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 20.0])
    parser.add_argument("--size", choices=WIDTHS, default="half")
    parser.add_argument("--ours", action="store_true", help="leave PyTorch out")
    parser.add_argument("--linear", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--windows", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return serve(options)
    if options.network:
        return trained(options)
    with tempfile.TemporaryDirectory() as folder:
        (linear if options.linear else compare)(options, Path(folder))


if __name__ == "__main__":
    main()
