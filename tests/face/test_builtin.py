"""The built-in head: sound topology, exact symmetry, lips and lids that close, eyes that turn where they should."""

import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import arkit, builtin, builtin_identity, builtin_lids, builtin_lips, rotation
from jaxtalk.face.landmarks import lip_opening, mouth_width
from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.render.rasterise import rasterise

FLIP = np.array([-1.0, 1.0, 1.0])
SIZE = 192


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return builtin.model()


def make(model, **weights):
    """Vertices (v 3) with some blendshapes; `eyeBlink=1` stands for both sides."""
    coefficients = np.zeros(len(arkit.NAMES), np.float32)
    for name, weight in weights.items():
        for full in (name,) if name in arkit.INDEX else (name + "Left", name + "Right"):
            coefficients[arkit.INDEX[full]] = weight
    return np.asarray(model.vertices(expression=jnp.asarray(coefficients)), np.float64)


def seen(model, vertices, middle, width, yaw=0.0, pitch=0.0):
    """How many pixels of each region a camera sees in a square of `width` metres around `middle`."""
    turn = np.asarray(rotation.matrix(jnp.array([pitch, yaw, 0.0])), np.float64)
    p = (vertices - np.array(middle)) @ turn.T * SIZE / width
    screen = np.stack([SIZE / 2 + p[:, 0], SIZE / 2 - p[:, 1], -p[:, 2]], -1)
    fragments = rasterise(jnp.asarray(screen, jnp.float32), model.triangles, SIZE, SIZE, cull=True)
    triangle = np.asarray(fragments.triangle)
    counts = np.bincount(np.asarray(model.region)[triangle[triangle >= 0]], minlength=len(REGIONS))
    return dict(zip(REGIONS, counts.tolist(), strict=True))


EYES = {"middle": (0, 0.023, 0.07), "width": 0.12}
MOUTH = {"middle": (0, -0.048, 0.08), "width": 0.12}
INSIDE = ("mouth", "teeth_upper", "teeth_lower", "tongue")


def test_model_fills_every_field_with_finite_numbers_in_metres(model):
    for field in dataclasses.fields(model):
        if field.name != "expression_names":
            assert np.isfinite(np.asarray(getattr(model, field.name))).all(), field.name
    assert model.expression_names == arkit.NAMES
    assert model.identity.shape[0] == len(builtin_identity.NAMES) >= 20
    assert 3000 <= len(model.template) <= 6500
    extent = np.ptp(np.asarray(model.template), axis=0)
    assert 0.15 < extent[0] < 0.2 and 0.25 < extent[1] < 0.32 and 0.19 < extent[2] < 0.25
    assert builtin.model() is model


def test_proportions_are_those_of_adults(model):
    # Farkas 1994, means of women and men in mm, and about two standard deviations around
    p = np.asarray(model.template)[np.asarray(model.landmarks)] * 1000
    for (a, b), mean, spread in (
        ((36, 45), 89, 8), ((39, 42), 33, 5), ((27, 8), 117, 14), ((27, 33), 50, 7),
        ((48, 54), 52, 7), ((33, 8), 68, 10), ((51, 57), 18, 5),
    ):  # fmt: skip
        assert abs(np.linalg.norm(p[a] - p[b]) - mean) < spread, (a, b)


def test_surface_is_an_oriented_manifold_whose_only_rims_are_the_intended_ones(model):
    triangles = np.asarray(model.triangles)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    directed = Counter(map(tuple, edges.tolist()))
    assert max(directed.values()) == 1
    rims = {v for edge in directed if edge[::-1] not in directed for v in edge}
    grids = builtin.mesh()[0].grids
    both = [grids[name + side] for name in ("neck", "lids") for side in ("", "_r")]
    skin = {int(v) for grid in both for v in grid[-1]}
    head = set(np.asarray(triangles)[np.asarray(model.region) == REGIONS.index("skin")].ravel().tolist())
    assert rims & head == skin
    assert set(range(len(model.template))) == set(triangles.ravel().tolist())


def test_no_triangle_is_degenerate(model):
    a, b, c = np.asarray(model.template, np.float64)[np.asarray(model.triangles)].transpose(1, 0, 2) * 1000
    area = np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2
    assert area.min() > 0.02  # square millimetres


