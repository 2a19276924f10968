"""face-vid2vid as published: 256 pixels, batches of 32, the paper's losses; `configs/face_vid2vid.py` for clusters.

jaxtalk plan face_vid2vid_published --topology v5p:4x4x4 --rows 2
jaxtalk train face_vid2vid_published --videos prepared --features vgg19.safetensors

Not trained here, only compiled for TPUs: docs/planning.md says what a step needs.
"""

import dataclasses
from typing import Literal

from configs import face_vid2vid
from jaxtalk.train.experiment import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(face_vid2vid.Config):
    """Trains face-vid2vid at its published size."""

    networks: face_vid2vid.Networks = face_vid2vid.PUBLISHED
    size: int = 256
    scales: tuple[int, ...] = (1, 2, 4, 8)
    batch: int = 32
    rate: float = 2e-4
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    average: float = 0.999

    def experiment(self) -> Experiment:
        return dataclasses.replace(super().experiment(), name="face_vid2vid_published")
