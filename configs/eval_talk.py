"""`jaxtalk talk` against filmed people: the first frame as the portrait, their own speech; ablations as rows.

    jaxtalk eval eval_talk --videos FOLDER

Faces are compared aligned, because a drawn head is framed otherwise and moves otherwise than the filmed one.
"""

import dataclasses
from pathlib import Path

from jaxtalk.errors import InputError
from jaxtalk.systems import eval_set, talk
from jaxtalk.systems.eval_set import Clip, TestSet
from jaxtalk.systems.talk_options import TalkOptions

ABLATIONS = {
    "jaxtalk": {},
    "head still": {"still": True},
    "no blinks": {"blink": "none"},
    "lips x 0.7": {"expression_scale": 0.7},
    "lips x 1.3": {"expression_scale": 1.3},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Lets the first frame of filmed people say what they say, and compares."""

    videos: Path = Path("videos")
    """Folder of videos of one talking person each, with sound."""
    clips: int = 50
    """At most so many of them, in the order of their names."""
    ablations: tuple[str, ...] = tuple(ABLATIONS)
    """Which rows."""
    size: int = 256
    """Side of what jaxtalk draws."""
    networks: Path | None = None
    """Folder of published networks, written by jaxtalk convert."""

    def evaluation(self) -> TestSet:
        videos = sorted(self.videos.glob("*.mp4"))[: self.clips]
        if not videos:
            raise InputError(f"{self.videos}: holds no videos (*.mp4); give a folder of filmed people with --videos")
        unknown = set(self.ablations) - ABLATIONS.keys()
        if unknown:
            raise InputError(f"--ablations {' '.join(sorted(unknown))}: unknown; there are {', '.join(ABLATIONS)}")
        return TestSet(
            name="eval_talk",
            clips=tuple(Clip(name=video.stem, truth=video) for video in videos),
            systems={
                "filmed": lambda clip, folder: clip.truth,
                **{name: self._talk(ABLATIONS[name]) for name in self.ablations},
            },
            region="face",
            networks=self.networks,
        )

    def _talk(self, options: dict) -> eval_set.System:
        def make(clip: Clip, folder: Path) -> Path:
            output = folder / f"{clip.name}.mp4"
            options_of_clip = {"portrait": clip.truth, "speech": clip.truth, "output": (output,), "size": self.size}
            talk.run(TalkOptions(**options_of_clip, **options))
            return output

        return make