def test_triangles_face_outwards(model):
    v, t, region = np.asarray(model.template, np.float64), np.asarray(model.triangles), np.asarray(model.region)
    a, b, c = v[t].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    outwards = (normal * (v[t].mean(1) - [0, 0, 0.005])).sum(-1) > 0
    grids = builtin.mesh()[0].grids
    plain = np.concatenate([grids[name + side].ravel() for name in ("loose", "neck") for side in ("", "_r")])
    assert outwards[np.isin(t, plain).all(-1)].all()
    head = np.isin(region, [REGIONS.index("skin"), REGIONS.index("hair")])
    assert outwards[head].mean() > 0.9  # but for folds of lids, ears and nostrils
    assert outwards[region == REGIONS.index("hair")].all()
    for name in ("eye", "teeth_upper", "teeth_lower", "tongue"):
        for side in (1, -1):
            part = (region == REGIONS.index(name)) & (v[t].mean(1)[:, 0] * side > 0)
            middle = v[np.unique(t[part])].mean(0)
            assert (np.cross(a - middle, b - middle)[part] * (c - middle)[part]).sum() > 0, name


def test_left_and_right_mirror_exactly(model):
    _, back = builtin.mesh()
    template, expression = np.asarray(model.template), np.asarray(model.expression)
    np.testing.assert_array_equal(template[back], template * FLIP)
    for name in arkit.NAMES:
        twin = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        np.testing.assert_allclose(
            expression[arkit.INDEX[twin]][back], expression[arkit.INDEX[name]] * FLIP, atol=1e-7, err_msg=name
        )


def test_landmarks_are_in_multi_pie_order(model):
    index = np.asarray(model.landmarks)
    assert len(set(index.tolist())) == 68
    p = np.asarray(model.template)[index]
    mirrored = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46,
                39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66,
                65]  # fmt: skip
    np.testing.assert_array_equal(p[mirrored], p * FLIP)
    for row in (range(17), range(17, 27), range(31, 36), range(36, 40), range(42, 46), range(48, 55), range(60, 65)):
        assert (np.diff(p[list(row), 0]) > 0).all(), row
    assert (np.diff(p[27:31, 1]) < 0).all() and p[30, 2] == p[:, 2].max()
    assert p[8, 1] == p[:, 1].min() and p[37, 1] > p[41, 1] and p[43, 1] > p[47, 1]
    assert p[51, 1] > p[62, 1] >= p[66, 1] > p[57, 1]


@pytest.mark.parametrize("yaw, pitch", [(0, 0), (0.7, 0), (-0.7, 0), (0, 0.35), (0, -0.35)])
def test_closed_lids_hide_the_eyeballs(model, yaw, pitch):
    assert seen(model, make(model, eyeBlink=1), **EYES, yaw=yaw, pitch=pitch)["eye"] == 0
    assert seen(model, make(model), **EYES, yaw=yaw, pitch=pitch)["eye"] > 300


def test_lids_never_enter_the_eyeball(model):
    mesh, _ = builtin.mesh()
    centre = builtin_lids.EYE / 1000
    for weight in (0, 0.25, 0.5, 0.75, 1):
        vertices = make(model, eyeBlinkLeft=weight)
        gap = np.linalg.norm(vertices[mesh.grids["lids"][: builtin_lids.EDGE + 1]] - centre, axis=-1) * 1000
        assert gap.min() > builtin_lids.RADIUS + 0.3, weight


def test_closed_upper_lid_comes_down_on_the_lower_one_all_along(model):
    mesh, _ = builtin.mesh()
    p = make(model, eyeBlinkLeft=1)[mesh.grids["lids"][builtin_lids.WET]] * 1000
    upper = np.arange(builtin_lids.STEPS + 1)
    lower = (-upper) % builtin_lids.COLUMNS
    above = p[upper, 1] - p[lower, 1]
    assert above.max() < 1e-3 and above.min() > -1.5
    np.testing.assert_allclose(p[upper, 0], p[lower, 0], atol=1e-3)


