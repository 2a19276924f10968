"""ICT-FaceKit from a clone and from one file, tiny and real."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import ict
from jaxtalk.errors import InputError
from jaxtalk.face import arkit, store
from jaxtalk.face.landmarks import lip_opening
from jaxtalk.face.model import REGIONS, normals

NAMES = ["browInnerUp_L", "browInnerUp_R", "cheekRaiser_L", "jawOpen", "mouthPress_L", "PupilDilate_R"]


@pytest.fixture
def shapes():
    """A tiny kit: a grid of 9x9 vertices with quads, in centimetres."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(-8, 8, 9), np.linspace(-10, 10, 9))
    neutral = np.stack([x, y, 9 - 0.05 * (x**2 + y**2)], -1).reshape(-1, 3).round(4)
    quads = [(r * 9 + c, r * 9 + c + 1, r * 9 + c + 10, r * 9 + c + 9) for r in range(8) for c in range(8)]
    return {
        "neutral": neutral,
        "identity": rng.normal(size=(3, 81, 3)).round(3),
        "expression": rng.normal(size=(len(NAMES), 81, 3)).round(3),
        "quads": np.array(quads),
        "uv": np.stack([(x - x.min()) / 16 + 1, (y - y.min()) / 20], -1).reshape(-1, 2).clip(0, 1.99),
    }


def write_obj(path, vertices, shapes):
    lines = ["# a comment", "usemtl M_Face", *("v {:.6f} {:.6f} {:.6f}".format(*v) for v in vertices)]
    lines += ["vt {:.6f} {:.6f}".format(*t) for t in shapes["uv"]]
    lines += ["f " + " ".join(f"{k + 1}/{k + 1}/1" for k in quad) for quad in shapes["quads"]]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def clone(tmp_path, shapes):
    folder = tmp_path / "ICT-FaceKit" / "FaceXModel"
    folder.mkdir(parents=True)
    write_obj(folder / "generic_neutral_mesh.obj", shapes["neutral"], shapes)
    for k, offset in enumerate(shapes["identity"]):
        write_obj(folder / f"identity{k:03d}.obj", shapes["neutral"] + offset, shapes)
    for name, offset in zip(NAMES, shapes["expression"], strict=True):
        write_obj(folder / f"{name}.obj", shapes["neutral"] + offset, shapes)
    indices = {"idx_to_landmark_verts": list(range(5, 73)), "expressions": NAMES}
    (folder / "vertex_indices.json").write_text(json.dumps(indices))
    return folder.parent


def test_a_clone_becomes_metres_around_the_ears_with_arkit_names(clone, shapes):
    model = ict.load(clone)
    assert model.expression_names == ("jawOpen", "mouthPressLeft", "browInnerUp")  # ARKit's order
    np.testing.assert_allclose(model.identity, shapes["identity"] / 100, atol=1e-6)
    jaw, press, brow = model.expression
    np.testing.assert_allclose(jaw, shapes["expression"][3] / 100, atol=1e-6)
    np.testing.assert_allclose(press, shapes["expression"][4] / 100, atol=1e-6)
    np.testing.assert_allclose(brow, shapes["expression"][:2].sum(0) / 100, atol=1e-6)  # left and right are one
    np.testing.assert_array_equal(model.landmarks, np.arange(5, 73))
    spread = shapes["neutral"][1:] - shapes["neutral"][:-1]
    np.testing.assert_allclose(model.template[1:] - model.template[:-1], spread / 100, atol=1e-6)
    assert model.triangles.shape == (128, 3)  # two of each quad
    assert (np.asarray(normals(model.template, model.triangles))[:, 2] > 0).all()  # towards the viewer
    assert 0 <= float(model.uv.min()) and float(model.uv.max()) <= 1


