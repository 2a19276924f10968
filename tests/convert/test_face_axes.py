"""What all published face models go through: origin, direction of triangles, texture."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from jaxtalk.convert import face_axes
from jaxtalk.face.model import normals


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(80, 3))
    points = points / np.linalg.norm(points, axis=1, keepdims=True) * [0.08, 0.11, 0.1] + [0, 1.5, 0]
    triangles = ConvexHull(points).simplices
    a, b, c = (points[triangles[:, k]] - [0, 1.5, 0] for k in range(3))
    outwards = np.einsum("fi,fi->f", a, np.cross(b, c)) > 0
    triangles = np.where(outwards[:, None], triangles, triangles[:, ::-1])
    return {
        "template": points, "identity": rng.normal(size=(2, 80, 3)), "expression": rng.normal(size=(1, 80, 3)),
        "names": ("jawOpen",), "triangles": triangles, "landmarks": np.arange(68),
    }  # fmt: skip


def test_eyes_end_where_the_built_in_heads_eyes_are(parts):
    model = face_axes.build(**parts)
    np.testing.assert_allclose(model.template[np.array([36, 45])].mean(0), face_axes.EYES, atol=1e-6)
    np.testing.assert_allclose(model.template - model.template[:1], parts["template"] - parts["template"][0], atol=1e-6)


@pytest.mark.parametrize("inside_out", [False, True])
def test_triangles_face_outwards(parts, inside_out):
    if inside_out:
        parts["triangles"] = parts["triangles"][:, ::-1]
    model = face_axes.build(**parts)
    centred = np.asarray(model.template - model.template.mean(0, keepdims=True))
    assert (np.einsum("vi,vi->v", np.asarray(normals(model.template, model.triangles)), centred) > 0).all()
    np.testing.assert_array_equal(model.triangles, model.uv_triangles)


def test_a_texture_is_laid_around_the_head(parts):
    uv = np.asarray(face_axes.build(**parts).uv)
    assert 0 <= uv.min() and uv.max() <= 1
    x, y, z = (parts["template"] - [0, 1.5, 0]).T
    front = (z > 0.07) & (np.abs(x) < 0.04)
    assert np.abs(uv[front, 0] - 0.5).max() < 0.15  # the face in the middle, the seam behind
    assert np.corrcoef(uv[:, 1], y)[0, 1] > 0.999


def test_arrays_that_do_not_fit_are_a_value_error(parts):
    parts["landmarks"] = np.arange(20, 88)
    with pytest.raises(ValueError, match="landmarks points outside"):
        face_axes.build(**parts)
