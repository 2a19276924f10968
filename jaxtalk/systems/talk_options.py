"""What `jaxtalk talk` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

Keys = tuple[float, ...]  # degrees at evenly spaced times over the whole speech


@dataclasses.dataclass(frozen=True, kw_only=True)
class TalkOptions:
    """Makes a portrait say what a recording says. Nothing is downloaded.

    jaxtalk talk me.jpg speech.wav -o out.mp4

    jaxtalk talk me.jpg speech.wav -o out.mp4 out.glb out.csv (video, Blender/browser mesh, Live Link Face)

    jaxtalk talk me.jpg --text "Good morning" -o out.mp4 (extra tts)

    jaxtalk talk jobs.csv -o folder (columns portrait,speech[,output])

    jaxtalk talk me.jpg speech.wav -o out.mp4 --renderer vid2vid --weights sadtalker --crop full (as SadTalker does;
    jaxtalk convert sadtalker FILE... sadtalker writes the folder)
    """

    portrait: tyro.conf.Positional[Path]
    """A picture with a face (or a video: its first frame), a folder of pictures, or a CSV of jobs."""
    speech: tyro.conf.Positional[Path | None] = None
    """A sound file (or a video: its sound), or a folder of them. Any length, language, rate."""
    output: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-o"])] = (Path("talk.mp4"),)
    """Files to write, by suffix: .mp4, .glb (ARKit blendshapes), .csv (Live Link Face), .npz (Motion).
    One folder for a batch."""
    text: str | None = None
    """Speak this text instead of a file (extra tts)."""
    voice: str = "en-us"
    """espeak-ng voice for --text."""

    style: int = 0
    """Head motion, 0 to 45."""
    still: bool = False
    """Keep the head's pose; only the face moves."""
    expression_scale: float = 1.0
    """Factor on the expression; 1.2 speaks more clearly."""
    pose_scale: float = 1.0
    """Factor on the head motion."""
    blink: str = "auto"
    """auto, none, or a file with one closure between 0 and 1 per line and frame (repeated to the end)."""
    ref_eyeblink: Path | None = None
    """A video whose blinks are borrowed, repeated to the end (SadTalker's networks only)."""
    ref_pose: Path | None = None
    """A video whose head motion is borrowed, repeated to the end; SadTalker's networks add it to their own."""
    yaw: Keys = ()
    """Key values in degrees over the speech, e.g. --yaw -20 30 10; added to the pose. With SadTalker's networks they
    stand in for the pose, and their signs are its own."""
    pitch: Keys = ()
    """Likewise; positive looks down."""
    roll: Keys = ()
    """Likewise; positive tilts counter-clockwise."""

    renderer: Literal["warp", "vid2vid"] = "warp"
    """warp: the photo itself, moved by a face that is fitted to it; vid2vid: networks of --weights draw every frame."""
    weights: Path | None = None
    """Folder of networks for vid2vid, as jaxtalk convert sadtalker and jaxtalk train face_vid2vid write it."""
    batch: int = 8
    """Frames drawn at once: more memory, and on accelerators more speed."""

    size: int | None = None
    """Side of the square video, or its width with --crop resize: 512, or what the networks were trained on (256 or 512
    for SadTalker's). With --crop full the video is as large as the picture; networks draw their part at this size."""
    fps: float = 25.0
    """Frames per second."""
    crop: Literal["crop", "extcrop", "resize", "full", "extfull"] = "crop"
    """crop: a square around the head; resize: the whole picture; full: the picture as it is, with the square in it.
    extcrop, extfull: the square is larger by a fifth."""

    face: int | None = None
    """Which face, from 0 (largest), where the picture has several."""
    tracker: str | None = None
    """mediapipe:PATH.task instead of the built-in landmark network (extra mediapipe)."""
    landmarks: Path | None = None
    """68 landmarks of the portrait from a file (.txt, .json, .npz) instead of a detector."""

    seed: int = 0
    """Same seed, same video."""
