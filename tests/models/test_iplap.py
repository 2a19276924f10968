"""IP-LAP's two networks against the published ones."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import iplap as convert
from jaxtalk.models import iplap_landmarks, iplap_renderer


def pixels(x):
    """[..., c, h, w] -> [..., h, w, c]"""
    return jnp.asarray(np.moveaxis(x, -3, -1))


def test_golden_landmarks():
    manifest, arrays = golden_fixture.load("iplap_landmark_generator")
    variables = convert.landmark_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    pose, reference_pose, content = (np.swapaxes(given[name], -1, -2) for name in ("pose", "ref_pose", "ref_content"))
    references = np.concatenate([reference_pose, content], 2)
    apply = jax.jit(iplap_landmarks.LandmarkGenerator().apply)
    with jax.default_matmul_precision("highest"):
        out, aux = apply(variables, *map(jnp.asarray, (given["mel"][:, :, 0], pose, references)))
    golden_fixture.compare(manifest, arrays, "mel_embedding", aux["sound"].reshape(10, -1))
    golden_fixture.compare(manifest, arrays, "pose_embedding", aux["pose"].reshape(10, -1))
    golden_fixture.compare(manifest, arrays, "content", np.swapaxes(out, -1, -2).reshape(10, 2, 57))


def test_golden_renderer():
    manifest, arrays = golden_fixture.load("iplap_renderer")
    variables = convert.renderer_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    pictures = (pixels(given[name]) for name in ("sketches", "ref_faces", "ref_sketches"))
    apply = jax.jit(iplap_renderer.Renderer().apply)
    with jax.default_matmul_precision("highest"):
        out, warped = apply(variables, pixels(given["face"][:, 0]), *pictures, jnp.asarray(given["mel"][:, 0, 0]))
    made = {"warped_h1": warped["fine"], "warped_h2": warped["coarse"], "warped_ref": warped["picture"]}
    for name, value in (made | {"generated": out}).items():
        golden_fixture.compare(manifest, arrays, name, np.moveaxis(np.asarray(value), -1, 1))


def test_a_warp_to_pixel_centres_is_the_picture_and_nothing_lies_beyond_it():
    image = jax.random.uniform(jax.random.key(0), (1, 4, 6, 2))
    place = (jnp.stack(jnp.meshgrid(jnp.arange(6), jnp.arange(4)), -1)[None] + 0.5) / jnp.array([[[[6, 4]]]])
    np.testing.assert_allclose(iplap_renderer.warp(image, place), image, atol=1e-6)
    assert not np.asarray(iplap_renderer.warp(image, place + 1.2)).any()
