"""Which videos there are and who speaks in each: folders as the known sets lay them out (`known_sets`), and lists.

FOLDER      of a known set, which is guessed or said
FILE.csv    with lines path,person: paths from the folder of the list; no person: another one
"""

import csv
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from jaxtalk.data import known_sets
from jaxtalk.errors import InputError

SUFFIXES = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .flv .wmv .3gp".split())


class Source(NamedTuple):
    """One video."""

    path: Path
    clip: str  # its path from the folder of videos, with / between folders
    person: str
    split: str = ""  # as in `known_sets.Told`, like the next two
    label: str = ""
    text: str = ""

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
        layout = known_sets.guess(clips) if layout == "auto" else layout
        lists = known_sets.own_lists(videos, layout, clips)
        sources = [_source(videos, clip, layout, lists) for clip in clips]
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


def _source(videos: Path, clip: str, layout: str, lists: dict[str, str]) -> Source:
    told = known_sets.told(clip, layout, lists)
    if told is None:
        raise InputError(
            f"{videos / clip}: is not laid out as {layout} is, {known_sets.tree(layout)}; "
            "use another --layout (flat takes any) or a list"
        )
    return Source(videos / clip, clip, *told)


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
