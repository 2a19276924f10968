"""What a run tells, for TensorBoard: numbers, pictures, clips, sound, histograms (extra `log`)."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.train.show import Clip, Distribution, Picture, Shown, Sound


class TensorBoard:
    """Writes event files into `folder`: tensorboard --logdir FOLDER shows them."""

    def __init__(self, folder: Path):
        try:
            import tensorboardX
        except ImportError as error:
            raise InputError(
                f'--tensorboard: tensorboardX is not there ({error}); install it: pip install "jaxtalk[log]"'
            ) from error
        self._writer = tensorboardX.SummaryWriter(str(folder))

    def write(self, step: int, kind: str, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def show(self, step: int, shown: dict[str, Shown]) -> None:
        for name, one in shown.items():
            match one:
                case Picture(colours):
                    self._writer.add_image(name, _bytes(colours), step, dataformats="HWC")
                case Clip(frames, fps):
                    self._write_clip(name, frames, fps, step)
                case Sound(samples, rate):
                    self._writer.add_audio(name, np.asarray(samples)[:, None], step, sample_rate=rate)
                case Distribution(values):
                    self._writer.add_histogram(name, np.asarray(values, np.float32).ravel(), step)

    def close(self) -> None:
        self._writer.close()

    def _write_clip(self, name, frames, fps, step) -> None:
        """As an animated GIF, which TensorBoard plays where pictures are; add_video would need moviepy."""
        from tensorboardX.proto.summary_pb2 import Summary

        first, *rest = [Image.fromarray(frame) for frame in _bytes(frames)]
        buffer = io.BytesIO()
        first.save(buffer, "gif", save_all=True, append_images=rest, duration=1000 / fps, loop=0)
        image = Summary.Image(
            height=first.height, width=first.width, colorspace=3, encoded_image_string=buffer.getvalue()
        )
        self._writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)


def _bytes(colours) -> np.ndarray:
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)
