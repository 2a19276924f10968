import base64
import io
import json
import re
import shutil
import subprocess

import av
import numpy as np
import pytest
import soundfile
from test_glb import moving, tube

from jaxtalk.io import glb, viewer

MADE = {"synthetic": True, "settings": {"name": "</script>"}}
BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    glb.write(folder / "a.glb", tube(), moving(), texture=np.zeros((4, 4, 3), np.uint8))
    sound = np.sin(np.arange(24_000) / 20)
    soundfile.write(folder / "a.wav", sound, 48_000)
    viewer.write(folder / "a & b.html", (folder / "a.glb").read_bytes(), folder / "a.wav", MADE)
    return folder / "a & b.html"


def held(page, name):
    return re.search(f'<script type="[^"]*" id="{name}">(.*?)</script>', page.read_text(), re.DOTALL)[1]


def test_the_page_holds_mesh_sound_and_record(page):
    assert base64.b64decode(held(page, "glb")) == (page.parent / "a.glb").read_bytes()
    with av.open(io.BytesIO(base64.b64decode(held(page, "aac")))) as sound:
        assert abs(sum(frame.samples for frame in sound.decode(audio=0)) / viewer.RATE - 0.5) < 0.1
    assert json.loads(held(page, "provenance")) == MADE
    assert "<title>a &amp; b</title>" in page.read_text()


def test_the_page_needs_nothing_from_elsewhere(page):
    text = re.sub(r'id="(glb|aac)">[^<]*', "", page.read_text())
    assert not re.search(r"https?:|//[a-z]+\.|\bimport\b|\bfetch\(|src=|href=", text)
    assert "__" not in text  # every place is filled


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_draws_it_and_plays_the_sound(page, tmp_path):
    command = [BROWSER, "--no-sandbox", "--headless", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    command += ["--virtual-time-budget=2000", "--window-size=200,200"]
    address = page.as_uri() + "#0.3"
    done = subprocess.run([*command, "--dump-dom", address], capture_output=True, text=True, timeout=100)
    body = re.search(r"<body[^>]*>", done.stdout)[0] if "<body" in done.stdout else done.stdout[:300]
    said = dict(re.findall(r'data-(\w+)="([^"]*)"', body))
    assert said["frames"] == "12" and said["targets"] == "4" and float(said["seconds"]) == 0.48
    assert int(said["drawn"]) > 1 and abs(float(said["sound"]) - 0.5) < 0.1
    picture = tmp_path / "shot.png"
    subprocess.run([*command, f"--screenshot={picture}", address], capture_output=True, timeout=100)
    import PIL.Image

    seen = np.asarray(PIL.Image.open(picture).convert("L"))[30:130, 60:140]
    assert (seen < 150).mean() > 0.1  # the tube, which is painted black, before a light background
