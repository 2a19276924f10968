"""What `jaxtalk avatar` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Makes an avatar of one person from a video: a still camera, one face, half a minute or more of speech.

    jaxtalk avatar fit me.mp4 -o me/

    jaxtalk avatar fit me.mp4 -o me/ --audio2motion audio2motion.safetensors (for `render --motion geneface` as well)

    An interrupted run goes on where it stopped. me/avatar.json names the files that are the avatar; me/data is what the
    video was made into and me/checkpoints the training's, which can be deleted when it is done.
    """

    video: tyro.conf.Positional[Path]
    """A video of one person who talks, before a camera that does not move."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("person")
    """Folder for the avatar."""
    size: int = 256
    """Pixels of the square that is learnt."""
    steps: int = 8000
    """Training steps; a step takes 0.4 s on two cores."""
    track: Path | None = None
    """The face in every frame (.npz), where it was followed before."""
    tracker: str | None = None
    """mediapipe:PATH.task instead of the built-in networks (extra mediapipe)."""
    audio2motion: Path | None = None
    """Weights of Audio2Motion: learn this person's PostNet as well, which draws its mouth towards the person's."""
    postnet_steps: int = 500
    """Training steps of PostNet; 0.13 s each on two cores."""
    corpus: Path | None = None
    """Folder that `jaxtalk corpus` wrote: speech of others to learn PostNet with, beside the person's own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Makes an avatar say what a recording says.

    jaxtalk avatar render me/ speech.wav -o out.mp4

    jaxtalk avatar render me/ speech.wav -o out.webm --background transparent (to lay over something else)
    """

    person: tyro.conf.Positional[Path]
    """Folder that `jaxtalk avatar fit` made."""
    speech: tyro.conf.Positional[Path]
    """A sound file, or a video: its sound."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("avatar.mp4")
    """Video to write (.mp4, .mov). Transparent: .mov (ProRes 4444), .webm (VP9), or a folder of PNGs without sound."""
    size: int | None = None
    """Pixels of the square video; what was learnt if not given. More is smoother, but not more detailed."""
    motion: Literal["lip_tcn", "geneface"] = "lip_tcn"
    """What hears the speech: LipTCN, as in `talk`; or GeneFace's Audio2Motion, corrected by the person's PostNet if
    the folder holds one."""
    audio2motion: Path | None = None
    """Weights of Audio2Motion for --motion geneface, instead of the person's own."""
    postnet: Path | None = None
    """Weights of PostNet, instead of the person's own."""
    temperature: float = 0.0
    """Of the noise that --motion geneface draws from: 0 is always the same, 1 as lively as what it learnt."""
    pose: Literal["video", "still", "generated"] = "video"
    """The head moves as in the person's video, forth and back; keeps its usual pose; or moves with the speech, no
    wider nor quicker than in the video."""
    audio2pose: Path | None = None
    """Weights of Audio2Pose that learnt this person (jaxtalk train pose_wavenet), for --pose generated."""
    blink: Literal["video", "generated", "none"] = "video"
    """Eyes as in the video; blinks at random; or open."""
    mouth: float = 1.0
    """Factor on what the mouth does."""
    smooth: float = 0.08
    """Seconds (standard deviation of a Gaussian) over which the head's path is smoothed; 0 leaves it."""
    background: Path | None = None
    """A picture to stand before, a colour (--background=#00b140), or `transparent`; the video's own if not given."""
    seed: int = 0
    """Of what is generated: same seed, same head, blinks and (with a temperature) mouth."""
