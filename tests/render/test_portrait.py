import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import arkit, builtin
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import REGIONS, pose
from jaxtalk.render import mouth
from jaxtalk.render.portrait import draw, prepare
from jaxtalk.render.rasterise import rasterise

SIZE = 160
CAMERA = Pinhole(jnp.float32(SIZE / 0.28), jnp.array([SIZE / 2, SIZE / 2 - 4.0]), jnp.float32(1.0))
ANGLES, TRANSLATION = jnp.array([0.05, -0.1, 0.08]), jnp.array([0.0, 0.01, 0.0])
STILL = jnp.zeros(3)
move = jax.jit(draw)


def coefficients(**values):
    result = np.zeros(len(arkit.NAMES), np.float32)
    for name, value in values.items():
        result[arkit.INDEX[name]] = value
    return jnp.asarray(result)


def screen(model, expression):
    identity = jnp.zeros(len(model.identity))
    return CAMERA.project(pose(model.vertices(identity, expression), ANGLES, TRANSLATION))


def seen(model, expression, *regions):
    """Where a plain render of the model shows these regions."""
    fragments = rasterise(screen(model, expression), model.triangles, SIZE, SIZE, cull=True)
    inside = np.isin(np.asarray(model.region)[np.asarray(fragments.triangle)], [REGIONS.index(r) for r in regions])
    return inside & (np.asarray(fragments.triangle) >= 0)


def photo(model, expression):
    """A smooth colourful picture with reddish skin, green eyes and a blue inside of the mouth."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    image = np.stack([0.5 + 0.3 * np.sin(9 * x), 0.5 + 0.3 * np.cos(8 * y), 0.5 + 0.2 * np.sin(7 * (x + y))], -1)
    image[seen(model, expression, "skin", "hair")] = [0.8, 0.55, 0.45]
    image[seen(model, expression, "eye")] = [0.0, 1.0, 0.0]
    image[seen(model, expression, "mouth", "teeth_upper", "teeth_lower", "tongue")] = [0.0, 0.0, 1.0]
    return image.astype(np.float32)


def prepared(model, expression, image=None, **options):
    image = photo(model, expression) if image is None else image
    identity = jnp.zeros(len(model.identity))
    return prepare(jnp.asarray(image), model, identity, expression, ANGLES, TRANSLATION, CAMERA, **options)


@pytest.fixture(scope="module")
def model():
    return builtin.model()


@pytest.fixture(scope="module")
def calm(model):
    return prepared(model, coefficients())


def greenness(image):
    return np.asarray(image[..., 1] - jnp.maximum(image[..., 0], image[..., 2])).clip(0.3) - 0.3


def test_no_motion_returns_the_photo(model, calm):
    drawn = move(calm, coefficients(), STILL, STILL)
    np.testing.assert_allclose(drawn, photo(model, coefficients()), atol=1e-3)


def test_the_border_stays_and_everything_is_finite_however_the_face_moves(model, calm):
    rim = np.ones((SIZE, SIZE), bool)
    rim[1:-1, 1:-1] = False
    for expression in (coefficients(), jnp.ones(len(arkit.NAMES))):
        for rotation in ([0.0, 0.3, 0.0], [0.2, -0.3, -0.2], [-0.3, 0.0, 0.2]):
            drawn = np.asarray(move(calm, expression, jnp.array(rotation), jnp.array([0.005, 0.005, 0.01])))
            assert np.isfinite(drawn).all()
            assert drawn.min() > -1e-3 and drawn.max() < 1 + 1e-3
            np.testing.assert_allclose(drawn[rim], photo(model, coefficients())[rim], atol=1e-3)


def test_features_move_as_the_geometry_says(model):
    """A dark spot on the nose lands where the moved model's nose is."""
    nose = int(model.landmarks[30])
    image = photo(model, coefficients())
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    place = np.asarray(screen(model, coefficients())[nose])
    image *= 1 - np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 8)[..., None].astype(np.float32)
    turned = jnp.array([0.1, 0.2, 0.0])
    drawn = np.asarray(move(prepared(model, coefficients(), image), coefficients(), turned, STILL))
    both = jax.vmap(lambda a: pose(model.template, a, jnp.zeros(3)))(jnp.stack([turned, STILL]))
    head = pose(both[0], ANGLES, TRANSLATION)
    target = np.asarray(CAMERA.project(head)[nose])
    near = np.hypot(x - target[0], y - target[1]) < 12
    dark = np.where(near, np.clip(0.35 - drawn.sum(-1) / 3, 0, None), 0)
    centre = np.array([(dark * x).sum(), (dark * y).sum()]) / dark.sum()
    assert np.hypot(*(target - place)[:2]) > 8
    np.testing.assert_allclose(centre, target[:2], atol=1.5)


