"""Networks of meshes from their files: the same again, styles by name, one line where something is wrong."""

import jax
import jax.numpy as jnp
import mesh_toys
import numpy as np
import pytest

from configs import faceformer
from jaxtalk.errors import InputError
from jaxtalk.systems import mesh_lessons, mesh_networks

CONFIG = faceformer.Config(width=8, heads=2, hidden=8, features="mel")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """FaceFormer with random parameters, and the folder it was exported to."""
    folder = tmp_path_factory.mktemp("faceformer")
    task = faceformer.Task(CONFIG, mesh_toys.data())
    state = task.init(jax.random.key(0))
    write = jax.random.normal(jax.random.key(1), state.average["write"]["kernel"].shape)
    state = state.replace(average=state.average | {"write": state.average["write"] | {"kernel": write}})
    task.export(state, folder)
    return task.made(state.variables), folder


def test_what_is_loaded_animates_as_what_was_saved(saved):
    network, folder = saved
    loaded, one = mesh_networks.load(folder), mesh_toys.talking(3)
    assert (loaded.kind, loaded.fps, loaded.coordinates, loaded.speakers) == ("faceformer", 30.0, 4, ("anna", "ben"))
    style = mesh_networks.style(loaded, {"anna": 0.3, "ben": 0.7})
    made = mesh_networks.animate(loaded, one.sound, style)
    np.testing.assert_allclose(made, mesh_networks.animate(network, one.sound, style), atol=1e-6)
    assert made.shape == (60, 4) and made.std(0).min() > 0.01
    offsets = mesh_networks.offsets(loaded, made)
    np.testing.assert_allclose(offsets, np.tensordot(made, network.face.basis.basis, 1), atol=1e-6)


def test_a_batch_of_padded_clips_is_each_alone(saved):
    network, _ = saved
    batch = {
        name: jnp.asarray(x) for name, x in mesh_lessons.talking_meshes.together(mesh_toys.data().held_out).items()
    }
    styles = mesh_lessons.styles(network.face, batch["speaker"])
    together = mesh_networks.animate_all(network, batch["sound"], styles, batch["length"])
    alone = mesh_networks.animate(network, batch["sound"][1, :45], styles[1])
    np.testing.assert_allclose(together[1, :45], alone, rtol=1e-4, atol=1e-5)


def test_styles_by_name(saved):
    network, _ = saved
    np.testing.assert_allclose(mesh_networks.style(network), [0.5, 0.5])
    np.testing.assert_allclose(mesh_networks.style(network, {"ben": 1.0}), [0, 1])
    with pytest.raises(InputError, match="cleo: no such style; there are anna, ben"):
        mesh_networks.style(network, {"cleo": 1.0})


def test_speech_becomes_a_row_for_each_frame(saved):
    _, folder = saved
    rows = mesh_networks.listen(mesh_networks.load(folder), np.random.default_rng(0).normal(size=16000))
    assert rows.shape == (30, 240) and np.isfinite(rows).all()


def test_what_is_no_network_is_refused(saved, tmp_path):
    _, folder = saved
    with pytest.raises(InputError, match="holds 0 networks"):
        mesh_networks.load(tmp_path)
    (tmp_path / "voca.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="voca.safetensors"):
        mesh_networks.load(tmp_path)
    mesh_lessons.motion_basis.save(tmp_path / "mesh.npz", mesh_toys.basis())
    (tmp_path / "voca.safetensors").write_bytes((folder / "faceformer.safetensors").read_bytes())
    with pytest.raises(InputError, match="lacks .*export the network again"):
        mesh_networks.load(tmp_path)
