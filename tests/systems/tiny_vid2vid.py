"""Folders of tiny networks with random weights, written as `jaxtalk convert sadtalker` writes its own."""

import json

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.face import builtin
from jaxtalk.io import weights
from jaxtalk.models import audio2exp, audio2pose, dense_motion, face_recon, keypoints, motion_mapping, vid2vid_generator
from jaxtalk.systems import vid2vid_networks

POINTS = 3
CONFIGS = {
    "generator": vid2vid_generator.Config(
        width=2, depth=2, volume_blocks=1, middle_blocks=1, hidden=2,
        motion=dense_motion.Config(compressed=2, width=2, max_width=4, blocks=1),
    ),
    "keypoints": keypoints.Config(points=POINTS, width=2, max_width=4, blocks=1, depth=2),
    "face_recon": face_recon.Config(blocks=(1, 1, 1, 1), width=2),
    "audio2exp": audio2exp.Config(width=1),
    "audio2pose": audio2pose.Config(sequence=8, latent=2, width=1, published_logvar=True),
}  # fmt: skip
for _coefficients in (70, 73, vid2vid_networks.OURS):
    CONFIGS[f"mapping_{_coefficients}"] = motion_mapping.Config(
        coefficients=_coefficients, width=4, layers=1, keypoints=POINTS
    )
OURS = ("generator", "keypoints", f"mapping_{vid2vid_networks.OURS}")
SADTALKER = ("generator", "keypoints", "face_recon", "audio2exp", "audio2pose", "mapping_70", "mapping_73")


def write(folder, names, **manifest):
    """The folder, with these networks."""
    folder.mkdir()
    for name in names:
        save(folder / f"{name}.safetensors", name, CONFIGS[name])
    (folder / "manifest.json").write_text(json.dumps({"networks": {}} | manifest))
    return folder


def save(path, name, config):
    module, _, inputs = vid2vid_networks.KINDS["mapping" if name.startswith("mapping") else name]
    drawn = (jnp.zeros((1, 8, 8, 3)), *[jnp.zeros((1, POINTS, 3))] * 2)
    given = drawn if name == "generator" else inputs(config, {})
    abstract = jax.eval_shape(module(config).init, jax.random.key(0), *given)
    variables = golden_fixture.variables(abstract)
    values = weights.config_values(config)
    weights.save(path, weights.Weights(variables=variables, name=name, config=values, licence="-", note="random"))


def landmarks(width: int, height: int) -> np.ndarray:
    """A frontal face in the middle of a picture, [68, 2] pixels, so large that every square around it is all of it."""
    model = builtin.model()
    points = np.asarray(model.template)[np.asarray(model.landmarks)][:, :2] * [1, -1]
    scale = 0.75 * height / np.ptp(points[:, 1])
    return (points - points.mean(0)) * scale + [width / 2, height / 2]
