"""What the place and the name of a video say of it, in the known sets of talking people. docs/data.md has their trees.

voxceleb    .../[dev|test/...]/id00012/21Uxsk56VDQ/00001.mp4    Nagrani et al., 2017; Chung et al., 2018
hdtf        WDA_ChrisVanHollen0_000.mp4                          Zhang et al., CVPR 2021
lrs2        .../main|pretrain/5535415699068794046/00001.mp4      Son Chung et al., CVPR 2017; lists of its splits
lrs3        .../pretrain|trainval|test/0Fi83BHQsMA/00002.mp4     Afouras et al., 2018
lrw         .../ABOUT/train|val|test/ABOUT_00001.mp4             Chung and Zisserman, ACCV 2016
cremad      .../1001_DFA_ANG_XX.flv                              Cao et al., IEEE TAC 2014
grid        .../s1/.../bbaf2n.mpg                                Cooke et al., JASA 2006
folders     person/.../NAME.mp4
flat        .../NAME.mp4                                         each video another person
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from jaxtalk.errors import InputError

Layout = Literal["flat", "folders", "voxceleb", "hdtf", "lrs2", "lrs3", "lrw", "cremad", "grid"]
REST = "rest"  # split of what a set keeps out of its test, where it leaves open what validation is

# Of a clip's path without its suffix. No path fits two of them.
_PATHS = {
    "lrs2": r"(?:.+/)?(?P<part>main|pretrain)/(?P<person>\d{12,})/\d{5}",
    "lrs3": r"(?:.+/)?(?P<part>pretrain|trainval|test)/(?P<person>[\w-]{11})/\d{5}",
    "lrw": r"(?:.+/)?(?P<label>[A-Z]+)/(?P<part>train|val|test)/(?P=label)_\d{5}",
    "cremad": r"(?:.+/)?(?P<person>\d{4})_(?P<sentence>[A-Z]{3})_(?P<label>[A-Z]{3})_(?:LO|MD|HI|XX?)",
    "grid": r"(?:.+/)?(?P<person>s\d{1,2})/(?:.+/)?(?P<sentence>[blps][bgrw][abiw][a-z][z1-9][anps])",
}
_PATHS = {layout: re.compile(pattern) for layout, pattern in _PATHS.items()}
_HDTF = re.compile(r"(?P<video>.+)_\d{3}")
_TREES = {
    "voxceleb": "person/video/clip", "hdtf": "person_000", "lrs2": "main/NUMBER/00001", "folders": "person/clip",
    "lrs3": "trainval/VIDEO/00001", "lrw": "WORD/train/WORD_00001", "cremad": "1001_DFA_ANG_XX", "grid": "s1/bbaf2n",
}  # fmt: skip
_SPLITS = {"train": "train", "val": "validation", "test": "test", "pretrain": REST, "trainval": REST, "dev": REST}
_CREMAD = {
    "IEO": "It's eleven o'clock.", "TIE": "That is exactly what happened.", "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.", "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.", "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.", "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.", "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}  # fmt: skip
_GRID = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {},
    dict(zip("z123456789", "zero one two three four five six seven eight nine".split(), strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


class Told(NamedTuple):
    """What is known of a video before it is opened."""

    person: str
    split: str = ""  # that the set itself puts it in, or REST; empty where it has none
    label: str = ""  # its class in the set: the word in LRW, the emotion in CREMA-D
    text: str = ""  # what is said


def guess(clips: list[str]) -> Layout:
    """The layout that all paths agree with; flat if there is none."""
    paths = [PurePosixPath(clip) for clip in clips]
    for layout, pattern in _PATHS.items():
        if all(pattern.fullmatch(str(path.with_suffix(""))) for path in paths):
            return layout
    if all(len(path.parts) >= 3 for path in paths):
        return "voxceleb"
    return "hdtf" if all(_HDTF.fullmatch(path.stem) for path in paths) else "flat"


def told(clip: str, layout: Layout, lists: Mapping[str, str]) -> Told | None:
    """What a path within its set says; None if it is not laid out so. `lists`: see `own_lists`."""
    path = PurePosixPath(clip)
    name = str(path.with_suffix(""))
    if layout in _PATHS:
        found = _PATHS[layout].fullmatch(name)
        return found and _of_match(layout, name, found.groupdict(), lists)
    if layout == "flat":
        return Told(name)
    if layout == "folders":
        return Told(path.parts[0]) if len(path.parts) >= 2 else None
    if layout == "hdtf":
        return (found := _HDTF.fullmatch(path.stem)) and Told(_of_hdtf(found["video"]))
    if len(path.parts) < 3:
        return None
    above = [part for part in path.parts[:-3] if part in ("dev", "test")]
    return Told(path.parts[-3], _SPLITS[above[-1]] if above else "")


def tree(layout: Layout) -> str:
    """An example of a path of the layout, without suffix."""
    return _TREES[layout]


def own_lists(videos: Path, layout: Layout, clips: list[str]) -> dict[str, str]:
    """Splits by NUMBER/00001 that lists in the folder give: LRS2's train.txt, val.txt and test.txt.

    Raises:
        InputError: LRS2's main part is there without its lists.
    """
    if layout != "lrs2" or not any("main" in PurePosixPath(clip).parts[:-2] for clip in clips):
        return {}
    splits = {}
    for name in ("train", "val", "test"):
        try:
            lines = (videos / f"{name}.txt").read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{videos / name}.txt: the set's list cannot be read ({error}); put train.txt, val.txt and test.txt of "
                "LRS2 there, or use --layout folders"
            ) from error
        splits |= {line.split()[0]: _SPLITS[name] for line in lines if line.strip()}
    return splits


def transcript(video: Path) -> str:
    """What is said, from the .txt beside the video as LRS2 and LRS3 have it; empty if there is none."""
    try:
        first = video.with_suffix(".txt").read_text("utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return ""
    return first.removeprefix("Text:").strip() if first.startswith("Text:") else ""


def _of_match(layout: str, name: str, found: dict[str, str], lists: Mapping[str, str]) -> Told:
    split = _SPLITS.get(found.get("part"), "")
    if layout == "lrs2":  # its lists name what is for validation and for testing
        split = lists.get("/".join(name.split("/")[-2:]), "train")
    if layout == "cremad":
        return Told(found["person"], label=found["label"], text=_CREMAD.get(found["sentence"], ""))
    if layout == "grid":
        words = [kind.get(letter, letter) for kind, letter in zip(_GRID, found["sentence"], strict=True)]
        return Told(found["person"], text=" ".join(words))
    if layout == "lrw":  # nobody knows who speaks: each clip another person
        return Told(name, split, found["label"], found["label"])
    return Told(found["person"], split)


def _of_hdtf(video: str) -> str:
    """The speaker of a video: those with several are numbered, but RD_Radio7 is the seventh of another speaker."""
    return video if re.search(r"Radio\d+$", video) else video.rstrip("0123456789") or video
