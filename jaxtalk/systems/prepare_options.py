"""What `jaxtalk prepare` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
import os
from pathlib import Path
from typing import Literal

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """Makes training records of videos of talking people: steady crops of the head, sound, landmarks, a fitted face.

    jaxtalk prepare videos/ records/

    jaxtalk prepare voxceleb/ records/ --workers 32 (VoxCeleb, HDTF, LRS2, LRS3, LRW, CREMA-D, GRID are recognised)

    jaxtalk prepare list.csv records/ (lines of path,person)

    Clips that are of no use are set aside and listed with the reason in records/set_aside.csv. After an interruption
    the same command goes on; new videos are added. docs/talking_videos.md has more.
    """

    videos: tyro.conf.Positional[Path]
    """Folder of videos or of a set of meshes, or a .csv file with lines of path,person."""
    directory: tyro.conf.Positional[Path]
    """Folder to write into; empty, new, or with records made by the same options."""
    layout: Literal[
        "auto", "flat", "folders", "voxceleb", "hdtf", "lrs2", "lrs3", "lrw", "cremad", "grid", "voca", "codetalker"
    ] = "auto"
    """How the folder is laid out; auto recognises the known sets, of which docs/data.md has the trees. flat: each video
    another person; folders: person/.../clip.mp4. voca and codetalker are sets of meshes."""
    size: int = 256
    """Side of the crops in pixels, a multiple of 16."""
    smallest: int | None = None
    """Least side in pixels that a crop has in the video; half of --size if not given."""
    longest: int = 256
    """Frames, 25 a second, after which a new piece begins."""
    shortest: int = 32
    """Frames that a piece must have."""
    held_out: float = 0.05
    """Share of the people who are for validation, and of those who are for testing."""
    tracks: Path | None = None
    """Folder of tracks (.npz, laid out as the videos) to take instead of finding faces; one beside a video is taken
    too."""
    tracker: str | None = None
    """mediapipe:PATH.task finds faces with MediaPipe instead of the project's own networks (extra mediapipe)."""
    workers: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    """Processes that work on clips; 0 works in this one, where a clip that ends a process ends the run."""
    retry: bool = False
    """Try clips again that were set aside before."""
    beam: bool = False
    """Work on Apache Beam (extra beam) instead of --workers. All its machines must see both folders."""
    beam_options: str = "--runner=DirectRunner"
    """Options of the pipeline, as --beam-options="--runner=FlinkRunner --flink_master=...\"."""
