"""Speech from text with exact phoneme times: espeak-ng through the `espeakng-loader` wheel, called by ctypes.

espeak-ng (https://github.com/espeak-ng/espeak-ng, GPL-3, hence the extra `tts`) tells in its callback at which sample
each phoneme begins, so the labels are exact, and one second of speech takes about a millisecond.

The library keeps its state in globals: one lock serialises the threads of a process, so run processes to go faster.
Works on Linux and macOS.
"""

import atexit
import contextlib
import ctypes
import dataclasses
import functools
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxtalk.errors import InputError

PAUSE = "_"  # the symbol of a phone in which nothing is said

# From espeak-ng's speak_lib.h, API revision 12.
_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: espeak_Synth returns when all of the text went through the callback
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 1, 2, 0x8000  # options of espeak_Initialize
_END_OF_LIST, _PHONEME = 0, 7  # espeak_EVENT_TYPE
_RATE, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7  # espeak_PARAMETER
_UTF8 = 1  # flags of espeak_Synth
_LONGEST_PATH = 140  # espeak-ng keeps the path of its data in a buffer of 160 bytes


class _Name(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Phone:
    """One phoneme of an utterance: IPA without stress mark, or PAUSE."""

    symbol: str
    start: float  # seconds
    end: float  # seconds; the start of the next phone
    stress: int  # 0 none, 1 secondary, 2 primary


@dataclasses.dataclass(frozen=True)
class Speech:
    """What was said: mono samples in [-1, 1) and the phones that cover them from the first sample to the last."""

    samples: Float32[np.ndarray, "n"]
    rate: int  # samples per second
    phones: tuple[Phone, ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def synthesise(
    text: str,
    *,
    language: str = "en-us",
    variant: str | None = None,
    rate: int = 175,
    pitch: int = 50,
    pitch_range: int = 50,
    volume: int = 100,
    word_gap: int = 0,
) -> Speech:
    """Says `text` in a voice. The same arguments give the same samples.

    Args:
        language: an espeak-ng language as in `languages()`, such as "en-us", "de", "cmn-latn-pinyin".
        variant: a speaker as in `variants()`, such as "f2" or "Andy"; None is the language's own.
        rate: words per minute, 80 to 440.
        pitch, pitch_range: 0 to 100, 50 is usual.
        volume: 0 to 200.
        word_gap: extra pause between words in units of 10 ms.

    Raises InputError where the wheel is missing, a voice is unknown or the text holds nothing to say.
    """
    if not 80 <= rate <= 440:
        raise InputError(f"rate {rate}: must be 80 to 440 words per minute, where phoneme times are exact")
    with _lock, _fresh_library() as (library, samples_per_second):
        _choose_voice(library, language, variant)
        settings = {_RATE: rate, _PITCH: pitch, _RANGE: pitch_range, _VOLUME: volume, _WORD_GAP: word_gap}
        for parameter, value in settings.items():
            library.espeak_SetParameter(parameter, int(value), 0)
        chunks, events = _run(library, text, _UTF8)
    samples = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
    if not any(symbol.strip() for symbol, _ in events):
        raise InputError(f"text {text[:40]!r}: holds nothing that can be said; give some words")
    return Speech(samples.astype(np.float32) / 32768, samples_per_second, _phones(events, samples, samples_per_second))


def languages() -> tuple[str, ...]:
    """Names of the languages that the wheel carries."""
    return tuple(sorted(_voice_files()))


def variants() -> tuple[str, ...]:
    """Names of the speakers that can be laid over any language."""
    return tuple(sorted(file.name for file in (_data_folder() / "voices" / "!v").iterdir()))


@functools.cache
def _voice_files() -> dict[str, str]:
    """Language -> its voice file, which is the one name that espeak_SetVoiceByName always finds."""
    folder = _data_folder() / "lang"
    files: dict[str, str] = {}
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] == ["language"]:
                files.setdefault(words[1], file.relative_to(folder).as_posix())
    return files


def _data_folder() -> Path:
    return Path(_loader().get_data_path())


def _loader():
    try:
        import espeakng_loader
    except ImportError as error:
        raise InputError('speech from text needs espeak-ng: pip install "jaxtalk[tts]"') from error
    return espeakng_loader


@contextlib.contextmanager
def _fresh_library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """The library as if nothing had been said before, and its sampling rate.

    Phases of its oscillators and noise survive from one utterance to the next in globals, so that the same text would
    sound different each time. Loading it anew takes 2 ms and makes speech a function of its arguments.
    """
    loader = _loader()
    system = ctypes.CDLL(None)
    library = ctypes.CDLL(loader.get_library_path())
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
        ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    data = _short_path(loader.get_data_path())
    options = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
    try:
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), options)
        if rate <= 0:
            raise InputError(f'{data}: espeak-ng cannot read its data; reinstall with pip install "jaxtalk[tts]"')
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        system.srand(ctypes.c_uint(1))  # the breath noise comes from C's rand()
        yield library, rate
    finally:
        library.espeak_Terminate()
        system.dlclose(ctypes.c_void_p(library._handle))