@pytest.mark.parametrize(
    "name, axis, sign", [("eyeLookUp", 1, 1), ("eyeLookDown", 1, -1), ("eyeLookOut", 0, 1), ("eyeLookIn", 0, -1)]
)
def test_eyes_turn_where_the_name_says(model, name, axis, sign):
    mesh, back = builtin.mesh()
    pupil = mesh.grids["pupil"][0]
    rest, moved = make(model), make(model, **{name: 1})
    step = (moved - rest) * 1000
    assert step[pupil, axis] * sign > 4
    np.testing.assert_allclose(step[back[pupil]], step[pupil] * FLIP, atol=1e-4)  # out is to the other side
    ball = mesh.grids["eyeball"]
    radius = np.linalg.norm(moved[ball] - builtin_lids.EYE / 1000, axis=-1) * 1000
    np.testing.assert_allclose(radius, builtin_lids.RADIUS, atol=1e-3)


def test_jaw_opens_the_mouth_monotonically_and_carries_the_lower_teeth_rigidly(model):
    mesh, _ = builtin.mesh()
    openings = [float(lip_opening(jnp.asarray(make(model, jawOpen=w)[model.landmarks]))) for w in np.linspace(0, 1, 9)]
    assert openings[0] < 0.005 and (np.diff(openings) > 0.02).all() and 0.25 < openings[-1] < 0.5
    rest, wide = make(model), make(model, jawOpen=1)
    lower, upper = mesh.grids["teeth_lower"].ravel(), mesh.grids["teeth_upper"].ravel()
    np.testing.assert_array_equal(wide[upper], rest[upper])
    assert (rest[lower, 1] - wide[lower, 1]).min() > 0.01
    for rows in (lower[:50], lower[-50:]):
        for vertices in (rest, wide):
            size = np.linalg.norm(vertices[rows][:, None] - vertices[rows][None], axis=-1)
            np.testing.assert_allclose(size, np.linalg.norm(rest[rows][:, None] - rest[rows][None], axis=-1), atol=2e-6)


def test_mouth_close_undoes_the_opening_but_not_the_jaw(model):
    mesh, _ = builtin.mesh()
    rest, wide, closed = make(model), make(model, jawOpen=1), make(model, jawOpen=1, mouthClose=1)
    touch = mesh.grids["mouth"][builtin_lips.CONTACT]
    np.testing.assert_allclose(closed[touch], closed[touch][::-1], atol=1e-6)
    chin = int(model.landmarks[8])
    assert rest[chin, 1] - closed[chin, 1] > 0.8 * (rest[chin, 1] - wide[chin, 1]) > 0.02


@pytest.mark.parametrize(
    "weights",
    [{}, {"mouthPucker": 1}, {"mouthSmile": 1}, {"mouthFrown": 1}, {"mouthStretch": 1}, {"mouthPress": 1},
     {"mouthDimple": 1}, {"cheekPuff": 1}, {"mouthLeft": 1}, {"jawOpen": 1, "mouthClose": 1}],
)  # fmt: skip
def test_nothing_pokes_through_closed_lips(model, weights):
    for yaw in (0, 0.7, -0.7):
        counts = seen(model, make(model, **weights), **MOUTH, yaw=yaw)
        assert sum(counts[name] for name in INSIDE) <= 5, (yaw, counts)  # of 36864 pixels


def test_teeth_and_tongue_show_when_the_mouth_opens(model):
    counts = seen(model, make(model, jawOpen=0.5), **MOUTH)
    assert min(counts[name] for name in INSIDE) > 30
    wide = seen(model, make(model, mouthFunnel=1), **MOUTH)
    assert wide["teeth_upper"] > 100 and wide["teeth_lower"] > 100


@pytest.mark.parametrize(
    "name, what",
    [("mouthSmile", lambda p: mouth_width(p)), ("mouthPucker", lambda p: -mouth_width(p)),
     ("mouthFunnel", lip_opening), ("mouthUpperUp", lip_opening), ("mouthLowerDown", lip_opening),
     ("browInnerUp", lambda p: p[21, 1]), ("browOuterUp", lambda p: p[25, 1]), ("browDown", lambda p: -p[23, 1]),
     ("noseSneer", lambda p: p[31, 1]), ("mouthFrown", lambda p: -p[48, 1]), ("mouthLeft", lambda p: p[57, 0]),
     ("mouthRight", lambda p: -p[57, 0]), ("jawLeft", lambda p: p[8, 0]), ("jawRight", lambda p: -p[8, 0]),
     ("jawForward", lambda p: p[8, 2]), ("eyeWide", lambda p: p[43, 1] - p[47, 1])],
)  # fmt: skip
def test_shapes_move_what_they_name(model, name, what):
    rest, moved = (jnp.asarray(make(model, **w)[model.landmarks]) for w in ({}, {name: 1}))
    assert float(what(moved) - what(rest)) > 0.002


