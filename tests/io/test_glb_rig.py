import json
import os
import struct

import jax.numpy as jnp
import numpy as np
import pytest
from test_glb import Parsed, moving, tube

from jaxtalk.errors import InputError
from jaxtalk.io import glb, glb_rig


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A .glb of another program, as far as the reader can tell: its node is moved, turned and scaled, below another."""
    import pygltflib

    path = tmp_path_factory.mktemp("rig") / "rig.glb"
    glb.write(path, tube(), moving(), texture=np.zeros((4, 4, 3), np.uint8), extras={"whose": "yours"})
    root = pygltflib.GLTF2().load_binary(str(path))
    root.nodes[0].rotation, root.nodes[0].scale = [0, np.sqrt(0.5), 0, np.sqrt(0.5)], [2, 2, 2]
    root.nodes.append(pygltflib.Node(name="above", children=[0], translation=[1, 2, 3]))
    root.scenes[0].nodes = [1]
    root.meshes[0].extras["targetNames"] = ["Face.JawOpen", "mouthPucker", "eyeBlink_L", "wink"]
    root.save_binary(str(path))
    return path


def test_meshes_are_read_where_their_nodes_put_them(file):
    scene = glb_rig.read(file)
    points = np.asarray(tube().template)
    turned = 2 * np.stack([points[:, 2], points[:, 1], -points[:, 0]], -1) + [1, 2, 3]
    place = np.unique(np.round(scene.points, 4), axis=0)
    np.testing.assert_allclose(place, np.unique(np.round(turned, 4), axis=0), atol=2e-4)
    assert tuple(scene.shapes) == ("eyeBlinkLeft", "jawOpen", "mouthPucker")  # ARKit's order; a wink is none of them
    assert scene.nodes == {0: ("jawOpen", "mouthPucker", "eyeBlinkLeft", None)}
    largest = np.abs(np.asarray(tube().expression[0])).max()
    np.testing.assert_allclose(np.abs(scene.shapes["jawOpen"]).max(), 2 * largest, rtol=1e-4)


def test_the_file_is_written_again_with_the_motion_as_its_first_animation(file, tmp_path):
    scene, motion = glb_rig.read(file), moving(7, names=("mouthPucker", "jawOpen"))
    glb_rig.write(tmp_path / "b.glb", scene, motion, {"provenance": 1})
    before, after = Parsed(file), Parsed(tmp_path / "b.glb")
    new, old = after.root["animations"]
    weights = after.accessor(new["samplers"][0]["output"]).reshape(7, 4)
    zero = jnp.zeros(7)
    expected = np.stack([motion.expression[:, 1], motion.expression[:, 0], zero, zero], -1)
    np.testing.assert_array_equal(weights, expected)
    assert new["channels"][0]["target"] == {"node": 0, "path": "weights"} and old == before.root["animations"][0]
    assert after.root["asset"]["extras"] == {"whose": "yours", "provenance": 1}
    for part in ("materials", "images", "nodes", "meshes"):
        assert after.root[part] == before.root[part]
    assert after.bytes.startswith(before.bytes[: before.root["buffers"][0]["byteLength"]])


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("jawOpen", "jawOpen"), ("JAWOPEN", "jawOpen"), ("head.browInnerUp_L", "browInnerUp"), ("smile", None),
        ("mouthSmile_R", "mouthSmileRight"), ("mouthSmileRight", "mouthSmileRight"), ("eye_Blink_L", "eyeBlinkLeft"),
    ],
)  # fmt: skip
def test_shapes_are_known_by_arkits_names_however_they_are_spelt(name, meaning):
    assert glb_rig.arkit_name(name) == meaning


def test_what_is_no_glb_or_damaged_is_one_line(file, tmp_path):
    content = file.read_bytes()
    size = struct.unpack("<I", content[12:16])[0]
    root = json.loads(content[20 : 20 + size])
    broken = {"cut.glb": content[: len(content) // 2], "text.glb": b"hello", "empty.glb": b"", "head.glb": content[:20]}
    root["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    packed = json.dumps(root).encode().ljust(size + 100)
    packed += b" " * (-len(packed) % 4)
    rest = content[20 + size :]
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(packed) + len(rest), len(packed), b"JSON")
    broken["packed.glb"] = head + packed + rest
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as raised:
            glb_rig.read(tmp_path / name)
        assert name in str(raised.value) and "\n" not in str(raised.value)
    assert "compress" in str(raised.value)
    with pytest.raises(InputError, match="does not exist"):
        glb_rig.read(tmp_path / "none.glb")
    assert set(os.listdir(tmp_path)) == set(broken)
