"""Meshes that talk on disk: clips as ArrayRecord, written through a TFDS builder and read by grain.

    DIR/meshes.json                     which set, how many frames a second
    DIR/block-00000/mesh_clips/1.0.0/   a TFDS dataset of a block of clips, with the published splits
    DIR/block-00000/clips.json          what became of each clip of the block
    DIR/set_aside.csv, DIR/summary.json as of talking videos

`jaxtalk prepare` writes this of VOCASET and BIWI (`systems.mesh_sets`).
"""

from pathlib import Path

import grain
import numpy as np
import tensorflow_datasets as tfds

from jaxtalk.data import record_blocks
from jaxtalk.errors import InputError

VERSION = "1.0.0"
SPLITS = (*record_blocks.SPLITS, "test_seen")  # the last: new sentences of people in training
SETTINGS = "meshes.json"


class MeshClips(tfds.core.GeneratorBasedBuilder):
    """One block: its records by split."""

    VERSION = tfds.core.Version(VERSION)
    code_path = Path(__file__)  # tfds 4.9.10 finds it out by importlib_resources, which nothing installs

    def __init__(self, *, records: dict[str, list[dict]], vertices: int, **settings):
        self._records, self._vertices = records, vertices
        super().__init__(**settings)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Recorded meshes of people who talk, with their sound.",
            features=tfds.features.FeaturesDict(features(self._vertices)),
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(records) for name, records in self._records.items()}

    def _generate_examples(self, records):
        yield from ((record["name"], record) for record in records)


def features(vertices: int) -> dict[str, tfds.features.FeatureConnector]:
    """What a record holds. The sound is as long as the frames; units are those of the set (VOCASET: metres)."""

    def array(*shape: int | None, dtype: type = np.float32) -> tfds.features.Tensor:
        return tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes" if shape else "none")

    return {
        "name": tfds.features.Text(),
        "subject": tfds.features.Text(),
        "sentence": tfds.features.Text(),  # as the set numbers them
        "fps": array(),
        "speech": array(None, dtype=np.int16),  # 16 kHz
        "vertices": array(None, vertices, 3),
        "template": array(vertices, 3),  # the subject's face at rest
    }


def read(directory: str | Path, split: str = "train") -> grain.MapDataset:
    """The records of a split as dictionaries of arrays, in random access.

    Raises InputError where no finished preparation is.
    """
    directory = Path(directory)
    records = record_blocks.read_prepared(directory, split, dataset, SETTINGS, VERSION, "meshes", "FOLDER")
    if records is None:
        raise InputError(f"{directory}: has no records for {split}; splits are {', '.join(SPLITS)}")
    return records


def dataset(block: Path) -> Path:
    """Where the records of a block are; missing where all its clips were set aside."""
    return block / MeshClips.name / VERSION
