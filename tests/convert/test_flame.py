"""FLAME from a tiny model of the same layout, pickled as the real one is."""

import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse
from scipy.spatial import ConvexHull

from jaxtalk.convert import flame
from jaxtalk.errors import InputError
from jaxtalk.face import arkit, store
from jaxtalk.face.model import REGIONS

V, SHAPES = 160, 8


class Ch:
    """What chumpy's arrays are in a pickle: their attributes."""

    def __init__(self, x):
        self.x = x


@pytest.fixture
def chumpy(monkeypatch):
    module = types.ModuleType("chumpy.ch")
    module.Ch = Ch
    monkeypatch.setattr(Ch, "__module__", "chumpy.ch")
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(V, 3))
    points = points / np.linalg.norm(points, axis=1, keepdims=True) * [0.08, 0.11, 0.1] + [0.0, 1.5, 0.0]
    triangles = ConvexHull(points).simplices.astype(np.uint32)
    joints = np.array([[0, 1.3, 0], [0, 1.4, 0], [0, 1.48, 0.02], [0.03, 1.53, 0.08], [-0.03, 1.53, 0.08]])
    weights = np.zeros((V, 5))
    weights[:, 2] = np.clip((1.48 - points[:, 1]) / 0.04, 0, 1) * (points[:, 2] > 0)
    left, right = np.argsort(np.linalg.norm(points - joints[3], axis=1))[:4], np.argsort(points[:, 0])[:4]
    weights[left], weights[right] = [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]
    weights[:, 1] = 1 - weights.sum(1)
    regressor = np.linalg.lstsq(points.T, joints.T, rcond=None)[0].T  # 5 v: any that gives the joints
    return {
        "v_template": points, "f": triangles, "weights": weights, "J_regressor": scipy.sparse.csc_matrix(regressor),
        "shapedirs": rng.normal(size=(V, 3, SHAPES)) * 0.002, "posedirs": rng.normal(size=(V, 3, 36)) * 0.001,
        "kintree_table": np.array([[-1, 0, 1, 1, 1], range(5)]), "J": joints, "bs_style": "lbs",
    }  # fmt: skip


def write(folder, parts, faces=None):
    content = {k: Ch(v) if k in ("v_template", "shapedirs", "weights", "posedirs") else v for k, v in parts.items()}
    (folder / "generic_model.pkl").write_bytes(pickle.dumps(content, protocol=2))
    faces = np.arange(68) if faces is None else faces
    places = np.tile([0.2, 0.7, 0.1], (len(faces), 1))
    found = {"full_lmk_faces_idx": faces[None], "full_lmk_bary_coords": places[None]}
    np.save(folder / "landmark_embedding.npy", np.array(found, dtype=object))
    return folder


def test_shapes_become_identity_expression_and_joints(tmp_path, parts, chumpy):
    model = flame.load(write(tmp_path, parts))
    assert model.expression_names[: len(flame.TURNS)] == tuple(flame.TURNS)
    assert set(flame.TURNS) <= set(arkit.NAMES)
    assert model.expression_names[len(flame.TURNS) :] == ("flame000", "flame001")  # a quarter, as 100 of 400
    shapes = np.moveaxis(parts["shapedirs"], -1, 0)
    np.testing.assert_allclose(model.identity, shapes[:6], atol=1e-6)
    np.testing.assert_allclose(model.expression[len(flame.TURNS) :], shapes[6:], atol=1e-6)
    np.testing.assert_array_equal(model.landmarks, parts["f"][:68, 1])  # the corner that weighs most
    apart = parts["v_template"] - parts["v_template"][:1]
    np.testing.assert_allclose(model.template - model.template[:1], apart, atol=1e-6)


