"""Makes training records of videos of talking people: who is there, every clip by itself, then blocks of clips.

    videos --video_layouts--> clips --talking_clip, in processes or on Beam--> DIR/stage/*.zip
    all clips of a block staged --TalkingVideos--> DIR/block-00000 --> DIR/set_aside.csv, DIR/summary.json

Every step leaves its result whole or not at all and is left out where the result is there. The records of a clip
depend on its file and the settings alone, and blocks are filled in the order of the clips' names; so it does not
matter how often, where or by how many processes the work was interrupted.
"""

import csv
import functools
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from jaxtalk.data import (
    clip,
    isolated_worker,
    known_sets,
    on_beam,
    record_blocks,
    staged_clips,
    talking_videos,
    video_layouts,
)
from jaxtalk.data.video_layouts import Source
from jaxtalk.errors import InputError
from jaxtalk.face import mediapipe_tracker
from jaxtalk.io import output, output_folder
from jaxtalk.systems import mesh_sets, prepare_meshes
from jaxtalk.systems.prepare_options import PrepareOptions

BLOCK = 200  # clips
STAGE = "stage"  # folder of clips whose block is not whole yet


class Block(NamedTuple):
    """Clips that become one data set."""

    folder: Path
    sources: tuple[Source, ...]


def run(options: PrepareOptions) -> str:
    """Prepares all videos that are not prepared yet, and says what there is then.

    Raises:
        InputError: the options cannot be, there are no videos, or the folder cannot be written or is another's.
    """
    if meshes := mesh_sets.layout_of(options.videos, options.layout):
        return prepare_meshes.run(options, meshes)
    _check(options)
    layout, sources = video_layouts.find(options.videos, options.layout)
    out = options.directory
    record_blocks.claim(out, talking_videos.SETTINGS, _settings(options, layout), "set of talking videos")
    stage = out / STAGE
    try:
        for left in out.glob(".block-*.part"):  # by a process that was killed
            shutil.rmtree(left)
        waiting = _waiting(out, sources, options.retry)
        if waiting:
            (out / record_blocks.SUMMARY).unlink(missing_ok=True)
            stage.mkdir(exist_ok=True)
            if options.retry:
                _forget(stage, waiting)
            _work(options, stage, list(_blocks(out, waiting)))
        shutil.rmtree(stage, ignore_errors=True)
        return _sum_up(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error}); make room and run this again") from error


def _check(options: PrepareOptions) -> None:
    if options.size % 16 or not 16 <= options.size <= 1024:
        raise InputError(f"--size {options.size}: must be a multiple of 16 up to 1024")
    if not 1 <= options.shortest <= options.longest <= 10_000:
        raise InputError(f"--shortest {options.shortest}, --longest {options.longest}: must be 1 to 10000, in order")
    if not 0 <= options.held_out <= 0.4:
        raise InputError(f"--held-out {options.held_out}: must be 0 to 0.4, as it is taken twice")
    if options.workers < 0:
        raise InputError(f"--workers {options.workers}: must be 0 or more")
    if options.tracks is not None and not options.tracks.is_dir():
        raise InputError(f"{options.tracks}: is no folder; give one with tracks, NAME.npz for NAME.mp4")
    if options.tracker is not None:
        mediapipe_tracker.check(mediapipe_tracker.task_file(options.tracker))
    if options.beam:
        on_beam.check()


def _smallest(options: PrepareOptions) -> int:
    return options.size // 2 if options.smallest is None else options.smallest


def _settings(options: PrepareOptions, layout: str) -> dict:
    """All that records depend on, but for the files."""
    return {
        "version": talking_videos.VERSION,
        "layout": layout,
        "size": options.size,
        "smallest": _smallest(options),
        "longest": options.longest,
        "shortest": options.shortest,
        "fps": clip.FPS,
        "held_out": options.held_out,
        "tracker": "jaxtalk" if options.tracker is None else "mediapipe",
        "tracks": options.tracks is not None,
    }


def _waiting(out: Path, sources: list[Source], retry: bool) -> list[Source]:
    """Clips of which no finished block knows, or only that they were set aside."""
    known = _outcomes(out)
    return [s for s in sources if s.clip not in known or (retry and known[s.clip].reason)]


def _outcomes(out: Path) -> dict[str, staged_clips.Outcome]:
    """What became of each clip of the finished blocks; of clips tried twice, the last time."""
    noted = (json.loads((block / record_blocks.CLIPS).read_text()) for block in record_blocks.prepared(out))
    return {row["clip"]: staged_clips.Outcome(**row) for rows in noted for row in rows}


def _blocks(out: Path, waiting: list[Source]) -> Iterator[Block]:
    """Blocks of the clips that wait, under the names that are free."""
    taken, number = {block.name for block in record_blocks.prepared(out)}, 0
    for first in range(0, len(waiting), BLOCK):
        while f"block-{number:05d}" in taken:
            number += 1
        yield Block(out / f"block-{number:05d}", tuple(waiting[first : first + BLOCK]))
        number += 1


