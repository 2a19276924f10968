"""Do our lips move as those of the published SadTalker, from the same sound? Correlation of mouth opening over time.

    python benchmarks/sadtalker_lips.py --media ../shared/media --tracker ../shared/models/face_landmarker.task \\
        --expnet runs/expnet_distill/expnet.safetensors

SadTalker's opening is tracked in its own video of `speech/english_radio.wav`, which nothing of ours is trained on; ours
is that of the built-in face, as early as `jaxtalk talk` moves it. Beside ExpNet: the shipped LipTCN with and without
lips that are made to touch, ridge regression on 40 bands from the tracks of the 23 open clips, and loudness.
"""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Float

from benchmarks import sadtalker_readout
from configs import expnet
from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clip_alignment, clips
from jaxtalk.face.mouth import meet, opening
from jaxtalk.io import weights
from jaxtalk.models import audio2exp, lip_tcn
from jaxtalk.systems import listen

FPS = 25.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(sadtalker_readout.Options):
    expnet: tuple[Path, ...] = (weights.shipped("expnet"),)
    """Weights of ExpNet to compare; the shipped ones if not given."""


def recording(media: Path, seen: Float[np.ndarray, "n"]) -> clips.Recording:
    """The sound with the opening that was seen."""
    return clips.Recording(
        name="english_radio",
        mel=clips.listen(media / "speech" / "english_radio.wav"),
        fps=FPS,
        expression=np.zeros((len(seen), 52), np.float32),
        known=np.zeros(52, bool),
        opening=seen.astype(np.float32),
        phoneme=np.full(len(seen), -1, np.int32),
        lead=speech_windows.LEAD,
    )


def by_expnet(path: Path, said: clips.Recording) -> Float[np.ndarray, "n"]:
    stored = weights.load(path)
    network = audio2exp.ExpNet(weights.config(audio2exp.Config, stored))
    place = np.clip(speech_windows.columns(said.seconds), 0, len(said.mel) - 1)
    windows, still = jnp.asarray(np.swapaxes(said.mel[place], 1, 2)), jnp.zeros((len(place), 52))
    moved, _ = network.apply(stored.variables, windows, still, jnp.zeros(len(place)))
    return np.asarray(opening(meet(moved.clip(0, 1))))


def by_lip_tcn(said: clips.Recording) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """As drawn, and before lips are made to touch."""
    stored = weights.load(weights.shipped("lip_tcn"))
    heard = lip_tcn.hear(weights.config(lip_tcn.Config, stored), stored.variables["params"], said.mel)
    moved = jnp.asarray(lip_tcn.at(heard[0], said.seconds * mel.COLUMNS_PER_SECOND))
    return np.asarray(opening(listen.lips(heard, said.seconds))), np.asarray(opening(moved.clip(0, 1)))


def by_ridge(media: Path, said: clips.Recording) -> Float[np.ndarray, "n"]:
    people = [expnet.tracked(media, name) for name in expnet.OPEN_CLIPS]
    return clip_alignment.Ridge([*people, said]).predict(len(people), set())


def main(options: Options) -> None:
    said = recording(options.media, sadtalker_readout.seen_opening(options.media, options.tracker))
    drawn, before_touch = by_lip_tcn(said)
    guesses = {str(path): by_expnet(path, said) for path in options.expnet}
    guesses |= {"LipTCN, as drawn": drawn, "LipTCN, before touch": before_touch}
    guesses |= {"ridge": by_ridge(options.media, said), "loudness": clips.loudness(said)}
    for name, guess in guesses.items():
        print(f"{name}: {np.corrcoef(guess, said.opening)[0, 1]:.3f}")


if __name__ == "__main__":
    main(tyro.cli(Options))
