"""`jaxtalk bench`: how fast a config trains here, and how fast the shipped networks listen and draw."""

import dataclasses
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxtalk.errors import InputError
from jaxtalk.systems.bench_options import BenchOptions
from jaxtalk.train import bench, distributed, measure
from jaxtalk.train.bench import Line
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.mesh import MeshShape


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfigOptions(BenchOptions):
    """What can be told of a config's benchmarks beside."""

    mesh: MeshShape = MeshShape()
    """How devices share the work; the config's own way if nothing is given."""
    folder: Path | None = None
    """Where checkpoints are written and removed again; where temporary files go if not given."""


def run(names: list[str], experiment: Experiment | None, options: BenchOptions, command: str) -> Iterator[str]:
    """Times what `names` say, one after another; yields lines of JSON, which also go to `options.output`.

    With an experiment the options are `ConfigOptions`.
    `command` is what was asked for, for the record. Of several processes the first one yields.

    Raises:
        InputError: an option is wrong, the output cannot be written, or the config's data are not there.
    """
    if options.rounds < 1 or not options.round_seconds >= 0 or not 64 <= options.side <= 2048 or options.side % 2:
        raise InputError("--rounds must be 1 or more, --round-seconds 0 or more, --side 64 to 2048 and even")
    about = {"command": f"jaxtalk bench {command}".strip(), "environment": measure.environment()}
    parts = None
    if experiment:
        parts = bench.Bench(experiment, options.mesh, options.rounds, options.round_seconds, options.folder)
        about = {"config": experiment.name, "mesh": str(parts.shape)} | about
    if options.output:
        _append(options.output, "")
    for name in names:
        for line in inference(options) if name == "inference" else getattr(parts, name)():
            text = json.dumps({"benchmark": line.pop("benchmark")} | line | about)
            if distributed.first():
                if options.output:
                    _append(options.output, text + "\n")
                yield text


def inference(options: BenchOptions) -> list[Line]:
    """The sample of speech is heard, and frames of the sample portrait are drawn, as `jaxtalk talk` does it."""
    from jaxtalk.audio import load
    from jaxtalk.systems import analyse, heard, listen
    from jaxtalk.systems.talk_options import TalkOptions

    samples = Path(str(resources.files("jaxtalk") / "samples"))
    talk = TalkOptions(portrait=samples / "portrait.jpg", size=options.side)
    wave = load.load(samples / "speech.flac")

    def hear(count: int):
        for _ in range(count):
            motion = heard.motion(talk, wave)
            jax.block_until_ready((motion.expression, motion.rotation, motion.translation))
        return motion

    portrait, looked = measure.timed(analyse.portrait, talk)
    place = jnp.arange(talk.batch)
    motion, heard_first = measure.timed(hear, 1)
    tracks = [track[place] for track in portrait.tracks(motion)]

    def draw(count: int) -> None:
        jax.block_until_ready([portrait.draw(*tracks) for _ in range(count)])

    lines = []
    for part, call in {"listening": hear, "drawing": draw}.items():
        taken, count = bench.repeated(call, options.rounds, options.round_seconds)
        figures = measure.figures(taken)
        numbers = {"first_s": taken[0].seconds, "calls": count, "peak_gb": measure.peak_gb()}
        if part == "listening":
            numbers |= {
                "first_s": heard_first.seconds,
                "times_real_time": len(wave) / listen.RATE / figures["median_s"],
            }
        else:
            numbers |= {"frames_per_s": talk.batch / figures["median_s"], "side": options.side, "frames": talk.batch}
            numbers["portrait_s"] = looked.seconds  # finding and fitting the face, once a portrait, cold
        lines.append({"benchmark": f"inference_{part}"} | figures | numbers)
    return lines


def _append(path: Path, text: str) -> None:
    try:
        with open(path, "a") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
