"""One clip of the synthetic corpus: speech and everything that is known about it, as a function of its seed."""

import dataclasses
import os

import numpy as np
import soxr
from jaxtyping import Float32, Int, Int16

from jaxtalk.data import articulation, head_motion, phonemes, room, sentences, tts

FPS = 25
RATE = room.RATE
SAMPLES_PER_FRAME = RATE // FPS
IDENTITY = 41  # coefficients of a face's shape, as many as the built-in model has

# espeak-ng's speakers that pass for people. The rest are robots, monsters and whispers.
_NO_PEOPLE = ("AnxiousAndy", "Demonic", "Tweaky", "UniRobot", "anikaRobot", "croak", "fast", "whisper", "whisperf")


@dataclasses.dataclass(frozen=True)
class Clip:
    """A talking face. Frame k belongs to the time k / FPS; the sound is exactly as long as the frames."""

    text: str
    language: str  # key of sentences.GRAMMARS
    voice: str  # espeak-ng's language and speaker
    speech: Int16[np.ndarray, "n"]  # 16 kHz
    phonemes: phonemes.Track  # seconds
    expression: Float32[np.ndarray, "t 52"]  # ARKit-52
    rotation: Float32[np.ndarray, "t 3"]  # (pitch, yaw, roll) in radians
    translation: Float32[np.ndarray, "t 3"]  # metres
    blink: Float32[np.ndarray, "t"]  # closure of the lids by blinking alone
    style: int  # pose style, 0 to 45
    articulation: articulation.Style  # of the mouth
    identity: Float32[np.ndarray, "i"]  # shape of the face, normal(0, 1)

    def only(self, frames: Int[np.ndarray, "k"]) -> "Clip":
        """The same clip with some of its frames, for pictures of it; sound and phonemes stay whole."""
        tracks = {name: getattr(self, name)[frames] for name in ("expression", "rotation", "translation", "blink")}
        return dataclasses.replace(self, **tracks)


def split_of(index: int) -> str:
    """The split of the clip with this index: of twenty, one is for validation and one for testing."""
    return {9: "validation", 19: "test"}.get(index % 20, "train")