def test_a_blink_covers_the_eyes_and_nothing_else(model, calm):
    image = photo(model, coefficients())
    shut = np.asarray(move(calm, coefficients(eyeBlinkLeft=1.0, eyeBlinkRight=1.0), STILL, STILL))
    assert greenness(shut).sum() < 0.1 * greenness(image).sum()
    np.testing.assert_allclose(shut[SIZE // 2 + 25 :], image[SIZE // 2 + 25 :], atol=1e-3)
    one = np.asarray(move(calm, coefficients(eyeBlinkLeft=1.0), STILL, STILL))  # the subject's left is image right
    half = SIZE // 2 - 6
    assert greenness(one)[:, half + 12 :].sum() < 0.3 * greenness(one)[:, : half - 12].sum()


def test_an_opening_jaw_shows_the_mouth_and_moves_the_chin(model, calm):
    image = photo(model, coefficients())
    spoken = coefficients(jawOpen=0.6)
    drawn = np.asarray(move(calm, spoken, STILL, STILL))
    inside = seen(model, spoken, "mouth", "teeth_upper", "teeth_lower", "tongue")
    assert inside.sum() > 60
    change = np.abs(drawn - image).max(-1)
    assert np.median(change[inside]) > 0.1
    assert change[: SIZE // 2 - 40].max() < 0.02  # the forehead rests


def test_an_open_mouth_in_the_photo_closes_while_nothing_is_said(model):
    wide = coefficients(jawOpen=0.5, mouthSmileLeft=0.3, mouthSmileRight=0.3)
    image = photo(model, wide)
    portrait = prepared(model, wide)
    assert portrait.is_open == 1
    closed = np.asarray(move(portrait, coefficients(), STILL, STILL))
    blue = [np.clip(i[..., 2] - np.maximum(i[..., 0], i[..., 1]) - 0.3, 0, None).sum() for i in (image, closed)]
    assert blue[0] > 50
    assert blue[1] < 0.15 * blue[0]
    open_again = np.asarray(move(portrait, coefficients(jawOpen=0.5), STILL, STILL))
    inside = seen(model, wide, "mouth", "teeth_upper", "teeth_lower", "tongue")
    assert np.abs(open_again - closed).max(-1)[inside].mean() > 0.1


def test_a_grey_photo_gets_a_grey_mouth(model):
    grey = photo(model, coefficients()) @ np.array(mouth.LUMINANCE, np.float32)
    drawn = move(prepared(model, coefficients(), np.stack([grey] * 3, -1)), coefficients(jawOpen=0.6), STILL, STILL)
    assert np.ptp(np.asarray(drawn), axis=-1).max() < 0.03


def test_landmarks_of_the_photo_bend_the_mesh_to_them(model):
    fitted = screen(model, coefficients())[model.landmarks, :2]
    wanted = fitted + 2.0 * jax.random.normal(jax.random.key(0), (1, 2))
    wanted = wanted.at[36:42].add(jnp.array([[1.5, -1.0]])).at[3].set(jnp.nan)
    portrait = prepared(model, coefficients(), landmarks=wanted)
    error = np.linalg.norm(portrait.place[model.landmarks[17:]] - wanted[17:], axis=-1)
    assert error.mean() < 0.5
    np.testing.assert_allclose(move(portrait, coefficients(), STILL, STILL), photo(model, coefficients()), atol=1e-3)


def test_a_batch_of_frames_is_a_loop(calm):
    moves = jnp.stack([coefficients(), coefficients(jawOpen=0.5)]), jnp.array([[0.0, 0.1, 0.0], [0.0, 0.0, 0.1]])
    batch = jax.jit(jax.vmap(lambda e, r: draw(calm, e, r, STILL)))(*moves)
    for k in range(2):
        alone = move(calm, moves[0][k], moves[1][k], STILL)
        assert np.abs(np.asarray(batch[k] - alone)).mean() < 1e-4
