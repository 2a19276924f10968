"""Talking people on disk: pieces of videos as ArrayRecord, written through a TFDS builder and read by grain.

    DIR/prepared.json                       how the pieces were made: size, rate, tracker, version
    DIR/block-00000/talking_videos/1.1.0/   a TFDS dataset of a block of clips, with the splits of `record_blocks`
    DIR/block-00000/clips.json              what became of each clip of the block
    DIR/set_aside.csv                       the clips that gave no record, and why
    DIR/summary.json                        how much there is; missing while clips are waiting

`jaxtalk prepare` writes this (`jaxtalk.systems.prepare`). A record holds what one of the corpus with frames holds, as
far as it can be known of a real person; `docs/talking_videos.md` has the list.
"""

from collections.abc import Iterable
from pathlib import Path

import grain
import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.data import corpus, record_blocks
from jaxtalk.errors import InputError

VERSION = "1.1.0"
SETTINGS = "prepared.json"
SHARED = ("frames", "landmarks", "camera", "speech", "expression", "rotation", "translation", "identity")


class TalkingVideos(tfds.core.GeneratorBasedBuilder):
    """One block. `records(split)` gives the (key, record) of all pieces of a split."""

    VERSION = tfds.core.Version(VERSION)
    code_path = Path(__file__)  # tfds 4.9.10 finds it out by importlib_resources, which nothing installs

    def __init__(self, *, records, splits: Iterable[str], **settings):
        self._records, self._splits = records, tuple(splits)
        super().__init__(**settings)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Pieces of videos of talking people: a steady crop, its sound, landmarks, a fitted face.",
            features=tfds.features.FeaturesDict(features()),
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(name) for name in self._splits}

    def _generate_examples(self, split):
        yield from self._records(split)


def features() -> dict[str, tfds.features.FeatureConnector]:
    """What a record holds: features of the corpus (`corpus.features`), and where the piece is from.

    Rotation, translation, identity, expression and camera are fitted to the landmarks (`face.fit`) and mean what they
    mean in the corpus: posed and projected by them, the built-in face shows its landmarks where `landmarks` has them.
    """
    known = corpus.features(frames=1)
    return {name: known[name] for name in SHARED} | {
        "name": tfds.features.Text(),  # of the piece: no other has it, and a file can have it
        "clip": tfds.features.Text(),  # the video, as its path in the folder of videos
        "person": tfds.features.Text(),
        "text": tfds.features.Text(),  # what is said in the whole video; empty where the set does not have it
        "label": tfds.features.Text(),  # of the video in its set: emotion, word; empty likewise
        "start": tfds.features.Tensor(shape=(), dtype=np.int64),  # the piece's first frame in the clip, at 25 a second
        "source_sha256": tfds.features.Text(),  # of the video file
    }


def read(directory: str | Path, split: str = "train") -> grain.MapDataset:
    """The records of a split as dictionaries of arrays, in random access.

    Raises InputError where no finished preparation is.
    """
    directory = Path(directory)
    records = record_blocks.read_prepared(directory, split, dataset, SETTINGS, VERSION, "videos", "VIDEOS")
    if records is None:
        raise InputError(
            f"{directory}: has no records for {split}; splits are {', '.join(record_blocks.SPLITS)}, and people fall "
            "into them by chance: prepare more people, or hold out more of them"
        )
    return records


def dataset(block: Path) -> Path:
    """Where the records of a block are; missing where all its clips were set aside."""
    return block / TalkingVideos.name / VERSION
