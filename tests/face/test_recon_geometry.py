"""Coefficients of Deep3DFaceRecon: its own definitions in numpy as oracle, on a made-up basis, and plain properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from jaxtalk.convert import face_axes
from jaxtalk.face import recon_geometry, rotation
from jaxtalk.face.recon_geometry import Albedo, Coefficients
from jaxtalk.render import lighting

SIDE = 12  # the mesh is a bowl of SIDE x SIDE vertices, bulging towards the viewer
SIZES = (80, 64, 80, 3, 27, 3)


@pytest.fixture(scope="module")
def face():
    """A model in metres, and the same in decimetres about its middle, as the published code has it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[1 : -1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    template = np.stack([0.07 * x, 0.09 * y, 0.05 * np.exp(-3 * (x**2 + y**2)) + 0.02], -1).reshape(-1, 3)
    corner = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    a, b, c, d = (part.ravel() for part in (corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    identity, expression = (rng.normal(0, 0.002, (n, SIDE * SIDE, 3)) for n in (80, 64))
    model = face_axes.build(
        template=template,
        identity=identity,
        expression=expression,
        names=tuple(f"e{k}" for k in range(64)),
        triangles=triangles,
        landmarks=rng.permutation(SIDE * SIDE)[:68],
    )
    published = [10 * (template - template.mean(0)), 10 * identity, 10 * expression]
    return model, published


def coefficients(seed=0, batch=()):
    spread = (0.7, 0.7, 0.7, 0.3, 0.3, 0.4)
    keys = jax.random.split(jax.random.key(seed), 6)
    sizes = zip(keys, SIZES, spread, strict=True)
    return Coefficients(*(scale * jax.random.normal(key, (*batch, size)) for key, size, scale in sizes))


def published_picture(published, one: Coefficients):
    """Vertices before the camera and their picture, y upwards, by the published definitions in float64."""
    mean, identity, expression = published
    one = Coefficients(*(np.asarray(value, np.float64) for value in one))
    shape = mean + np.einsum("i,ivc->vc", one.identity, identity) + np.einsum("e,evc->vc", one.expression, expression)
    turn = Rotation.from_euler("xyz", one.angles).as_matrix()  # about fixed axes: x first
    placed = shape @ turn.T + one.translation
    camera = placed * [1, 1, -1] + [0, 0, 10]
    return placed, 1015 * camera[:, :2] / camera[:, 2:] + 112


def test_vector_has_the_published_order():
    vector = jnp.arange(257.0)
    named = recon_geometry.split(vector)
    assert [value.shape[-1] for value in named] == list(SIZES)
    assert (
        named.expression[0] == 80 and named.angles[0] == 224 and named.light[0] == 227 and named.translation[0] == 254
    )
    np.testing.assert_array_equal(recon_geometry.join(named), vector)
    assert recon_geometry.split(jnp.zeros((2, 5, 257))).texture.shape == (2, 5, 80)


def test_landmarks_and_vertices_are_the_published_ones(face):
    model, published = face
    many = coefficients(batch=(3,))
    points, marks = recon_geometry.vertices(model, many), recon_geometry.landmarks(model, many)
    for k in range(3):
        placed, picture = published_picture(published, Coefficients(*(value[k] for value in many)))
        np.testing.assert_allclose(points[k], 0.1 * placed, atol=1e-6)
        want = picture[np.asarray(model.landmarks)] * [1, -1] + [0, 224]
        np.testing.assert_allclose(marks[k], want, atol=5e-3)


def test_rotation_is_the_house_convention():
    """Theirs is Rz Ry Rx on column vectors, written as its transpose on rows."""
    angles = jnp.asarray([0.4, -0.3, 0.2])
    np.testing.assert_allclose(
        rotation.matrix(angles), Rotation.from_euler("xyz", [0.4, -0.3, 0.2]).as_matrix(), atol=1e-6
    )


@pytest.mark.parametrize(
    ("field", "place", "direction"),
    [("angles", 0, (0, 1)), ("angles", 1, (1, 0)), ("translation", 0, (1, 0)), ("translation", 1, (0, -1))],
)
def test_which_way_the_tip_of_the_nose_moves(face, field, place, direction):
    """Positive pitch down, yaw to the right of the picture, translation right and up."""
    model, _ = face
    tip = int(np.argmax(np.asarray(model.template)[:, 2]))

    def picture(value):
        changed = coefficients()._replace(**{field: jnp.zeros(3).at[place].set(value)})
        still = changed._replace(identity=jnp.zeros(80), expression=jnp.zeros(64))
        other = "translation" if field == "angles" else "angles"
        still = still._replace(**{other: jnp.zeros(3)})
        return np.asarray(recon_geometry.CAMERA.project(recon_geometry.vertices(model, still)))[tip, :2]

    moved = picture(0.2) - picture(0.0)
    assert moved @ np.array(direction) > 1
    if field == "translation":  # 0.2 decimetres, from somewhat less than ten decimetres away
        np.testing.assert_allclose(np.abs(moved).sum(), 20.3, rtol=0.05)


def test_a_face_that_comes_nearer_grows(face):
    model, _ = face
    still = Coefficients(*(jnp.zeros(n) for n in SIZES))
    spans = [
        np.ptp(recon_geometry.landmarks(model, still._replace(translation=jnp.asarray([0.0, 0.0, z])))[:, 0])
        for z in (-1.0, 0.0, 1.0)
    ]
    assert spans[0] < spans[1] < spans[2]


def test_normals_weigh_triangles_alike_and_point_outwards(face):
    model, _ = face
    found = np.asarray(recon_geometry.normals(model.template, model.triangles))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-5)
    assert found[:, 2].min() > 0  # towards the viewer
    # A vertex between a small triangle facing x and a big one facing z.
    corners = jnp.asarray([[0, 0, 0], [0, 1, 0], [0, 0, 1.0], [9.0, 0, 0], [0, 9.0, 0]])
    normal = recon_geometry.normals(corners, jnp.asarray([[0, 1, 2], [0, 3, 4]]))[0]
    np.testing.assert_allclose(normal, np.array([1, 0, 1]) / np.sqrt(2), atol=1e-6)
    gradient = jax.grad(lambda v: recon_geometry.normals(v, model.triangles).sum())(jnp.zeros_like(model.template))
    assert np.isfinite(gradient).all()


def test_light_is_the_published_sum_of_harmonics():
    rng = np.random.default_rng(3)
    normals = rng.normal(size=(40, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    theta, phi = np.arccos(normals[:, 2]), np.arctan2(normals[:, 1], normals[:, 0])
    columns = []
    for band, lobe in enumerate((np.pi, 2 * np.pi / np.sqrt(3), 2 * np.pi / np.sqrt(8))):
        for m in range(-band, band + 1):
            y = sph_harm_y(band, abs(m), theta, phi)  # with the sign (-1)^m
            columns.append(lobe * (y.real if m == 0 else np.sqrt(2) * (y.imag if m < 0 else y.real)))
    gamma, albedo = 0.3 * rng.normal(size=27), rng.random((40, 3))
    lights = gamma.reshape(3, 9) + 0.8 * np.eye(9)[0]
    want = albedo * (np.stack(columns, -1) @ lights.T)
    light = recon_geometry.light(jnp.asarray(gamma, jnp.float32))
    got = lighting.shade(jnp.asarray(normals, jnp.float32), jnp.asarray(albedo, jnp.float32), light)
    np.testing.assert_allclose(got, want, atol=2e-5)


def test_without_coefficients_the_light_is_even():
    light = recon_geometry.light(jnp.zeros((2, 27)))
    assert light.shape == (2, 9, 3)
    normal = jnp.asarray([[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]])
    np.testing.assert_allclose(lighting.shade(normal, jnp.ones((2, 3)), light[1]), 0.4 * np.sqrt(np.pi), rtol=1e-5)


def test_albedo_is_linear_in_its_coefficients():
    rng = np.random.default_rng(4)
    albedo = Albedo(*(jnp.asarray(rng.random(shape), jnp.float32) for shape in ((5, 3), (80, 5, 3))))
    np.testing.assert_array_equal(albedo.colours(jnp.zeros(80)), albedo.mean)
    one = albedo.colours(2 * jnp.eye(80)[:2])
    np.testing.assert_allclose(one, albedo.mean[None] + 2 * albedo.basis[:2], rtol=1e-6)


def test_landmarks_have_finite_gradients_for_every_coefficient_that_moves_them(face):
    model, _ = face
    gradient = jax.jit(jax.grad(lambda c: jnp.sin(recon_geometry.landmarks(model, c)).sum()))(coefficients())
    for name, value in gradient._asdict().items():
        assert np.isfinite(value).all() and (np.abs(value).max() > 0) == (name not in ("texture", "light"))
