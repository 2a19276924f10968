"""SadTalker's ablations of ExpNet and PoseVAE on held-out clips of the corpus (docs/sadtalker_ablations.md).

    jaxtalk train expnet_distill ... --folder runs/ablations/full
    jaxtalk train expnet_distill ... --no-initial --folder runs/ablations/no_initial
    jaxtalk train expnet_distill ... --no-lip-only --folder runs/ablations/all_coefficients
    jaxtalk train posevae ... --folder runs/ablations/full
    jaxtalk train posevae ... --adversarial 0 --folder runs/ablations/no_adversarial
    jaxtalk train posevae ... --no-sound --folder runs/ablations/no_audio
    jaxtalk train posevae ... --no-styles --folder runs/ablations/mixed_style
    jaxtalk eval eval_sadtalker_ablations --runs runs/ablations --corpus data/corpus

ExpNet moves a portrait with an expression of its own (drawn, the same for all rows) and blinks when told; its truth is
that expression with the clip's lips and blinks. PoseVAE moves the head in the clip's style.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from configs.expnet_distill import LIDS, portraits
from jaxtalk.audio import speech_windows
from jaxtalk.data import clip, clips, corpus
from jaxtalk.errors import InputError
from jaxtalk.face.arkit import NAMES
from jaxtalk.face.motion import Motion
from jaxtalk.io import weights
from jaxtalk.models import audio2exp, audio2pose
from jaxtalk.systems import eval_motion

FRAMES = 161  # of every clip: five chunks of PoseVAE and the frame before them
EXPNETS = {
    "ExpNet": "full",
    "ExpNet without initial expression": "no_initial",
    "ExpNet of all coefficients": "all_coefficients",
}
POSEVAES = {
    "PoseVAE": "full",
    "PoseVAE without adversarial loss": "no_adversarial",
    "PoseVAE without audio": "no_audio",
    "PoseVAE of mixed style": "mixed_style",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Rates ablations of ExpNet and PoseVAE."""

    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote."""
    runs: Path = Path("runs/ablations")
    """Folder with full/expnet.safetensors, full/posevae.safetensors, no_initial/expnet.safetensors ..."""
    split: str = "validation"
    clips: int = 24
    """At most so many clips, of those that are long enough."""

    def evaluation(self) -> eval_motion.MotionSet:
        records = [r for r in corpus.read(self.corpus, self.split) if len(r["expression"]) >= FRAMES][: self.clips]
        if not records:
            raise InputError(f"{self.corpus}: no clip of {self.split} has {FRAMES} frames; write a larger corpus")
        return eval_motion.MotionSet(
            name="eval_sadtalker_ablations",
            records=[eval_motion.cut(record, FRAMES) for record in records],
            truth=truth,
            systems={
                **{name: expnet(self.runs / run / "expnet.safetensors") for name, run in EXPNETS.items()},
                **{
                    name: posevae(self.runs / run / "posevae.safetensors", styles=run != "mixed_style")
                    for name, run in POSEVAES.items()
                },
            },
        )


def portrait(record: dict) -> np.ndarray:
    """The expression [52] of the portrait that says what the record says."""
    return np.asarray(portraits(jax.random.key(int(record["index"])), 1, plain=0.0)[0])


def truth(record: dict) -> Motion:
    """The portrait's expression with lips in the common articulation, the clip's blinks and head."""
    said = clips.synthetic(record)
    expression = np.where(clips.MOUTH, said.expression, 0.0) + portrait(record)
    expression[:, LIDS] = said.expression[:, LIDS]
    head = jnp.asarray(record["rotation"]), jnp.asarray(record["translation"])
    return Motion(jnp.asarray(expression, jnp.float32), *head, float(clip.FPS), NAMES)


def expnet(path: Path) -> eval_motion.System:
    stored = weights.load(path)
    network = audio2exp.ExpNet(weights.config(audio2exp.Config, stored))

    def move(record: dict) -> Motion:
        said = clips.synthetic(record)
        face = jnp.broadcast_to(jnp.asarray(portrait(record)), (FRAMES, len(NAMES)))
        moved = _listen(network, stored.variables, _windows(said), face, jnp.asarray(said.expression[:, LIDS[0]]))
        still = jnp.zeros((FRAMES, 3))
        return Motion(moved.clip(0, 1), still, still, float(clip.FPS), NAMES)

    return move


def posevae(path: Path, styles: bool) -> eval_motion.System:
    stored = weights.load(path)
    model = audio2pose.PoseVAE(weights.config(audio2pose.Config, stored))

    def move(record: dict) -> Motion:
        count = audio2pose.chunks(FRAMES, model.config.sequence)
        z = jax.random.normal(jax.random.key(int(record["index"])), (1, count, model.config.latent))
        style = jnp.full(1, int(record["style"]) if styles else 0)
        made = _generate(model, stored.variables, style, _windows(clips.synthetic(record))[None], z)
        pose = audio2pose.smooth(made)[0] * audio2pose.UNIT[None]
        return Motion(jnp.zeros((FRAMES, 0)), pose[:, :3], pose[:, 3:], float(clip.FPS), ())

    return move


@functools.partial(jax.jit, static_argnums=0)
def _listen(network, variables, windows, face, blink):
    return network.apply(variables, windows, face, blink)[0]


@functools.partial(jax.jit, static_argnums=0)
def _generate(model, variables, style, windows, z):
    return audio2pose.generate(model, variables, jnp.zeros((1, audio2pose.POSE)), style, windows, z)


def _windows(said: clips.Recording):
    return speech_windows.windows(jnp.asarray(said.mel), float(clip.FPS), FRAMES)
