"""What the published SadTalker and Wav2Lip made, beside the filmed truth and jaxtalk, in one table.

    jaxtalk eval eval_peers --media ../shared/media

`media` holds `peer_outputs/` (a video `panel_original.mp4`, the same dubbed by Wav2Lip, a portrait and what SadTalker
made of it) and `speech/`. SadTalker's portrait has no filmed truth, so its rows have no figures that need one.
"""

import dataclasses
from pathlib import Path

from jaxtalk.systems import eval_set, talk
from jaxtalk.systems.eval_set import Clip, TestSet
from jaxtalk.systems.talk_options import TalkOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Compares outputs of the published systems with the truth and with jaxtalk."""

    media: Path = Path("../shared/media")
    """Folder with peer_outputs/ and speech/."""
    networks: Path | None = None
    """Folder of published networks, written by jaxtalk convert."""
    size: int = 256
    """Side of what jaxtalk draws; SadTalker's video has 256."""

    def evaluation(self) -> TestSet:
        peers = self.media / "peer_outputs"
        panel = Clip(name="panel", truth=peers / "panel_original.mp4")
        radio = Clip(name="radio", speech=self.media / "speech" / "english_radio.wav")

        def found(video: Path, wanted: Clip) -> eval_set.System:
            return lambda clip, folder: video if clip == wanted else None

        def ours(clip: Clip, folder: Path) -> Path | None:
            if clip != radio:
                return None
            output = folder / "radio.mp4"
            portrait, speech = peers / "sadtalker_source_crop.png", clip.speech
            talk.run(TalkOptions(portrait=portrait, speech=speech, output=(output,), size=self.size))
            return output

        return TestSet(
            name="eval_peers",
            clips=(panel, radio),
            systems={
                "filmed": found(panel.truth, panel),
                "Wav2Lip": found(peers / "panel_wav2lip.mp4", panel),
                "SadTalker": found(peers / "sadtalker_english_radio.mp4", radio),
                "jaxtalk": ours,
            },
            networks=self.networks,
        )
