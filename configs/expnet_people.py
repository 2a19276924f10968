"""ExpNet meets people: its last layers learn tracked clips, beside what it knows from the corpus and FACEGOOD.

    jaxtalk train expnet_people --start runs/expnet_upper/expnet.safetensors --corpus data/corpus --facegood DIR \\
        --clips DIR

Twenty-three clips are three minutes, soon learnt by heart. So only the last two layers and the mapping move, for a few
hundred steps, on features computed once in five variations of the sound.

400 steps: ten seconds on two CPU cores, after minutes of features. People and corpus compete: with a tenth of the
corpus in a batch, clips left out are followed at 0.44 instead of 0.42 (docs/lip_motion.md), but the lip error on the
corpus is 0.60 instead of 0.50 and of 10 closures 5 instead of 7 are kept.
"""

import dataclasses
from pathlib import Path

import numpy as np

from configs import expnet_upper
from jaxtalk.data import clip_alignment
from jaxtalk.face.mouth import opening
from jaxtalk.losses import lips
from jaxtalk.metrics.mean import Mean
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SHARES = (2.0, 0.4, 1.0)  # of corpus, FACEGOOD and people in a batch
EVERY = 5  # of the corpus, which is only there to be remembered, one frame in so many


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(expnet_upper.Config):
    """Trains the last layers of an ExpNet on tracked clips of people."""

    start: Path = Path("runs/expnet_upper/expnet.safetensors")
    """What `jaxtalk train expnet_upper` wrote."""
    first: int = 11
    variations: int = 4
    steps: int = 400
    batch: int = 328
    rate: float = 1e-3
    dropout: float = 0.3
    concordance: float = 1.0
    """Weight of the concordance of people's lips."""

    def experiment(self) -> Experiment:
        task = People(self)
        parts = task.parts(without=set())
        return Experiment(
            name="expnet_people",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.98),
            data=lambda: expnet_upper.stream(parts, SHARES, self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
        )


class People(expnet_upper.Task):
    """The task of training the last layers."""

    importance = {"coefficients": 0.5, "lip_points": 0.5, "opening": 1.0, "closure": 1.0, "phoneme": 0.1}

    def __init__(self, config: Config):
        super().__init__(config)
        self.ridge = clip_alignment.Ridge(self.people)
        every = (EVERY, 1, 1)[-len(self.sources) :]
        counts = (0,) * (len(self.sources) - 1) + (config.variations,)
        self.rows = [self.features(s, n, e) for (s, _), n, e in zip(self.sources, counts, every, strict=True)]
        for i, part in enumerate(self.rows):
            part["tracked"] = np.full(part["opening"].shape, float(i == len(self.rows) - 1), np.float32)

    def parts(self, without: set[int]) -> list[expnet_upper.Part]:
        """All rows; people's lips moved to the sound they belong to, as found without some of the clips."""
        lags, place, first = clip_alignment.lags(self.ridge, without), [], 0
        for recording, lag in zip(self.people, lags, strict=True):
            count = len(recording.opening)
            place.append(first + np.clip(np.arange(count) + lag, 0, count - 1))
            first += count
        people, place = self.rows[-1], np.concatenate(place)
        return [*self.rows[:-1], people | {key: people[key][:, place] for key in ("expression", "opening")}]

    def loss(self, params, stats, batch, rng):
        """People's lips count by concordance; their coefficients, and all that is known of the rest, frame by frame."""
        moved, logits, stats = self.predict(params, stats, batch, rng)
        mean, spread = self.scale
        predicted, size = moved * spread[None] + mean[None], self.common.opening[1]
        terms = self.terms(predicted, logits, batch)
        error, known = terms["opening"]
        terms["opening"] = error, known * (1 - batch["tracked"])
        metrics = {name: Mean.of(error, known) for name, (error, known) in terms.items()}
        total = sum(self.importance[name] * metrics[name].sum for name in terms) / len(moved)
        apart = lips.discordance(opening(predicted) / size, batch["opening"] / size, batch["tracked"])
        metrics["discordance"] = Mean.of(apart[None])
        return total + self.config.concordance * apart, (stats, metrics)
