import json
import os
import struct

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import model as faces
from jaxtalk.face import rotation
from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.face.motion import Motion
from jaxtalk.io import glb

TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
NAMES = ("jawOpen", "mouthPucker", "eyeBlinkLeft", "tongueOut")


def tube(rings=6, columns=8) -> FaceModel:
    """A face as far as the format is concerned: a bent tube, its texture cut along a seam, with three regions."""
    ring, column = np.mgrid[:rings, :columns]
    angle = 2 * np.pi * column / columns
    points = np.stack([0.07 * np.sin(angle), 0.02 * ring - 0.05, 0.07 * np.cos(angle)], -1).reshape(-1, 3)
    r, c = (grid.ravel() for grid in np.mgrid[: rings - 1, :columns])
    after = (c + 1) % columns
    corner = [(r * columns + c, r * columns + after), ((r + 1) * columns + c, (r + 1) * columns + after)]
    seam = [
        (r * (columns + 1) + c, r * (columns + 1) + c + 1),
        ((r + 1) * (columns + 1) + c, (r + 1) * (columns + 1) + c + 1),
    ]

    def both(grid):
        (a, b), (d, e) = grid
        return np.concatenate([np.stack([a, b, d], -1), np.stack([b, e, d], -1)]).astype(np.int32)

    rng = np.random.default_rng(0)
    expression = np.zeros((len(NAMES), len(points), 3))
    for k in range(3):  # the last expression moves nothing, as tongueOut of a face without a tongue
        expression[k, rng.choice(len(points), 10, replace=False)] = rng.normal(0, 0.01, (10, 3))
    uv = np.stack([g.ravel() for g in np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rings))], -1)
    triangles = both(corner)
    return FaceModel(
        template=jnp.asarray(points, jnp.float32),
        identity=jnp.asarray(rng.normal(0, 0.002, (3, *points.shape)), jnp.float32),
        expression=jnp.asarray(expression, jnp.float32),
        triangles=jnp.asarray(triangles),
        uv=jnp.asarray(uv, jnp.float32),
        uv_triangles=jnp.asarray(both(seam)),
        landmarks=jnp.zeros(68, jnp.int32),
        region=jnp.asarray(np.arange(len(triangles)) % 3, jnp.int32),
        expression_names=NAMES,
    )


def moving(frames=12, names=NAMES, fps=25.0) -> Motion:
    keys = jax.random.split(jax.random.key(1), 3)
    expression = jax.random.uniform(keys[0], (frames, len(names)))
    swing = jnp.linspace(-3.0, 3.0, frames)[:, None] * jnp.asarray([[0.2, 1.0, 0.3]])  # yaw all the way round
    return Motion(expression, swing, jax.random.normal(keys[2], (frames, 3)) * 0.01, fps, names)


class Parsed:
    """A reader of its own, which checks what the glTF 2.0 specification asks of a .glb on the way."""

    def __init__(self, path):
        content = path.read_bytes()
        magic, version, length = struct.unpack("<4sII", content[:12])
        assert (magic, version, length) == (b"glTF", 2, len(content)) and length % 4 == 0
        size, kind = struct.unpack("<I4s", content[12:20])
        assert kind == b"JSON" and size % 4 == 0
        self.root = json.loads(content[20 : 20 + size])
        size_bin, kind = struct.unpack("<I4s", content[20 + size : 28 + size])
        assert kind == b"BIN\0" and size_bin % 4 == 0 and 28 + size + size_bin == length
        self.bytes = content[28 + size :]
        assert 0 <= len(self.bytes) - self.root["buffers"][0]["byteLength"] <= 3

    def view(self, index, dtype, count, width):
        view = self.root["bufferViews"][index]
        start, length = view["byteOffset"], view["byteLength"]
        assert start % 4 == 0 and start + length <= self.root["buffers"][0]["byteLength"]
        values = np.frombuffer(self.bytes[start : start + length], dtype)
        assert len(values) == count * width
        return values.reshape(count, width)

    def accessor(self, index):
        accessor = self.root["accessors"][index]
        dtype, width, count = TYPES[accessor["componentType"]], WIDTHS[accessor["type"]], accessor["count"]
        assert count >= 1
        if "bufferView" in accessor:
            values = self.view(accessor["bufferView"], dtype, count, width).copy()
        else:
            assert not accessor.get("byteOffset")
            values = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self.view(
                sparse["indices"]["bufferView"], TYPES[sparse["indices"]["componentType"]], sparse["count"], 1
            )
            rows = rows[:, 0].astype(int)
            assert 1 <= sparse["count"] <= count and (np.diff(rows) > 0).all() and rows[-1] < count
            values[rows] = self.view(sparse["values"]["bufferView"], dtype, sparse["count"], width)
        if "min" in accessor:
            assert values.min(0).tolist() == accessor["min"] and values.max(0).tolist() == accessor["max"]
        assert np.isfinite(values).all()
        return values

    def frame(self, k):
        """Vertices of each primitive at the k-th key frame, as a viewer evaluates it: (points, normals, triangles)."""
        tracks = {}
        (animation,) = self.root["animations"]
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            assert channel["target"]["node"] == 0 and sampler.get("interpolation", "LINEAR") == "LINEAR"
            times = self.accessor(sampler["input"])[:, 0]
            assert "min" in self.root["accessors"][sampler["input"]] and (np.diff(times) > 0).all() and times[0] == 0
            tracks[channel["target"]["path"]] = self.accessor(sampler["output"]).reshape(len(times), -1)
        mesh = self.root["meshes"][self.root["nodes"][0]["mesh"]]
        x, y, z, w = tracks["rotation"][k].astype(float)
        turn = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        for primitive in mesh["primitives"]:
            points = self.accessor(primitive["attributes"]["POSITION"]).astype(float)
            normals = self.accessor(primitive["attributes"]["NORMAL"]).astype(float)
            for target, weight in zip(primitive["targets"], tracks["weights"][k], strict=True):
                points += weight * self.accessor(target["POSITION"])
                normals += weight * self.accessor(target["NORMAL"])
            triangles = self.accessor(primitive["indices"])[:, 0].reshape(-1, 3)
            assert triangles.max() < len(points)
            yield points @ turn.T + tracks["translation"][k], normals @ turn.T, triangles, primitive


