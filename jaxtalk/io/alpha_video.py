"""Videos that one can see through: ProRes 4444 in .mov, VP9 in .webm, or a folder of PNG pictures.

Frames are uint8 [h w 4], RGB and opacity, straight: colours are not multiplied by the opacity. Editors read all three;
browsers the .webm (its second picture stream, for opacity, is found by libvpx's decoder, not by FFmpeg's own).
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxtalk.errors import InputError
from jaxtalk.io import output, output_folder, video

SUFFIXES = (".mov", ".webm", "")  # nothing: a folder


class Writer(video.Writer):
    """As `video.Writer`, for frames [h w 4] into a .mov or .webm."""

    suffixes, layout, channels = (".mov", ".webm"), "rgba", 4

    def _add_picture(self):
        webm = self.path.suffix.lower() == ".webm"
        name, pixels = ("libvpx-vp9", "yuva420p") if webm else ("prores_ks", "yuva444p10le")
        fast = {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "auto-alt-ref": "0"}
        stream = self._file.add_stream(name, rate=self.rate, options=fast if webm else {"profile": "4444"})
        if webm:
            stream.metadata["alpha_mode"] = "1"
        return self._described(stream, pixels)


class Folder:
    """A context manager that writes 00000.png, 00001.png, ... into a folder, which appears whole or not at all.

    `metadata` becomes text of each picture.
    """

    def __init__(self, path: str | Path, metadata: dict[str, str] | None = None):
        self.path, self._metadata, self._count = Path(path), metadata or {}, 0
        self._folder = output_folder.atomic(path)

    def __enter__(self) -> "Folder":
        self._to = self._folder.__enter__()
        return self

    def write(self, frame: UInt8[np.ndarray, "h w 4"]) -> None:
        from PIL import Image, PngImagePlugin

        told = PngImagePlugin.PngInfo()
        for key, value in self._metadata.items():
            told.add_text(key, value)
        Image.fromarray(frame).save(self._to / f"{self._count:05d}.png", pnginfo=told)
        self._count += 1

    def __exit__(self, *error) -> None:
        self._folder.__exit__(*error)


def check(path: Path) -> Path:
    """The path, if something see-through can be written there. InputError otherwise, before any long work."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: cannot be transparent; name it *.mov (ProRes), *.webm (VP9), or a folder for PNGs")
    if path.suffix:
        return output.check(path, Writer.suffixes)
    return output_folder.check(path)
