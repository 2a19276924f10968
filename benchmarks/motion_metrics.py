"""Throughput of the metrics of motion. Prints JSON lines.

    python benchmarks/motion_metrics.py                   32 clips of 10 s at 25 frames/s; 4 clips of 5,023 vertices
    python benchmarks/motion_metrics.py --only lip_dtw

`first_s` is the first call (compilation), `median_s` and `spread` are of the calls after it on arrays that are on the
device; `of_real_time` is seconds of clips judged in a second. `plain_s` is the same in numpy, of DTW in librosa, one
clip after another, on one core.
"""

import argparse

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import timing

from jaxtalk.metrics import (
    blinks,
    codebook,
    expression_distance,
    head_motion,
    jitter,
    landmark_distance,
    lip_dtw,
    lip_vertices,
)
from jaxtalk.train import measure

FPS = 25


def cases(clips: int, seconds: float, meshes: int, vertices: int) -> dict:
    """Name: (metric, its arrays, the same in numpy or None, clips)."""
    frames, rng = int(seconds * FPS), np.random.default_rng(0)
    normal = lambda *shape: rng.standard_normal(shape, np.float32)  # noqa: E731
    points, expression, pose, opening = (
        [normal(clips, frames, *shape) for _ in range(2)] for shape in ((68, 2), (64,), (6,), (1,))
    )
    mesh, template = [normal(meshes, frames, vertices, 3) for _ in range(2)], normal(meshes, vertices, 3)
    lips, upper = (rng.choice(vertices, vertices // part, replace=False) for part in (20, 6))
    audio = np.sort(rng.uniform(0, seconds, (clips, int(6 * seconds))).astype(np.float32))
    eyes = np.abs(normal(clips, frames))
    codes = rng.integers(0, 256, (clips, frames))

    def lip_error(a, b, lips):
        return np.linalg.norm(a[..., lips, :] - b[..., lips, :], axis=-1).max(-1)

    def deviation(a, b, template, upper):
        dynamics = (np.linalg.norm((x - template[:, None])[:, :, upper], axis=-1).std(1).mean(-1) for x in (b, a))
        return next(dynamics) - next(dynamics)

    def warp(a, b):
        return [librosa.sequence.dtw(x.T, y.T, metric="euclidean") for x, y in zip(a, b, strict=True)]

    def beats(pose, audio):
        return head_motion.beat_alignment(audio, head_motion.motion_beats(pose, FPS))

    return {
        "landmark_distance": (
            landmark_distance.landmark_distance,
            points,
            lambda a, b: np.linalg.norm(a[..., 48:, :] - b[..., 48:, :], axis=-1).mean(-1),
            clips,
        ),
        "expression_distance": (
            jax.jit(expression_distance.expression_distance),
            expression,
            lambda a, b: np.abs(a - b).mean(-1),
            clips,
        ),
        "acceleration": (
            lambda x: jitter.acceleration(x, FPS),
            points[:1],
            lambda x: np.linalg.norm(np.diff(x, 2, axis=1), axis=-1).mean(-1) * FPS**2,
            clips,
        ),
        "lip_dtw": (lip_dtw.lip_dtw, opening, warp, clips),
        "lip_dtw, band of 0.5 s": (lambda a, b: lip_dtw.lip_dtw(a, b, band=FPS // 2), opening, None, clips),
        "lip_dtw, 20 points": (lip_dtw.lip_dtw, [x[:, :, 48:].reshape(clips, frames, 40) for x in points], warp, clips),
        "diversity": (head_motion.diversity, pose[:1], lambda x: x.std(1).mean(-1), clips),
        "beat_alignment": (beats, [pose[0], audio], None, clips),
        "blinks": (lambda x: blinks.blinks(x, FPS), [eyes], None, clips),
        "codebook": (lambda x: codebook.CodebookUse.of(x, 256).perplexity(), [codes], None, clips),
        "lip_vertex_error": (lip_vertices.lip_vertex_error, [*mesh, lips], lip_error, meshes),
        "vertex_error": (
            lip_vertices.vertex_error,
            mesh,
            lambda a, b: np.linalg.norm(a - b, axis=-1).mean(-1),
            meshes,
        ),
        "dynamics_deviation": (lip_vertices.dynamics_deviation, [*mesh, template, upper], deviation, meshes),
    }


def taken_by(call, arrays, rounds: int) -> list[measure.Taken]:
    """What the calls take after a first one."""
    wait = lambda: measure.timed(lambda: jax.block_until_ready(call(*arrays)))[1]  # noqa: E731
    return measure.turns({"": wait}, rounds)[""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each clip")
    parser.add_argument("--meshes", type=int, default=4, help="clips of meshes")
    parser.add_argument("--vertices", type=int, default=5023)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", help="metrics whose name begins so")
    options = parser.parse_args()
    about = timing.about("motion_metrics", device=jax.devices()[0].device_kind, fps=FPS)
    every = cases(options.clips, options.seconds, options.meshes, options.vertices)
    for name, (metric, arrays, plain, clips) in every.items():
        if options.only and not name.startswith(options.only):
            continue
        taken = taken_by(metric, [jnp.asarray(x) for x in arrays], options.rounds)
        figures = measure.figures(taken)
        result = {"metric": name, "clips": clips, "seconds": options.seconds, "shape": list(arrays[0].shape)}
        result |= {"first_s": taken[0].seconds} | figures
        result["of_real_time"] = round(clips * options.seconds / figures["median_s"])
        if plain:
            result["plain_s"] = measure.figures(taken_by(plain, arrays, 3))["median_s"]
        timing.show(about | result)


if __name__ == "__main__":
    main()
