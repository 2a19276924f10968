"""`jaxtalk eval` on short videos made from the shipped portrait."""

import json
import math
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageEnhance

from jaxtalk import cli
from jaxtalk.errors import InputError
from jaxtalk.io import image, video
from jaxtalk.systems import eval_networks, eval_set, evaluate
from jaxtalk.systems.eval_columns import choose
from jaxtalk.systems.eval_options import EvalOptions
from jaxtalk.systems.eval_set import Clip, TestSet

SIZE, FRAMES = 192, 10


def _film(path: Path, frames, sound=None) -> Path:
    with video.Writer(path, SIZE, SIZE, 25.0, audio=sound, crf=0) as file:
        for frame in frames:
            file.write(np.asarray(frame))
    return path


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    sample = Path(str(resources.files("jaxtalk") / "samples" / "portrait.jpg"))
    return Image.fromarray(image.load(sample)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


@pytest.fixture(scope="module")
def videos(tmp_path_factory, portrait) -> dict[str, Path]:
    """The portrait moving sideways with a sound; the same darker, black, and of a single frame."""
    folder = tmp_path_factory.mktemp("videos")
    moving = [portrait.transform((SIZE, SIZE), Image.Transform.AFFINE, (1, 0, k, 0, 1, 0)) for k in range(FRAMES)]
    sound = (0.1 * np.sin(np.arange(16000 * FRAMES // 25) / 20)).astype(np.float32), 16000
    return {
        "filmed": _film(folder / "filmed.mp4", moving, sound),
        "darker": _film(folder / "darker.mp4", [ImageEnhance.Brightness(f).enhance(0.8) for f in moving]),
        "black": _film(folder / "black.mp4", [Image.new("RGB", (SIZE, SIZE))] * FRAMES),
        "one": _film(folder / "one.mp4", moving[:1]),
    }


@pytest.fixture(scope="module")
def networks():
    return eval_networks.load(None)


def _measured(networks, result, truth=None, region="frame"):
    heard = result if video.probe(result).has_sound else None
    given = {name for name, there in (("truth", truth), ("sound", heard)) if there}
    columns = choose((), given, networks)
    return evaluate.clip("clip", result, truth, heard, columns, networks, region, progress=False)


def test_a_video_against_itself_is_perfect(videos, networks):
    made = _measured(networks, videos["filmed"], videos["filmed"])
    assert made.values["psnr"] == math.inf
    assert made.values["ssim"] == pytest.approx(1.0, abs=1e-6)
    assert made.values["face_csim"] == pytest.approx(1.0, abs=1e-5)
    for name in ("lmd", "lmd_mouth", "aed", "apd", "face_lpips", "face_fid", "lip_dtw"):
        assert made.values[name] == pytest.approx(0.0, abs=1e-6), name
    assert made.frames == FRAMES and all(len(values) == FRAMES for values in made.series.values())


def test_darker_frames_are_worse_as_pictures_and_the_same_as_motion(videos, networks):
    made = _measured(networks, videos["darker"], videos["filmed"])
    assert 10 < made.values["psnr"] < 30 and made.values["ssim"] < 0.99
    assert made.values["lmd"] < 1.5
    assert made.values["face_lpips"] > 1e-4 and made.values["face_fid"] > 0


@pytest.mark.parametrize("name", ["black", "one"])
def test_a_black_and_a_one_frame_video_have_finite_figures_or_none(videos, networks, name):
    made = _measured(networks, videos[name], videos["filmed"])
    assert made.values
    for figure, value in made.values.items():
        assert math.isfinite(value) or math.isnan(value) or (figure, value) == ("psnr", math.inf), figure
    if name == "black":
        assert any("no face found in 10 of 10 frames" in note for note in made.notes)
        assert math.isfinite(made.values["psnr"]) and "lmd" not in made.values


@pytest.mark.slow
def test_aligned_faces_do_not_care_where_the_face_is(videos, networks, portrait, tmp_path):
    small = Image.new("RGB", (SIZE, SIZE), "gray")
    small.paste(portrait.resize((160, 160), Image.Resampling.LANCZOS), (20, 30))
    moved = _film(tmp_path / "moved.mp4", [small] * 3)
    still = _film(tmp_path / "still.mp4", [portrait] * 3)
    aligned, whole = (_measured(networks, moved, still, region).values["psnr"] for region in ("face", "frame"))
    assert aligned > whole + 5


def test_videos_of_different_shape_are_refused_in_one_line(videos, tmp_path, networks):
    with video.Writer(tmp_path / "wide.mp4", 256, 128, 25.0) as file:
        file.write(np.zeros((128, 256, 3), np.uint8))
    with pytest.raises(InputError, match="256x128 .* --region face") as caught:
        _measured(networks, tmp_path / "wide.mp4", videos["filmed"])
    assert "\n" not in str(caught.value)


def test_the_command_writes_what_it_was_asked_for(videos, tmp_path, capsys):
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "html")}
    arguments = ["eval", str(videos["darker"]), "--truth", str(videos["filmed"]), "--metrics", "psnr", "lmd_mouth"]
    cli.main(arguments + [part for kind, path in files.items() for part in (f"--{kind}", str(path))])
    printed = capsys.readouterr().out
    assert "PSNR dB ↑" in printed and "LMD mouth px ↓" in printed and "SSIM" not in printed
    about = json.loads(files["json"].read_text())
    assert set(about["series"]) == {"psnr", "lmd_mouth"} and len(about["series"]["psnr"]) == FRAMES
    assert files["csv"].read_text().startswith("name,clips,psnr,psnr_error,lmd_mouth,lmd_mouth_error\n")
    page = files["html"].read_text()
    assert page.count("<svg") == 2 and page.count("data:image/jpeg") >= 4 and "http" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "missing.mp4"),
        (["{darker}", "--metrics", "psnr"], "needs --truth VIDEO"),
        (["{darker}", "--metrics", "sync_c"], "needs sound"),
        (["{filmed}", "--metrics", "lse_c"], "needs the network syncnet"),
        (["{darker}", "--networks", "nowhere"], "holds no networks"),
        (["{darker}", "--csv", "nowhere/table.csv"], "does not exist"),
        (["eval_nothing"], "no such config"),
    ],
)
def test_wrong_use_ends_with_one_line_and_status_2(videos, capsys, arguments, message):
    names = {name: str(path) for name, path in videos.items()}
    with pytest.raises(SystemExit) as ended:
        cli.main(["eval", *(argument.format(**names) for argument in arguments)])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and message in error and error.count("\n") == 1


