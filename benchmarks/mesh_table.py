"""Codes, no codes, FaceFormer and VOCA on the same speech and mesh: one table, mean and standard error over seeds.

    python benchmarks/mesh_table.py --facegood DIR --model ict.npz --output facegood.jsonl
    python benchmarks/mesh_table.py --corpus data/corpus --fps 25 --output corpus.jsonl

The prior and stage two with and without its codes, FaceFormer and VOCA are trained for each seed, all seeds of a
network together, and animate the held-out sentences from nothing but their speech. Beside them: the mean face, and
"energy", the mean face plus the loudness of speech times what follows it best. Figures: `systems.mesh_scores`. Writes
a JSON line for each row, networks to `--folder`, and prints the table. Of FACEGOOD the recording that nothing met
(3_15) and the ends of those that were learnt from, which the shipped ear has met, are told apart.
"""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tqdm import trange

from configs import codetalker, faceformer, motion_prior, voca
from jaxtalk.data import talking_meshes
from jaxtalk.data.talking_meshes import Pieces
from jaxtalk.systems import mesh_lessons
from jaxtalk.train.step import make_step

FIGURES = ("lve", "fdd", "jaw", "error")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(mesh_lessons.Meshes):
    output: Path = Path("mesh_table.jsonl")
    folder: Path = Path("runs/mesh_table")
    """Where the networks of the first seed are written."""
    seeds: int = 3
    steps: int = 800
    """Of each network."""
    batch: int = 12
    frames: int = 60
    exact: bool = False
    """Whether CodeTalker decodes all frames so far for each, as published; else the newest 32."""


def main(options: Options) -> None:
    data = options.data()
    shared = {field.name: getattr(options, field.name) for field in dataclasses.fields(mesh_lessons.Meshes)}
    rows = {
        "mean face": [judged(data, mean_face(data))],
        "energy": [judged(data, energy(data))],
    }
    priors = motion_prior.Task(motion_prior.Config(**shared), data)
    states = trained(priors, priors.step, data, options)
    prior = options.folder / "motion_prior" / "motion_prior.safetensors"
    prior.parent.mkdir(parents=True, exist_ok=True)
    priors.export(one(states, 0), prior.parent)
    rows["the prior itself (given the truth)"] = [
        judged(data, coded(priors, one(states, k))) for k in range(options.seeds)
    ]
    report(options, rows, data)
    fixed = {"params": states.average}
    second = {"prior": prior}
    for name, task in {
        "CodeTalker": codetalker.Task(codetalker.Config(**shared, **second), data),
        "without codebook": codetalker.Task(codetalker.Config(**shared, **second, codebook=False), data),
        "FaceFormer": faceformer.Task(faceformer.Config(**shared), data),
        "VOCA": voca.Task(voca.Config(**shared), data),
    }.items():
        spoke = isinstance(task, codetalker.Task)
        rows[name] = figures(task, data, options, fixed if spoke else None, name)
        report(options, rows, data)


def figures(task, data, options: Options, fixed, name: str) -> list[dict[str, float]]:
    """Those of each seed. `fixed`: the priors of all seeds."""
    step = make_step(task.loss, task.optimizer, average=0.99)

    def with_prior(state, batch, fixed):
        task.fixed = fixed  # loss reads it
        return step(state, batch)

    states = trained(task, step if fixed is None else with_prior, data, options, fixed)
    found = []
    for k in range(options.seeds):
        if fixed is not None:
            task.fixed = one(fixed, k)
        window = None if options.exact else 32
        made = mesh_lessons.said(task.made(one(states, k).variables), data, window)
        found.append(judged(data, made))
        if k == 0:
            folder = options.folder / name.lower().replace(" ", "_")
            folder.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(folder / "said.npz", made=made)
            task.export(one(states, k), folder)
    return found


def trained(task, step, data, options: Options, fixed=None):
    """States of all seeds, stacked, after the same number of steps on batches of their own."""
    seeds = range(options.seeds)
    states = jax.vmap(task.init)(jax.vmap(jax.random.key)(jnp.arange(options.seeds)))
    streams = [talking_meshes.stream(Pieces(data.train, options.frames), options.batch, 100 * k) for k in seeds]
    run = jax.jit(jax.vmap(step), donate_argnums=0)
    more = () if fixed is None else (fixed,)
    for i in trange(options.steps, desc=type(task).__module__, mininterval=20):
        batch = jax.tree.map(lambda *x: np.stack(x), *(stream[i] for stream in streams))
        states, _ = run(states, batch, *more)
    return states


def one(states, seed: int):
    return jax.tree.map(lambda x: x[seed], states)


def mean_face(data) -> np.ndarray:
    return np.broadcast_to(data.mean, talking_meshes.together(data.held_out)["motion"].shape)


def energy(data) -> np.ndarray:
    """Loudness at each frame, by least squares on what is learnt from."""
    level, motion = (np.concatenate([getattr(m, name) for m in data.train]) for name in ("level", "motion"))
    centred = level - level.mean()
    slope = centred @ (motion - data.mean) / (centred @ centred)
    longest = max(len(mesh.motion) for mesh in data.held_out)
    loud = np.stack([np.pad(m.level, (0, longest - len(m.level)), mode="edge") for m in data.held_out])
    return (data.mean + (loud - level.mean())[..., None] * slope).astype(np.float32)


def coded(task: motion_prior.Task, state) -> np.ndarray:
    """Held-out motion through the prior."""
    batch = {name: jnp.asarray(x) for name, x in talking_meshes.together(task.data.held_out).items()}
    return np.asarray(jax.jit(task.network.apply)({"params": state.average}, batch["motion"], batch["length"])[0])


def judged(data, made: np.ndarray) -> dict[str, dict[str, float]]:
    """Scores of each group of sentences."""
    found = {}
    for group in dict.fromkeys(map(group_of, data.held_out)):
        place = [k for k, mesh in enumerate(data.held_out) if group_of(mesh) == group]
        part = data._replace(held_out=[data.held_out[k] for k in place])
        found[group] = mesh_lessons.judged(part, made[place])
    return found


def group_of(mesh: talking_meshes.TalkingMesh) -> str:
    if mesh.name.startswith("end of "):
        return "ends"
    return mesh.name.split()[0] if mesh.name.startswith(mesh_lessons.TEST) else "held out"


def report(options: Options, rows: dict[str, list[dict]], data) -> None:
    """Writes all rows so far and prints them."""
    lines = [json.dumps({"row": name, "seeds": found}) for name, found in rows.items()]
    options.output.write_text("\n".join(lines) + "\n")
    for group in dict.fromkeys(map(group_of, data.held_out)):
        print(f"\n| {group} | " + " | ".join(FIGURES) + " |\n" + "|---" * (len(FIGURES) + 1) + "|")
        for name, found in rows.items():
            values = ([each[group][key] for each in found if key in each[group]] for key in FIGURES)
            print(f"| {name} | " + " | ".join(map(said, values)) + " |", flush=True)


def said(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else ""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


if __name__ == "__main__":
    main(tyro.cli(Options))
