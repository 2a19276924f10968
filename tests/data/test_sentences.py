import re

import numpy as np
import pytest

from jaxtalk.data import phonemes, sentences, tts


@pytest.mark.parametrize("language", sentences.GRAMMARS)
def test_same_seed_gives_same_sentences(language):
    first, second = ([sentences.generate(np.random.default_rng(3), language) for _ in range(5)] for _ in range(2))
    assert first == second


def test_at_least_four_languages_and_every_slot_is_filled():
    assert len(sentences.GRAMMARS) >= 4
    for grammar in sentences.GRAMMARS.values():
        for pattern in grammar.patterns:
            assert set(re.findall(r"\{(\w+)\}", pattern)) <= set(grammar.slots)
        assert all(phrase for phrases in grammar.slots.values() for phrase in phrases)
        assert set(grammar.voices) <= set(tts.languages())


@pytest.mark.parametrize("language", sentences.GRAMMARS)
def test_sentences_are_varied(language):
    rng = np.random.default_rng(0)
    assert len({sentences.generate(rng, language) for _ in range(300)}) > 270


def test_splits_share_no_sentence_and_have_their_shares():
    rng = np.random.default_rng(0)
    spoken = {split: {sentences.generate(rng, "english", split) for _ in range(50)} for split in sentences.SPLITS}
    assert not spoken["train"] & spoken["test"] and not spoken["train"] & spoken["validation"]
    free = [sentences.split_of(f"{i}") for i in range(4000)]
    assert abs(free.count("train") / 4000 - 0.9) < 0.02 and abs(free.count("test") / 4000 - 0.05) < 0.02


@pytest.mark.parametrize("language", sentences.GRAMMARS)
def test_lip_phonemes_are_common(language):
    """In 60 sentences: lips closed, rounded and spread, and the teeth on the lip, each many times."""
    rng = np.random.default_rng(1)
    voice = sentences.GRAMMARS[language].voices[0]
    said = [phonemes.track(tts.synthesise(sentences.generate(rng, language), language=voice).phones) for _ in range(60)]

    def count(letters):
        return sum(len(track.where(letters)) for track in said)

    assert count("p") > 15 and count("b" if language != "mandarin" else "p") > 15 and count("m") > 15
    assert count("fv") > 15 and count("uʊow") > 30 and count("iɪ") > 30
    assert sum(len(track) for track in said) > 900