@functools.cache
def _short_path(path: str) -> str:
    """The same folder under a path that fits into espeak-ng's buffer."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    folder = tempfile.mkdtemp(prefix="espeak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = Path(folder) / "espeak-ng-data"
    link.symlink_to(path)
    return str(link)


def _choose_voice(library: ctypes.CDLL, language: str, variant: str | None) -> None:
    if variant is not None and variant not in variants():
        raise InputError(f"voice variant {variant!r}: is not one of espeak-ng's; choose from {', '.join(variants())}")
    if language not in languages():
        raise InputError(f"language {language!r}: is not one of espeak-ng's; choose from {', '.join(languages())}")
    name = _voice_files()[language] + (f"+{variant}" if variant else "")
    if library.espeak_SetVoiceByName(name.encode()) != 0:
        raise InputError(f"voice {name!r}: espeak-ng cannot load it; choose another language or variant")


def _run(library: ctypes.CDLL, text: str, flags: int) -> tuple[list[np.ndarray], list[tuple[str, int]]]:
    """Chunks of 16-bit samples, and (phoneme, first sample) in order."""
    chunks: list[np.ndarray] = []
    events: list[tuple[str, int]] = []

    @_Callback
    def receive(wave, count, event):
        if wave and count > 0:
            chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        position = 0
        while event[position].type != _END_OF_LIST:
            if event[position].type == _PHONEME:
                # Eight bytes, and no zero byte behind them where the name is that long.
                address = ctypes.addressof(event[position]) + _Event.id.offset
                name = ctypes.string_at(address, 8).split(b"\0")[0].decode("utf-8", errors="ignore")
                if not name.startswith("("):  # "(en)" marks a word that is read in another language
                    events.append((name, event[position].sample))
            position += 1
        return 0

    library.espeak_SetSynthCallback(receive)
    encoded = text.replace("\0", " ").encode()
    status = library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, flags, None, None)
    if status != 0:
        raise InputError(f"text {text[:40]!r}: espeak-ng refused it (status {status}); give plain text")
    return chunks, events


def _phones(events: list[tuple[str, int]], samples: np.ndarray, rate: int) -> tuple[Phone, ...]:
    """Phones that cover all samples.

    espeak-ng reports a stop when its burst begins, and writes the silence of its closure before that: this
    silence is given to the stop, since that is when the lips or the tongue are closed.
    """
    silent = samples == 0
    bounds, symbols = [0], [PAUSE]
    for symbol, start in events:
        start = min(start, len(samples))
        if symbol.strip():
            heard = np.flatnonzero(~silent[bounds[-1] : start])
            closure = bounds[-1] + (heard[-1] + 1 if len(heard) else 0)
            # The phone before keeps a quarter of its time, and after a pause at most 80 ms are closure.
            start = max(closure, start - int(0.08 * rate), start - 3 * (start - bounds[-1]) // 4)
        bounds.append(start)
        symbols.append(symbol.strip() or PAUSE)
    bounds.append(len(samples))
    phones = []
    for symbol, start, end in zip(symbols, bounds[:-1], bounds[1:], strict=True):
        if end <= start:
            continue
        stress = 2 if "ˈ" in symbol else 1 if "ˌ" in symbol else 0
        symbol = symbol.strip("ˈˌ") or PAUSE
        if phones and symbol == PAUSE == phones[-1].symbol:
            phones[-1] = dataclasses.replace(phones[-1], end=end / rate)
        else:
            phones.append(Phone(symbol, start / rate, end / rate, stress))
    return tuple(phones)