def _forget(stage: Path, sources: list[Source]) -> None:
    for path in (staged_clips.path(stage, source) for source in sources):
        if (known := staged_clips.outcome(path)) and known.reason:
            path.unlink()


def _work(options: PrepareOptions, stage: Path, blocks: list[Block]) -> None:
    from jaxtalk.data import talking_clip  # jax starts only where there is something to do

    demands = talking_clip.Demands(
        size=options.size,
        smallest=_smallest(options),
        longest=options.longest,
        shortest=options.shortest,
        tracks=options.tracks,
        mediapipe=mediapipe_tracker.task_file(options.tracker),
    )
    prepare = functools.partial(talking_clip.stage, stage, demands)
    finish = functools.partial(write_block, stage, options.held_out)
    if options.beam:
        aside = functools.partial(staged_clips.set_aside, stage)
        on_beam.run({block: block.sources for block in blocks}, prepare, aside, finish, options.beam_options)
        return
    owner = {source: block for block in blocks for source in block.sources}
    left = {block.folder: len(block.sources) for block in blocks}
    with tqdm(total=len(owner), unit="clip", disable=None) as bar:
        for source in _prepared(prepare, stage, list(owner), options.workers):
            bar.update()
            block = owner[source]
            left[block.folder] -= 1
            if not left[block.folder]:
                finish(block)
                _list_set_aside(options.directory)


def _prepared(prepare, stage: Path, sources: list[Source], workers: int) -> Iterator[Source]:
    """Every clip when it is staged."""
    if not workers:
        for source in sources:
            prepare(source)
            yield source
        return
    for source, result in isolated_worker.each(prepare, sources, min(workers, len(sources)), clip.use_cpu):
        if isinstance(result, isolated_worker.Died):
            staged_clips.set_aside(stage, source, result.how)
        yield source


def write_block(stage: Path, held_out: float, block: Block) -> None:
    """Puts the staged clips of a block together, and removes them from the stage."""
    files = [staged_clips.path(stage, source) for source in block.sources]
    if not (block.folder / record_blocks.CLIPS).is_file():
        outcomes = [staged_clips.outcome(file) for file in files]
        splits = [split_of(outcome.person, held_out, outcome.split) for outcome in outcomes]
        filled = {split for split, outcome in zip(splits, outcomes, strict=True) if outcome.pieces}

        def records(wanted: str):
            for file, split in zip(files, splits, strict=True):
                if split == wanted:
                    yield from ((record["name"], record) for record in staged_clips.read(file))

        with output_folder.atomic(block.folder) as folder:
            if filled:
                builder = talking_videos.TalkingVideos(
                    records=records,
                    splits=[split for split in record_blocks.SPLITS if split in filled],
                    data_dir=folder,
                    file_format="array_record",
                )
                record_blocks.write(builder, folder)
            rows = [outcome._asdict() for outcome in outcomes]
            (folder / record_blocks.CLIPS).write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    for file in files:
        file.unlink(missing_ok=True)


def split_of(person: str, held_out: float, own: str = "") -> str:
    """The split of a clip: that of the set itself, or by the person's name alone, so that more people change nothing.

    `own`: as `known_sets.Told.split` says it. Of a set with nothing but a test of its own, validation is taken.
    """
    if own in record_blocks.SPLITS:
        return own
    chance = int(hashlib.sha256(person.encode()).hexdigest()[:8], 16) / 2**32
    if chance < held_out:
        return "validation"
    return "test" if chance < 2 * held_out and own != known_sets.REST else "train"


def _list_set_aside(out: Path) -> None:
    with output.atomic(out / "set_aside.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "person", "reason"])
        rows.writerows([o.clip, o.person, o.reason] for _, o in sorted(_outcomes(out).items()) if o.reason)


def _sum_up(out: Path) -> str:
    """Writes what there is, and says it."""
    _list_set_aside(out)
    outcomes, held_out = _outcomes(out).values(), json.loads((out / talking_videos.SETTINGS).read_text())["held_out"]
    used = [outcome for outcome in outcomes if not outcome.reason]
    pieces, frames = (sum(getattr(outcome, name) for outcome in used) for name in ("pieces", "frames"))
    people = {outcome.person for outcome in used}
    splits = Counter(split for _, split in {(o.person, split_of(o.person, held_out, o.split)) for o in used})
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.reason)
    summary = {"clips": len(used), "pieces": pieces, "frames": frames, "people": len(people)}
    summary |= {"people_of_split": {name: splits[name] for name in record_blocks.SPLITS}}
    summary |= {"set_aside": dict(reasons.most_common())}
    with output.atomic(out / record_blocks.SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, ensure_ascii=False, indent=1))
    text = f"{out}: {len(used)} clips of {len(people)} people, {pieces} pieces, {frames / clip.FPS / 60:.1f} minutes"
    if not reasons:
        return text
    why = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common(3)) + "; ..." * (len(reasons) > 3)
    return f"{text}; {reasons.total()} set aside, see {out / 'set_aside.csv'} ({why})"
