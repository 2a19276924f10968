"""LipTCN meets people: all its layers learn FACEGOOD and tracked clips, beside what they know from the corpus.

    jaxtalk train lip_tcn_people --start runs/lip_tcn/lip_tcn.safetensors --corpus data/corpus --facegood DIR \\
        --clips DIR

Twenty-three clips are three minutes, soon learnt by heart: 150 steps with a third of the features dropped,
and as much of the corpus in each batch.

150 steps in 35 s on two CPU cores, beside three minutes of reading and evaluation. Reached: lip error 0.47 of a still
face's, closures kept 0.96, jaw 0.50; clips left out 0.45 as drawn, 0.49 before lips touch (docs/lip_motion.md).
"""

import dataclasses
from pathlib import Path

from configs import lip_tcn
from jaxtalk.data import clip_alignment, clips, speech_sequences
from jaxtalk.errors import InputError
from jaxtalk.face.mouth import opening
from jaxtalk.io import weights
from jaxtalk.losses import lips
from jaxtalk.metrics.mean import Mean
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SHARES = (12.0, 4.0, 16.0)  # of corpus, FACEGOOD and people in a batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(lip_tcn.Config):
    """Trains LipTCN on FACEGOOD and tracked clips of people."""

    start: Path = Path("runs/lip_tcn/lip_tcn.safetensors")
    """What `jaxtalk train lip_tcn` wrote."""
    steps: int = 150
    rate: float = 5e-4
    dropout: float = 0.3
    concordance: float = 1.0
    """Weight of the concordance of people's lips."""

    def experiment(self) -> Experiment:
        task = People(self)
        return Experiment(
            name="lip_tcn_people",
            init=task.init,
            step=task.step(),
            data=lambda: speech_sequences.stream(task.all_sources(), self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
        )


class People(lip_tcn.Task):
    """The task of learning people without forgetting the corpus."""

    importance = {"coefficients": 0.5, "lip_points": 0.5, "opening": 1.0, "closure": 2.0, "phoneme": 0.3}

    def __init__(self, config: Config):
        if not (config.facegood and config.clips):
            raise InputError("lip_tcn_people: learns from people; give --facegood DIR and --clips DIR")
        self.start = weights.load(config.start).variables
        super().__init__(config)
        self.ridge = clip_alignment.Ridge(self.people)

    def init(self, rng):
        return train_state.create(self.unfolded(self.start), self.optimizer, rng)

    def step(self):
        return make_step(self.loss, self.optimizer, average=0.98)

    def all_sources(self, without: frozenset[int] = frozenset()):
        """Corpus, FACEGOOD and people with their shares; people's lips moved to the sound they belong to.

        `without`: clips that nothing may be learnt from, neither lips nor how late a picture comes.
        """
        lags = clip_alignment.lags(self.ridge, set(without))
        people = [
            dataclasses.replace(clips.in_common_style(r, self.common), lead=r.lead - lag / r.fps)
            for i, (r, lag) in enumerate(zip(self.people, lags, strict=True))
            if i not in without
        ]
        sources = [source for source, _ in self.sources[:2]] + [self.gather(people, tracked=True)]
        return list(zip(sources, SHARES, strict=True))

    def loss(self, params, stats, batch, rng):
        """People's lips count by concordance; their coefficients, and all that is known of the rest, one by one."""
        predicted, terms = self.moments(params, batch, rng)
        inside, size = batch["mask"], self.common.opening[1]
        tracked = (inside * batch["tracked"][:, None]).reshape(-1)
        error, known = terms["opening"]
        terms["opening"] = error, known * (1 - tracked)
        metrics = {name: Mean.of(error, known) for name, (error, known) in terms.items()}
        total = sum(self.importance[name] * metrics[name].sum for name in terms) / inside.sum()
        apart = lips.discordance(opening(predicted) / size, batch["opening"].reshape(-1) / size, tracked)
        metrics["discordance"] = Mean.of(apart[None])
        return total + self.config.concordance * apart, (stats, metrics)
