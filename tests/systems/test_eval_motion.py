"""Motions rated against the corpus: what is perfect, what is still, what moves the head alone."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from configs import eval_sadtalker_ablations as ablations
from jaxtalk.data import clip
from jaxtalk.errors import InputError
from jaxtalk.face.motion import Motion
from jaxtalk.systems import eval_motion, eval_set

FRAMES = 50


@pytest.fixture(scope="module")
def record():
    return eval_motion.cut(clip.example(0, 0, 9), FRAMES)


def still(record):
    nothing = jnp.zeros((FRAMES, 3))
    return Motion(jnp.zeros((FRAMES, 52)), nothing, nothing, 25.0, ablations.NAMES)


def nodding(record):
    head = jnp.zeros((FRAMES, 3)).at[:, 0].set(0.1 * jnp.sin(jnp.arange(FRAMES) / 2.0))
    return Motion(jnp.zeros((FRAMES, 0)), head, jnp.zeros((FRAMES, 3)), 25.0, ())


def test_rows_say_what_their_motion_is(record, tmp_path):
    motions = eval_motion.MotionSet(
        name="small",
        records=[record],
        truth=ablations.truth,
        systems={"truth again": ablations.truth, "still": still, "nodding": nodding},
    )
    table = eval_set.run(motions, tmp_path)
    found = {name: clips[0] for name, clips in json.loads((tmp_path / "results.json").read_text()).items()}
    assert found["truth"] == found["truth again"] and found["truth"]["lips"] == 0.0
    assert found["truth"]["lip_correlation"] == pytest.approx(1.0, abs=1e-4)
    assert found["still"]["lips"] > 0.5 and found["still"]["lip_correlation"] == pytest.approx(0.0, abs=1e-3)
    assert "turning" not in found["still"] and "lips" not in found["nodding"]
    assert found["nodding"]["turning"] == pytest.approx(0.1 / np.sqrt(2) / 3, rel=0.1)
    assert table.count("\n") == 5 and (tmp_path / "table.txt").read_text() == table + "\n"


def test_sound_is_as_long_as_the_frames(record):
    assert len(record["speech"]) == FRAMES * clip.SAMPLES_PER_FRAME and len(record["rotation"]) == FRAMES


def test_portraits_are_the_same_for_all_rows(record):
    np.testing.assert_array_equal(ablations.portrait(record), ablations.portrait(record))
    assert ablations.portrait(record).any()


def test_nothing_to_measure(tmp_path):
    with pytest.raises(InputError, match="no clips"):
        eval_set.run(eval_motion.MotionSet(name="none", records=[], truth=still, systems={}), tmp_path)