def test_tongue_out_passes_the_lips(model):
    tip = builtin.mesh()[0].grids["tongue_tip"][0]
    vertices = make(model, tongueOut=1, jawOpen=0.3)
    assert vertices[tip, 2] > vertices[int(model.landmarks[57]), 2]
    assert seen(model, vertices, **MOUTH)["tongue"] > seen(model, make(model, jawOpen=0.3), **MOUTH)["tongue"] + 200


def test_random_people_stay_human(model):
    mesh, _ = builtin.mesh()
    rng = np.random.default_rng(0)
    for _ in range(5):
        identity = jnp.asarray(rng.standard_normal(model.identity.shape[0]), jnp.float32)
        vertices = np.asarray(model.vertices(identity), np.float64)
        p = vertices[np.asarray(model.landmarks)] * 1000
        for (a, b), low, high in (((36, 45), 75, 105), ((39, 42), 24, 44), ((27, 8), 92, 145), ((48, 54), 38, 66)):
            assert low < np.linalg.norm(p[a] - p[b]) < high
        for side in ("", "_r"):  # eyeballs stay behind their lids
            ball = vertices[mesh.grids["eyeball" + side]].reshape(-1, 3)
            centre = ball.mean(0)
            centre = vertices[np.concatenate([mesh.grids["pupil" + side], mesh.grids["eyeback" + side]])].mean(0)
            radius = np.linalg.norm(ball - centre, axis=-1).mean()
            edge = vertices[mesh.grids["lids" + side][builtin_lids.EDGE]]
            assert (np.linalg.norm(edge - centre, axis=-1) - radius).min() > -1e-3
        blink = np.asarray(model.expression)[[arkit.INDEX["eyeBlinkLeft"], arkit.INDEX["eyeBlinkRight"]]].sum(0)
        assert seen(model, vertices + blink, **EYES)["eye"] == 0
        assert sum(seen(model, vertices, **MOUTH)[name] for name in INSIDE) == 0


def test_traits_are_small_and_distinct(model):
    identity = np.asarray(model.identity).reshape(model.identity.shape[0], -1) * 1000
    largest = np.linalg.norm(identity.reshape(len(identity), -1, 3), axis=-1).max(-1)
    assert (largest > 0.5).all() and (largest < 6).all()
    unit = identity / np.linalg.norm(identity, axis=-1, keepdims=True)
    overlap = np.abs(unit @ unit.T) - np.eye(len(unit))
    assert overlap.max() < 0.9


def test_face_unwraps_without_folds_and_islands_lie_apart(model):
    uv = np.asarray(model.uv)
    assert uv.min() >= 0 and uv.max() <= 1
    corners = uv[np.asarray(model.uv_triangles)].astype(np.float64)
    a, b, c = corners.transpose(1, 0, 2)
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    region = np.asarray(model.region)
    skin = region == REGIONS.index("skin")
    assert (area[skin] > 0).mean() > 0.99 and (area[region == REGIONS.index("hair")] > 0).all()
    # a texel of one island belongs to no other: skin and hair, mouth, teeth, tongue, each eye
    island = np.array([0, 1, 2, 3, 4, 5, 0, 7])[region]
    grid = 128
    owner = {}
    for name, weights in (("a", (0.6, 0.2, 0.2)), ("b", (0.2, 0.6, 0.2)), ("c", (0.2, 0.2, 0.6))):
        texel = np.floor((corners * np.array(weights)[:, None]).sum(1) * grid * 4).astype(int)
        for (x, y), part in zip(texel.tolist(), island.tolist(), strict=True):
            assert owner.setdefault((x, y), part) == part, (name, x / grid / 4, y / grid / 4)


def test_model_is_a_pytree_that_vmaps_and_differentiates(model):
    def depth(expression):
        return model.vertices(expression=expression)[model.landmarks[57], 1]

    gradient = jax.grad(depth)(jnp.zeros(52))
    assert float(gradient[arkit.INDEX["jawOpen"]]) < -0.02
    frames = jax.vmap(lambda e: model.vertices(expression=e))(jnp.zeros((3, 52)))
    assert frames.shape == (3, len(model.template), 3)
