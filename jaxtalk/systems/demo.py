"""`jaxtalk demo`: the shipped portrait says the shipped sentence."""

from importlib import resources
from pathlib import Path

from jaxtalk.systems import talk
from jaxtalk.systems.talk_options import TalkOptions


def run(folder: Path = Path("demo")) -> None:
    """Writes talk.mp4 and talk.glb into `folder` and prints where."""
    samples = Path(str(resources.files("jaxtalk") / "samples"))
    folder.mkdir(parents=True, exist_ok=True)
    outputs = (folder / "talk.mp4", folder / "talk.glb")
    talk.run(TalkOptions(portrait=samples / "portrait.jpg", speech=samples / "speech.flac", output=outputs))
    for path in outputs:
        print(path.absolute())
