"""How fast examples come from ArrayRecord, and whether that is enough.

    python benchmarks/loader.py --corpus data/corpus                 all parts; a corpus of 60 clips is made without
    python benchmarks/loader.py --only records --videos records/     windows of prepared videos instead of drawn ones

records    records of the corpus, windows of talking videos and of meshes: examples and MB for each second of one core
steps      for small configs: batches a second of the loader alone and of the train step alone, in turns
prefetch   a step with batches put on the device in the loop, by `grain.experimental.device_put`, and one ahead
need       what a device of the H200's class would take, from model FLOPs and the stated peak

A line of JSON each. "of a core": by CPU time, which other work on the machine disturbs less than the clock.
"""

import argparse
import dataclasses
import itertools
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grain
import jax
import numpy as np
import timing

from configs import face_vid2vid, hubert, lip_tcn
from jaxtalk.data import clip, clip_frames, corpus, mesh_clips, record_blocks, talking_videos, windows
from jaxtalk.data.corpus_options import CorpusOptions
from jaxtalk.models import hubert_pretrain, speech_encoder_flops
from jaxtalk.train import measure, mesh, parallel
from jaxtalk.train.experiment import Experiment

# NVIDIA's data sheet of the H200 SXM: 1,979 TFLOPS in bfloat16 with sparsity, half of it without.
PEAK = 989.5e12
SHARES = (0.35, 0.5)  # of the peak that training reaches: from what is usual to what HuBERT-large aims at
VERTICES = 5023  # of FLAME, on which VOCASET's meshes are


def about(part: str, **more) -> dict:
    return {"benchmark": "loader", "part": part, **more, **measure.environment(), "processor": _processor()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


# ---- records ---------------------------------------------------------------------------------------------------------


def records(options, folder: Path) -> None:
    """One thread, no worker: what one core gives."""
    speech = corpus.read(options.corpus, "train")
    _reading("corpus records", speech.seed(0).shuffle().repeat(), 1, options.seconds)
    _reading("corpus speech crops", _hubert(options).data(), 16, options.seconds, batched=True)
    found = [("2 frames of videos", _videos(options, folder, 2)), ("25 frames of videos", _videos(options, folder, 25))]
    for name, chosen in [*found, ("60 frames of meshes", _meshes(folder))]:
        stream = windows.stream([(chosen, 1.0)], batch=4, seed=0)
        _reading(f"windows of {name}", stream, 4, options.seconds, batched=True)


def _reading(name: str, dataset: grain.MapDataset, rows: int, seconds: float, batched: bool = False) -> None:
    stream = iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)))
    first = next(stream)
    size = sum(_bytes(value) for value in first.values())
    start, worked, count = time.perf_counter(), time.process_time(), 0
    while time.process_time() - worked < seconds:
        next(stream)
        count += 1
    cpu = time.process_time() - worked
    shapes = {key: list(np.shape(value)) for key, value in first.items()} if batched else {}
    result = {"what": name, "rows": rows, "shapes": shapes, "wall_s": time.perf_counter() - start, "cpu_s": cpu}
    result |= {"examples_of_a_core": count * rows / cpu, "mb_of_a_core": count * size / cpu / 1e6}
    timing.show(about("records") | result)


def _bytes(value) -> int:
    if isinstance(value, bytes):
        return len(value)
    value = np.asarray(value)
    return sum(map(len, value.ravel())) if value.dtype == object else value.nbytes


def _videos(options, folder: Path, frames: int) -> windows.Windows:
    """Windows of prepared videos; without a folder of them, of drawn ones of 256 pixels."""
    if options.videos is None:
        options.videos = folder / "videos"
        settings = {"version": talking_videos.VERSION}
        record_blocks.claim(options.videos, talking_videos.SETTINGS, settings, "set of talking videos")
        block = options.videos / "block-00000"
        made = list(_drawn(12))
        builder = talking_videos.TalkingVideos(
            records=lambda split: made, splits=["train"], data_dir=block, file_format="array_record"
        )
        record_blocks.write(builder, block)
        for path in (block / record_blocks.CLIPS, options.videos / record_blocks.SUMMARY):
            path.write_text("[]")
    source = talking_videos.read(options.videos, "train")
    lengths = windows.lengths(options.videos, "train", source, "landmarks")
    return windows.Windows(source, lengths, frames, windows.talking)


