import numpy as np
import pytest

from jaxtalk.data import phonemes, sentences, tts
from jaxtalk.data.tts import Phone


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("p", "p"), ("tʃ", "tʃ"), ("aɪ", "aɪ"), ("ɔːɹ", "ɔɹ"), ("ph", "p"), ("tɕh", "tɕ"), ("h", "h"), ("œ̃", "œ")]
    + [("o-", "ɤ"), ("s.", "ʂ"), ("ss", "ss"), ("?", "ə"), ("_", "_"), ("pf", "pf")],
)
def test_names_come_apart_into_letters(symbol, expected):
    assert phonemes.letters(symbol) == expected


def test_every_letter_has_one_viseme():
    assert len(set(phonemes.LETTERS)) == len(phonemes.LETTERS)
    assert phonemes.LETTERS[0] == tts.PAUSE


def test_letters_of_a_phone_share_its_time():
    track = phonemes.track((Phone("m", 0.0, 0.1, 0), Phone("aɪ", 0.1, 0.3, 2)))
    assert [phonemes.LETTERS[i] for i in track.ids] == ["m", "a", "ɪ"]
    np.testing.assert_allclose(track.start, [0, 0.1, 0.2])
    np.testing.assert_allclose(track.end, [0.1, 0.2, 0.3])
    assert track.stress.tolist() == [0, 2, 2]


@pytest.mark.parametrize("language", sentences.GRAMMARS)
def test_every_phoneme_of_every_language_is_known(language):
    grammar = sentences.GRAMMARS[language]
    texts = [phrase for phrases in grammar.slots.values() for phrase in phrases]
    unknown = set()
    for voice in grammar.voices:
        for phone in tts.synthesise(". ".join(texts), language=voice, rate=300).phones:
            if phonemes.letters(phone.symbol) == "ə" and "ə" not in phone.symbol:
                unknown.add(phone.symbol)
    assert not unknown
