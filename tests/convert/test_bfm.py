"""BFM 2009 from a tiny set of files of the same layout."""

import numpy as np
import pytest
import scipy.io

from jaxtalk.convert import bfm
from jaxtalk.errors import InputError
from jaxtalk.face import store

V, W, CUT, MODES, EXPRESSIONS = 110, 100, 90, 5, 4
RNG = np.random.default_rng(0)


@pytest.fixture
def truth():
    spread = RNG.normal(size=(V, 3)) * [60e3, 80e3, 50e3]  # micrometres
    grid = np.array([(k, k + 1, k + 10) for k in range(CUT - 10)])
    return {
        "mean": spread, "shapes": RNG.normal(size=(3 * V, MODES)) * 0.01, "deviation": np.arange(MODES, 0, -1) * 1e5,
        "colours": RNG.uniform(0, 255, (V, 3)), "tints": RNG.normal(size=(3 * V, MODES)),
        "expressions": RNG.normal(size=(EXPRESSIONS, W, 3)).astype(np.float32),
        "std": np.arange(1, 1 + EXPRESSIONS) * 1e3,
        "trim": RNG.permutation(V)[:W], "front": RNG.permutation(W)[:CUT], "tri": grid,
        "keypoints": RNG.permutation(CUT)[:68],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path, truth):
    def save(name, **values):
        scipy.io.savemat(tmp_path / name, values)

    save(
        "01_MorphableModel.mat", shapeMU=truth["mean"].reshape(-1, 1), shapePC=truth["shapes"],
        shapeEV=truth["deviation"].reshape(-1, 1), texMU=truth["colours"].reshape(-1, 1), texPC=truth["tints"],
        texEV=truth["deviation"].reshape(-1, 1) * 1e-4,
    )  # fmt: skip
    save("BFM_exp_idx.mat", trimIndex=truth["trim"].reshape(-1, 1) + 1)
    save("BFM_front_idx.mat", idx=truth["front"].reshape(-1, 1) + 1)
    save("facemodel_info.mat", tri=truth["tri"] + 1, keypoints=truth["keypoints"].reshape(1, -1) + 1)
    content = np.concatenate([np.full(3 * W, 9.0), truth["expressions"].ravel()]).astype(np.float32)
    (tmp_path / "Exp_Pca.bin").write_bytes(np.int32(EXPRESSIONS).tobytes() + content.tobytes())
    (tmp_path / "std_exp.txt").write_text(" ".join(map(str, truth["std"])))
    return tmp_path


def test_every_vertex_finds_its_place_through_both_lists(folder, truth):
    model = bfm.load(folder)
    assert model.expression_names == ("bfm00", "bfm01", "bfm02", "bfm03")
    assert model.identity.shape == (MODES, CUT, 3) and model.template.shape == (CUT, 3)
    for vertex in (0, 17, CUT - 1):
        cut = truth["front"][vertex]  # its number among those with expressions
        whole = truth["trim"][cut]  # and in the whole head
        shape = truth["shapes"].reshape(V, 3, MODES)[whole] * truth["deviation"] * 1e-6
        np.testing.assert_allclose(model.identity[:, vertex], shape.T, rtol=1e-5)
        expression = truth["expressions"][:, cut] * truth["std"][:, None] * 1e-6
        np.testing.assert_allclose(model.expression[:, vertex], expression, rtol=1e-5)
        offset = (truth["mean"][whole] - truth["mean"][truth["trim"][truth["front"][0]]]) * 1e-6
        np.testing.assert_allclose(model.template[vertex] - model.template[0], offset, atol=1e-6)
    np.testing.assert_array_equal(model.landmarks, truth["keypoints"])
    assert set(map(frozenset, np.asarray(model.triangles).tolist())) == set(map(frozenset, truth["tri"].tolist()))


def test_colours_are_those_of_the_vertices_and_white_is_one(folder, truth):
    albedo = bfm.load_albedo(folder)
    assert albedo.mean.shape == (CUT, 3) and albedo.basis.shape == (MODES, CUT, 3)
    for vertex in (0, 17, CUT - 1):
        whole = truth["trim"][truth["front"][vertex]]
        np.testing.assert_allclose(albedo.mean[vertex], truth["colours"][whole] / 255, rtol=1e-5)
        tint = truth["tints"].reshape(V, 3, MODES)[whole] * truth["deviation"] * 1e-4 / 255
        np.testing.assert_allclose(albedo.basis[:, vertex], tint.T, rtol=1e-5)


def test_the_ready_made_file_gives_the_same_model(folder, tmp_path, truth):
    raw, colours = bfm.load(folder), bfm.load_albedo(folder)
    chosen = truth["trim"][truth["front"]]
    shapes = (truth["shapes"] * truth["deviation"]).reshape(V, 3, MODES)[chosen].reshape(-1, MODES)
    expressions = (truth["expressions"] * truth["std"][:, None, None])[:, truth["front"]].reshape(EXPRESSIONS, -1).T
    scipy.io.savemat(
        folder / "BFM_model_front.mat",
        {
            "meanshape": truth["mean"][chosen].reshape(1, -1) / 1e5, "idBase": shapes / 1e5,
            "exBase": expressions / 1e5, "meantex": truth["colours"][chosen].reshape(1, -1),
            "texBase": (truth["tints"] * truth["deviation"] * 1e-4).reshape(V, 3, MODES)[chosen].reshape(-1, MODES),
            "tri": truth["tri"] + 1, "keypoints": truth["keypoints"].reshape(1, -1) + 1,
        },
    )  # fmt: skip
    bfm.convert(folder, folder / "out.npz")
    ready = store.load(folder / "out.npz")
    for field in ("template", "identity", "expression", "triangles", "landmarks"):
        np.testing.assert_allclose(getattr(ready, field), getattr(raw, field), atol=1e-6, err_msg=field)
    for got, written, want in zip(
        bfm.load_albedo(folder), store.load_albedo(folder / "out.npz", ready), colours, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(written, got)


@pytest.mark.parametrize(
    "name", ["01_MorphableModel.mat", "Exp_Pca.bin", "std_exp.txt", "BFM_front_idx.mat", "facemodel_info.mat"]
)
def test_missing_and_wrong_files_are_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(b"no such file 12")
    with pytest.raises(InputError) as caught:
        bfm.load(folder)
    assert name in str(caught.value) and "\n" not in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: is missing"):
        bfm.load(folder)
    (folder / name).write_bytes(content)
    bfm.load(folder)


def test_lists_that_do_not_fit_are_refused(folder, truth):
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": truth["trim"][:50].reshape(-1, 1) + 1})
    with pytest.raises(InputError, match="lists 50 vertices, Exp_Pca.bin has 100"):
        bfm.load(folder)
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": truth["trim"].reshape(-1, 1) + 1000})
    with pytest.raises(InputError, match="do not fit together"):
        bfm.load(folder)