def _drawn(count: int) -> Iterator[tuple[str, dict]]:
    """Pieces of 100 frames that show five drawn pictures again and again."""
    for index in range(count):
        made = clip.make(0, index)
        drawn = clip_frames.render(made.only(np.arange(5)), 0, index, 256)
        times = np.arange(100)
        record = {
            "frames": [drawn.frames[k % 5] for k in times],
            "landmarks": np.asarray(drawn.landmarks)[times % 5],
            "camera": drawn.camera,
            "speech": np.resize(made.speech, 100 * clip.SAMPLES_PER_FRAME),
            "identity": made.identity,
            "start": 0,
        }
        tracks = {key: getattr(made, key)[times % 5] for key in ("expression", "rotation", "translation")}
        texts = dict.fromkeys(("clip", "person", "text", "label", "source_sha256"), "")
        yield f"{index}", record | tracks | texts | {"name": f"{index}"}


def _meshes(folder: Path) -> windows.Windows:
    """Windows of a second of meshes as VOCASET has them: 12 clips of four seconds."""
    rng, seconds = np.random.default_rng(0), 4
    made = [
        {
            "name": f"{index}", "subject": "", "sentence": f"{index}", "fps": 60.0,
            "speech": rng.integers(-9999, 9999, seconds * clip.RATE).astype(np.int16),
            "vertices": rng.normal(size=(seconds * 60, VERTICES, 3)).astype(np.float32),
            "template": np.zeros((VERTICES, 3), np.float32),
        }
        for index in range(12)
    ]  # fmt: skip
    block = folder / "meshes"
    builder = mesh_clips.MeshClips(
        records={"train": made}, vertices=VERTICES, data_dir=block, file_format="array_record"
    )
    record_blocks.write(builder, block)
    source = record_blocks.read([block / mesh_clips.MeshClips.name / mesh_clips.VERSION], "train")
    return windows.Windows(source, np.full(12, seconds * 60), 60, windows.meshes)


# ---- steps -----------------------------------------------------------------------------------------------------------


def _hubert(options) -> Experiment:
    return hubert.Config(corpus=options.corpus).experiment()


def _lip_tcn(options) -> Experiment:
    return lip_tcn.Config(corpus=options.corpus).experiment()


def _face_vid2vid(options) -> Experiment:
    heads = Path(options.corpus) / "heads"
    return face_vid2vid.Config(corpus=options.corpus, heads=heads, clips=6, held_out=1, frames=8).experiment()


BATCHES, STEPS = 100, 5  # in a round
SMALL = {"hubert": _hubert, "lip_tcn": _lip_tcn, "face_vid2vid": _face_vid2vid}  # with their defaults, for two cores


def steps(options, folder: Path) -> None:
    """Rounds of the loader alone and of the step alone on one batch, in turns."""
    for name in options.configs:
        experiment = SMALL[name](options)
        grid = mesh.make(experiment.mesh)
        state = parallel.init(experiment.init, jax.random.key(0), grid, experiment.rules)
        step = parallel.compile_step(experiment.step, state, grid, experiment.rules)
        batch, held = parallel.put(experiment.data()[0], grid), [state]

        def train(step=step, batch=batch, held=held):
            for _ in range(STEPS):
                held[0], metrics = step(held[0], batch)
            jax.block_until_ready(metrics)

        streams = {threads: _stream(experiment, threads) for threads in (0, 16)}
        sides = {threads: lambda stream=stream: _taken(lambda: _load(stream)) for threads, stream in streams.items()}
        taken = measure.turns(sides | {"step": lambda train=train: _taken(train)}, options.rounds)
        result = {"config": name, "batch": len(next(iter(batch.values()))), "step": measure.figures(taken.pop("step"))}
        for threads, rows in taken.items():
            loader = measure.figures(rows)
            ratio = {key: BATCHES / loader[key] / (STEPS / result["step"][key]) for key in ("median_s", "cpu_s")}
            result[f"loader_of_{threads}_threads"] = loader | {f"over_step_by_{key}": r for key, r in ratio.items()}
        timing.show(about("steps", batches=BATCHES, steps=STEPS) | result)
        for stream in streams.values():
            stream.close()


def _stream(experiment: Experiment, threads: int):
    """Reads ahead no further than the threads: grain's 500 batches would be read before the clock starts."""
    return iter(experiment.data().to_iter_dataset(grain.ReadOptions(threads, threads)))


def _load(stream) -> None:
    for _ in range(BATCHES):
        next(stream)


