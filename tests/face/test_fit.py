"""Fitting: faces made by the model are found again, whatever the picture; real tracks are followed closely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import arkit, builtin, fit, rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.landmarks import lip_opening
from jaxtalk.face.mediapipe import MIRROR_68

CAMERA = Pinhole(focal=jnp.float32(2400.0), centre=jnp.array([300.0, 260.0]), distance=jnp.float32(1.1))
ANGLES = np.array([0.1, 0.3, -0.12], np.float32)
FACE = {"jawOpen": 0.5, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.5, "eyeBlinkLeft": 0.8, "browInnerUp": 0.6}


@pytest.fixture(scope="module")
def model():
    return builtin.model()


def coefficients(**values):
    return np.array([values.get(name, 0.0) for name in arkit.NAMES], np.float32)


def points(model, identity, expression, angles, translation):
    """The 68 points in metres, posed; all but identity may be a track."""
    values = (jnp.asarray(v) for v in (identity, expression, angles, translation))
    return fit.landmarks(model, fit.Fit(*values, camera=CAMERA, residual=jnp.zeros(())))


@pytest.fixture(scope="module")
def truth(model):
    rng = np.random.default_rng(4)
    identity = rng.normal(size=len(model.identity)).astype(np.float32) * 0.7
    return identity, coefficients(**FACE), ANGLES, np.zeros(3, np.float32)


@pytest.fixture(scope="module")
def seen(model, truth):
    return CAMERA.project(points(model, *truth))[:, :2]


@pytest.fixture(scope="module")
def found(model, seen):
    return fit.fit(model, seen)


def shape_error(model, found, truth):
    """Mean distance in metres between 68 points and the true ones; distance from the camera and size are one."""
    centred = [p - p.mean(0, keepdims=True) for p in (fit.landmarks(model, found), points(model, *truth))]
    size = [jnp.linalg.norm(p) for p in centred]
    return float(jnp.linalg.norm(centred[0] * size[1] / size[0] - centred[1], axis=-1).mean())


def expression_error(found):
    return np.abs(np.asarray(found.expression) - coefficients(**FACE))[[arkit.INDEX[name] for name in FACE]]


def test_pose_expression_and_shape_of_a_made_face_are_found(model, truth, found):
    """As far as 68 points and priors tell: brows are also a matter of identity, so their coefficient is least sure."""
    assert float(found.residual) < 0.01
    np.testing.assert_allclose(found.angles, ANGLES, atol=0.04)
    assert shape_error(model, found, truth) < 0.003
    assert expression_error(found).max() < 0.45 and expression_error(found).mean() < 0.2
    assert abs(float(lip_opening(fit.landmarks(model, found)) - lip_opening(points(model, *truth)))) < 0.015


def test_a_pixel_of_noise_changes_little(model, truth, seen):
    """One pixel is 0.5% of the distance between the eyes here, as in a track of a good video."""
    noise = np.random.default_rng(1).normal(size=(68, 2)).astype(np.float32)
    found = fit.fit(model, seen + noise)
    np.testing.assert_allclose(found.angles, ANGLES, atol=0.06)
    assert shape_error(model, found, truth) < 0.004
    assert expression_error(found).mean() < 0.25


def test_size_of_the_picture_does_not_matter(model, seen, found):
    for zoom in (0.1, 6.0):
        other = fit.fit(model, seen * zoom)
        np.testing.assert_allclose(other.expression, found.expression, atol=0.01)
        np.testing.assert_allclose(other.angles, found.angles, atol=2e-3)
        np.testing.assert_allclose(other.camera.focal, found.camera.focal * zoom, rtol=1e-3)


def test_a_mirrored_picture_gives_the_mirrored_face(model, seen, found):
    other = fit.fit(model, jnp.array([[600.0, 0.0]]) + seen[MIRROR_68] * jnp.array([[-1.0, 1.0]]))
    swap = {"Left": "Right", "Right": "Left"}
    twin = [next((n[: -len(k)] + v for k, v in swap.items() if n.endswith(k)), n) for n in arkit.NAMES]
    twin = [arkit.INDEX[n] for n in twin]
    np.testing.assert_allclose(other.expression[jnp.array(twin)], found.expression, atol=0.03)
    np.testing.assert_allclose(other.angles * jnp.array([1.0, -1.0, -1.0]), found.angles, atol=5e-3)


def test_hidden_points_are_not_looked_at(model, seen, found):
    hidden = jnp.arange(68) < 5
    holes = jnp.where(hidden[:, None], jnp.nan, seen)
    other = fit.fit(model, holes, confidence=jnp.where(hidden, 0.0, 1.0))
    assert jnp.isfinite(other.expression).all() and jnp.isfinite(other.identity).all()
    np.testing.assert_allclose(other.angles, found.angles, atol=0.05)
    np.testing.assert_allclose(
        lip_opening(fit.landmarks(model, other)), lip_opening(fit.landmarks(model, found)), atol=0.01
    )


def test_nothing_to_see_gives_a_finite_neutral_face(model):
    found = fit.fit(model, jnp.full((68, 2), jnp.nan), confidence=jnp.zeros(68))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    np.testing.assert_allclose(found.expression, 0.0, atol=1e-6)


@pytest.mark.slow
def test_gradient_with_respect_to_landmarks_is_finite_and_true(model, seen):
    def yaw(landmarks):
        return fit.fit(model, landmarks).angles[1]

    gradient = jax.grad(yaw)(seen)
    assert jnp.isfinite(gradient).all()
    step = jnp.zeros((68, 2)).at[30, 0].set(2.0)  # the nose's tip to the right: turns the head
    slope = (yaw(seen + step) - yaw(seen - step)) / 4
    np.testing.assert_allclose(gradient[30, 0], slope, rtol=0.1)
    assert slope > 0


@pytest.fixture(scope="module")
def clip(model, truth):
    """Two seconds of a talking, nodding head: (true expression, angles, 68 points in the picture)."""
    time = np.arange(50) / 25
    expression = np.tile(coefficients(), (50, 1))
    expression[:, arkit.INDEX["jawOpen"]] = 0.35 - 0.35 * np.cos(9 * time)
    expression[:, arkit.INDEX["mouthPucker"]] = 0.3 + 0.3 * np.sin(5 * time)
    angles = np.stack([0.1 * np.sin(4 * time), 0.25 * np.sin(2 * time), 0.05 * np.cos(3 * time)], 1).astype(np.float32)
    translation = np.stack([0.01 * np.sin(time), 0 * time, 0.05 * time], 1).astype(np.float32)
    posed = points(model, truth[0], expression, angles, translation)
    return expression, angles, posed, CAMERA.project(posed)[..., :2]


def test_a_clip_is_followed_frame_by_frame(model, clip):
    expression, angles, posed, landmarks = clip
    found = fit.fit_sequence(model, landmarks)
    assert found.identity.shape == (len(model.identity),) and found.camera.focal.shape == ()
    assert float(found.residual.max()) < 0.015
    np.testing.assert_allclose(found.angles, angles, atol=0.05)
    opening, true = lip_opening(fit.landmarks(model, found)), lip_opening(posed)
    assert np.corrcoef(opening, true)[0, 1] > 0.999
    np.testing.assert_allclose(opening, true, atol=0.015)
    jaw = arkit.INDEX["jawOpen"]
    assert np.corrcoef(found.expression[:, jaw], expression[:, jaw])[0, 1] > 0.97


@pytest.mark.slow
def test_one_iteration_after_the_other_is_the_same_fit(model, clip):
    """Compiles the solver once more."""
    kept = []

    def carry(begin, improve, rounds):
        kept.append(begin())
        for _ in range(rounds):
            kept.append(improve(kept[-1]))
        return kept[-1]

    one, whole = (fit.fit_sequence(model, clip[3], carry=way) for way in (carry, None))
    assert len(kept) == fit.ITERATIONS + 1 and kept[-1].cost < 0.1 * kept[0].cost
    np.testing.assert_allclose(one.angles, whole.angles, atol=1e-3)
    np.testing.assert_allclose(one.residual, whole.residual, atol=1e-4)


def test_frames_without_landmarks_are_bridged(model, clip):
    landmarks = clip[3].at[20:24].set(jnp.nan)
    confidence = jnp.ones((50, 68)).at[20:24].set(0.0)
    found = fit.fit_sequence(model, landmarks, confidence=confidence)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    np.testing.assert_allclose(found.angles[20:24], clip[1][20:24], atol=0.06)
    middle = found.expression[19] + 0.4 * (found.expression[24] - found.expression[19])
    np.testing.assert_allclose(found.expression[21], middle, atol=1e-5)


def test_coefficients_that_are_not_arkit_may_be_negative(model, seen):
    """FLAME's and BFM's expression coefficients are normal(0, 1) on both sides of 0."""
    import dataclasses

    names = tuple(f"flame{i:03d}" for i in range(len(arkit.NAMES)))
    found = fit.fit(dataclasses.replace(model, expression_names=names), seen)
    assert float(found.expression.min()) < -0.05
    assert float(found.residual) < 0.02


def test_rotation_of_the_first_pose_is_a_rotation(model, seen):
    scale, turn, _ = fit._pos(model.template[model.landmarks], seen, jnp.ones(68))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(rotation.angles(turn), ANGLES, atol=0.15)
    assert 0.8 < float(scale) * 1.1 / 2400 < 1.2
