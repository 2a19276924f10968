"""Motion and pictures of avatars rated against a person's held-out video."""

import json

import numpy as np
import pytest

from configs import eval_avatar_ablations as ablations
from jaxtalk.data.person_video import PersonVideo
from jaxtalk.errors import InputError
from jaxtalk.systems import eval_avatar, eval_motion, eval_set
from jaxtalk.systems.eval_avatar import Given, Made

FRAMES, SIZE = 80, 16


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Given:
    """Somebody whose head is the upper half of the picture."""
    folder, rng = tmp_path_factory.mktemp("person"), np.random.default_rng(0)
    expression = np.convolve(rng.normal(size=FRAMES * 52), np.hanning(9), "same").reshape(52, FRAMES).T
    np.savez(folder / "face.npz", expression=expression.clip(0, 1).astype(np.float32))
    labels = np.zeros((FRAMES, SIZE, SIZE, 2), np.uint8)
    labels[:, : SIZE // 2, :, 0] = labels[:, SIZE // 2 :, :, 1] = 255
    np.save(folder / "labels.npy", labels)
    np.save(folder / "pictures.npy", rng.integers(0, 255, (FRAMES, SIZE, SIZE, 3)).astype(np.uint8))
    return Given(PersonVideo(folder, {"frames": FRAMES, "size": SIZE, "sound": False}), 4)


def louder(given):
    return Made(motion=2 * eval_avatar.truth(given).motion)


def painted(given):
    """The torso is off by 51 of 255, the head by 2.55."""
    pictures = eval_avatar.truth(given).pictures.astype(int)
    off = np.where(np.arange(SIZE)[:, None, None] < SIZE // 2, 2.55, 51)
    return Made(pictures=np.uint8(pictures + np.where(pictures < 128, off, -off)))


def test_rows_say_what_their_motion_and_pictures_are(given, tmp_path):
    systems = {"louder": louder, "painted": painted, "both": eval_avatar.both(louder, painted)}
    rated = eval_motion.MotionSet(
        name="small",
        records=[given],
        truth=eval_avatar.truth,
        systems=systems,
        measure=eval_avatar.measure,
        columns=eval_avatar.COLUMNS,
    )
    table = eval_set.run(rated, tmp_path)
    found = {name: rows[0] for name, rows in json.loads((tmp_path / "results.json").read_text()).items()}
    assert found["truth"]["opening"] == pytest.approx(1.0) and "psnr" not in found["truth"]
    assert found["louder"]["opening"] == pytest.approx(1.0) and found["louder"]["spread"] > found["truth"]["spread"]
    assert found["louder"]["frechet"] > found["truth"]["frechet"]
    assert found["painted"]["torso_psnr"] == pytest.approx(-20 * np.log10(51 / 255), abs=0.1)
    assert found["painted"]["head_psnr"] == pytest.approx(40, abs=3) and "opening" not in found["painted"]
    assert found["both"] == found["louder"] | found["painted"]
    assert table.count("\n") == 5 and "torso dB" in table


def test_a_person_who_is_silent_or_not_there_is_told(given, tmp_path):
    (given.person.folder / "person.json").write_text(json.dumps(given.person.notes | {"version": "1.1.0"}))
    for folder, said in ((given.person.folder, "silent"), (tmp_path, "no prepared person")):
        with pytest.raises(InputError, match=said):
            ablations.Config(people=(folder,)).evaluation()