def _taken(call: Callable) -> measure.Taken:
    return measure.timed(call)[1]


# ---- prefetch --------------------------------------------------------------------------------------------------------


def prefetch(options, folder: Path) -> None:
    """Steps with each way to bring batches to the device, in turns."""
    experiment = _hubert(options)
    grid = mesh.make(experiment.mesh)
    state = parallel.init(experiment.init, jax.random.key(0), grid, experiment.rules)
    step = parallel.compile_step(experiment.step, state, grid, experiment.rules)
    sharding = jax.tree.leaves(parallel.put(experiment.data()[0], grid))[0].sharding
    plain = experiment.data().to_iter_dataset()
    ways = {
        "in the loop": (parallel.put(batch, grid) for batch in plain),
        "grain device_put": iter(grain.experimental.device_put(plain, sharding)),
        "one ahead": _one_ahead(parallel.put(batch, grid) for batch in plain),
    }
    held = [state]

    def train(batches):
        for batch in itertools.islice(batches, STEPS):
            held[0], metrics = step(held[0], batch)
        jax.block_until_ready(metrics)

    sides = {way: lambda batches=batches: _taken(lambda: train(batches)) for way, batches in ways.items()}
    taken = measure.turns(sides, options.rounds)
    for way, rows in taken.items():
        timing.show(about("prefetch", config="hubert small", way=way, steps=STEPS) | measure.figures(rows))


def _one_ahead(batches: Iterator) -> Iterator:
    """The next batch is asked for before the step that uses this one is waited for."""
    ahead = next(batches)
    for batch in batches:
        yield ahead
        ahead = batch


# ---- need ------------------------------------------------------------------------------------------------------------


def need(options, folder: Path) -> None:
    """Examples a second that one device would take at a share of its peak."""
    for size in ("base", "large"):
        config = hubert.Config(size=size).filled()
        network = hubert_pretrain.Config(encoder=config.encoder(), clusters=config.clusters, width=config.projection)
        samples = int(config.seconds * clip.RATE)
        flops = speech_encoder_flops.hubert(network, samples).train
        bytes_ = 4 * samples + 4 * config.encoder().frames(samples)
        _need(f"hubert {size}, pieces of {config.seconds} s", flops, bytes_)
    tiny = _face_vid2vid(options)
    for name, changes in (("of 64 pixels", {}), ("published, 256 pixels", {"networks": face_vid2vid.PUBLISHED})):
        size = 256 if changes else 64
        flops = _step_flops(options, changes | {"size": size}, tiny)
        _need(f"face_vid2vid {name}, pairs of frames", flops, 2 * 4 * 3 * size * size)


def _step_flops(options, changes: dict, tiny: Experiment) -> float:
    """FLOPs of an example, by XLA's count of the lowered step of a batch of two."""
    heads = Path(options.corpus) / f"heads{changes['size']}"
    config = face_vid2vid.Config(corpus=options.corpus, heads=heads, clips=1, held_out=0, frames=2, batch=2)
    experiment = dataclasses.replace(config, **changes).experiment()
    state = jax.eval_shape(experiment.init, jax.random.key(0))
    batch = jax.eval_shape(lambda: jax.tree.map(jax.numpy.asarray, experiment.data()[0]))
    return jax.jit(experiment.step).lower(state, batch).cost_analysis()["flops"] / 2


def _need(what: str, flops: float, bytes_: int) -> None:
    rates = {f"examples_s_at_{share}": share * PEAK / flops for share in SHARES}
    rates |= {f"mb_s_at_{share}": share * PEAK / flops * bytes_ / 1e6 for share in SHARES}
    line = {"what": what, "flops_of_an_example": flops, "peak_flops": PEAK, "bytes_of_an_example": bytes_}
    timing.show(about("need") | line | rates)


PARTS = {"records": records, "steps": steps, "prefetch": prefetch, "need": need}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder that jaxtalk corpus wrote")
    parser.add_argument("--videos", type=Path, help="folder that jaxtalk prepare wrote")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--configs", choices=SMALL, nargs="+", default=list(SMALL), help="whose steps are timed")
    parser.add_argument("--seconds", type=float, default=5.0, help="of CPU time, for each kind of records")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.corpus is None:
            options.corpus = Path(folder) / "corpus"
            corpus.write(CorpusOptions(directory=options.corpus, clips=60, workers=1))
        for part in options.only:
            PARTS[part](options, Path(folder))


if __name__ == "__main__":
    main()
