"""How a portrait's own expression and a motion add up to the expression that is drawn.

A portrait may smile, squint or show its teeth; a motion starts from a face at rest. Most coefficients simply add, and
stay within [0, 1]. Two things must not: a mouth that is open in the picture has to close on p, b and m, and a lid has
to close once, however far it is closed already.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.face import landmarks
from jaxtalk.face.arkit import NAMES as ARKIT

OPENERS = ("jawOpen", "mouthClose", "mouthFunnel", "mouthLowerDown", "mouthUpperUp", "mouthShrugUpper")
LIDS = ("eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown")  # what moves the lids besides the blink
OPEN = 0.02  # height of the lips' opening over the distance of the outer eye corners: more is an open mouth
TIGHT = 1.08  # closed lids press on each other
LIMITS = (0.5, 1.8)  # of the coefficient that closes a lid


class Rest(NamedTuple):
    """A portrait's own part of the expression, [e] each."""

    speaking: Float[Array, "e"]  # the fitted expression with the mouth closed
    blink: Float[Array, "e"]  # per blink coefficient the value that closes the lid; 0 elsewhere
    lids: Float[Array, "e e"]  # [i, j] = 1 where blink j switches the portrait's own coefficient i off
    bounded: Float[Array, "e"]  # 1 where coefficients stay within [0, 1]


def add(rest: Rest, motion: Float[Array, "e"]) -> Float[Array, "e"]:
    """The expression to draw. Zero motion gives the portrait's own, with the mouth closed."""
    awake = jnp.clip(1 - rest.lids @ motion, 0.0, 1.0)
    own = rest.speaking * awake
    total = own + jnp.where(rest.blink > 0, motion * (rest.blink - own), motion)
    return jnp.where(rest.bounded > 0, jnp.clip(total, 0.0, jnp.maximum(rest.blink, 1.0)), total)


def analyse(
    names: tuple[str, ...],
    neutral: Float[Array, "68 3"],
    basis: Float[Array, "e 68 3"],
    expression: Float[Array, "e"],
) -> tuple[Rest, Float[Array, ""]]:
    """The portrait's `Rest` and whether its mouth is open (0 or 1), from its landmarks without expression.

    Models without ARKit `names` are left as they are.
    """
    bounded = jnp.array([float(name in ARKIT) for name in names])

    def points(coefficients):
        return neutral + jnp.einsum("e,evc->vc", coefficients, basis)

    face = points(expression)
    eyes = jnp.linalg.norm(face[landmarks.EYE_CORNERS[0]] - face[landmarks.EYE_CORNERS[1]])
    is_open = (_lip_gap(face) > OPEN * eyes).astype(jnp.float32)
    opener = jnp.array([float(name.startswith(OPENERS)) for name in names])
    closed = expression * (1 - opener)
    if "mouthClose" in names:
        closed = _close(closed, names.index("mouthClose"), lambda e: _lip_gap(points(e)))
    speaking = jnp.where(is_open > 0, closed, expression)

    blink, lids = jnp.zeros(len(names)), jnp.zeros((len(names), len(names)))
    for side, eye in (("Right", range(36, 42)), ("Left", range(42, 48))):
        if f"eyeBlink{side}" in names:
            j = names.index(f"eyeBlink{side}")
            others = [names.index(lid + side) for lid in LIDS if lid + side in names]
            lids = lids.at[jnp.array(others), j].set(1.0)
            relaxed = speaking.at[jnp.array(others)].set(0.0)
            shut = _close(relaxed, j, lambda e, eye=tuple(eye): _lid_gap(points(e), eye))[j]
            blink = blink.at[j].set(jnp.clip(TIGHT * shut, *LIMITS))
    return Rest(speaking, blink, lids, bounded), is_open


def _close(expression, index, gap):
    """`expression` with the coefficient that brings `gap`, which is linear in it, to zero."""
    without = gap(expression.at[index].set(0.0))
    gained = without - gap(expression.at[index].set(1.0))
    return expression.at[index].set(jnp.clip(without / jnp.maximum(gained, 1e-6), 0.0, LIMITS[1]))


def _lip_gap(points):
    """Mean height of the inner lips' opening."""
    upper, lower = (jnp.array(index) for index in zip(*landmarks.INNER_LIPS, strict=True))
    return (points[upper, 1] - points[lower, 1]).mean()


def _lid_gap(points, eye):
    """Mean height between the lids' two pairs of points."""
    return (points[eye[1], 1] + points[eye[2], 1] - points[eye[5], 1] - points[eye[4], 1]) / 2
