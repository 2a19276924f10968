"""The synthetic corpus on disk: clips as ArrayRecord, written in parallel through a TFDS builder and read by grain.

    DIR/corpus.json                 what the corpus is: clips, seed, version
    DIR/block-00000/corpus/1.1.0/   a TFDS dataset of BLOCK clips with the splits train, validation and test
    DIR/block-00001/...

A clip depends on the seed and its index alone, so the number of workers changes nothing. TFDS prepares a block under
another name and renames it when it is whole: after an interruption the same command goes on with the first block that
is missing, and `read` refuses a corpus of which blocks are missing.
"""

import contextlib
import dataclasses
import functools
import json
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import grain
import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from jaxtalk.data import clip, head_motion, record_blocks, sentences, tts
from jaxtalk.data.corpus_options import CorpusOptions
from jaxtalk.data.phonemes import LETTERS
from jaxtalk.errors import InputError
from jaxtalk.face.arkit import NAMES

VERSION = "1.1.0"
BLOCK = 500  # clips; an interruption loses at most this many
STAGE = "stage"  # folder of clips that `corpus_on_beam` has made and not put into blocks yet
SPLITS = record_blocks.SPLITS


class Corpus(tfds.core.GeneratorBasedBuilder):
    """One block of the corpus. `make` gives the examples of many indices in order."""

    VERSION = tfds.core.Version(VERSION)
    code_path = Path(__file__)  # tfds 4.9.10 finds it out by importlib_resources, which nothing installs

    def __init__(self, *, indices: Iterable[int], make, frames: int, **settings):
        self._indices, self._make, self._frames = indices, make, frames
        super().__init__(**settings)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Synthetic speech with phoneme times, articulation, blinks and head motion. Made by jaxtalk.",
            features=tfds.features.FeaturesDict(features(self._frames)),
        )

    def _split_generators(self, dl_manager):
        chosen = {name: [i for i in self._indices if clip.split_of(i) == name] for name in SPLITS}
        return {name: self._generate_examples(indices) for name, indices in chosen.items() if indices}

    def _generate_examples(self, indices):
        for example in self._make(indices):
            yield int(example["index"]), example


def features(frames: int = 0) -> dict[str, tfds.features.FeatureConnector]:
    """What a record holds; see `clip.Clip`. Phonemes are places in `phonemes.LETTERS`, times are seconds.

    With `frames` also what `clip_frames.Video` holds, the frames as they are in the JPEG files.
    """

    def array(*shape: int | None, dtype: type = np.float32) -> tfds.features.Tensor:
        return tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes" if shape else "none")

    video = {
        "frames": tfds.features.Sequence(tfds.features.Text()),
        "landmarks": array(None, 68, 2),
        "camera": array(4),
    }
    return (video if frames else {}) | {
        "index": array(dtype=np.int64),
        "text": tfds.features.Text(),
        "language": tfds.features.ClassLabel(names=list(sentences.GRAMMARS)),
        "voice": tfds.features.Text(),
        "speech": array(None, dtype=np.int16),
        "phoneme": array(None, dtype=np.int32),
        "phoneme_start": array(None),
        "phoneme_end": array(None),
        "phoneme_stress": array(None, dtype=np.int32),
        "expression": array(None, len(NAMES)),
        "rotation": array(None, 3),
        "translation": array(None, 3),
        "blink": array(None),
        "style": tfds.features.ClassLabel(num_classes=head_motion.STYLES),
        "articulation": array(len(dataclasses.fields(clip.articulation.Style))),
        "identity": array(clip.IDENTITY),
    }


