"""What `jaxtalk fap` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class FapOptions:
    """Speech to a stream of MPEG-4 facial animation parameters, and such a stream to a face that talks.

    jaxtalk fap speech.wav -o out.fap

    jaxtalk fap speech.wav -o out.fap out.mp4 out.glb (parameters, video with the sound, mesh with animation)

    jaxtalk fap other.fap -o out.mp4 --sound speech.wav --face ict.npz (draws a stream on another face)

    arecord -q -t raw -f S16_LE -r 16000 | jaxtalk fap - --listener perceptron -o out.fap (live: prints each frame
    once it is known)
    """

    source: tyro.conf.Positional[Path]
    """A sound file (or a video: its sound), or a .fap file; - for live speech, raw 16-bit mono at 16 kHz, on standard
    input: lips only, 0.16 s after the sound at 25 frames per second, 0.19 s at 15."""
    output: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-o"])] = (Path("out.fap"),)
    """Files to write, by suffix: .fap, .mp4 or .mov, .glb."""
    listener: Literal["tcn", "perceptron"] = "tcn"
    """What hears the speech: tcn, the network of `jaxtalk talk`, measured on the built-in face (follows most voices
    better), or the perceptron of the 2003 system, which also listens live."""
    fps: Literal[25, 15] = 25
    """Frames per second of what is heard; a .fap file has its own."""
    still: bool = False
    """Leave the head's rotation out."""
    seed: int = 0
    """Same seed, same blinks, gaze and head motion."""

    face: Path | None = None
    """A face model that `jaxtalk convert` wrote, to draw on instead of the built-in one."""
    deform: Literal["shapes", "points"] = "shapes"
    """shapes: the face's own expression shapes, fitted to the stream. points: feature points and the skin around."""
    size: int = 512
    """Side of the square video."""
    sound: Path | None = None
    """Sound for the video of a .fap file."""
