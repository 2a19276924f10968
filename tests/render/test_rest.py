import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import arkit, builtin, landmarks
from jaxtalk.render import rest

INDEX = arkit.INDEX


@pytest.fixture(scope="module")
def points():
    model = builtin.model()
    return model.template[model.landmarks], model.expression[:, model.landmarks]


def coefficients(**values):
    return jnp.zeros(52).at[jnp.array([INDEX[k] for k in values], int)].set(jnp.array(list(values.values())))


def face(points, expression):
    return points[0] + jnp.einsum("e,evc->vc", expression, points[1])


def test_a_closed_mouth_keeps_its_expression(points):
    smile = coefficients(mouthSmileLeft=0.5, mouthSmileRight=0.4, browInnerUp=0.3)
    own, is_open = rest.analyse(arkit.NAMES, *points, smile)
    assert is_open == 0
    np.testing.assert_allclose(rest.add(own, jnp.zeros(52)), smile, atol=1e-6)


def test_an_open_mouth_closes_but_goes_on_smiling(points):
    laugh = coefficients(jawOpen=0.4, mouthSmileLeft=0.5, mouthUpperUpLeft=0.3, mouthUpperUpRight=0.3)
    own, is_open = rest.analyse(arkit.NAMES, *points, laugh)
    assert is_open == 1
    spoken = rest.add(own, jnp.zeros(52))
    assert landmarks.lip_opening(face(points, laugh)) > 0.1
    assert abs(rest._lip_gap(face(points, spoken))) < 0.0005
    assert spoken[INDEX["mouthSmileLeft"]] == 0.5


def test_sums_stay_within_bounds(points):
    own, _ = rest.analyse(arkit.NAMES, *points, coefficients(browInnerUp=0.8))
    total = rest.add(own, coefficients(browInnerUp=0.7, jawOpen=-0.2))
    assert total[INDEX["browInnerUp"]] == 1
    assert total[INDEX["jawOpen"]] == 0


@pytest.mark.parametrize("own", [{}, {"eyeBlinkLeft": 0.4}, {"eyeSquintLeft": 0.8}, {"eyeWideLeft": 0.9}])
def test_a_blink_closes_any_eye_once(points, own):
    analysed, _ = rest.analyse(arkit.NAMES, *points, coefficients(**own))
    shut = face(points, rest.add(analysed, coefficients(eyeBlinkLeft=1.0)))
    still = face(points, rest.add(analysed, jnp.zeros(52)))
    height = rest._lid_gap(still, range(42, 48))
    assert height > 0.002
    assert abs(rest._lid_gap(shut, range(42, 48))) < 0.0015
    np.testing.assert_allclose(shut[36:42], still[36:42], atol=1e-6)  # the other eye stays open


def test_models_with_other_names_just_add(points):
    names = tuple(f"expression{k}" for k in range(52))
    own, _ = rest.analyse(names, *points, coefficients(jawOpen=-1.5))
    np.testing.assert_allclose(rest.add(own, coefficients(jawOpen=-1.0)), coefficients(jawOpen=-2.5))
