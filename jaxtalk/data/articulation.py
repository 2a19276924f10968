"""Phonemes to mouth movement: coarticulation with dominance functions, written as ARKit-52 coefficients.

After M. Cohen and D. Massaro, "Modeling coarticulation in synthetic visual speech" (Models and Techniques in Computer
Animation, 1993). Each segment s pulls each channel towards its target T_s with a dominance that fades in time,

    D_s(t) = strength_s exp(-theta d_s(t)),        F(t) = sum_s D_s(t) T_s / sum_s D_s(t),

where d_s(t) is the distance in time from the segment. Theta differs before and after the segment, since lips
anticipate. Variant: the distance counts from the middle half of a segment instead of from its centre (so long vowels
hold their shape).

An average never quite reaches a target, but lips do meet in every /p b m/ and the lower lip does touch the teeth in
every /f v/. These two are kept out of the average: a plateau over the closure, with smooth flanks, overrules it (the
"resistance" that Cosi et al., ICMI 2002, and JALI, Edwards et al. 2016, give them for the same reason).
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32

from jaxtalk.data.phonemes import CHANNELS, Track
from jaxtalk.face.arkit import INDEX, NAMES

_SHORTEST_CONTACT = 0.045  # seconds; also long enough to be seen at 25 frames per second
_PARTING = {"mouthFunnel": 0.37, "mouthLowerDownLeft": 0.11, "mouthLowerDownRight": 0.11}
_PARTING |= {"mouthUpperUpLeft": 0.12, "mouthUpperUpRight": 0.12}
_JAW, _LIPS, _TONGUE = 0, slice(1, 6), 6  # places in CHANNELS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Style:
    """How one speaker articulates."""

    jaw: float = 0.42  # jawOpen of a fully open vowel
    lips: float = 0.75  # size of rounding, spreading and showing the teeth
    smile: float = 0.05  # mouthSmile that never leaves
    parted: float = 0.01  # jawOpen at rest
    press: float = 0.25  # how hard the lips press together in /p b m/
    asymmetry: float = 0.0  # -1 to 1: left side stronger
    undershoot: float = 0.35  # how much a very short vowel falls short of its opening (Lindblom 1963)
    anticipation: float = 1.0  # above 1: lips move earlier
    flank: float = 0.06  # seconds in which the lips come together or part


def random_style(rng: np.random.Generator) -> Style:
    """A speaker, within what trackers measure on talking people."""
    return Style(
        jaw=rng.uniform(0.28, 0.62),
        lips=rng.uniform(0.5, 1.0),
        smile=float(np.clip(rng.normal(0.06, 0.08), 0, 0.35)),
        parted=max(0.0, rng.normal(0.01, 0.015)),
        press=rng.uniform(0.05, 0.5),
        asymmetry=float(np.clip(rng.normal(0, 0.08), -0.3, 0.3)),
        undershoot=rng.uniform(0.15, 0.55),
        anticipation=rng.uniform(0.75, 1.3),
        flank=rng.uniform(0.045, 0.08),
    )


def articulate(track: Track, times: Float[np.ndarray, "t"], style: Style | None = None) -> Float32[np.ndarray, "t 52"]:
    """ARKit-52 coefficients of the mouth at `times` (seconds); eyes and brows stay 0.

    Lips are closed where mouthClose equals jawOpen (ARKit's convention) and nothing else parts them.
    """
    style = style or Style()
    shape = _blend(track, times, style)
    closure, tuck = contacts(track, times, style)
    return _coefficients(dict(zip(CHANNELS, shape.T, strict=True)), closure, tuck, style)


def lip_opening(expression: Float[np.ndarray, "*t 52"]) -> Float[np.ndarray, "*t"]:
    """How far the inner lips are apart in their middle, in units of jawOpen; 0 is closed.

    The weights are those of the built-in model, where jawOpen = 1 parts the lips by 30 mm.
    """
    parting = sum(weight * expression[..., INDEX[name]] for name, weight in _PARTING.items())
    return np.maximum(expression[..., INDEX["jawOpen"]] - expression[..., INDEX["mouthClose"]] + parting, 0)


def contacts(
    track: Track, times: Float[np.ndarray, "t"], style: Style
) -> tuple[Float[np.ndarray, "t"], Float[np.ndarray, "t"]]:
    """Lips against each other and lower lip against the upper teeth, both from 0 to 1 (touching)."""
    visemes = track.visemes()
    release = np.array([v.closed_until for v in visemes])
    start, end = track.start, track.start + release * (track.end - track.start)
    # A contact too short to be seen grows to both sides, but first inside its phone.
    lacking = np.maximum(_SHORTEST_CONTACT - (end - start), 0)
    inside = np.minimum(lacking, track.end - end)
    end = end + inside + (lacking - inside) / 2
    start = start - (lacking - inside) / 2
    outside = np.maximum(start - times[:, None], times[:, None] - end)
    plateau = 0.5 + 0.5 * np.cos(np.pi * np.clip(outside / style.flank, 0, 1))
    closure = plateau * np.array([v.closure for v in visemes])
    tuck = plateau * np.array([v.tuck for v in visemes])
    return closure.max(-1), tuck.max(-1)


def _blend(track: Track, times: Float[np.ndarray, "t"], style: Style) -> Float[np.ndarray, "t c"]:
    """F(t) of every channel."""
    visemes = track.visemes()
    target = np.array([[getattr(v, channel) for channel in CHANNELS] for v in visemes])
    duration = track.end - track.start
    short = np.exp(-duration / 0.06) * np.array([v.vowel for v in visemes])
    effort = 1 + 0.08 * (track.stress - 0.5) * (track.stress > 0) - 0.08 * (track.stress == 0)
    target[:, _JAW] *= (1 - style.undershoot * short) * effort
    strength = np.empty_like(target)
    strength[:, _JAW] = [v.jaw_strength for v in visemes]
    strength[:, _LIPS] = np.array([v.lip_strength for v in visemes])[:, None]
    strength[:, _TONGUE] = [v.jaw_strength for v in visemes]
    # Decay per second: lips start to move some 150 ms ahead, the jaw 80 ms, the tongue 50 ms.
    before = np.array([20.0, *[12.0] * 5, 35.0])
    before[_LIPS] /= style.anticipation
    after = np.array([20.0, *[16.0] * 5, 35.0])
    middle = (track.start + track.end) / 2
    away = times[:, None] - middle
    distance = np.maximum(np.abs(away) - duration / 4, 0)[..., None]
    theta = np.where((away < 0)[..., None], before, after)
    dominance = strength * np.exp(-theta * distance)
    return (dominance * target).sum(1) / np.maximum(dominance.sum(1), 1e-9)


def _coefficients(
    shape: dict[str, Float[np.ndarray, "t"]],
    closure: Float[np.ndarray, "t"],
    tuck: Float[np.ndarray, "t"],
    style: Style,
) -> Float32[np.ndarray, "t 52"]:
    """Channels as ARKit coefficients."""
    out = np.zeros((len(closure), len(NAMES)))

    def put(name: str, value: Float[np.ndarray, "t"]) -> None:
        if name in INDEX:
            out[:, INDEX[name]] = value
        else:
            out[:, INDEX[name + "Left"]] = value * (1 + style.asymmetry)
            out[:, INDEX[name + "Right"]] = value * (1 - style.asymmetry)

    lips = style.lips
    parting = (1 - closure) * (1 - 0.7 * tuck)  # what moves the lips apart yields to contact
    jaw = (style.parted + style.jaw * shape["jaw"]) * (1 - 0.35 * closure) * (1 - 0.3 * tuck)
    put("jawOpen", jaw)
    put("mouthClose", jaw * np.maximum(closure, 0.5 * tuck))
    put("mouthPucker", lips * 0.85 * shape["round"] * (1 - 0.4 * tuck))
    put("mouthFunnel", lips * 0.7 * shape["funnel"] * parting)
    narrow = 1 - np.clip(shape["round"] + shape["funnel"], 0, 1)
    put("mouthSmile", np.clip(style.smile + lips * 0.3 * shape["spread"] * narrow, 0, 1))
    put("mouthStretch", lips * 0.35 * shape["spread"] * narrow)
    put("mouthDimple", lips * 0.12 * shape["spread"] * narrow)
    put("mouthLowerDown", lips * 0.65 * shape["lower"] * parting * (1 - tuck))
    put("mouthUpperUp", lips * 0.4 * np.maximum(shape["upper"] * parting, 0.5 * tuck * (1 - closure)))
    put("mouthRollLower", 0.15 * style.press * closure + 0.55 * tuck * (1 - closure))
    put("mouthRollUpper", 0.2 * style.press * closure)
    put("mouthPress", style.press * closure)
    put("mouthShrugLower", 0.2 * style.press * closure + 0.2 * tuck * (1 - closure))
    put("tongueOut", 0.2 * np.clip(2 * shape["tongue"] - 1, 0, 1) * (1 - closure))
    return np.clip(out, 0, 1).astype(np.float32)
