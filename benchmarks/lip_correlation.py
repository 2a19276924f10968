"""Lip motion from sound against a tracker, leaving one clip out: the table of docs/lip_motion.md.

    python benchmarks/lip_correlation.py --start runs/expnet/expnet.safetensors --corpus data/corpus \
        --facegood DIR --clips DIR --output runs/lips.jsonl

For each clip, ExpNet's last layers are trained as in configs/expnet_people.py on all other clips, and the mouth opening
of the built-in face is correlated with the tracked one. Baselines: loudness, and ridge regression on log-mel.
"""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from scipy.ndimage import gaussian_filter1d

from configs import expnet, expnet_people
from jaxtalk.data import clips
from jaxtalk.face import mouth
from jaxtalk.train.step import make_step

TEST_CLIPS = (
    "cnn2_25fps", "M003_level_1_disgusted_015", "M030_level_3_angry_016", "W023_level_2_surprised_010"
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(expnet_people.Config):
    output: Path = Path("lip_correlation.jsonl")
    smooth: float = 2.0
    """Standard deviation, in frames, of a Gaussian over the predicted opening; the table has it with and without."""


def correlate(a, b) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def adapt(task: expnet_people.People, kept: list[int], step, seed: int):
    """The variables after training on these of the people, and what is to be remembered."""
    parts = task.parts(without=set(range(len(task.people))) - set(kept))
    rows = [np.arange(part["features"].shape[1]) for part in parts]
    owner = np.repeat(np.arange(len(task.people)), [len(r.opening) for r in task.people])
    rows[-1] = np.flatnonzero(np.isin(owner, kept))
    rng, state = np.random.default_rng(seed), task.init(jax.random.key(seed))
    shares = np.array(expnet_people.SHARES)
    counts = np.floor(task.config.batch * shares / shares.sum()).astype(int)
    counts[-1] += task.config.batch - counts.sum()
    for _ in range(task.config.steps):
        picks = []
        for part, mine, count in zip(parts, rows, counts, strict=True):
            place = rng.integers(len(part["features"]), size=count), rng.choice(mine, count)
            picks.append({key: values[place] for key, values in part.items()})
        batch = {key: jnp.asarray(np.concatenate([pick[key] for pick in picks])) for key in picks[0]}
        state, _ = step(state, batch)
    return task.folded(state.variables)


def opening(task, variables, recording) -> np.ndarray:
    return np.asarray(mouth.opening(expnet.talked(task, variables, recording)))


def main(options: Options) -> None:
    task = expnet_people.People(options)
    step = jax.jit(make_step(task.loss, task.optimizer, average=0.98))
    people, rows = task.people, []
    for i, recording in enumerate(people):
        others = [j for j in range(len(people)) if j != i]
        gap = opening(task, adapt(task, others, step, options.seed), recording)
        row = {"clip": recording.name, "loudness": correlate(clips.loudness(recording), recording.opening)}
        row["ridge"] = correlate(task.ridge.predict(i, set()), recording.opening)
        row["no_clips"] = correlate(opening(task, task.start, recording), recording.opening)
        row["raw"] = correlate(gap, recording.opening)
        row["expnet"] = correlate(gaussian_filter1d(gap, options.smooth), recording.opening)
        rows.append(row)
    everyone = adapt(task, list(range(len(people))), step, options.seed)
    for name in TEST_CLIPS:
        recording = expnet.tracked(options.clips, name)
        gap = opening(task, everyone, recording)
        row = {"clip": name, "loudness": correlate(clips.loudness(recording), recording.opening)}
        row["raw"] = correlate(gap, recording.opening)
        rows.append(row | {"expnet": correlate(gaussian_filter1d(gap, options.smooth), recording.opening)})
    columns = ["loudness", "ridge", "no_clips", "raw", "expnet"]
    mean = {"clip": "mean of open clips"} | {c: float(np.mean([r[c] for r in rows[: len(people)]])) for c in columns}
    rows.append(mean | expnet.evaluate(task, everyone))
    options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{'clip':28s}" + "".join(f"{c:>13s}" for c in columns))
    for row in rows:
        print(f"{row['clip']:28s}" + "".join(f"{row[c]:13.2f}" if c in row else f"{'':13s}" for c in columns))
    print(rows[-1])


if __name__ == "__main__":
    main(tyro.cli(Options))
