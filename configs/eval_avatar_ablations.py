"""GeneFace's ablations on the end of a person's video that nothing learnt from (docs/audio2motion.md, docs/avatar.md).

    jaxtalk avatar fit me.mp4 -o me/                                                                makes me/data
    jaxtalk train audio2motion ... --folder runs/avatar_ablations/full
    jaxtalk train audio2motion ... --no-flow-prior --folder runs/avatar_ablations/no_flow_prior
    jaxtalk train motion_postnet --person me/data --audio2motion R/audio2motion.safetensors ... --folder R   for both R
    jaxtalk train avatar --person me/data --folder runs/avatar_ablations/full
    jaxtalk train avatar --person me/data --no-bends --folder runs/avatar_ablations/no_head_awareness
    jaxtalk eval eval_avatar_ablations --runs runs/avatar_ablations --people me/data

Motion is that of the held-out speech; the fields are told the tracked landmarks, poses and torso of held-out frames. A
torso without head-awareness is told neither the head's pose nor its own movement, so that it stays where it is.
"""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxtalk.audio import mel
from jaxtalk.data import person_video, talking_motion
from jaxtalk.errors import InputError
from jaxtalk.systems import eval_avatar, eval_motion, listen, motion_ear


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Rates ablations of Audio2Motion, PostNet and the torso."""

    people: tuple[Path, ...] = (Path("person/data"),)
    """Folders that `jaxtalk avatar fit` made of videos."""
    runs: Path = Path("runs/avatar_ablations")
    """Folder with full/audio2motion.safetensors, full/motion_postnet.safetensors, full/avatar.safetensors ..."""
    features: motion_ear.Name = "lip_tcn"
    """How speech is heard."""
    temperature: float = 0.0
    frames: int = 12
    """Held-out frames of each person that are drawn."""
    fields: bool = True
    """Whether pictures are drawn; else only motion is rated."""

    def evaluation(self) -> eval_motion.MotionSet:
        people = [person_video.read(folder) for folder in self.people]
        for person in people:
            if person.speech is None:
                raise InputError(f"{person.folder}: the video is silent; ablations of motion need speech")
        full, flowless = self.runs / "full", self.runs / "no_flow_prior"
        whole = self.motion(full)
        systems = {
            "GeneFace": eval_avatar.both(whole, eval_avatar.field(full)) if self.fields else whole,
            "without flow prior": self.motion(flowless),
            "without PostNet": self.motion(full, corrected=False),
            "LipTCN instead of both": lip_tcn,
        }
        if self.fields:
            systems["without head-aware torso"] = eval_avatar.field(self.runs / "no_head_awareness")
        return eval_motion.MotionSet(
            name="eval_avatar_ablations",
            records=[eval_avatar.Given(person, self.frames) for person in people],
            truth=eval_avatar.truth,
            systems=systems,
            measure=eval_avatar.measure,
            columns=eval_avatar.COLUMNS,
        )

    def motion(self, run: Path, corrected: bool = True) -> eval_avatar.System:
        postnet = run / "motion_postnet.safetensors" if corrected else None
        return eval_avatar.motion(run / "audio2motion.safetensors", postnet, self.features, self.temperature)


def lip_tcn(given: eval_avatar.Given) -> eval_avatar.Made:
    """What `jaxtalk avatar render` takes without `--motion geneface`, before it is kept near the person's own."""
    person = given.person
    spectrum = mel.log_mel(jnp.asarray(person.speech, jnp.float32) / 32768)
    mouth = np.where(listen.MOUTH, listen.mouth(spectrum, person.fps, person.frames), 0.0)
    return eval_avatar.Made(motion=talking_motion.of_expression(mouth[person.held_out]))
