"""MPEG-4's 14 visemes and 6 expressions (parameters 1 and 2), spelled out in the other 66 parameters.

The standard names them, says which phonemes and what face each stands for (ISO/IEC 14496-2, Annex C), and leaves their
shapes to the player. Ours are ARKit coefficients of the built-in face, measured there; 1 is a full shape. A frame
blends two of each: viseme1 b / 63 + viseme2 (1 - b / 63), and expression1 i1 / 63 + expression2 i2 / 63, to which its
low-level parameters are added. The flags viseme_def, expression_def and init_face are kept and not acted upon.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxtalk.face import arkit, builtin, fap_motion, fap_stream
from jaxtalk.face.fap_stream import FapStream
from jaxtalk.face.motion import Motion


class Shape(NamedTuple):
    """One mouth shape or expression; a coefficient's name without its side stands for both."""

    name: str
    meaning: str  # phonemes with an example, or the standard's description in short
    coefficients: dict[str, float]


VISEMES = (
    Shape("none", "", {}),
    Shape("p", "p b m: put, bed, mill",
          {"jawOpen": 0.05, "mouthClose": 0.05, "mouthPress": 0.3, "mouthRollLower": 0.05, "mouthRollUpper": 0.05}),
    Shape("f", "f v: far, voice",
          {"jawOpen": 0.06, "mouthClose": 0.03, "mouthRollLower": 0.5, "mouthUpperUp": 0.2, "mouthShrugLower": 0.2}),
    Shape("T", "th: think, that", {"jawOpen": 0.08, "mouthLowerDown": 0.16, "tongueOut": 0.2}),
    Shape("t", "t d: tip, doll", {"jawOpen": 0.08, "mouthLowerDown": 0.16, "mouthStretch": 0.05}),
    Shape("k", "k g: call, gas", {"jawOpen": 0.13, "mouthLowerDown": 0.07}),
    Shape("tS", "ch j sh: chair, join, she",
          {"jawOpen": 0.05, "mouthFunnel": 0.42, "mouthPucker": 0.2, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1}),
    Shape("s", "s z: sir, zeal",
          {"jawOpen": 0.03, "mouthSmile": 0.08, "mouthStretch": 0.1, "mouthLowerDown": 0.3, "mouthUpperUp": 0.05}),
    Shape("n", "n l: lot, not", {"jawOpen": 0.12, "mouthLowerDown": 0.15, "tongueOut": 0.04}),
    Shape("r", "r: red", {"jawOpen": 0.09, "mouthPucker": 0.22, "mouthFunnel": 0.16, "mouthLowerDown": 0.1}),
    Shape("A:", "a: car", {"jawOpen": 0.4, "mouthLowerDown": 0.2, "mouthUpperUp": 0.08}),
    Shape("e", "e: bed", {"jawOpen": 0.22, "mouthSmile": 0.16, "mouthStretch": 0.15, "mouthLowerDown": 0.22,
                          "mouthUpperUp": 0.06}),
    Shape("I", "i: tip", {"jawOpen": 0.1, "mouthSmile": 0.22, "mouthStretch": 0.25, "mouthLowerDown": 0.22}),
    Shape("Q", "o: top", {"jawOpen": 0.28, "mouthPucker": 0.35, "mouthFunnel": 0.3}),
    Shape("U", "u: book", {"jawOpen": 0.1, "mouthPucker": 0.7, "mouthFunnel": 0.12}),
)  # fmt: skip

EXPRESSIONS = (
    Shape("none", "", {}),
    Shape("joy", "brows relaxed, mouth open, its corners drawn back towards the ears",
          {"mouthSmile": 0.8, "cheekSquint": 0.5, "eyeSquint": 0.2, "mouthUpperUp": 0.15, "jawOpen": 0.1}),
    Shape("sadness", "inner brows bent up, eyes a little closed",
          {"browInnerUp": 0.8, "eyeBlink": 0.15, "mouthFrown": 0.6, "mouthShrugLower": 0.2}),
    Shape("anger", "inner brows drawn down and together, eyes wide open, lips pressed",
          {"browDown": 0.9, "eyeWide": 0.4, "mouthPress": 0.5, "noseSneer": 0.3}),
    Shape("fear", "brows raised and drawn together, the inner ones bent up, eyes tense",
          {"browInnerUp": 0.8, "browOuterUp": 0.4, "browDown": 0.2, "eyeWide": 0.7, "mouthStretch": 0.4,
           "jawOpen": 0.15}),
    Shape("disgust", "brows and lids relaxed, upper lip raised and curled",
          {"noseSneer": 0.9, "mouthUpperUp": 0.5, "eyeSquint": 0.3, "mouthFrown": 0.2}),
    Shape("surprise", "brows raised, upper lids wide open, jaw open",
          {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.7, "jawOpen": 0.45}),
)  # fmt: skip


def coefficients(shapes: tuple[Shape, ...]) -> Float[np.ndarray, "k 52"]:
    """ARKit coefficients of each shape."""
    result = np.zeros((len(shapes), len(arkit.NAMES)), np.float32)
    for row, shape in zip(result, shapes, strict=True):
        for name, value in shape.coefficients.items():
            for full in (name,) if name in arkit.INDEX else (name + "Left", name + "Right"):
                row[arkit.INDEX[full]] = value
    return result


@functools.cache
def parameters() -> tuple[Float[np.ndarray, "15 68"], Float[np.ndarray, "7 68"]]:
    """Low-level parameters of the visemes and of the expressions; the first of each is neutral."""
    on = fap_motion.shapes(builtin.model())
    result = []
    for shapes in (VISEMES, EXPRESSIONS):
        still = jnp.zeros((len(shapes), 3))
        motion = Motion(jnp.asarray(coefficients(shapes)), still, still, 1.0, arkit.NAMES)
        result.append(np.asarray(fap_motion.from_motion(on, motion), np.float64))
    return tuple(result)


def expand(stream: FapStream) -> tuple[Float[np.ndarray, "t 68"], Bool[np.ndarray, "68"]]:
    """Everything that a stream says, in low-level parameters, and which of them it gives in any frame."""
    faps, known = fap_stream.complete(stream)
    given = known.any(0)
    if stream.selected[:, :2].any():
        visemes, expressions = parameters()
        first, second, blend, _ = stream.viseme.T
        on = stream.selected[:, :1]
        faps = faps + np.where(
            on, blend[:, None] / 63 * visemes[first] + (1 - blend[:, None] / 63) * visemes[second], 0
        )
        first, intensity, second, intensity2, _, _ = stream.expression.T  # 0 where not selected
        faps = faps + intensity[:, None] / 63 * expressions[first] + intensity2[:, None] / 63 * expressions[second]
        given = given | (np.abs(np.concatenate([visemes, expressions])).max(0) > 1)
    return faps, given
