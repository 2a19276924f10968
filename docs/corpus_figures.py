"""Makes the pictures of docs/corpus.md: python docs/corpus_figures.py (needs the extras tts and dev)."""

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from jaxtalk.data import articulation, clip, clip_frames, phonemes, tts
from jaxtalk.face.arkit import INDEX

IMAGES = Path(__file__).parent / "images"
TEXT = "Five people bought my beautiful blue boat, and then we moved it over the pool."
CONTACT = {"pbm": "#d1495b", "fv": "#edae49", "uʊoɔw": "#00798c"}


def phonemes_against_lips() -> None:
    """Sound, lip opening, rounding and lip-teeth contact over the phonemes of one sentence."""
    speech = tts.synthesise(TEXT)
    track = phonemes.track(speech.phones)
    times = np.arange(0, speech.seconds, 1 / 200)
    frames = np.arange(0, speech.seconds, 1 / 25)
    fine, coarse = (articulation.articulate(track, t) for t in (times, frames))

    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(15, 6), sharex=True, height_ratios=[1, 2, 1.4])
    top.plot(np.arange(len(speech.samples)) / speech.rate, speech.samples, lw=0.3, color="0.3")
    top.set(yticks=[], ylabel="sound", title=TEXT)
    middle.plot(times, articulation.lip_opening(fine), color="0.1")
    middle.plot(frames, articulation.lip_opening(coarse), "o", ms=3, color="0.1")
    middle.set(ylabel="lip opening\n(units of jawOpen)", ylim=(-0.01, None))
    bottom.plot(times, fine[:, INDEX["mouthPucker"]], color=CONTACT["uʊoɔw"], label="mouthPucker")
    bottom.plot(times, fine[:, INDEX["mouthRollLower"]], color=CONTACT["fv"], label="mouthRollLower")
    bottom.set(xlabel="seconds", xlim=(0, speech.seconds), ylim=(0, 0.9))
    bottom.legend(loc="upper right", ncols=2, frameon=False)
    for i, viseme_id in enumerate(track.ids):
        letter = phonemes.LETTERS[viseme_id]
        colour = next((c for letters, c in CONTACT.items() if letter in letters), None)
        for axes in (top, middle, bottom):
            if colour:
                axes.axvspan(track.start[i], track.end[i], color=colour, alpha=0.22, lw=0)
            axes.axvline(track.start[i], color="0.85", lw=0.5)
        if letter != tts.PAUSE:
            place = (track.start[i] + track.end[i]) / 2
            middle.text(place, 0.97, letter, ha="center", va="top", transform=middle.get_xaxis_transform())
    figure.tight_layout()
    figure.savefig(IMAGES / "corpus_phonemes.png", dpi=80)


def contact_sheet(clips: int = 8, columns: int = 8, size: int = 128) -> None:
    """Frames of the first clips of a corpus, spread over each clip."""
    rows = []
    for index in range(clips):
        made = clip.make(0, index)
        chosen = np.linspace(0, len(made.expression) - 1, columns).astype(int)
        frames = clip_frames.render(made.only(chosen), 0, index, size).frames
        rows.append(np.concatenate([np.asarray(Image.open(io.BytesIO(frame))) for frame in frames], 1))
    Image.fromarray(np.concatenate(rows)).save(IMAGES / "corpus_frames.jpg", quality=88)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    phonemes_against_lips()
    contact_sheet()
