"""Phonemes as mouth shapes: what each IPA letter asks of the jaw, the lips and the tongue.

espeak-ng names its phonemes in IPA, from "p" to affricates ("tʃ"), diphthongs ("aɪ") and vowels with an r ("ɔːɹ").
`letters` takes such a name apart, so that one table of single letters serves every language.

The targets are our own settings after the visemes that lip-readers tell apart (Fisher 1968; Cohen and Massaro 1993
list comparable ones for their face); 1 is the most that conversational speech does.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from jaxtalk.data.tts import PAUSE, Phone

CHANNELS = ("jaw", "round", "funnel", "spread", "lower", "upper", "tongue")
# jaw: opening. round: corners drawn in, lips pursed. funnel: lips everted. spread: corners drawn out.
# lower, upper: the lip moved off the teeth. tongue: tip against or between the teeth.


@dataclasses.dataclass(frozen=True)
class Viseme:
    """One mouth shape: targets per channel, and how strongly jaw and lips insist on them against their neighbours."""

    name: str
    letters: str
    jaw: float = 0.0
    round: float = 0.0
    funnel: float = 0.0
    spread: float = 0.0
    lower: float = 0.0
    upper: float = 0.0
    tongue: float = 0.0
    jaw_strength: float = 0.5
    lip_strength: float = 0.15
    closure: float = 0.0  # 1: the lips must meet; less: they come near
    closed_until: float = 1.0  # share of the phone after which a stop is released
    tuck: float = 0.0  # 1: the lower lip must touch the upper teeth
    vowel: bool = False


def _vowel(name: str, letters: str, **targets: float) -> Viseme:
    return Viseme(name, letters, jaw_strength=0.9, lip_strength=0.8, vowel=True, **targets)


VISEMES = (
    Viseme("pause", PAUSE, jaw_strength=0.35, lip_strength=0.25),
    Viseme("breath", "↓", jaw=0.35, lower=0.1, upper=0.1, jaw_strength=0.6, lip_strength=0.3),  # extIPA: air goes in
    Viseme("voiceless bilabial stop", "p", jaw=0.1, jaw_strength=0.7, lip_strength=0.1, closure=1.0, closed_until=0.65),
    Viseme("voiced bilabial stop", "b", jaw=0.12, jaw_strength=0.7, lip_strength=0.1, closure=1.0, closed_until=0.8),
    Viseme("bilabial nasal", "m", jaw=0.12, jaw_strength=0.7, lip_strength=0.1, closure=1.0, closed_until=0.95),
    Viseme("bilabial approximant", "βɸ", jaw=0.15, jaw_strength=0.6, closure=0.65),
    Viseme("labiodental", "fvʋɱ", jaw=0.12, upper=0.25, jaw_strength=0.75, lip_strength=0.25, tuck=1.0),
    Viseme("dental", "θð", jaw=0.16, lower=0.25, tongue=1.0, jaw_strength=0.7, lip_strength=0.25),
    Viseme("alveolar", "tdnɾrɫ", jaw=0.17, spread=0.12, lower=0.25, tongue=0.3, jaw_strength=0.6),
    Viseme("lateral", "lɭ", jaw=0.3, spread=0.1, lower=0.25, tongue=0.6, jaw_strength=0.5),
    Viseme("sibilant", "sz", jaw=0.06, spread=0.3, lower=0.45, upper=0.15, jaw_strength=1.0, lip_strength=0.4),
    Viseme("hushing", "ʃʒ", jaw=0.1, round=0.3, funnel=0.8, lower=0.3, upper=0.3, jaw_strength=1.0, lip_strength=0.9),
    Viseme("retroflex", "ʂʐɻ", jaw=0.1, funnel=0.5, lower=0.3, upper=0.2, jaw_strength=1.0, lip_strength=0.5),
    Viseme("alveolopalatal", "ɕʑ", jaw=0.1, funnel=0.2, spread=0.35, lower=0.4, jaw_strength=0.9, lip_strength=0.45),
    Viseme("palatal", "jɲʎʝcɟçʲ", jaw=0.18, spread=0.45, lower=0.2, jaw_strength=0.55, lip_strength=0.35),
    Viseme("velar", "kɡgŋxɣ", jaw=0.28, lower=0.1, jaw_strength=0.3, lip_strength=0.08),
    Viseme("uvular", "χʁqɴ", jaw=0.35, lower=0.1, jaw_strength=0.35, lip_strength=0.08),
    Viseme("glottal", "hʔɦħʕ", jaw=0.35, jaw_strength=0.15, lip_strength=0.05),
    Viseme("rhotic", "ɹ", jaw=0.2, round=0.35, funnel=0.3, lower=0.15, jaw_strength=0.55, lip_strength=0.5),
    Viseme("labiovelar", "wʍɥ", jaw=0.1, round=1.0, funnel=0.15, jaw_strength=0.7, lip_strength=1.3),
    _vowel("close front", "iɪɨᵻ", jaw=0.2, spread=0.85, lower=0.35, upper=0.1),
    _vowel("mid front", "eɛ", jaw=0.5, spread=0.55, lower=0.35, upper=0.15),
    _vowel("open front", "æa", jaw=0.9, spread=0.3, lower=0.35, upper=0.2),
    _vowel("open back", "ɑ", jaw=0.95, spread=0.05, lower=0.3, upper=0.15),
    _vowel("open back rounded", "ɒ", jaw=0.8, round=0.2, funnel=0.4, lower=0.25, upper=0.15),
    _vowel("mid central", "əɚɘɤ", jaw=0.35, spread=0.1, lower=0.2),
    _vowel("low central", "ʌɐɜɝ", jaw=0.6, spread=0.1, lower=0.25, upper=0.1),
    _vowel("mid back rounded", "oɔ", jaw=0.5, round=0.65, funnel=0.45, lower=0.1, upper=0.1),
    _vowel("close back rounded", "uʊɯ", jaw=0.15, round=1.0, funnel=0.25),
    _vowel("close front rounded", "yʏʉ", jaw=0.14, round=0.95, funnel=0.25),
    _vowel("mid front rounded", "øœɞɵ", jaw=0.38, round=0.65, funnel=0.35, lower=0.1),
)  # fmt: skip

LETTERS = "".join(viseme.letters for viseme in VISEMES)  # a phoneme's id in the corpus is its place here; 0 is PAUSE
BREATH = "↓"
CLOSURES = np.array([LETTERS.index(letter) for letter in "pbm"])  # for which the lips must meet
_VISEME_OF = {letter: viseme for viseme in VISEMES for letter in viseme.letters}
# Names that espeak-ng writes in its own way instead of IPA.
_ESPEAK = {"o-": "ɤ", "s.": "ʂ", "i.": "ɨ"}


@dataclasses.dataclass(frozen=True)
class Track:
    """Phonemes in time, one IPA letter each. Covers an utterance without gaps."""

    ids: Int[np.ndarray, "s"]  # places in LETTERS
    start: Float[np.ndarray, "s"]  # seconds
    end: Float[np.ndarray, "s"]
    stress: Int[np.ndarray, "s"]  # 0 none, 1 secondary, 2 primary

    def __len__(self) -> int:
        return len(self.ids)

    def visemes(self) -> list[Viseme]:
        return [viseme(LETTERS[i]) for i in self.ids]

    def where(self, letters: str) -> Int[np.ndarray, "n"]:
        """Places of the segments that are one of `letters`."""
        return np.flatnonzero(np.isin(self.ids, [LETTERS.index(letter) for letter in letters]))


def viseme(letter: str) -> Viseme:
    """The mouth shape of one IPA letter."""
    return _VISEME_OF[letter]


def letters(symbol: str) -> str:
    """The known IPA letters of a phoneme's name: "tʃ" stays two, "aɪ" too, marks of length and aspiration go.

    Never empty: a name without any known letter is a weak central vowel.
    """
    for name, letter in _ESPEAK.items():
        symbol = symbol.replace(name, letter)
    if len(symbol) > 1:  # an h behind a stop is its aspiration
        symbol = symbol[0] + symbol[1:].replace("h", "")
    return "".join(letter for letter in symbol if letter in _VISEME_OF) or "ə"


def track(phones: tuple[Phone, ...]) -> Track:
    """Phones as single letters; those of one phone share its time equally."""
    rows = []
    for phone in phones:
        parts = letters(phone.symbol)
        bounds = np.linspace(phone.start, phone.end, len(parts) + 1)
        rows += [(LETTERS.index(part), *bounds[i : i + 2], phone.stress) for i, part in enumerate(parts)]
    ids, start, end, stress = zip(*rows, strict=True)
    return Track(np.array(ids, np.int32), np.array(start), np.array(end), np.array(stress, np.int32))