def test_a_broken_clip_is_left_out_and_the_table_says_so(videos, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"\x00" * 100)
    clips = tuple(Clip(name=name, truth=videos["filmed"]) for name in ("darker", "black", "broken"))
    sources = videos | {"broken": tmp_path / "broken.mp4"}
    test_set = TestSet(
        name="set",
        clips=clips,
        systems={"copy": lambda clip, folder: sources[clip.name], "filmed": lambda clip, folder: clip.truth},
        metrics=("psnr", "ssim"),
    )
    table = eval_set.run(test_set, tmp_path / "out")
    assert "copy (2)" in table and "filmed (3)" in table and "inf" in table
    assert f"left out: copy, broken: {tmp_path / 'broken.mp4'}" in table
    assert {"table.txt", "table.csv", "table.tex", "results.json", "index.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert json.loads((tmp_path / "out" / "results.json").read_text())["left_out"][0]["clip"] == "broken"


def test_a_stopped_run_goes_on_and_other_metrics_are_not_mixed_in(videos, tmp_path):
    made = []

    def source(clip, folder):
        made.append(clip.name)
        return videos["darker"]

    def test_set(*metrics):
        clips = (Clip(name="a", truth=videos["filmed"]), Clip(name="b", truth=videos["filmed"]))
        return TestSet(name="set", clips=clips, systems={"ours": source}, metrics=metrics)

    first = eval_set.run(test_set("psnr"), tmp_path / "out")
    (tmp_path / "out" / "ours" / "b.npz").unlink()
    assert eval_set.run(test_set("psnr"), tmp_path / "out") == first
    assert made == ["a", "b", "b"]
    with pytest.raises(InputError, match="holds another evaluation"):
        eval_set.run(test_set("ssim"), tmp_path / "out")


@pytest.mark.slow
def test_real_dubbing_is_measured(media, networks):
    peers = media / "peer_outputs"
    video_of, truth = peers / "panel_wav2lip.mp4", peers / "panel_original.mp4"
    columns = choose(("psnr", "face_csim", "sync_c"), {"truth", "sound"}, networks)
    made = evaluate.clip("panel", video_of, truth, video_of, columns, networks, progress=False)
    assert 30 < made.values["psnr"] < 45  # Wav2Lip changes the mouth only
    assert made.values["face_csim"] > 0.8
    assert made.values["sync_c"] > 0.2


def test_a_file_of_speech_is_heard_instead_of_the_videos_sound(videos, tmp_path):
    soundfile.write(tmp_path / "speech.wav", np.zeros(16000, np.float32), 16000)
    options = EvalOptions(result=videos["darker"], speech=tmp_path / "speech.wav", metrics=("beat_alignment",))
    assert re.search(r"beat alignment +0\.000", evaluate.run(options))  # silence has no beats


def test_flicker_is_that_of_noise_of_its_own_in_each_frame(portrait, tmp_path, networks):
    rng = np.random.default_rng(0)
    still = np.asarray(portrait, np.float32)
    noisy = [np.clip(still + rng.normal(0, 10, still.shape), 0, 255).astype(np.uint8) for _ in range(3)]
    columns = choose(("flicker",), (), networks)
    quiet, loud = (
        evaluate.clip("clip", _film(tmp_path / f"{i}.mp4", frames), None, None, columns, networks, progress=False)
        for i, frames in enumerate(([portrait] * 3, noisy))
    )
    assert quiet.values["flicker"] < 1e-6 < 1e-4 < loud.values["flicker"]
    assert np.isnan(loud.series["flicker"][-1]) and np.isfinite(loud.series["flicker"][:-1]).all()


def test_a_single_frame_has_no_motion_and_the_table_says_so(videos):
    options = EvalOptions(result=videos["one"], metrics=("jitter", "cpbd"))
    made = evaluate.run(options)
    assert "no figures of motion" in made and "CPBD" in made and "jitter" not in made
