"""Faces that MPEG-4 parameters drive through feature points."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import ict
from jaxtalk.face import builtin, fap, fap_points, feature_points
from jaxtalk.face.model import REGIONS

UNMEASURED = [fap.COLUMN[name] for name in ("dilate_l_pupil", "dilate_r_pupil", "tongue_roll", *fap.COLUMN) if
              name.startswith(("dilate", "tongue_roll", "head", "viseme", "expression"))]  # fmt: skip


def without(model, *regions):
    """The model without some of its parts, as models of the face alone are."""
    keep = ~np.isin(np.asarray(model.region), [REGIONS.index(region) for region in regions])
    return dataclasses.replace(
        model,
        triangles=model.triangles[keep],
        uv_triangles=model.uv_triangles[keep],
        region=jnp.zeros(int(keep.sum()), jnp.int32),
    )


MODELS = {
    "builtin": builtin.model,
    "a mask of skin": lambda: without(builtin.model(), *REGIONS[1:6]),
}


@pytest.fixture(scope="module")
def rig():
    return fap_points.rig(builtin.model())


def random_faps(seed: int, *shape: int):
    scale = np.where([p.unit == "AU" for p in fap.PARAMETERS], 20_000, 120)
    return jnp.asarray(np.random.default_rng(seed).normal(size=(*shape, 68)) * scale, jnp.float32)


def assert_measures_what_drives(rig, seed):
    faps = random_faps(seed, 3)
    measured = rig.features.measure(rig.features.gather(rig.displace(faps)))
    counts = np.asarray(rig.features.known).copy()
    counts[UNMEASURED] = False
    error = np.abs(np.asarray(measured - faps))[:, counts] * np.asarray(rig.features.unit)[counts]
    assert counts.sum() >= 50 and error.max() < 2e-6  # metres, radians


@pytest.mark.parametrize("kind", MODELS)
def test_what_drives_a_face_is_measured_on_it(kind):
    assert_measures_what_drives(fap_points.rig(MODELS[kind]()), 0)


def test_what_drives_an_unusual_face_is_measured_on_it():
    identity = jnp.asarray(np.random.default_rng(1).normal(size=20), jnp.float32)
    assert_measures_what_drives(fap_points.rig(builtin.model(), identity), 1)


@pytest.mark.slow
def test_what_drives_ict_is_measured_on_it(published):
    assert_measures_what_drives(fap_points.rig(ict.load(published / "ict_facekit.npz")), 2)


def test_no_parameters_no_movement(rig):
    assert np.abs(rig.displace(jnp.zeros(68)) - rig.template).max() < 1e-7


@pytest.mark.slow
def test_batches_gradients_and_compiled_calls_agree(rig):
    faps = random_faps(3, 2)
    batch = rig.displace(faps)
    np.testing.assert_allclose(batch[1], rig.displace(faps[1]), atol=1e-7)
    np.testing.assert_allclose(jax.vmap(rig.displace)(faps), batch, atol=1e-6)
    along = random_faps(4)
    _, tangent = jax.jvp(rig.displace, (faps[0],), (along,))
    difference = (rig.displace(faps[0] + 0.02 * along) - rig.displace(faps[0] - 0.02 * along)) / 0.04
    np.testing.assert_allclose(tangent, difference, atol=2e-4)
    assert np.isfinite(jax.grad(lambda x: (rig.displace(x) ** 2).sum())(faps[0])).all()


def moved(rig, **values):
    faps = np.zeros(68, np.float32)
    for name, value in values.items():
        faps[fap.COLUMN[name]] = value
    return np.asarray(rig.displace(jnp.asarray(faps)) - rig.template)


def test_an_upper_lip_rises_and_the_lower_lip_that_touches_it_stays(rig):
    landmarks = np.asarray(builtin.model().landmarks)
    move = moved(rig, lower_t_midlip=-300, lower_t_midlip_o=-300)[:, 1]
    assert move[landmarks[62]] == pytest.approx(300 * float(rig.features.unit[3]), rel=1e-4)
    assert np.abs(move[landmarks[[65, 66, 67, 57, 8]]]).max() < 1e-5
    assert np.abs(move[landmarks[[27, 36, 45, 0, 16]]]).max() < 2e-4


def test_teeth_and_tongue_go_with_the_jaw_and_the_lips_do_not(rig):
    model = builtin.model()
    move = moved(rig, open_jaw=600)
    parts = {name: move[feature_points.of_regions(model, name)] for name in ("teeth_upper", "teeth_lower", "tongue")}
    assert not parts["teeth_upper"].any()
    assert parts["teeth_lower"][:, 1].max() < -0.003 and parts["tongue"][:, 1].mean() < -0.004
    lips = np.asarray(model.landmarks)[48:68]
    assert np.abs(move[lips]).max() < 1e-6
    # Teeth keep their shape but for the chord of a turn.
    at = feature_points.of_regions(model, "teeth_lower")
    before, after = (np.linalg.norm(np.diff(x[at], axis=0), axis=-1) for x in (rig.template, rig.template + move))
    assert np.abs(after / before - 1)[before > 1e-3].max() < 0.05


def test_lids_close_over_the_eyeball_not_through_it(rig):
    model, landmarks = builtin.model(), np.asarray(builtin.model().landmarks)
    move = moved(rig, close_t_l_eyelid=850, close_b_l_eyelid=174)
    points = np.asarray(rig.template) + move
    lids = points[landmarks[[43, 44, 46, 47]]]
    assert np.abs(lids[:2, 1].mean() - lids[2:, 1].mean()) < 1e-4  # they meet
    centre = np.asarray(rig.features.eyes[0].centre)
    before, after = (
        np.linalg.norm((x - centre)[landmarks[42:48]][:, 1:], axis=-1) for x in (np.asarray(rig.template), points)
    )
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert not moved(rig, close_t_l_eyelid=850)[landmarks[36:42]].any()
    assert not move[feature_points.of_regions(model, "eye")].any()


def test_a_gaze_turns_eyeballs_rigidly_and_leaves_the_rest(rig):
    move = moved(rig, yaw_l_eyeball=30_000, pitch_r_eyeball=-20_000)
    eyes = feature_points.of_regions(builtin.model(), "eye")
    assert not np.delete(move, eyes, axis=0).any()
    left, right = rig.features.eyes
    assert move[left.pupil][0] > 0.002 and move[right.pupil][1] > 0.001
    away = np.asarray(rig.template)[np.asarray(left.vertices)] - np.asarray(left.centre)
    turned = away + move[np.asarray(left.vertices)]
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), np.linalg.norm(away, axis=-1), atol=1e-6)


def test_pupils_dilate_by_their_diameter(rig):
    eye = rig.features.eyes[0]
    move = moved(rig, dilate_l_pupil=200)
    most = np.linalg.norm(move[np.asarray(eye.vertices)], axis=-1).max()
    assert most == pytest.approx(100 * float(rig.features.unit[fap.COLUMN["dilate_l_pupil"]]), rel=0.1)
    assert not move[int(eye.pupil)].any()


def test_left_and_right_are_mirror_images(rig):
    from jaxtalk.face.mediapipe import MIRROR_68

    landmarks = np.asarray(builtin.model().landmarks)
    for left, right in fap.LEFT_RIGHT:
        if fap.PARAMETERS[left].unit == "AU":
            continue
        a, b = (moved(rig, **{fap.PARAMETERS[k].name: 100}) for k in (left, right))
        np.testing.assert_allclose(a[landmarks] * [-1, 1, 1], b[landmarks[MIRROR_68]], atol=2e-5)


def test_the_head_turns_as_the_standard_says():
    faps = np.zeros(68, np.float32)
    faps[list(fap.HEAD)] = 10_000, 20_000, -30_000
    np.testing.assert_allclose(fap_points.head_angles(jnp.asarray(faps)), [0.1, 0.2, -0.3], atol=1e-6)