def write(options: CorpusOptions) -> None:
    """Writes a corpus, or finishes one that was interrupted.

    Raises InputError if the directory holds another corpus or cannot be written, and where espeak-ng is missing.
    """
    if options.clips < 1 or options.workers < 1 or options.seed < 0:
        raise InputError(f"{options.directory}: a corpus needs at least one clip and one worker, and a seed from 0 on")
    if options.frames % 16 or not 0 <= options.frames <= 1024:
        raise InputError(f"--frames {options.frames}: must be a multiple of 16 up to 1024")
    tts.variants()  # before anything is written: is espeak-ng there?
    settings = {"clips": options.clips, "seed": options.seed, "frames": options.frames}
    settings |= {"version": VERSION, "phonemes": LETTERS}
    if options.beam:
        from jaxtalk.data import corpus_on_beam  # only now, as it needs this

        corpus_on_beam.check()
    record_blocks.claim(options.directory, "corpus.json", settings, "corpus")
    if options.beam:
        corpus_on_beam.write(options)
    else:
        _write_here(options)


def _write_here(options: CorpusOptions) -> None:
    with _maker(options) as make, tqdm(total=options.clips, unit="clip", disable=None) as bar:
        for path, indices in blocks(options.directory, options.clips):
            if finished(path):
                bar.update(len(indices))
                continue
            try:
                shutil.rmtree(path, ignore_errors=True)  # what an interruption left
                write_block(path, indices, lambda wanted: _counted(make(wanted), bar), options.frames)
            except OSError as error:
                raise InputError(f"{path}: cannot be written ({error}); make room and run this again") from error
    shutil.rmtree(options.directory / STAGE, ignore_errors=True)  # of a command on Beam that was stopped


def read(directory: str | Path, split: str = "train") -> grain.MapDataset:
    """The records of a split as dictionaries of arrays, in random access.

    Raises InputError where there is no whole corpus.
    """
    directory = Path(directory)
    try:
        settings = json.loads((directory / "corpus.json").read_text())
        parts, version = list(blocks(directory, settings["clips"])), settings["version"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{directory}: holds no corpus; write one with jaxtalk corpus {directory}") from error
    if version != VERSION:
        raise InputError(f"{directory}: is a corpus of version {version}, not {VERSION}; write it anew")
    missing = [path.name for path, _ in parts if not finished(path)]
    if missing:
        raise InputError(
            f"{directory}: {len(missing)} of {len(parts)} blocks are missing; run jaxtalk corpus again to finish it"
        )
    records = record_blocks.read([_folder(path) for path, _ in parts], split)
    if records is None:
        raise InputError(f"{directory}: has no clips for {split}; splits are {', '.join(SPLITS)}, from 20 clips on")
    return records


def blocks(directory: Path, clips: int) -> Iterator[tuple[Path, range]]:
    """The folder of each block and the clips in it."""
    for number, first in enumerate(range(0, clips, BLOCK)):
        yield directory / f"block-{number:05d}", range(first, min(first + BLOCK, clips))


def _folder(block: Path) -> Path:
    return block / Corpus.name / VERSION


def finished(block: Path) -> bool:
    """TFDS renames a dataset to its name when it is whole."""
    return _folder(block).is_dir()


def write_block(path: Path, indices: Iterable[int], make, frames: int) -> None:
    """Writes a block; `make` gives the examples of many indices in their order."""
    builder = Corpus(indices=indices, make=make, frames=frames, data_dir=path, file_format="array_record")
    record_blocks.write(builder, path)


def _counted(examples: Iterator[dict], bar: tqdm) -> Iterator[dict]:
    for example in examples:
        yield example
        bar.update()


@contextlib.contextmanager
def _maker(options: CorpusOptions):
    """A function from indices to examples in their order, made in this process or in `workers` others."""
    make = functools.partial(clip.example, options.seed, options.frames)
    if options.workers == 1:
        yield functools.partial(map, make)
        return
    # spawn: forked processes would inherit the threads and locks of jax and of espeak-ng.
    with multiprocessing.get_context("spawn").Pool(options.workers, clip.use_cpu) as pool:
        yield functools.partial(pool.imap, make, chunksize=1 if options.frames else 4)
