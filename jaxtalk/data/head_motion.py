"""What moves in a talking face besides the mouth: head, blinks, gaze and brows.

- Head: slow noise of the size that trackers measure on talking people, with nods on the accents of speech (heads move
  with pitch and loudness: Hadar et al. 1983; Graf et al. 2002; Munhall et al. 2004). Forty-six styles differ in size,
  tempo, preferred axis, posture and strength of the beats, as many as SadTalker's PoseVAE tells apart.
- Blinks: intervals are log-normal, 26 a minute in conversation (Bentivoglio et al. 1997); lids close about twice as
  fast as they open (Trutoiu et al. 2011).
- Gaze: fixations and saccades of exponential size that take 21 ms + 2.2 ms per degree (Lee, Badler and Badler 2002).
- Brows rise on some of the accents (Cavé et al. 1996).

Every function takes a generator and is deterministic for its state.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from jaxtalk.data.phonemes import Track
from jaxtalk.face.arkit import INDEX, NAMES

STYLES = 46
_DEGREE = np.pi / 180
_NOISE_RATE = 100  # samples per second at which noise is made, so that it does not depend on the frame rate
_FULL_GAZE = 30 * _DEGREE  # turn of the eyeball for an eyeLook coefficient of 1


@dataclasses.dataclass(frozen=True)
class PoseStyle:
    """How one kind of speaker moves the head."""

    amplitude: tuple[float, float, float]  # standard deviation of pitch, yaw, roll in radians
    tempo: float  # Hz, where most of the slow movement lies
    posture: tuple[float, float, float]  # mean pitch, yaw, roll in radians
    beat: tuple[float, float, float]  # pitch, yaw, roll of the beat on a strong accent in radians
    sway: float  # standard deviation of the translation in metres


@dataclasses.dataclass(frozen=True)
class Accents:
    """Moments that speech stresses."""

    times: Float[np.ndarray, "n"]  # seconds
    strength: Float[np.ndarray, "n"]  # 0 to 1


def pose_style(index: int) -> PoseStyle:
    """The style of that number, 0 to STYLES - 1; 0 is calm and upright."""
    rng = np.random.default_rng([STYLES, index])
    size = 0.5 if index == 0 else float(np.exp(rng.normal(0, 0.45)))
    axes = np.exp(rng.normal(0, 0.35, 3))
    posture = np.zeros(3) if index == 0 else rng.normal(0, [5, 7, 4], 3)
    nod = rng.uniform(1, 5) * rng.choice([1, 1, 1, -1])  # most heads go down on the beat, some go up
    return PoseStyle(
        amplitude=tuple((np.array([2.6, 3.6, 3.0]) * size * axes * _DEGREE).tolist()),
        tempo=float(rng.uniform(0.25, 0.7)),
        posture=tuple((posture * _DEGREE).tolist()),
        beat=tuple((np.array([nod, rng.normal(0, 1.2), rng.normal(0, 1.0)]) * np.sqrt(size) * _DEGREE).tolist()),
        sway=float(0.003 * size * rng.uniform(0.6, 1.6)),
    )


def accents(track: Track, samples: Float32[np.ndarray, "n"], rate: int) -> Accents:
    """Stressed vowels that stand out by loudness and pitch against the others of the utterance."""
    places = [i for i, viseme in enumerate(track.visemes()) if viseme.vowel and track.stress[i] == 2]
    if not places:
        return Accents(np.zeros(0), np.zeros(0))
    loudness, pitch = np.zeros(len(places)), np.zeros(len(places))
    for k, i in enumerate(places):
        piece = samples[int(track.start[i] * rate) : max(int(track.end[i] * rate), int(track.start[i] * rate) + 64)]
        loudness[k] = np.log(np.mean(piece**2) + 1e-8)
        pitch[k] = np.log(_fundamental(piece, rate))
    standing_out = sum((x - x.mean()) / (x.std() + 1e-3) for x in (loudness, pitch))
    middle = (track.start + track.end)[places] / 2
    return Accents(middle, 1 / (1 + np.exp(-standing_out)))


def head(
    rng: np.random.Generator, times: Float[np.ndarray, "t"], style: PoseStyle, beats: Accents
) -> tuple[Float32[np.ndarray, "t 3"], Float32[np.ndarray, "t 3"]]:
    """Rotation (pitch, yaw, roll) in radians and translation in metres."""
    rotation = np.array(style.posture) + np.array(style.amplitude) * _noise(rng, times, 3, style.tempo)
    for time, strength in zip(beats.times, beats.strength, strict=True):
        if rng.uniform() < strength:  # not every accent gets a beat
            size = strength * rng.uniform(0.5, 1.3)
            width = rng.uniform(0.09, 0.16)
            rotation += size * np.array(style.beat) * _bump(times, time + rng.normal(0.02, 0.03), width)[:, None]
    sway = style.sway * _noise(rng, times, 3, 0.7 * style.tempo)
    lean = np.stack([-0.03 * rotation[:, 2], 0 * times, 0.02 * rotation[:, 0]], -1)  # neck below the head's origin
    return rotation.astype(np.float32), (sway + lean).astype(np.float32)


def blinks(
    rng: np.random.Generator, times: Float[np.ndarray, "t"], per_minute: float = 26.0
) -> Float32[np.ndarray, "t"]:
    """Closure of the lids, 0 open to 1 closed."""
    spread = 0.6  # of the log of the interval
    mean = 60 / per_minute
    start, end = float(times[0]) - 1, float(times[-1]) + 1
    closure = np.zeros(len(times))
    onset = start - rng.uniform() * mean  # somewhere within an interval
    while onset < end:
        closing, closed, opening = rng.uniform(0.06, 0.1), rng.uniform(0.01, 0.06), rng.uniform(0.12, 0.24)
        depth = rng.uniform(0.85, 1.0)
        knots = np.cumsum([onset, closing, closed, opening])
        closure = np.maximum(closure, depth * _smooth(np.interp(times, knots, [0.0, 1.0, 1.0, 0.0])))
        onset += max(0.45, rng.lognormal(np.log(mean) - spread**2 / 2, spread))
    return closure.astype(np.float32)


def eyes(
    rng: np.random.Generator, times: Float[np.ndarray, "t"], blink: Float32[np.ndarray, "t"], beats: Accents
) -> Float32[np.ndarray, "t 52"]:
    """ARKit-52 coefficients of lids, gaze and brows; the mouth stays 0."""
    out = np.zeros((len(times), len(NAMES)))

    def put(name: str, left: Float[np.ndarray, "t"], right: Float[np.ndarray, "t"]) -> None:
        out[:, INDEX[name + "Left"]], out[:, INDEX[name + "Right"]] = left, right

    across, up = (_gaze(rng, times) / _FULL_GAZE).T  # across: to the subject's left
    put("eyeLookOut", np.maximum(across, 0), np.maximum(-across, 0))
    put("eyeLookIn", np.maximum(-across, 0), np.maximum(across, 0))
    put("eyeLookUp", np.maximum(up, 0), np.maximum(up, 0))
    put("eyeLookDown", np.maximum(-up, 0), np.maximum(-up, 0))
    lid = np.clip(blink + 0.35 * np.maximum(-up, 0), 0, 1)  # the lid follows the eye down
    put("eyeBlink", lid, lid)

    rest = np.abs(rng.normal(0, 0.08, 4))
    drift = np.clip(rest + 0.05 * _noise(rng, times, 4, 0.3), 0, 1)
    raised = np.zeros(len(times))
    eager = rng.uniform(0.1, 0.6)
    for time, strength in zip(beats.times, beats.strength, strict=True):
        if rng.uniform() < eager * strength:
            width = rng.uniform(0.12, 0.25)
            raised = np.maximum(raised, rng.uniform(0.2, 0.7) * _bump(times, time - 0.05, width))
    lopsided = rng.uniform(0.75, 1.0, 2)
    out[:, INDEX["browInnerUp"]] = drift[:, 0] + 0.7 * raised
    put("browOuterUp", drift[:, 1] + lopsided[0] * raised, drift[:, 1] + lopsided[1] * raised)
    put("browDown", np.clip(drift[:, 2] - raised, 0, 1), np.clip(drift[:, 2] - raised, 0, 1))
    put("eyeSquint", drift[:, 3] + 0.3 * blink, drift[:, 3] + 0.3 * blink)
    put("eyeWide", 0.3 * raised * (1 - blink), 0.3 * raised * (1 - blink))
    return np.clip(out, 0, 1).astype(np.float32)


def _gaze(rng: np.random.Generator, times: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t 2"]:
    """Turn of the eyes to the subject's left and up, in radians."""
    home = rng.normal(0, 1.5, 2)
    knots, places = [float(times[0]) - 1], [home]
    while knots[-1] < times[-1]:
        away = rng.uniform() < 0.5  # half of the saccades leave the listener, the others return
        direction = rng.uniform(0, 2 * np.pi)
        size = min(rng.exponential(6.0), 18)
        target = home + (
            size * np.array([np.cos(direction), 0.6 * np.sin(direction)]) if away else rng.normal(0, 0.7, 2)
        )
        jump = np.hypot(*(target - places[-1]))
        start = knots[-1] + (rng.gamma(2.0, 0.25) if away else rng.gamma(2.0, 0.7)) + 0.1
        knots += [start, start + 0.021 + 0.0022 * jump]
        places += [places[-1], target]
    track = np.array(places)
    return _DEGREE * np.stack([np.interp(times, knots, track[:, k]) for k in range(2)], -1)


