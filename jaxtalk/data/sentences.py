"""Sentences to say, from small grammars in six languages that were written for this project.

A grammar (a file in `grammars/`) is a few patterns with slots ("{who} {did} {what}") and a list of phrases for each
slot. The phrases carry their articles and cases with them, so that the patterns need no agreement rules. The lists are
full of lip consonants and of rounded and spread vowels, since those are what a face has to show.

Splits share no sentence: a sentence belongs to the split that a hash of its text names.
"""

import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np

SPLITS = ("train", "validation", "test")
_SHARES = {"train": range(0, 18), "validation": range(18, 19), "test": range(19, 20)}  # twentieths


@dataclasses.dataclass(frozen=True)
class Grammar:
    """Patterns of one language, the phrases of their slots, and the espeak-ng voices that say them."""

    voices: tuple[str, ...]
    patterns: tuple[str, ...]
    slots: dict[str, tuple[str, ...]]


def generate(rng: np.random.Generator, language: str, split: str = "train") -> str:
    """One sentence of `language` (a key of GRAMMARS) that belongs to `split`."""
    while True:
        sentence = _sentence(rng, GRAMMARS[language])
        if split_of(sentence) == split:
            return sentence


def split_of(sentence: str) -> str:
    """The split that a sentence belongs to, from its text alone."""
    twentieth = hashlib.sha256(sentence.encode()).digest()[0] * 20 // 256
    return next(split for split, share in _SHARES.items() if twentieth in share)


def _sentence(rng: np.random.Generator, grammar: Grammar) -> str:
    def fill(match: re.Match) -> str:
        phrases = grammar.slots[match[1]]
        return phrases[rng.integers(len(phrases))]

    pattern = grammar.patterns[rng.integers(len(grammar.patterns))]
    sentence = re.sub(r"\{(\w+)\}", fill, pattern)
    return sentence[0].upper() + sentence[1:]


def read_grammar(path: Path) -> Grammar:
    """From a text file: `name: phrase | phrase`, going on in the lines below that are indented.

    `voices` are espeak-ng's languages, `pattern` the sentences, every other name a slot.
    """
    fields: dict[str, tuple[str, ...]] = {}
    for field in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip()):
        name, _, phrases = field.partition(":")
        fields[name] = tuple(" ".join(phrase.split()) for phrase in phrases.split("|"))
    return Grammar(fields.pop("voices"), fields.pop("pattern"), fields)


# Mandarin is in pinyin with tone numbers, which espeak-ng reads as it is.
GRAMMARS = {path.stem: read_grammar(path) for path in sorted((Path(__file__).parent / "grammars").glob("*.txt"))}
