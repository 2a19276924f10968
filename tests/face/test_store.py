"""Face models as files: what is written comes back, and nothing else is taken for one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import store
from jaxtalk.face.model import FaceModel


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    return FaceModel(
        template=jnp.asarray(rng.normal(size=(70, 3)), jnp.float32),
        identity=jnp.asarray(rng.normal(size=(2, 70, 3)), jnp.float32),
        expression=jnp.asarray(rng.normal(size=(3, 70, 3)), jnp.float32),
        triangles=jnp.asarray(rng.integers(0, 70, (9, 3)), jnp.int32),
        uv=jnp.asarray(rng.random((5, 2)), jnp.float32),
        uv_triangles=jnp.asarray(rng.integers(0, 5, (9, 3)), jnp.int32),
        landmarks=jnp.arange(68, dtype=jnp.int32),
        region=jnp.asarray(rng.integers(0, 8, 9), jnp.int32),
        expression_names=("jawOpen", "flame000", "mouthPucker"),
    )


def test_a_saved_model_comes_back_whole(tmp_path, model):
    store.save(tmp_path / "a.npz", model)
    read = store.load(tmp_path / "a.npz")
    assert read.expression_names == model.expression_names
    assert jax.tree.structure(read) == jax.tree.structure(model)
    for ours, theirs in zip(jax.tree.leaves(read), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("identity", jnp.zeros((2, 69, 3)), "identity has the shape"),
        ("landmarks", jnp.full(68, 70), "landmarks points outside"),
        ("triangles", jnp.full((9, 3), -1), "triangles points outside"),
        ("region", jnp.full(9, 8), "region points outside"),
        ("template", jnp.full((70, 3), jnp.nan), "not finite"),
        ("expression_names", ("one",), "expression has the shape"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(tmp_path, model, field, value, message):
    store.save(tmp_path / "a.npz", model)
    with np.load(tmp_path / "a.npz") as z:
        np.savez(tmp_path / "a.npz", **{**z, field: np.asarray(value)})
    with pytest.raises(InputError, match=message) as caught:
        store.load(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in str(caught.value) and "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path, model):
    np.savez(tmp_path / "other.npz", template=np.zeros(3))
    (tmp_path / "text.npz").write_text("no")
    for name in ("other.npz", "text.npz", "none.npz"):
        with pytest.raises(InputError, match="is no face model of jaxtalk"):
            store.load(tmp_path / name)
    with pytest.raises(InputError, match="cannot write this type"):
        store.save(tmp_path / "a.obj", model)