def _noise(
    rng: np.random.Generator, times: Float[np.ndarray, "t"], channels: int, tempo: float
) -> Float[np.ndarray, "t c"]:
    """Smooth noise of unit variance, most of it below `tempo` Hz."""
    margin = 2.0
    count = int((np.ceil(times[-1] - times[0]) + 2 * margin) * _NOISE_RATE)  # whole seconds, for any frame rate
    sigma = _NOISE_RATE / (2 * np.pi * tempo)
    smooth = gaussian_filter1d(rng.normal(size=(count, channels)), sigma, axis=0, mode="wrap")
    smooth *= np.sqrt(2 * np.sqrt(np.pi) * sigma)  # of a Gaussian filter's output, so that clips differ in size
    grid = times[0] - margin + np.arange(count) / _NOISE_RATE
    return np.stack([np.interp(times, grid, smooth[:, k]) for k in range(channels)], -1)


def _bump(times: Float[np.ndarray, "t"], centre: float, width: float) -> Float[np.ndarray, "t"]:
    """Down and back up: 1 at `centre`, quick to come and slower to go."""
    away = (times - centre) / width
    return np.exp(-0.5 * np.where(away < 0, away, away / 1.8) ** 2)


def _smooth(x: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """From 0 to 1 without kinks."""
    return x * x * (3 - 2 * x)


def _fundamental(piece: Float32[np.ndarray, "n"], rate: int) -> float:
    """Pitch in Hz from the first strong peak of the autocorrelation."""
    piece = piece - piece.mean()
    power = np.abs(fft.rfft(piece, fft.next_fast_len(2 * len(piece), real=True))) ** 2
    lags = fft.irfft(power)[: len(piece)]
    low, high = rate // 450, min(rate // 60, len(piece) - 1)
    window = lags[low:high]
    if len(window) < 3 or window.max() <= 0:
        return 120.0
    return rate / (low + int(np.flatnonzero(window >= 0.9 * window.max())[0]))
