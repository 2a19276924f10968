import dataclasses
import hashlib
import json
from pathlib import Path

import av
import numpy as np
import pytest

from jaxtalk import __version__
from jaxtalk.errors import InputError
from jaxtalk.face import motion
from jaxtalk.io import alpha_video, provenance, video


@dataclasses.dataclass(frozen=True)
class Options:
    portrait: Path
    speech: Path | None = None
    output: tuple[Path, ...] = (Path("out.mp4"),)
    seed: int = 0
    yaw: tuple[float, ...] = ()


@pytest.fixture
def made(tmp_path, monkeypatch):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "me é.png").write_bytes(b"portrait")
    (tmp_path / "net.safetensors").write_bytes(b"weights")
    monkeypatch.setattr("sys.argv", ["/usr/bin/jaxtalk", "talk", str(tmp_path / "inputs" / "me é.png"), "--seed", "3"])
    options = Options(tmp_path / "inputs" / "me é.png", seed=3, yaw=(1.0, 2.0))
    return provenance.record(options, {"audio2exp": tmp_path / "net.safetensors"})


def film(path, made):
    kind = alpha_video.Writer if path.suffix == ".webm" else video.Writer
    with kind(path, 32, 32, metadata={"comment": provenance.comment(made)}) as writer:
        writer.write(np.zeros((32, 32, kind.channels), np.uint8))


def test_the_record_names_hashes_and_settings_but_no_folders(tmp_path, made):
    assert made["synthetic"] is True and made["generator"] == f"jaxtalk {__version__}"
    assert made["inputs"] == {"portrait": {"name": "me é.png", "sha256": hashlib.sha256(b"portrait").hexdigest()}}
    assert made["weights"]["audio2exp"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert made["settings"] == {"seed": 3, "yaw": "(1.0, 2.0)"}
    assert made["command"] == "jaxtalk talk 'me é.png' --seed 3"
    assert str(tmp_path) not in json.dumps(made)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_a_video_carries_the_record_inside_and_beside(tmp_path, made, suffix):
    path = tmp_path / f"a{suffix}"
    film(path, made)
    assert provenance.sidecar(path, made) == tmp_path / f"a{suffix}.json"
    found = provenance.verify(path)
    assert found.inside == made and found.unchanged is True
    assert {k: v for k, v in found.beside.items() if k != "output"} == made
    with av.open(str(path)) as file:
        assert "synthetic" in " ".join(file.metadata.values()).lower()


def test_a_changed_file_is_noticed_and_a_stripped_one_says_nothing(tmp_path, made):
    film(tmp_path / "a.mp4", made)
    provenance.sidecar(tmp_path / "a.mp4", made)
    with video.Writer(tmp_path / "a.mp4", 32, 32) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    found = provenance.verify(tmp_path / "a.mp4")
    assert found.inside is None and found.unchanged is False
    assert "was changed since" in provenance.describe(tmp_path / "a.mp4")
    (tmp_path / "a.mp4.json").unlink()
    assert provenance.verify(tmp_path / "a.mp4") == (None, None, None)
    assert "proves nothing" in provenance.describe(tmp_path / "a.mp4")


def test_a_motion_file_carries_the_record_and_stays_readable(tmp_path, made):
    motion.save(tmp_path / "a.npz", motion.still(5, 25.0, ("jawOpen",)))
    provenance.stamp_npz(tmp_path / "a.npz", made)
    assert provenance.verify(tmp_path / "a.npz").inside == made
    assert len(motion.load(tmp_path / "a.npz")) == 5


def test_describe_tells_the_inputs(tmp_path, made):
    film(tmp_path / "a.mp4", made)
    provenance.sidecar(tmp_path / "a.mp4", made)
    text = provenance.describe(tmp_path / "a.mp4")
    assert "synthetic" in text and "in the file and beside it" in text and "is the one that was written" in text
    assert f"input portrait: me é.png sha256 {made['inputs']['portrait']['sha256']}" in text


@pytest.mark.parametrize("name", ["a.mp4", "a.glb", "a.npz", "a.csv", "a"])
@pytest.mark.parametrize("content", [b"x", b"glTF" + bytes(30), b"{}", b"PK\x03\x04" + bytes(50), b'{"output": 3}'])
def test_strange_files_say_nothing(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    (tmp_path / f"{name}.json").write_bytes(content)
    found = provenance.verify(tmp_path / name)
    assert found.inside is None and found.unchanged is None


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"absent\.mp4"):
        provenance.verify(tmp_path / "absent.mp4")
