"""The tables of docs/fap.md: what ISODATA's parameters do, and errors of the perceptron on closed and open sets.

python benchmarks/fap_tables.py --facegood DIR --corpus DIR

Errors are mean squared differences of the 26 parameters that speech moves, in square FAP units.
"""

import dataclasses
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro

from configs import fap
from jaxtalk.face import fap_mouth
from jaxtalk.metrics import fap_error
from jaxtalk.models import isodata
from jaxtalk.train import loop

TRIED = (  # expected classes, minimal objects, split, merge
    (29, 20, 42.0, 150.0),
    (16, 20, 42.0, 150.0), (64, 20, 42.0, 150.0),
    (29, 5, 42.0, 150.0), (29, 50, 42.0, 150.0), (29, 100, 42.0, 150.0),
    (29, 20, 20.0, 150.0), (29, 20, 30.0, 150.0), (29, 20, 60.0, 150.0), (29, 20, 80.0, 150.0),
    (29, 20, 42.0, 50.0), (29, 20, 42.0, 100.0), (29, 20, 42.0, 200.0), (29, 20, 42.0, 300.0),
)  # fmt: skip
WAYS = ("likeliest", "likeliest smooth", "expected", "expected smooth")


def error(clips, centres: np.ndarray) -> float:
    """What is lost when each frame's nearest pattern stands for it."""
    faps = np.concatenate([clip.faps for clip in clips])
    nearest = centres[fap.pattern_of(faps, centres)]
    spoken = fap_mouth.SPOKEN
    return float(fap_error.squared_error(jnp.asarray(nearest[:, spoken]), jnp.asarray(faps[:, spoken])).value())


def header(*names: str) -> None:
    print(f"\n| {' | '.join(names)} |\n{'|---' * len(names)}|")


def patterns(sets: fap.Sets, source: str) -> None:
    closed, open_ = (set_[source] for set_ in sets)
    header(f"{source}: expected", "minimum", "split", "merge", "patterns", "closed set", "open set")
    for expected, minimum, split, merge in TRIED:
        config = isodata.Config(expected=expected, minimum=minimum, split=split, merge=merge)
        centres = fap.find_patterns([np.concatenate([clip.faps for clip in closed])], config)
        found = f"{len(centres)} | {error(closed, centres):.0f} | {error(open_, centres):.0f}"
        print(f"| {expected} | {minimum} | {split:g} | {merge:g} | {found} |", flush=True)


def perceptrons(sets: fap.Sets, sources: tuple[str, ...], config: fap.Config) -> None:
    part = tuple({source: set_[source] for source in sources} for set_ in sets)
    for code in ("binary", "softmax"):
        experiment = dataclasses.replace(config, code=code).experiment(part)
        with tempfile.TemporaryDirectory() as folder:
            numbers = experiment.evaluate(loop.run(experiment, Path(folder)))
        for source in sources:
            shared = [
                numbers[f"{set_}/{source}/{key}"] for key in ("spread", "patterns/error") for set_ in ("closed", "open")
            ]
            print("spread {:.0f} / {:.0f}, nearest pattern {:.0f} / {:.0f}".format(*shared))
            for way in WAYS:
                cells = []
                for key, form in (("error", ".0f"), ("lips", ".3f"), ("jitter", ".0f")):
                    closed, open_ = (numbers[f"{set_}/{source}/{way}/{key}"] for set_ in ("closed", "open"))
                    cells.append(f"{closed:{form}} / {open_:{form}}")
                print(f"| {' + '.join(sources)} | {source} | {code} | {way} | {' | '.join(cells)} |", flush=True)


def main(config: fap.Config) -> None:
    sets = fap.clips_of(config)
    for source in sets[0]:
        patterns(sets, source)
    header("learnt from", "judged on", "code", "face", "error, closed / open", "lips", "jitter")
    for sources in dict.fromkeys([(source,) for source in sets[0]] + [tuple(sets[0])]):
        perceptrons(sets, sources, config)


if __name__ == "__main__":
    main(tyro.cli(fap.Config))
