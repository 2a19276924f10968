import csv
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.errors import InputError
from jaxtalk.face import arkit
from jaxtalk.face.motion import Motion, still
from jaxtalk.io import livelink

# The first line of a recording by the app, abridged where names run on in pairs.
RECORDED = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,"
    "BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)


def sample(frames=60, fps=25.0, names=arkit.NAMES):
    keys = jax.random.split(jax.random.key(0), 2)
    expression = jax.random.uniform(keys[0], (frames, len(names)))
    return Motion(expression, jax.random.normal(keys[1], (frames, 3)) * 0.2, jnp.zeros((frames, 3)), fps, names)


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_header_is_the_apps(tmp_path):
    livelink.write(tmp_path / "a.csv", sample())
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == RECORDED
    assert len(RECORDED.split(",")) == 63


def test_every_value_is_under_its_own_name(tmp_path):
    motion = sample()
    livelink.write(tmp_path / "a.csv", motion)
    rows = table(tmp_path / "a.csv")
    assert len(rows) == 60 and {row["BlendShapeCount"] for row in rows} == {"61"}
    for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight", "jawOpen", "tongueOut"):
        column = [float(row[name[0].upper() + name[1:]]) for row in rows]
        np.testing.assert_allclose(column, motion.expression[:, arkit.INDEX[name]], atol=1e-6)


@pytest.mark.parametrize("fps", [25.0, 30.0, 29.97, 60.0, 12.5])
@pytest.mark.parametrize("frames", [1, 7, 200])
def test_what_is_written_is_read_back(tmp_path, fps, frames):
    motion = sample(frames, fps)
    livelink.write(tmp_path / "a.csv", motion)
    back = livelink.load(tmp_path / "a.csv")
    assert back.names == arkit.NAMES and (back.fps == fps or frames == 1)
    np.testing.assert_allclose(back.expression, motion.expression, atol=1e-6)
    np.testing.assert_allclose(back.rotation, motion.rotation, atol=1e-6)


def test_time_codes_count_sixty_frames_a_second(tmp_path):
    livelink.write(tmp_path / "a.csv", still(25 * 62, 25.0, ("jawOpen",)))
    stamps = [row["Timecode"] for row in table(tmp_path / "a.csv")]
    assert stamps[:2] == ["00:00:00:00.000", "00:00:00:02.400"] and stamps[25 * 61 + 24] == "00:01:01:57.600"
    livelink.write(tmp_path / "a.csv", still(361, 0.1, ("jawOpen",)))
    assert table(tmp_path / "a.csv")[-1]["Timecode"] == "01:00:00:00.000"


def test_eye_rotations_agree_with_the_look_coefficients(tmp_path):
    """As in recordings: looking to the subject's left is a negative yaw of both eyes, looking up a negative pitch."""
    names = ("eyeLookOutLeft", "eyeLookInRight", "eyeLookUpLeft", "eyeLookUpRight")
    zero = jnp.zeros((1, 3))
    livelink.write(tmp_path / "a.csv", Motion(jnp.full((1, 4), 0.5), zero, zero, 30.0, names))
    (row,) = table(tmp_path / "a.csv")
    for eye in ("LeftEye", "RightEye"):
        assert float(row[f"{eye}Yaw"]) == pytest.approx(-0.3) and float(row[f"{eye}Pitch"]) == pytest.approx(-0.275)


def test_the_head_is_seen_in_a_mirror(tmp_path):
    """Nose down keeps its sign; nose to the image's right and a counter-clockwise tilt change theirs."""
    motion = Motion(jnp.zeros((1, 1)), jnp.asarray([[0.1, 0.2, 0.3]]), jnp.zeros((1, 3)), 30.0, ("jawOpen",))
    livelink.write(tmp_path / "a.csv", motion)
    (row,) = table(tmp_path / "a.csv")
    assert [float(row[f"Head{axis}"]) for axis in ("Pitch", "Yaw", "Roll")] == pytest.approx([0.1, -0.2, -0.3])


def recording(path, stamps, values, extra=()):
    """Rows as another program might write them: JawOpen given, all else 0."""
    jaw = RECORDED.split(",").index("JawOpen")
    lines = [RECORDED]
    for stamp, value in zip(stamps, values, strict=True):
        cells = [stamp, "61"] + ["0"] * 61
        cells[jaw] = str(value)
        lines.append(",".join(cells))
    path.write_text("\n".join([*lines, *extra]))
    return path


def test_dropped_frames_and_empty_rows_are_filled_in(tmp_path):
    """The app's own stamps: 30 frames a second on a clock of 60; the frame at 10 is missing."""
    stamps = [f"12:21:59:{k:02}.595" for k in (6, 8, 12, 14, 16, 18)]
    path = recording(tmp_path / "a.csv", stamps, [0.0, 0.2, 0.6, 0.8, 1.0, 0.8], extra=["12:21:59:20.595,0"])
    motion = livelink.load(path)
    assert motion.fps == 30.0
    jaw = motion.expression[:, arkit.INDEX["jawOpen"]]
    np.testing.assert_allclose(jaw, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.8], atol=1e-5)


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_a_clock_that_counts_at_the_recording_rate_is_understood(tmp_path, rate):
    stamps = [f"00:00:{k // rate:02}:{k % rate:02}" for k in range(3 * rate)]
    motion = livelink.load(recording(tmp_path / "a.csv", stamps, [0.5] * 3 * rate))
    assert motion.fps == rate and len(motion) == 3 * rate


def test_a_motion_without_arkit_names_or_a_bad_path_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"a\.csv: .*no ARKit"):
        livelink.write(tmp_path / "a.csv", sample(names=("fap_3", "fap_4")))
    with pytest.raises(InputError, match=r"\*\.csv"):
        livelink.write(tmp_path / "a.txt", sample())
    assert not os.listdir(tmp_path)


def test_what_is_no_recording_is_refused_in_one_line(tmp_path):
    good = recording(tmp_path / "good.csv", [f"00:00:00:{k:02}.000" for k in range(5)], range(5)).read_text()
    wrong = {
        "empty.csv": "",
        "text.csv": "To be, or not to be.\n",
        "head.csv": RECORDED,
        "fewer.csv": good.replace("JawOpen", "JawShut"),
        "word.csv": good.replace(",3,", ",three,"),
        "nan.csv": good.replace(",3,", ",nan,"),
        "clock.csv": good.replace("00:00:00:02.000", "noon"),
        "backwards.csv": good.replace("00:00:00:02.000", "00:00:00:00.500"),
        "gap.csv": good.replace("00:00:00:04.000", "99:00:00:04.000"),
    }
    for name, content in wrong.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError) as caught:
            livelink.load(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value), name
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81" * 100)
    with pytest.raises(InputError, match=r"binary\.csv"):
        livelink.load(tmp_path / "binary.csv")


@given(data=st.data())
@settings(max_examples=100, deadline=5_000)
def test_fuzzed_recordings_give_a_motion_or_an_input_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    recording(path, [f"00:00:00:{k:02}.000" for k in range(5)], range(5))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        motion = livelink.load(path)
    except InputError as error:
        assert "fuzz.csv" in str(error) and "\n" not in str(error)
    else:
        assert motion.expression.shape[1] == 52 and 0 < motion.fps <= 1000