@pytest.fixture
def written(tmp_path):
    glb.write(tmp_path / "a.glb", tube(), moving(), identity=jnp.asarray([1.0, -0.5]), extras={"provenance": {"a": 1}})
    return Parsed(tmp_path / "a.glb")


def test_a_viewer_sees_the_models_own_vertices_at_every_frame(written):
    model, motion = tube(), moving()
    for k in range(len(motion)):
        shape = model.vertices(jnp.asarray([1.0, -0.5]), motion.expression[k])
        posed = np.asarray(faces.pose(shape, motion.rotation[k], motion.translation[k]))
        seen = [points[triangles] for points, _, triangles, _ in written.frame(k)]
        order = np.argsort(np.asarray(model.region), kind="stable")
        expected = posed[np.asarray(model.triangles)[order]]
        np.testing.assert_allclose(np.concatenate(seen), expected, atol=2e-5)


def test_targets_are_sparse_named_and_complete(written):
    (mesh,) = written.root["meshes"]
    assert mesh["extras"]["targetNames"] == list(NAMES) and mesh["weights"] == [0.0] * 4
    targets = mesh["primitives"][0]["targets"]
    kept = [written.root["accessors"][t["POSITION"]].get("sparse", {}).get("count", 0) for t in targets]
    assert 10 <= kept[0] <= 12 and kept[3] == 0  # ten vertices move; those on the seam are there twice


def test_normals_are_unit_and_morph_like_the_surface(written):
    for *_, primitive in written.frame(0):
        rest = written.accessor(primitive["attributes"]["NORMAL"])
        np.testing.assert_allclose(np.linalg.norm(rest, axis=-1), 1.0, atol=1e-5)
    model = tube()
    shape = model.vertices(jnp.asarray([1.0, -0.5]))
    target = written.root["meshes"][0]["primitives"][0]["targets"][0]
    change = np.abs(written.accessor(target["NORMAL"])).max()
    expected = faces.normals(shape + model.expression[0], model.triangles) - faces.normals(shape, model.triangles)
    assert change == pytest.approx(float(jnp.abs(expected).max()), abs=1e-5)


def test_each_corner_keeps_its_texture_coordinate(written):
    model = tube()
    corners = np.asarray(model.uv)[np.asarray(model.uv_triangles)]
    order = np.argsort(np.asarray(model.region), kind="stable")
    seen = [
        written.accessor(primitive["attributes"]["TEXCOORD_0"])[triangles]
        for _, _, triangles, primitive in written.frame(0)
    ]
    np.testing.assert_allclose(np.concatenate(seen), (corners * [1, -1] + [0, 1])[order], atol=1e-6)


def test_regions_are_materials_with_their_names(written):
    used = [written.root["materials"][p["material"]]["name"] for p in written.root["meshes"][0]["primitives"]]
    assert used == list(REGIONS[:3])
    assert set(glb.COLOURS) == set(REGIONS)


def test_extras_and_generator_are_kept(written):
    assert written.root["asset"]["extras"] == {"provenance": {"a": 1}}
    assert written.root["asset"]["version"] == "2.0" and written.root["asset"]["generator"].startswith("jaxtalk")