def make(seed: int, index: int) -> Clip:
    """Clip `index` of the corpus with this seed. Clips of different splits share no sentence."""
    rng = np.random.default_rng([seed, index])
    language = list(sentences.GRAMMARS)[rng.integers(len(sentences.GRAMMARS))]
    text, voice, samples, track = _say(rng, language, split_of(index))
    frames = -(-len(samples) // SAMPLES_PER_FRAME)
    samples = np.pad(samples, (0, frames * SAMPLES_PER_FRAME - len(samples)))
    times = np.arange(frames) / FPS

    mouth_style, style = articulation.random_style(rng), int(rng.integers(head_motion.STYLES))
    beats = head_motion.accents(track, samples, RATE)
    rotation, translation = head_motion.head(rng, times, head_motion.pose_style(style), beats)
    blink = head_motion.blinks(rng, times, per_minute=float(np.clip(rng.normal(24, 9), 6, 50)))
    expression = np.maximum(
        articulation.articulate(track, times, mouth_style), head_motion.eyes(rng, times, blink, beats)
    )
    return Clip(
        text=text,
        language=language,
        voice=voice,
        speech=(room.record(rng, samples) * 32767).astype(np.int16),
        phonemes=track,
        expression=expression,
        rotation=rotation,
        translation=translation,
        blink=blink,
        style=style,
        articulation=mouth_style,
        identity=rng.normal(size=IDENTITY).astype(np.float32),
    )


def example(seed: int, size: int, index: int) -> dict[str, object]:
    """The record of a clip, with frames of `size` pixels if that is not 0; `corpus.features` describes it."""
    made = make(seed, index)
    track = made.phonemes
    video = {}
    if size:
        from jaxtalk.data import clip_frames  # jax starts only where something is drawn

        video = clip_frames.render(made, seed, index, size)._asdict()
    return video | {
        "index": index,
        "text": made.text,
        "language": made.language,
        "voice": made.voice,
        "speech": made.speech,
        "phoneme": track.ids,
        "phoneme_start": track.start.astype(np.float32),
        "phoneme_end": track.end.astype(np.float32),
        "phoneme_stress": track.stress,
        "expression": made.expression,
        "rotation": made.rotation,
        "translation": made.translation,
        "blink": made.blink,
        "style": made.style,
        "articulation": np.array(dataclasses.astuple(made.articulation), np.float32),
        "identity": made.identity,
    }


def use_cpu() -> None:
    """For a worker process before jax starts: accelerators belong to the main process, which takes their memory."""
    os.environ["JAX_PLATFORMS"] = "cpu"


def _say(
    rng: np.random.Generator, language: str, split: str
) -> tuple[str, str, Float32[np.ndarray, "n"], phonemes.Track]:
    """One to three sentences by one speaker with pauses around them: text, voice, 16 kHz samples, phonemes."""
    voices = sentences.GRAMMARS[language].voices
    speakers = [None, *(name for name in tts.variants() if name not in _NO_PEOPLE and not name.startswith("robosoft"))]
    dialect, speaker = voices[rng.integers(len(voices))], speakers[rng.integers(len(speakers))]
    size = float(np.clip(rng.normal(1.0, 0.07), 0.84, 1.18))  # of the vocal tract: shifts formants and pitch together
    rate, pitch, melody = rng.normal(165, 28), rng.normal(50, 14), rng.uniform(30, 90)

    texts, sounds, phones, now = [], [], [], 0.0
    for _ in range(rng.integers(1, 4)):
        text = sentences.generate(rng, language, split)
        spoken = tts.synthesise(
            text,
            language=dialect,
            variant=speaker,
            rate=int(np.clip(rate + rng.normal(0, 10), 95, 330)),
            pitch=int(np.clip(pitch + rng.normal(0, 4), 5, 95)),
            pitch_range=int(melody),
            word_gap=int(rng.choice([0, 0, 0, 1, 3])),
        )
        loud = float(np.abs(spoken.samples).max())
        pause, silence = _pause(rng, now, loud)
        sound = soxr.resample(spoken.samples, size * spoken.rate, RATE)
        offset = pause[-1].end
        now = offset + len(sound) / RATE
        starts = [offset + phone.start / size for phone in spoken.phones]
        phones += pause + [
            dataclasses.replace(phone, start=start, end=end)
            for phone, start, end in zip(spoken.phones, starts, [*starts[1:], now], strict=True)
        ]
        texts.append(text)
        sounds += [silence, sound]
    pause, silence = _pause(rng, now, 0.0)
    samples = np.concatenate([*sounds, silence])
    voice = dialect if speaker is None else f"{dialect}+{speaker}"
    return " ".join(texts), voice, samples, phonemes.track(tuple(phones + pause))


def _pause(rng: np.random.Generator, start: float, loud: float) -> tuple[list[tts.Phone], Float32[np.ndarray, "n"]]:
    """Silence from `start` on, in which speakers often breathe in, audibly next to a voice whose peak is `loud`."""
    before, breath, after = (int(seconds * RATE) for seconds in rng.uniform([0.12, 0.2, 0.03], [0.5, 0.45, 0.12]))
    if loud == 0 or rng.uniform() < 0.5:
        end = start + before / RATE
        return [tts.Phone(tts.PAUSE, start, end, 0)], np.zeros(before, np.float32)
    sound = np.zeros(before + breath + after, np.float32)
    sound[before : before + breath] = loud * 10 ** (rng.uniform(-45, -22) / 20) * room.breath(rng, breath)
    times = [start + count / RATE for count in np.cumsum([0, before, breath, after]).tolist()]
    symbols = (tts.PAUSE, phonemes.BREATH, tts.PAUSE)
    return [tts.Phone(s, a, b, 0) for s, a, b in zip(symbols, times[:-1], times[1:], strict=True)], sound