def test_one_file_gives_the_same_model_as_the_clone(tmp_path, clone, shapes):
    triangles = np.concatenate([shapes["quads"][:, [0, 1, 2]], shapes["quads"][:, [0, 2, 3]]], 1).reshape(-1, 3)
    np.savez(
        tmp_path / "kit.npz",
        **{k: shapes[k] for k in ("neutral", "identity", "expression", "uv")},
        triangles=triangles,
        triangle_uv=triangles,
        expression_names=np.array(NAMES),
        idx_to_landmark_verts=np.arange(5, 73),
    )
    ict.convert(tmp_path / "kit.npz", tmp_path / "one.npz")
    ict.convert(clone, tmp_path / "two.npz")
    one, two = store.load(tmp_path / "one.npz"), store.load(tmp_path / "two.npz")
    assert one.expression_names == two.expression_names
    for field in ("template", "identity", "expression", "triangles", "uv", "uv_triangles", "landmarks", "region"):
        np.testing.assert_allclose(getattr(one, field), getattr(two, field), atol=1e-6, err_msg=field)


def test_what_is_missing_or_wrong_is_named(tmp_path, clone):
    kit = clone / "FaceXModel"
    (kit / "identity001.obj").write_text("v 0 0 0\n")
    with pytest.raises(InputError, match="identity001.obj: has 1 vertices instead of 81"):
        ict.load(clone)
    (kit / "identity001.obj").write_text("v 0 zero 0\n")
    with pytest.raises(InputError, match="identity001.obj: is no proper OBJ"):
        ict.load(clone)
    (kit / "jawOpen.obj").unlink()
    (kit / "identity001.obj").unlink()
    with pytest.raises(InputError, match="jawOpen.obj: cannot be read"):
        ict.load(clone)
    with pytest.raises(InputError, match="vertex_indices.json: cannot be read"):
        ict.load(tmp_path)
    np.savez(tmp_path / "other.npz", neutral=np.zeros(3))
    for name in ("other.npz", "none.npz"):
        with pytest.raises(InputError, match="is no ICT-FaceKit"):
            ict.load(tmp_path / name)


@pytest.fixture(scope="module")
def real(published):
    return ict.load(published / "ict_facekit.npz")


def test_the_real_kit_is_a_face_in_our_axes(real):
    assert real.identity.shape == (100, 26719, 3)
    assert real.expression_names == tuple(name for name in arkit.NAMES if name != "tongueOut")
    points = np.asarray(real.template)[np.asarray(real.landmarks)]
    assert 0.12 < points[16, 0] - points[0, 0] < 0.16  # a face is about 0.14 m wide
    assert points[30, 2] > points[36, 2] > points[0, 2] > 0  # nose before eyes before the jaw's ends
    assert points[8, 1] < points[57, 1] < points[33, 1] < points[27, 1]  # chin, lips, nose, from below
    ears = np.asarray(real.template)[np.abs(np.asarray(real.template)[:, 0]) > 0.09]
    ears = ears[(ears[:, 1] > -0.05) & (ears[:, 1] < 0.05)]
    assert np.abs(ears.mean(0)[1:]).max() < 0.025  # the origin lies between them


def test_the_real_kit_moves_as_its_shapes_say(real):
    def opening(**values):
        weights = jnp.array([values.get(name, 0.0) for name in real.expression_names])
        return float(lip_opening(real.vertices(expression=weights)[real.landmarks]))

    assert opening() < 0.03 < 0.3 < opening(jawOpen=1.0)
    assert opening(jawOpen=1.0, mouthClose=1.0) < 0.15
    left = np.asarray(real.expression[real.expression_names.index("mouthSmileLeft")])
    corners = np.linalg.norm(left[np.asarray(real.landmarks)[[48, 54]]], axis=1)
    assert corners[1] > 5 * corners[0]  # the subject's left is the right of the image


def test_the_real_kit_has_separate_teeth_and_no_shells_before_the_eyes(real):
    region = np.asarray(real.region)
    assert {REGIONS[k] for k in np.unique(region)} >= {"skin", "mouth", "teeth_upper", "teeth_lower", "eye"}
    jaw = np.linalg.norm(np.asarray(real.expression[real.expression_names.index("jawOpen")]), axis=1)
    triangles = np.asarray(real.triangles)
    upper, lower = (jaw[triangles[region == REGIONS.index(name)]] for name in ("teeth_upper", "teeth_lower"))
    assert upper.max() < 1e-4 and lower.min() > 0.01
    assert not ((triangles >= 24591) & (triangles < 25351)).any()
