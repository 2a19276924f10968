import json
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.errors import InputError
from jaxtalk.train import show, state
from jaxtalk.train.log import Log
from jaxtalk.train.pace import Pace
from jaxtalk.train.run_options import RunOptions
from jaxtalk.train.show import Clip, Distribution, Picture, Sound

RAMP = np.linspace(0, 1, 16 * 16 * 3, dtype=np.float32).reshape(16, 16, 3)
SHOWN = {
    "face": Picture(RAMP),
    "talk": Clip(np.stack([RAMP, 1 - RAMP]), 25.0),
    "speech": Sound(np.sin(np.arange(1600, dtype=np.float32)), 16000),
    "weights": Distribution(np.arange(10, dtype=np.float32)),
}


def test_every_line_of_the_log_is_json_and_a_second_start_goes_on(tmp_path):
    for step in (1, 2):
        with Log(tmp_path, RunOptions()) as log:
            assert not log.shows
            log.write(step, "train", {"error": 0.5 / step})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [
        {"step": 1, "kind": "train", "error": 0.5},
        {"step": 2, "kind": "train", "error": 0.25},
    ]


def test_tensorboard_has_numbers_pictures_clips_sound_and_histograms(tmp_path):
    from tensorboardX.proto import event_pb2

    with Log(tmp_path, RunOptions(tensorboard=True)) as log:
        log.write(3, "train", {"error": 0.5})
        log.show(3, SHOWN)
    (path,) = (tmp_path / "tensorboard").iterdir()
    values = {}
    data, place = path.read_bytes(), 0
    while place < len(data):  # TFRecord: length, its check sum, event, its check sum
        length = int.from_bytes(data[place : place + 8], "little")
        event = event_pb2.Event.FromString(data[place + 12 : place + 12 + length])
        values |= {value.tag: value for value in event.summary.value}
        place += 16 + length
    assert values["train/error"].simple_value == 0.5
    assert values["face"].image.height == 16
    assert values["talk"].image.encoded_image_string[:6] == b"GIF89a"
    assert values["speech"].audio.sample_rate == 16000
    assert values["weights"].histo.num == 10


def test_wandb_is_told_the_same(tmp_path, monkeypatch):
    told = []
    run = types.SimpleNamespace(log=lambda values, step: told.append((step, values)), finish=lambda: told.append("end"))
    fake = types.SimpleNamespace(
        init=lambda **given: told.append(given) or run,
        Image=lambda colours: ("image", colours.shape),
        Video=lambda pixels, fps, format: ("video", pixels.shape, fps),
        Audio=lambda samples, sample_rate: ("audio", len(samples), sample_rate),
        Histogram=lambda values: ("histogram", len(values)),
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with Log(tmp_path, RunOptions(wandb="faces")) as log:
        log.write(3, "eval", {"error": 0.5})
        log.show(3, SHOWN)
    assert told[0]["project"] == "faces" and told[0]["resume"] == "allow"
    assert told[1] == (3, {"eval/error": 0.5})
    assert told[2][1]["talk"] == ("video", (2, 3, 16, 16), 25) and told[2][1]["speech"] == ("audio", 1600, 16000)
    assert told[3] == "end"


@pytest.mark.parametrize("name, flag", [("tensorboardX", {"tensorboard": True}), ("wandb", {"wandb": "faces"})])
def test_what_is_not_installed_is_named(name, flag, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="pip install"):
        Log(tmp_path, RunOptions(**flag))


def test_parameters_of_all_networks_are_shown_by_their_paths():
    one = state.create({"params": {"dense": {"kernel": jnp.ones((2, 2))}}}, optax.sgd(0.1), jax.random.key(0))
    assert set(show.parameters(one)) == {"dense/kernel"}
    assert set(show.parameters({"generator": one})) == {"generator/dense/kernel"}


def test_pace_tells_waiting_from_working_and_leaves_evaluation_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def batches():
        while True:
            now[0] += 1  # a second until a batch comes
            yield {"x": np.zeros((4, 1))}

    pace, stream = Pace(), batches()
    for _ in range(2):
        pace.next(stream)
        now[0] += 3  # of work
    with pace.aside():
        now[0] += 8
    assert pace.report() == {"seconds_per_step": 4, "examples_per_second": 1, "data_wait": 0.25, "goodput": 0.5}


def test_mfu_is_what_the_model_needs_over_what_the_devices_could_do(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    pace = Pace(flops=30.0, peak=100.0)
    for _ in range(2):
        pace.next(iter([{"x": np.zeros((4, 1))}]))
        now[0] += 1
    assert pace.report()["mfu"] == 0.3
