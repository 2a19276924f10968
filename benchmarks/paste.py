"""What pasting back costs beside drawing, as `jaxtalk talk --renderer vid2vid --crop full` does them: JSON lines.

    python benchmarks/paste.py                        256 pixels into 1280 x 720, 512 into 1920 x 1080
    python benchmarks/paste.py --size 256 --no-draw   pasting alone

The network has the published size and random weights. The square that is pasted is two thirds of the picture's height,
and then all of it, which is the most there can be. `paste` is what is done on the device: enlarging, the membrane and
rounding; `whole` also copies the picture and puts the square in. Seconds a frame; `cpu` is what all threads worked,
which says more on a machine that does other things as well.
"""

import argparse
import json
import os

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.models.vid2vid_generator import Generator
from jaxtalk.render import paste
from jaxtalk.systems.framing import Framing
from jaxtalk.train import measure

VIDEO = {256: (1280, 720), 512: (1920, 1080)}
BATCH, ROUNDS = 8, 5  # frames pasted at once; calls of which the median is taken


@jax.jit
def pasted(membrane, around, drawn):
    result = paste.paste(membrane, around, paste.stretch(drawn, *around.shape[:2]))
    return jnp.round(255 * jnp.clip(result, 0, 1)).astype(jnp.uint8)


def pasting(size: int, side: int) -> dict[str, float]:
    """Seconds a frame."""
    rng = np.random.default_rng(0)
    width, height = VIDEO[size]
    canvas = rng.integers(0, 256, (height, width, 3), np.uint8)
    framing = Framing(canvas, ((width - side) // 2, (height - side) // 2, side, side), np.zeros((68, 2)))
    given = paste.membrane(side, side), jnp.asarray(framing.face, jnp.float32) / 255
    drawn = jnp.asarray(rng.random((BATCH, size, size, 3), np.float32))
    calls = {
        "paste": lambda: np.asarray(pasted(*given, drawn)),
        "whole": lambda: [framing.paste(face) for face in np.asarray(pasted(*given, drawn))],
    }
    taken = measure.turns({name: lambda call=call: measure.timed(call)[1] for name, call in calls.items()}, ROUNDS)
    result = {}
    for name, each in taken.items():
        figures = measure.figures(each)
        result |= {f"{name}_s": figures["median_s"] / BATCH, f"{name}_cpu_s": figures["cpu_s"] / BATCH}
    return result


def drawing(size: int) -> dict[str, float]:
    """Seconds a frame, the volume of the portrait given."""
    network, rng = Generator(), np.random.default_rng(0)
    image, points = jnp.zeros((1, size, size, 3)), jnp.asarray(0.3 * rng.standard_normal((1, 15, 3), np.float32))
    abstract = jax.eval_shape(network.init, jax.random.key(0), image, points, points)
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.01, leaf.dtype), abstract)
    volume = jnp.asarray(rng.standard_normal((1, 16, size // 4, size // 4, 32), np.float32))
    draw = jax.jit(lambda *given: network.apply(*given, method="draw")[0])
    call = lambda: np.asarray(draw(variables, volume, points, -points))  # noqa: E731
    call()
    taken = measure.timed(call)[1]
    return {"draw_s": taken.seconds, "draw_cpu_s": taken.cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=list(VIDEO), choices=list(VIDEO))
    parser.add_argument("--no-draw", action="store_true")
    options = parser.parse_args()
    for size in options.size:
        width, height = VIDEO[size]
        line = {"benchmark": "paste", "size": size, "video": f"{width}x{height}", "device": jax.devices()[0].platform}
        line |= {"cores": len(os.sched_getaffinity(0))}
        if not options.no_draw:
            print(json.dumps(line | drawing(size)), flush=True)
        for side in (2 * height // 3 // 2 * 2, height):
            print(json.dumps(line | {"side": side} | pasting(size, side)), flush=True)


if __name__ == "__main__":
    main()
