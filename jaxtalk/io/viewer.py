"""A page that plays a talking mesh with its sound: one .html file with everything in it, for any browser, offline.

The mesh is the .glb of `jaxtalk.io.glb`, the sound AAC; `viewer.html` draws them in WebGL 2, with no library.
"""

import base64
import html
import io
import json
from fractions import Fraction
from importlib import resources
from pathlib import Path

from jaxtalk.audio import load
from jaxtalk.io import output, provenance

RATE = 24_000  # samples per second of the page's sound, mono
_BITS = 64_000  # per second


def write(path: Path, scene: bytes, sound: Path, made: provenance.Record) -> None:
    """Writes the page of a .glb's bytes, whole or not at all. InputError if the sound cannot be read."""
    given = {
        "TITLE": html.escape(Path(path).stem),
        "PROVENANCE": json.dumps(made).replace("<", "\\u003c"),
        "GLB": base64.b64encode(scene).decode(),
        "SOUND": base64.b64encode(aac(sound)).decode(),
    }
    page = resources.files("jaxtalk.io").joinpath("viewer.html").read_text("utf-8")
    for name, value in given.items():
        page = page.replace(f"__{name}__", value)
    with output.atomic(path) as temporary:
        temporary.write_text(page, "utf-8")


def aac(sound: Path) -> bytes:
    """The sound of a file as an .m4a."""
    import av

    buffer, sent = io.BytesIO(), 0
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=RATE, layout="mono")
        stream.bit_rate = _BITS
        for block in load.stream(sound, RATE):
            if not len(block):
                continue
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.rate, frame.pts, frame.time_base = RATE, sent, Fraction(1, RATE)
            file.mux(stream.encode(frame))
            sent += len(block)
        file.mux(stream.encode())
    return buffer.getvalue()
