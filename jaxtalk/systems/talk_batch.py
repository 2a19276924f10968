"""Many portraits or recordings in one go: a folder of either, or a CSV of jobs."""

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxtalk.errors import InputError
from jaxtalk.systems.talk_options import TalkOptions

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".opus", ".mp4", ".mov", ".mkv", ".webm")


def run(options: TalkOptions) -> Iterator[Path]:
    """Runs one job or all; yields the files as they are written.

    A job of a batch that fails is reported and the others go on; then InputError says how many failed.
    """
    from jaxtalk.systems import talk

    batch = jobs(options)
    if batch is None:
        yield from talk.run(options)
        return
    failed = []
    for job in batch:
        try:
            yield from talk.run(job)
        except InputError as error:
            talk.log.error("%s", error)
            failed.append(job)
    if failed:
        raise InputError(f"{len(failed)} of {len(batch)} jobs failed; the lines above say why")


def jobs(options: TalkOptions) -> list[TalkOptions] | None:
    """The single jobs of a batch; None where the options name a single job."""
    if options.portrait.suffix.lower() == ".csv":
        rows = _rows(options.portrait)
    elif options.portrait.is_dir() or (options.speech is not None and options.speech.is_dir()):
        rows = _pairs(options)
    else:
        return None
    folder = _folder(options.output)
    return [
        dataclasses.replace(
            options, portrait=portrait, speech=speech, output=(folder / (name or _name(portrait, speech)),)
        )
        for portrait, speech, name in rows
    ]


def _rows(table: Path) -> list[tuple[Path, Path | None, str | None]]:
    """Jobs of a CSV with the columns portrait, speech and perhaps output; paths are relative to the table."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read as CSV ({error})") from error
    if not rows or not {"portrait", "speech"} <= rows[0].keys():
        raise InputError(f"{table}: must have the columns portrait and speech, and at least one row")
    for number, row in enumerate(rows, start=2):
        if not row["portrait"] or not row["speech"]:
            raise InputError(f"{table}: line {number} lacks a portrait or a speech")
    return [(table.parent / r["portrait"], table.parent / r["speech"], r.get("output") or None) for r in rows]


def _pairs(options: TalkOptions) -> list[tuple[Path, Path | None, None]]:
    portraits = _files(options.portrait, PICTURES)
    speeches = [None] if options.speech is None else _files(options.speech, SOUNDS)
    return [(portrait, speech, None) for portrait in portraits for speech in speeches]


def _files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise InputError(f"{path}: holds none of {' '.join(suffixes)}")
    return files


def _folder(output: tuple[Path, ...]) -> Path:
    if len(output) != 1 or output[0].suffix:
        raise InputError(f"{' '.join(map(str, output))}: a batch needs one folder to write to, e.g. -o results")
    output[0].mkdir(parents=True, exist_ok=True)
    return output[0]


def _name(portrait: Path, speech: Path | None) -> str:
    return f"{portrait.stem}.mp4" if speech is None else f"{portrait.stem}-{speech.stem}.mp4"
