import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.data import articulation, phonemes, sentences, tts
from jaxtalk.data.tts import Phone
from jaxtalk.face import builtin
from jaxtalk.face.arkit import INDEX, NAMES

FPS = 25


def spoken(count, **settings):
    """Tracks, times and coefficients of random sentences of all languages by random speakers, slow to fast."""
    rng = np.random.default_rng(0)
    for i in range(count):
        language = list(sentences.GRAMMARS)[i % len(sentences.GRAMMARS)]
        voices = sentences.GRAMMARS[language].voices
        speech = tts.synthesise(
            sentences.generate(rng, language), language=voices[i % len(voices)], rate=int(rng.integers(110, 340))
        )
        track = phonemes.track(speech.phones)
        times = np.arange(0, speech.seconds, 1 / FPS)
        style = articulation.random_style(rng)
        yield track, times, style, articulation.articulate(track, times, style)


def during(track, segment, times):
    """Frames shown during a segment, at least the nearest one."""
    return (times >= track.start[segment] - 0.5 / FPS) & (times <= track.end[segment] + 0.5 / FPS)


@pytest.mark.slow
def test_lips_close_in_every_p_b_m_of_200_sentences():
    checked = 0
    for track, times, _, expression in spoken(200):
        opening = articulation.lip_opening(expression)
        for segment in track.where("pbm"):
            frames = during(track, segment, times)
            assert opening[frames].min() <= 0.1 * np.percentile(opening, 95)
            checked += 1
    assert checked > 600


def test_lips_open_in_vowels():
    """The closure is an event, not the rule: open vowels part the lips in the same sentences."""
    openings = []
    for track, times, style, expression in spoken(30):
        opening = articulation.lip_opening(expression) / style.jaw
        for segment in track.where("aɑæ"):
            if track.end[segment] - track.start[segment] > 0.08:
                openings.append(opening[during(track, segment, times)].max())
    assert np.median(openings) > 0.45


def test_rounded_vowels_are_rounder_than_spread_ones():
    pucker, smile = {"uwo": [], "i": []}, {"uwo": [], "i": []}
    for track, times, style, expression in spoken(60):
        for letters in pucker:
            for segment in track.where(letters):
                frames = during(track, segment, times)
                pucker[letters].append(expression[frames, INDEX["mouthPucker"]].mean() / style.lips)
                smile[letters].append((expression[frames, INDEX["mouthSmileLeft"]].mean() - style.smile) / style.lips)
    assert np.median(pucker["uwo"]) > 4 * np.median(pucker["i"])
    assert np.percentile(pucker["uwo"], 10) > np.median(pucker["i"])
    assert np.median(smile["i"]) > 2 * abs(np.median(smile["uwo"]))


def test_lower_lip_meets_teeth_in_every_f_v():
    for track, times, _, expression in spoken(100):
        for segment in track.where("fv"):
            neighbours = [s for s in (segment - 1, segment + 1) if 0 <= s < len(track)]
            if any(track.ids[s] in [phonemes.LETTERS.index(c) for c in "pbmβ"] for s in neighbours):
                continue  # "pf" starts from closed lips
            frames = during(track, segment, times)
            assert expression[frames, INDEX["mouthRollLower"]].max() > 0.45
            assert expression[frames, INDEX["mouthUpperUpLeft"]].max() > 0.02


def test_lips_anticipate_rounding():
    """In "i_u" the lips round before the u begins (Cohen and Massaro's point), and later if they anticipate less."""
    track = phonemes.track((Phone("i", 0.0, 0.3, 0), Phone("t", 0.3, 0.4, 0), Phone("u", 0.4, 0.7, 0)))
    times = np.array([0.1, 0.38, 0.39, 0.55])
    early, late = (
        articulation.articulate(track, times, articulation.Style(anticipation=a))[:, INDEX["mouthPucker"]]
        for a in (1.3, 0.8)
    )
    assert early[0] < 0.2 * early[3] and early[1] > 0.3 * early[3]
    assert early[1] > late[1]


def test_fast_vowels_open_less():
    def widest(duration):
        track = phonemes.track(
            (Phone("t", 0.0, 0.1, 0), Phone("a", 0.1, 0.1 + duration, 0), Phone("t", 0.1 + duration, 1.0, 0))
        )
        return articulation.articulate(track, np.linspace(0, 1, 200))[:, INDEX["jawOpen"]].max()

    assert widest(0.05) < 0.8 * widest(0.25)


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_coefficients_are_valid_at_any_frame_rate(fps):
    speech = tts.synthesise("Five brave people moved a small boat from Boston to Paris.")
    track = phonemes.track(speech.phones)
    style = articulation.Style(asymmetry=0.2)
    expression = articulation.articulate(track, np.arange(0, speech.seconds, 1 / fps), style)
    assert expression.shape[1] == len(NAMES) and expression.dtype == np.float32
    assert expression.min() >= 0 and expression.max() <= 1
    assert (expression[:, INDEX["mouthClose"]] <= expression[:, INDEX["jawOpen"]] + 1e-6).all()
    left, right = expression[:, INDEX["mouthStretchLeft"]], expression[:, INDEX["mouthStretchRight"]]
    np.testing.assert_allclose(left * 0.8, right * 1.2, atol=1e-6)
    # Smooth: no coefficient crosses more than half of its range in 1/60 s.
    fine = articulation.articulate(track, np.arange(0, speech.seconds, 1 / 60), style)
    assert np.abs(np.diff(fine, axis=0)).max() < 0.3


def test_mouth_rests_in_silence():
    track = phonemes.track((Phone("_", 0.0, 2.0, 0),))
    expression = articulation.articulate(track, np.arange(0, 2, 0.04), articulation.Style(parted=0.0, smile=0.0))
    assert np.abs(expression).max() == 0


def test_lips_close_on_the_built_in_face():
    """The same on vertices: the inner lips' distance in /p b m/ against what it is while the mouth is open."""
    model = builtin.model()
    upper, lower = (model.landmarks[jnp.array(points)] for points in ([61, 62, 63], [67, 66, 65]))
    apart = np.asarray(model.template[upper] - model.template[lower])
    basis = np.asarray(model.expression[:, upper] - model.expression[:, lower])
    ratios = []
    for track, times, _, expression in spoken(40):
        gap = np.linalg.norm(apart[None] + np.einsum("te,epc->tpc", expression, basis), axis=-1).mean(-1)
        ratios += [gap[during(track, segment, times)].min() / np.percentile(gap, 95) for segment in track.where("pbm")]
        assert np.corrcoef(gap, articulation.lip_opening(expression))[0, 1] > 0.9
    assert len(ratios) > 120 and np.mean(np.array(ratios) <= 0.1) >= 0.95
