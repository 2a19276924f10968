"""Draws docs/images/mesh.png: eight moments of the shipped sentence on the built-in face and on other meshes.

python docs/mesh_figure.py [TEMPLATE ...] [-o docs/images/mesh.png] [--speech FILE]

A template is what `jaxtalk mesh --template` takes.
"""

import argparse
from importlib import resources
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxtalk.render import face_picture
from jaxtalk.systems import long_speech, mesh, mesh_film, mesh_template

SIDE, MOMENTS = 176, 8


def row(path: Path | None, said) -> np.ndarray:
    """Pictures side by side."""
    template = mesh_template.load(path)
    if template.bare:
        template = mesh_template.as_builtin(template)
    motion = mesh.on_template(template, said)
    model, albedo = mesh_film.look(template, template.model)
    middle, scale = (0.0, 1.0) if template.known else mesh_film.framing(np.asarray(template.model.template))
    place = np.linspace(0.08, 0.92, MOMENTS) * len(motion)
    place = jnp.asarray(place.astype(int))
    vertices = (template.model.vertices(None, motion.expression[place]) - middle) * scale
    turned = (motion.rotation[place], motion.translation[place]) if template.known else (jnp.zeros((MOMENTS, 3)),) * 2
    return np.concatenate(np.asarray(face_picture.draw(model, vertices, *turned, albedo, SIDE)), axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("templates", type=Path, nargs="*")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "images" / "mesh.png")
    samples = Path(str(resources.files("jaxtalk") / "samples"))
    parser.add_argument("--speech", type=Path, nargs="+", default=[samples / "speech.flac"])
    options = parser.parse_args()
    rows = []
    for speech in options.speech:
        said = long_speech.motion(long_speech.read(speech), 25.0, style=0, seed=0)
        rows += [row(path, said) for path in (None, *options.templates)]
    Image.fromarray(np.concatenate(rows)).save(options.output)


if __name__ == "__main__":
    main()
