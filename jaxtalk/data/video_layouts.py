"""Which videos there are and who speaks in each: folders as the known sets of talking people lay them out, and lists.

    flat        FOLDER/.../NAME.mp4                each video another person
    hdtf        FOLDER/WDA_BobMenendez_000.mp4     person_clip
    voxceleb    FOLDER/.../id00012/21Uxsk56VDQ/00001.mp4    person/video/clip
    list        FILE.csv with lines path,person    paths from the folder of the list; no person: another one

VoxCeleb: Nagrani et al., 2017. HDTF: Zhang et al., CVPR 2021.
"""

import csv
import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from jaxtalk.errors import InputError

SUFFIXES = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .flv .wmv .3gp".split())
_HDTF = re.compile(r"(.+)_\d{3}")


class Source(NamedTuple):
    """One video."""

    path: Path
    clip: str  # its path from the folder of videos, with / between folders
    person: str

    @property
    def name(self) -> str:
        """The clip's name as that of a file."""
        return self.clip.removesuffix(self.path.suffix).replace("/", "-")


def find(videos: Path, layout: str) -> tuple[str, list[Source]]:
    """The layout, which is guessed if `layout` is "auto", and all videos in the order of their names.

    Raises:
        InputError: no such folder or list, no videos in it, two of one name, or not laid out as said.
    """
    if videos.suffix.lower() == ".csv":
        layout, sources = "list", _listed(videos)
    else:
        clips = _walk(videos)
        layout = _guess(clips) if layout == "auto" else layout
        sources = [Source(videos / clip, clip, _person(videos, clip, layout)) for clip in clips]
    if not sources:
        raise InputError(f"{videos}: holds no videos ({' '.join(sorted(SUFFIXES))})")
    name, count = Counter(source.name for source in sources).most_common(1)[0]
    if count > 1:
        raise InputError(f"{videos}: {count} videos have the name {name}; rename all but one")
    return layout, sources


def _walk(videos: Path) -> list[str]:
    if not videos.is_dir():
        raise InputError(f"{videos}: is no folder and no .csv; give a folder of videos or a list of path,person")
    found = []
    for folder, _, names in os.walk(videos):
        inside = Path(folder).relative_to(videos)
        shown = (name for name in names if not name.startswith("."))
        found += [(inside / name).as_posix() for name in shown if Path(name).suffix.lower() in SUFFIXES]
    return sorted(found)


def _guess(clips: list[str]) -> str:
    """What all the names agree with."""
    paths = [Path(clip) for clip in clips]
    if all(len(path.parts) >= 3 for path in paths):
        return "voxceleb"
    return "hdtf" if all(_HDTF.fullmatch(path.stem) for path in paths) else "flat"


def _person(videos: Path, clip: str, layout: str) -> str:
    path = Path(clip)
    if layout == "flat":
        return path.with_suffix("").as_posix()
    if layout == "hdtf":
        named = _HDTF.fullmatch(path.stem)
        if not named:
            raise InputError(f"{videos / clip}: is not named as in HDTF, person_000; use --layout flat or a list")
        return named[1]
    if len(path.parts) < 3:
        raise InputError(f"{videos / clip}: is not person/video/clip as in VoxCeleb; use --layout flat or a list")
    return path.parts[-3]


def _listed(path: Path) -> list[Source]:
    """The videos of a list, whose first line may be path,person."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(line, [cell.strip() for cell in row]) for line, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a list ({error}); write lines of path,person") from error
    sources = []
    for line, row in rows:
        if len(row) > 2 or not row[0]:
            raise InputError(f"{path}: line {line} is not path,person; put names with commas in double quotes")
        if (line, row[0].lower()) == (1, "path"):
            continue
        clip = Path(row[0]).as_posix()
        person = row[1] if len(row) == 2 and row[1] else Path(row[0]).with_suffix("").as_posix()
        sources.append(Source(path.parent / row[0], clip, person))
    return sorted(sources, key=lambda source: source.clip)
