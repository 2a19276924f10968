"""Makes training records of sets of meshes: block after block, each whole or not at all (`data.mesh_clips`)."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from jaxtalk.data import mesh_clips, record_blocks, staged_clips
from jaxtalk.errors import InputError
from jaxtalk.io import output, output_folder
from jaxtalk.systems import mesh_sets
from jaxtalk.systems.mesh_sets import MeshClip
from jaxtalk.systems.prepare_options import PrepareOptions

BLOCK = 10  # clips; their vertices are in memory together, 35 MB a clip of BIWI


def run(options: PrepareOptions, layout: str) -> str:
    """Prepares all clips of the published splits that are not prepared yet, and says what there is then.

    Raises:
        InputError: the set cannot be read, has other subjects than are known, or the folder cannot be written or is
            another's.
    """
    if options.beam:
        raise InputError("--beam: sets of meshes are small and prepared without it; leave it out")
    source, out = mesh_sets.read(options.videos, layout), options.directory
    clips = source.clips()
    if not any(clip.split for clip in clips):
        raise InputError(f"{options.videos}: none of its clips is in a published split of {source.set.name}")
    settings = {"version": mesh_clips.VERSION, "set": source.set.name, "layout": layout, "fps": source.set.fps}
    record_blocks.claim(out, mesh_clips.SETTINGS, settings, "set of meshes")
    try:
        for left in out.glob(".block-*.part"):  # by a process that was killed
            shutil.rmtree(left)
        known = _outcomes(out)
        waiting = [clip for clip in clips if clip.split and clip.name not in known]
        if waiting:
            (out / record_blocks.SUMMARY).unlink(missing_ok=True)
        first = len(list(record_blocks.prepared(out)))
        with tqdm(total=len(waiting), unit="clip", disable=None) as bar:
            for number, start in enumerate(range(0, len(waiting), BLOCK), first):
                _write_block(source, waiting[start : start + BLOCK], out / f"block-{number:05d}", bar)
        return _sum_up(out, sum(not clip.split for clip in clips))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error}); make room and run this again") from error


def _write_block(source, clips: list[MeshClip], path: Path, bar: tqdm) -> None:
    records, outcomes = {}, []
    for clip in clips:
        outcome = clip._asdict() | {"frames": 0, "reason": ""}
        try:
            record = source.record(clip)
        except Exception as error:  # whatever is wrong with one file, the others are of use
            outcome["reason"] = staged_clips.one_line(error)
        else:
            records.setdefault(clip.split, []).append(record)
            outcome["frames"] = len(record["vertices"])
        outcomes.append(outcome)
        bar.update()
    with output_folder.atomic(path) as folder:
        if records:
            vertices = len(next(iter(records.values()))[0]["template"])
            builder = mesh_clips.MeshClips(
                records=records, vertices=vertices, data_dir=folder, file_format="array_record"
            )
            record_blocks.write(builder, folder)
        (folder / record_blocks.CLIPS).write_text(json.dumps(outcomes, ensure_ascii=False, indent=1))


def _outcomes(out: Path) -> dict[str, dict]:
    """What became of each clip of the finished blocks."""
    noted = (json.loads((block / record_blocks.CLIPS).read_text()) for block in record_blocks.prepared(out))
    return {row["name"]: row for rows in noted for row in rows}


def _sum_up(out: Path, unused: int) -> str:
    """Writes what there is, and says it."""
    outcomes = sorted(_outcomes(out).values(), key=lambda row: row["name"])
    used, aside = ([row for row in outcomes if bool(row["reason"]) is wanted] for wanted in (False, True))
    with output.atomic(out / "set_aside.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", "reason"])
        rows.writerows([row["name"], row["reason"]] for row in aside)
    splits = Counter(row["split"] for row in used)
    summary = {"clips": len(used), "frames": sum(row["frames"] for row in used), "clips_of_split": splits}
    summary |= {"set_aside": len(aside), "in_no_split": unused}
    with output.atomic(out / record_blocks.SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=1))
    parts = ", ".join(f"{splits[name]} {name}" for name in mesh_clips.SPLITS if splits[name])
    text = f"{out}: {len(used)} clips ({parts}), {summary['frames']} frames"
    text += f"; {unused} in no published split" * bool(unused)
    return text + f"; {len(aside)} set aside, see {out / 'set_aside.csv'}" * bool(aside)
