"""Draws docs/images/mesh_fdd.png: how much the upper face moves, in truth and as networks make it, as heat over it.

python docs/mesh_fdd_figure.py --corpus data/corpus --fps 25 --networks RUNS/codetalker RUNS/faceformer

Heat is the standard deviation over time of how far a vertex is from rest, over all held-out sentences (what FDD
compares); black is still, white as much as the 99th percentile of the truth. The row is truth, then each network.
"""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image

from jaxtalk.face.camera import WeakPerspective
from jaxtalk.face.model import normals
from jaxtalk.render.rasterise import interpolate, rasterise
from jaxtalk.systems import mesh_lessons, mesh_networks, mesh_scores

SIDE, OVERSAMPLING = 300, 2
# Black, purple, orange, white: of rising lightness, so that it reads in grey, too.
COLOURS = np.array([[0.05, 0.03, 0.12], [0.45, 0.1, 0.45], [0.93, 0.42, 0.2], [1.0, 0.97, 0.75]], np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(mesh_lessons.Meshes):
    networks: tuple[Path, ...]
    output: Path = Path(__file__).parent / "images" / "mesh_fdd.png"


def main(options: Options) -> None:
    networks = [mesh_networks.load(path) for path in options.networks]
    data = options.data(networks[0].face)
    basis = data.face.basis
    moved = [mesh_scores.dynamics(basis, np.concatenate([mesh.motion for mesh in data.held_out]))]
    for network in networks:
        made = mesh_lessons.said(network, data)
        cut = [one[: len(mesh.motion)] for one, mesh in zip(made, data.held_out, strict=True)]
        moved.append(mesh_scores.dynamics(basis, np.concatenate(cut)))
    most = np.percentile(moved[0][basis.upper], 99)
    print("mean over the upper face, mm:", [round(1000 * float(x[basis.upper].mean()), 3) for x in moved])
    Image.fromarray(np.concatenate([picture(basis, x / most) for x in moved], axis=1)).save(options.output)


def picture(basis, heat: np.ndarray) -> np.ndarray:
    """The face from the front down to the mouth, shaded a little by its shape."""
    size, template = SIDE * OVERSAMPLING, jnp.asarray(basis.template)
    middle = (basis.template[basis.upper].max(0) + basis.template[basis.upper].min(0)) / 2
    camera = WeakPerspective(jnp.float32(size / 0.17), jnp.array([size / 2, size / 2]))
    triangles = jnp.asarray(basis.triangles)
    fragments = rasterise(camera.project(template - middle), triangles, size, size, cull=True)
    colour = interpolate(fragments, triangles, jnp.asarray(_colours(heat)))
    facing = interpolate(fragments, triangles, normals(template, triangles))[..., 2:]
    shade = jnp.where((fragments.triangle >= 0)[..., None], colour * (0.55 + 0.45 * jnp.clip(facing, 0, 1)), 1.0)
    small = shade.reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING, 3).mean((1, 3))
    return np.asarray(255 * jnp.clip(small[: int(0.85 * SIDE)], 0, 1)).astype(np.uint8)


def _colours(heat: np.ndarray) -> np.ndarray:
    place = np.clip(heat, 0, 1) * (len(COLOURS) - 1)
    return np.stack([np.interp(place, np.arange(len(COLOURS)), c) for c in COLOURS.T], -1).astype(np.float32)


if __name__ == "__main__":
    main(tyro.cli(Options))