def test_the_jaw_opens_as_skinning_turns_it(tmp_path, parts, chumpy):
    """Against FLAME's forward pass written out for one vertex at a time."""
    model = flame.load(write(tmp_path, parts))
    jaw = np.asarray(model.expression[model.expression_names.index("jawOpen")])
    c, s = np.cos(flame.JAW_OPEN), np.sin(flame.JAW_OPEN)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    joint = parts["J"][2]
    for k in range(0, V, 7):
        bent = parts["v_template"][k] + parts["posedirs"][k][:, 9:18] @ (turn - np.eye(3)).reshape(-1)
        moved = turn @ (bent - joint) + joint
        weight = parts["weights"][k, 2]
        np.testing.assert_allclose(jaw[k], (1 - weight) * bent + weight * moved - parts["v_template"][k], atol=1e-6)


def test_directions_are_those_of_arkit(tmp_path, parts, chumpy):
    parts["posedirs"][:] = 0
    model = flame.load(write(tmp_path, parts))
    moved = dict(zip(model.expression_names, np.asarray(model.expression), strict=True))
    chin = np.argmax(parts["weights"][:, 2] * parts["v_template"][:, 2])  # of the jaw, furthest in front
    assert moved["jawOpen"][chin, 1] < -0.005
    assert moved["jawLeft"][chin, 0] > 0.002 > -0.002 > moved["jawRight"][chin, 0]  # the subject's left is +x
    eye = parts["weights"][:, 3] == 1
    front = eye & (parts["v_template"][:, 2] > parts["J"][3, 2])
    assert front.any()
    assert (moved["eyeLookOutLeft"][front, 0] > 0).all() and (moved["eyeLookInLeft"][front, 0] < 0).all()
    assert (moved["eyeLookUpLeft"][front, 1] > 0).all() and (moved["eyeLookDownLeft"][front, 1] < 0).all()
    assert np.abs(moved["eyeLookOutRight"][eye]).max() == 0
    regions = np.asarray(model.region)
    assert (regions == REGIONS.index("eye")).sum() == eye[parts["f"]].all(1).sum() + (parts["weights"][:, 4] == 1)[
        parts["f"]
    ].all(1).sum()


def test_it_is_written_as_a_face_model(tmp_path, parts, chumpy):
    flame.convert(write(tmp_path, parts) / "generic_model.pkl", tmp_path / "flame.npz")
    assert store.load(tmp_path / "flame.npz").expression_names[0] == "jawOpen"


def test_without_an_embedding_the_published_vertices_are_used(tmp_path):
    """Mirrored pairs of the list differ in every place, and none is named twice."""
    assert len(set(flame.LANDMARKS_68.tolist())) == 68 and flame.LANDMARKS_68.max() < 5023
    template, triangles = np.zeros((5023, 3)), np.zeros((4, 3), int)
    np.testing.assert_array_equal(flame._landmarks(tmp_path, template, triangles), flame.LANDMARKS_68)
    inner = {"lmk_face_idx": np.zeros(51, np.int64), "lmk_b_coords": np.tile([1.0, 0, 0], (51, 1))}
    (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps(inner, protocol=2))
    np.testing.assert_array_equal(
        flame._landmarks(tmp_path, template, triangles), np.concatenate([flame.LANDMARKS_68[:17], np.zeros(51)])
    )


def test_wrong_files_are_named(tmp_path, parts, chumpy):
    with pytest.raises(InputError, match="has no generic_model.pkl"):
        flame.load(tmp_path)
    write(tmp_path, parts)
    (tmp_path / "landmark_embedding.npy").unlink()
    with pytest.raises(InputError, match="needs landmark_embedding.npy"):
        flame.load(tmp_path)
    write(tmp_path, {k: v for k, v in parts.items() if k != "shapedirs"})
    with pytest.raises(InputError, match="'shapedirs' is missing"):
        flame.load(tmp_path)
    write(tmp_path, parts | {"weights": parts["weights"][:50]})
    with pytest.raises(InputError, match="is no FLAME model"):
        flame.load(tmp_path)
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InputError, match="is no FLAME model"):
        flame.load(tmp_path)