def test_neighbouring_rotations_take_the_short_way(tmp_path):
    yaw = jnp.asarray([2.9, 3.1, -3.1, -2.9])  # on through the back, where the angle wraps and q jumps to -q
    angles = jnp.stack([0 * yaw, yaw, 0 * yaw], -1)
    raw = np.asarray(rotation.quaternion(angles))
    assert (np.sum(raw[1:] * raw[:-1], axis=-1) < 0).any()
    glb.write(tmp_path / "a.glb", tube(), Motion(jnp.zeros((4, 4)), angles, jnp.zeros((4, 3)), 25.0, NAMES))
    parsed = Parsed(tmp_path / "a.glb")
    track = parsed.accessor(parsed.root["animations"][0]["samplers"][1]["output"])
    assert (np.sum(track[1:] * track[:-1], axis=-1) > 0.99).all()
    np.testing.assert_allclose(np.abs(np.sum(track * raw, axis=-1)), 1.0, atol=1e-6)


def test_a_texture_is_embedded(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (8, 16, 3), dtype=np.uint8)
    glb.write(tmp_path / "a.glb", tube(), moving(), texture=picture)
    parsed = Parsed(tmp_path / "a.glb")
    (image,) = parsed.root["images"]
    view = parsed.root["bufferViews"][image["bufferView"]]
    (tmp_path / "t.png").write_bytes(parsed.bytes[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(tmp_path / "t.png")), picture)
    assert len(parsed.root["meshes"][0]["primitives"]) == 1
    assert sum(len(triangles) for _, _, triangles, _ in parsed.frame(0)) == len(tube().triangles)


def test_coefficients_are_matched_by_name(tmp_path):
    motion = moving(names=("other", "mouthPucker", "jawOpen"))
    glb.write(tmp_path / "a.glb", tube(), motion)
    parsed = Parsed(tmp_path / "a.glb")
    animation = parsed.root["animations"][0]
    weights = parsed.accessor(animation["samplers"][0]["output"]).reshape(-1, 4)
    expected = np.stack([motion.expression[:, 2], motion.expression[:, 1], np.zeros(12), np.zeros(12)], -1)
    np.testing.assert_array_equal(weights, expected)


def test_a_single_frame_is_enough(tmp_path):
    glb.write(tmp_path / "a.glb", tube(), moving(1))
    assert len(list(Parsed(tmp_path / "a.glb").frame(0))) == 3


def test_other_readers_open_it(tmp_path):
    import pygltflib
    import trimesh

    glb.write(tmp_path / "a.glb", tube(), moving())
    loaded = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    assert loaded.meshes[0].extras["targetNames"] == list(NAMES)
    scene = trimesh.load(tmp_path / "a.glb")
    assert sum(len(g.faces) for g in scene.geometry.values()) == len(tube().triangles)
    np.testing.assert_allclose(scene.bounds[1][1], float(tube().template[:, 1].max()), atol=1e-6)


def test_a_foreign_motion_or_a_bad_path_is_an_input_error_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"a\.glb: .*of another face"):
        glb.write(tmp_path / "a.glb", tube(), moving(names=("fap_3",)))
    with pytest.raises(InputError, match=r"\*\.glb"):
        glb.write(tmp_path / "a.gltf", tube(), moving())
    assert not os.listdir(tmp_path)


def test_ict_facekit_is_written_whole(tmp_path, published):
    with np.load(published / "ict_facekit.npz", allow_pickle=False) as z:
        names = tuple(z["expression_names"].tolist()[:6])
        model = FaceModel(
            template=jnp.asarray(z["neutral"] / 100),
            identity=jnp.asarray(z["identity"][:2].astype(np.float32) / 100),
            expression=jnp.asarray(z["expression"][:6].astype(np.float32) / 100),
            triangles=jnp.asarray(z["triangles"]),
            uv=jnp.asarray(z["uv"]),
            uv_triangles=jnp.asarray(z["triangle_uv"]),
            landmarks=jnp.asarray(z["idx_to_landmark_verts"].astype(np.int32)),
            region=jnp.zeros(len(z["triangles"]), jnp.int32),
            expression_names=names,
        )
    glb.write(tmp_path / "a.glb", model, moving(names=names))
    (points, _, triangles, _) = next(Parsed(tmp_path / "a.glb").frame(3))
    motion = moving(names=names)
    shape = model.vertices(expression=motion.expression[3])
    expected = np.asarray(faces.pose(shape, motion.rotation[3], motion.translation[3]))[np.asarray(model.triangles)]
    assert np.abs(points[triangles] - expected).max() < 1e-4  # each expression may leave 0.01 mm out
