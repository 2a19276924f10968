"""From a synthetic voice in a void to a recording: voice quality, room, noise, microphone and channel.

Networks that learn from the corpus must work on real speech, which differs from it above all in colour: so every
clip gets its own equaliser, room, noise, band limits, codec and loudness. Nothing here moves sound in time by more than
a few milliseconds, so the phoneme times stay exact. Every function is deterministic for its generator's state.
"""

import numpy as np
from jaxtyping import Float, Float32
from scipy import fft, signal
from scipy.ndimage import uniform_filter1d

RATE = 16000


def record(rng: np.random.Generator, speech: Float[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
    """What a microphone somewhere makes of `speech` (16 kHz): a random chain, one recording in eight nearly clean."""
    sound = level(speech, -26.0)
    if rng.uniform() > 0.125:
        if rng.uniform() < 0.5:
            sound = breathe(sound, rng, 10 ** (rng.uniform(-35, -18) / 20))
        sound = equalise(sound, rng)
        if rng.uniform() < 0.6:
            sound = reverberate(sound, rng, seconds=rng.uniform(0.1, 0.8), direct=10 ** (rng.uniform(-3, 15) / 20))
        if rng.uniform() < 0.75:
            sound = add_noise(sound, rng, snr=rng.uniform(3, 40))
        if rng.uniform() < 0.3:
            sound = compress(sound, rng.uniform(0.3, 1.0))
        if rng.uniform() < 0.45:
            sound = limit_band(sound, *_band(rng))
        if rng.uniform() < 0.3:
            sound = code(sound, rng)
    return level(sound, float(np.clip(rng.normal(-25, 6), -45, -12))).astype(np.float32)


def level(sound: Float[np.ndarray, "n"], decibels: float) -> Float[np.ndarray, "n"]:
    """Scaled so that the loud parts have this power (dB against full scale), and never clipped."""
    power = uniform_filter1d(sound**2, 800)
    scale = 10 ** (decibels / 20) / np.sqrt(max(np.percentile(power, 90), 1e-12))
    return sound * min(scale, 0.98 / (np.abs(sound).max() + 1e-9))


def breathe(sound: Float[np.ndarray, "n"], rng: np.random.Generator, amount: float) -> Float[np.ndarray, "n"]:
    """Breath: noise above 2 kHz that rises and falls with the voice. `amount` is relative to the envelope."""
    envelope = np.sqrt(np.maximum(signal.lfilter([0.01], [1, -0.99], sound**2), 0))
    return sound + amount * envelope * signal.sosfilt(_butter(2000.0, "highpass"), rng.normal(size=len(sound)))


def breath(rng: np.random.Generator, count: int) -> Float[np.ndarray, "n"]:
    """Air drawn in: a swell of noise around one or two kilohertz, peak about 1."""
    centre = rng.uniform(700, 2200)
    noise = signal.sosfilt(_butter([0.4 * centre, 2.5 * centre], "bandpass"), rng.normal(size=count))
    swell = np.sin(np.pi * np.linspace(0, 1, count) ** rng.uniform(0.6, 1.5)) ** 2
    return noise * swell / (3 * noise.std() + 1e-9)


def equalise(sound: Float[np.ndarray, "n"], rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """A microphone's and a voice's colour: a tilt and up to five bumps and dips of +-9 dB."""
    sections = [_shelf(rng.uniform(300, 2000), rng.normal(0, 5))]
    for _ in range(rng.integers(1, 6)):
        frequency = float(np.exp(rng.uniform(np.log(120), np.log(7000))))
        sections.append(_peak(frequency, rng.uniform(-9, 9), rng.uniform(0.5, 3)))
    return signal.sosfilt(np.array(sections), sound)


def reverberate(
    sound: Float[np.ndarray, "n"], rng: np.random.Generator, seconds: float, direct: float
) -> Float[np.ndarray, "n"]:
    """A room: noise that decays by 60 dB in `seconds` and darkens, `direct` times weaker than the direct sound."""
    length = int(seconds * RATE)
    time = np.arange(length) / RATE
    tail = rng.normal(size=length) * 10 ** (-3 * time / seconds)
    bright = signal.sosfilt(_butter(rng.uniform(2000, 6000), "lowpass"), tail)
    mix = np.exp(-time / (0.3 * seconds))
    tail = mix * tail + (1 - mix) * bright
    tail[: int(rng.uniform(0.002, 0.012) * RATE)] = 0  # the first wall is some way off
    early = rng.integers(32, min(length, RATE // 15), 6)  # single walls, heard apart from the rest
    tail[early] += 3 * rng.normal(size=6) * 10 ** (-3 * early / RATE / seconds)
    tail /= np.sqrt(np.sum(tail**2)) * direct
    tail[0] = 1.0
    return signal.fftconvolve(sound, tail)[: len(sound)]


def add_noise(sound: Float[np.ndarray, "n"], rng: np.random.Generator, snr: float) -> Float[np.ndarray, "n"]:
    """Hiss, rumble, hum or a babble of voices at a signal-to-noise ratio in dB."""
    kind = rng.choice(["coloured", "hum", "babble", "bursts"], p=[0.55, 0.1, 0.2, 0.15])
    count = len(sound)
    noise = _coloured(rng, count, rng.uniform(0, 2.2))
    if kind == "hum":
        time = np.arange(count) / RATE
        for harmonic in range(1, 12):
            phase, mains = rng.uniform(0, 2 * np.pi), rng.choice([50, 60])
            noise += rng.exponential(3.0 / harmonic) * np.sin(2 * np.pi * mains * harmonic * time + phase)
    if kind == "babble":  # the voice itself, backwards and shifted, many times over: speech without its words
        voices = sum(np.roll(sound[::-1], shift) for shift in rng.integers(0, count, 6))
        noise = 0.2 * noise + voices / (voices.std() + 1e-9)
    if kind == "bursts":
        gate = _coloured(rng, count // 160 + 2, 1.5)
        noise = noise * np.interp(np.arange(count) / 160, np.arange(len(gate)), np.maximum(gate, 0.1))
    return sound + noise * sound.std() / (noise.std() + 1e-9) * 10 ** (-snr / 20)


def compress(sound: Float[np.ndarray, "n"], amount: float) -> Float[np.ndarray, "n"]:
    """A radio's dynamics: quiet parts come up (amount 1: halved in dB), peaks are rounded off."""
    envelope = np.sqrt(np.maximum(signal.lfilter([0.002], [1, -0.998], sound**2), 1e-8))
    louder = sound * (envelope / envelope.max()) ** (-0.5 * amount)
    peak = 2 * louder.std() + 1e-9
    return 3 * peak * np.tanh(louder / (3 * peak))


def limit_band(sound: Float[np.ndarray, "n"], low: float, high: float) -> Float[np.ndarray, "n"]:
    """Only what lies between two frequencies in Hz."""
    sound = signal.sosfilt(_butter(low, "highpass"), sound)
    return signal.sosfilt(_butter(high, "lowpass", order=6), sound) if high < 7800 else sound


def code(sound: Float[np.ndarray, "n"], rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """What lossy codecs leave: 8-bit mu-law, or only the strong bins of each short spectrum."""
    if rng.uniform() < 0.3:
        peak = np.abs(sound).max() + 1e-9
        squeezed = np.sign(sound) * np.log1p(255 * np.abs(sound) / peak) / np.log(256)
        rounded = np.round(squeezed * 127) / 127
        return peak * np.sign(rounded) * np.expm1(np.abs(rounded) * np.log(256)) / 255
    _, _, spectrum = signal.stft(sound, nperseg=512)
    size = np.abs(spectrum)
    floor = size.max(0, keepdims=True) * 10 ** (rng.uniform(-45, -25) / 20)
    return signal.istft(np.where(size < floor, 0, spectrum), nperseg=512)[1][: len(sound)]


def _band(rng: np.random.Generator) -> tuple[float, float]:
    """Cut-offs of a telephone, a cheap microphone or a codec."""
    if rng.uniform() < 0.3:
        return rng.uniform(200, 400), rng.uniform(3200, 3800)
    return rng.uniform(30, 250), float(np.exp(rng.uniform(np.log(3000), np.log(8000))))


def _coloured(rng: np.random.Generator, count: int, slope: float) -> Float[np.ndarray, "n"]:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown."""
    length = fft.next_fast_len(count, real=True)
    spectrum = fft.rfft(rng.normal(size=length))
    frequency = np.maximum(fft.rfftfreq(length), 20 / RATE)
    noise = fft.irfft(spectrum * frequency ** (-slope / 2), length)[:count]
    return noise / (noise.std() + 1e-9)


def _butter(frequency: float | list[float], kind: str, order: int = 2) -> Float[np.ndarray, "s 6"]:
    return signal.butter(order, frequency, kind, fs=RATE, output="sos")


def _peak(frequency: float, gain: float, quality: float) -> Float[np.ndarray, "6"]:
    """Second-order peaking section (R. Bristow-Johnson's audio EQ cookbook)."""
    amplitude, omega = 10 ** (gain / 40), 2 * np.pi * frequency / RATE
    alpha = np.sin(omega) / (2 * quality)
    middle = -2 * np.cos(omega)
    section = [
        1 + alpha * amplitude,
        middle,
        1 - alpha * amplitude,
        1 + alpha / amplitude,
        middle,
        1 - alpha / amplitude,
    ]
    return np.array(section) / section[3]


def _shelf(frequency: float, gain: float) -> Float[np.ndarray, "6"]:
    """First-order high shelf: above `frequency` louder by `gain` dB."""
    amplitude, t = 10 ** (gain / 20), np.tan(np.pi * frequency / RATE)
    section = np.array([amplitude + t, t - amplitude, 0.0, 1 + t, t - 1, 0.0])
    return section / section[3]
