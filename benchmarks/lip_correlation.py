"""Lips from sound alone against trackers: correlation of mouth opening on clips that the network never learnt from.

    python benchmarks/lip_correlation.py --start runs/lip_tcn/lip_tcn.safetensors --corpus data/corpus \
        --facegood DIR --clips DIR --shipped runs/lip_tcn_people/lip_tcn.safetensors

The open clips are left out in `--folds` groups, each by itself with as many folds as clips: LipTCN is trained as in
configs/lip_tcn_people.py on all other clips, and the mouth opening that `jaxtalk talk` would draw is correlated with
the tracked one. Beside it: before closures are made (`mouth.touch`), before it met people, loudness, and ridge
regression on 40 bands of normalised log-mel. `--shipped` is measured on the clips that nothing learns from. Prints a
table and writes JSON lines.
"""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import tyro
from tqdm import tqdm

from configs import expnet, lip_tcn_people
from jaxtalk.audio import mel
from jaxtalk.data import clips, speech_sequences
from jaxtalk.face import mouth
from jaxtalk.io import weights
from jaxtalk.models import lip_tcn

TEST_CLIPS = (
    "cnn2_25fps", "M003_level_1_disgusted_015", "M030_level_3_angry_016", "W023_level_2_surprised_010"
)  # fmt: skip
COLUMNS = ("loudness", "ridge", "no_clips", "before_touch", "talk")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(lip_tcn_people.Config):
    output: Path = Path("lip_correlation.jsonl")
    shipped: Path | None = None
    """Weights that learnt from all open clips; for the test clips, and the corpus and FACEGOOD."""
    folds: int = 6


def correlate(a, b) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def adapt(task: lip_tcn_people.People, without: set[int], step):
    """The variables after training on the other people, and what is to be remembered."""
    batches = speech_sequences.stream(task.all_sources(frozenset(without)), task.config.batch, task.config.seed)
    state = task.init(jax.random.key(task.config.seed))
    for i in tqdm(range(task.config.steps), desc="without " + ", ".join(task.people[k].name for k in without)):
        state, _ = step(state, batches[i])
    return task.folded(state.variables)


def before_touch(task, variables, recording) -> np.ndarray:
    expression, _ = lip_tcn.hear(task.network.config, variables["params"], recording.mel)
    moved = lip_tcn.at(expression, recording.seconds * mel.COLUMNS_PER_SECOND)
    return np.asarray(mouth.opening(moved.clip(0, 1)))


def heard(task, variables, recording) -> dict[str, float]:
    drawn = np.asarray(mouth.opening(task.talked(variables, recording)))
    return {
        "loudness": correlate(clips.loudness(recording), recording.opening),
        "before_touch": correlate(before_touch(task, variables, recording), recording.opening),
        "talk": correlate(drawn, recording.opening),
    }


def main(options: Options) -> None:
    task = lip_tcn_people.People(options)
    step, count, rows = jax.jit(task.step()), len(task.people), {}
    for fold in range(options.folds):
        left_out = set(range(fold, count, options.folds))
        variables = adapt(task, left_out, step)
        for i in left_out:
            recording = task.people[i]
            rows[i] = {"clip": recording.name} | heard(task, variables, recording)
            rows[i]["ridge"] = correlate(task.ridge.predict(i, left_out), recording.opening)
            rows[i]["no_clips"] = correlate(before_touch(task, task.start, recording), recording.opening)
    mean = {"clip": "mean of open clips"} | {c: float(np.mean([r[c] for r in rows.values()])) for c in COLUMNS}
    table = [rows[i] for i in range(count)]
    if options.shipped:
        everyone = weights.load(options.shipped).variables
        for name in TEST_CLIPS:
            table.append({"clip": name} | heard(task, everyone, expnet.tracked(options.clips, name)))
        mean |= expnet.evaluate(task, everyone)
    table.append(mean)
    options.output.write_text("".join(json.dumps(row) + "\n" for row in table))
    print("| clip |" + "".join(f" {c} |" for c in COLUMNS) + "\n|---|" + "---|" * len(COLUMNS))
    for row in table:
        print(f"| {row['clip']} |" + "".join(f" {row[c]:.2f} |" if c in row else "  |" for c in COLUMNS))
    print(mean)


if __name__ == "__main__":
    main(tyro.cli(Options))
