import numpy as np
import pytest
from scipy import signal

from jaxtalk.data import room


@pytest.fixture(scope="module")
def speech():
    """Something with the dynamics of speech: syllables of band-limited pulses with pauses."""
    rng = np.random.default_rng(0)
    time = np.arange(3 * room.RATE) / room.RATE
    voice = signal.sosfilt(room._peak(700.0, 12.0, 2.0), signal.square(2 * np.pi * 120 * time, duty=0.1))
    envelope = np.maximum(np.sin(2 * np.pi * 4 * time), 0) * (time % 1.5 < 1.0)
    return (0.2 * voice * envelope + 1e-4 * rng.normal(size=len(time))).astype(np.float32)


def power(sound, low, high):
    frequency, density = signal.welch(sound, room.RATE, nperseg=1024)
    return density[(frequency >= low) & (frequency < high)].sum()


def test_recordings_are_deterministic_valid_and_varied(speech):
    first = [room.record(np.random.default_rng(i), speech) for i in range(40)]
    again = [room.record(np.random.default_rng(i), speech) for i in range(40)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32 and len(a) == len(speech) and np.isfinite(a).all() and 0 < np.abs(a).max() < 1
    tilt = [np.log10(power(a, 2000, 7000) / power(a, 200, 2000)) for a in first]
    loud = [20 * np.log10(a.std()) for a in first]
    assert np.std(tilt) > 0.3 and np.std(loud) > 3


def test_sound_stays_in_time(speech):
    """The loudness over time of every recording still fits the clean one best without a shift."""

    def envelope(sound):
        blocks = np.sqrt(np.mean(sound[: len(sound) // 160 * 160].reshape(-1, 160).astype(np.float64) ** 2, -1))
        return blocks - blocks.mean()

    clean = envelope(speech)
    delays = []
    for i in range(40):
        score = np.correlate(envelope(room.record(np.random.default_rng(i), speech)), clean, "full")
        middle = len(clean) - 1
        delays.append(np.argmax(score[middle - 30 : middle + 31]) - 30)  # in units of 10 ms
    assert np.abs(np.median(delays)) <= 1 and (np.abs(delays) <= 3).mean() > 0.9


def test_level_is_reached_without_clipping(speech):
    quiet, loud = room.level(speech, -40.0), room.level(speech, 0.0)
    assert np.abs(loud).max() <= 0.98
    blocks = 10 * np.log10(np.mean(quiet.reshape(-1, 800) ** 2, -1) + 1e-12)
    assert np.percentile(blocks, 90) == pytest.approx(-40, abs=1.5)
    assert room.level(np.zeros(1000), -20.0).max() == 0


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_noise_has_its_ratio(speech, snr):
    for seed in range(5):
        noisy = room.add_noise(speech, np.random.default_rng(seed), snr)
        assert 20 * np.log10(speech.std() / (noisy - speech).std()) == pytest.approx(snr, abs=0.5)


def test_band_limits_remove_what_lies_outside(speech):
    white = np.random.default_rng(0).normal(size=room.RATE)
    telephone = room.limit_band(white, 300.0, 3400.0)
    assert power(telephone, 4500, 8000) < 1e-3 * power(white, 4500, 8000)
    assert power(telephone, 0, 80) < 0.05 * power(white, 0, 80)
    assert power(telephone, 600, 2500) == pytest.approx(power(white, 600, 2500), rel=0.1)


def test_peak_and_shelf_have_their_gain():
    frequency, response = signal.sosfreqz(room._peak(1000.0, 6.0, 1.0)[None], [10, 1000], fs=room.RATE)
    np.testing.assert_allclose(20 * np.log10(np.abs(response)), [0, 6], atol=0.05)
    frequency, response = signal.sosfreqz(room._shelf(800.0, -8.0)[None], [1, 7999], fs=room.RATE)
    np.testing.assert_allclose(20 * np.log10(np.abs(response)), [0, -8], atol=0.05)


def test_rooms_ring_as_long_as_they_say():
    click = np.zeros(room.RATE)
    click[100] = 1
    ring = room.reverberate(click, np.random.default_rng(0), 0.5, 1.0)
    assert ring[100] == pytest.approx(1) and np.abs(ring[:100]).max() < 1e-9
    energy = np.cumsum(ring[101:][::-1] ** 2)[::-1]
    decay = 10 * np.log10(energy[[int(0.05 * room.RATE), int(0.25 * room.RATE)]] / energy[0])
    assert decay[0] - decay[1] == pytest.approx(24, abs=6)  # 60 dB in 0.5 s
    assert np.sum(ring[101:] ** 2) == pytest.approx(1, rel=0.05)


def test_codec_keeps_what_is_strong(speech):
    for seed in range(6):
        coded = room.code(speech, np.random.default_rng(seed))
        assert np.corrcoef(coded, speech)[0, 1] > 0.95
        assert not np.array_equal(coded, speech)


def test_breath_is_a_swell_of_noise_in_the_middle_band():
    sound = room.breath(np.random.default_rng(0), 6400)
    assert 0.2 < np.abs(sound).max() < 2
    parts = [np.std(part) for part in np.split(sound, 4)]
    assert parts[0] < 0.6 * max(parts) and parts[3] < 0.6 * max(parts)
    assert power(sound, 300, 5000) > 20 * power(sound, 6000, 8000)
