"""What `jaxtalk corpus` can be told. Light, so that --help answers at once."""

import dataclasses
import os
from pathlib import Path

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """Writes talking faces whose every label is known: speech in six languages, phoneme times, articulation, blinks,
    head motion, identities. The same options give the same corpus, whatever the number of workers. After an
    interruption the same command goes on. Needs espeak-ng: pip install "jaxtalk[tts]"."""

    directory: tyro.conf.Positional[Path]
    """Folder to write into; empty, new, or holding the same corpus unfinished."""
    clips: int = 1000
    """How many clips, of 7 seconds on average. One in twenty is for validation and one for testing."""
    workers: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    """Processes that make clips."""
    seed: int = 0
    """Another seed gives other sentences, voices, rooms and faces."""
    frames: int = 0
    """Side in pixels of rendered frames, a multiple of 16 (128 takes about six seconds of one core a clip); 0 renders
    none, since they can be rendered from the labels later."""
    beam: bool = False
    """Work on Apache Beam (extra beam) instead of --workers. All its machines must see the folder."""
    beam_options: str = "--runner=DirectRunner"
    """Options of the pipeline, as --beam-options="--runner=FlinkRunner --flink_master=...\"."""
