"""From speech to a person's landmarks, for `jaxtalk avatar render`: two ways to hear it.

"lip_tcn":  speech --LipTCN--> coefficients --fitted face, moved to where the person's usually is, LLE--> lower face
"geneface": speech --Audio2Motion, PostNet, LLE--> lower face
                                                    the video's coefficients --fitted face--> brows and eyes

Points [t, 68, 3] are the person's before the pose, in metres.
"""

import functools
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import load, mel
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, landmark_projection
from jaxtalk.systems import avatar_store, listen, motion_ear, spoken_motion
from jaxtalk.systems.avatar_options import RenderOptions
from jaxtalk.systems.avatar_store import Person

FPS = 25.0
UPPER = np.r_[17:27, 36:48]  # points that speech does not move: brows, eyes
LOWER = np.setdiff1d(np.arange(68), UPPER)
EARS: dict[int, motion_ear.Name] = {192: "lip_tcn", 240: "mel"}  # by the numbers in a row


class Networks(NamedTuple):
    """GeneFace's, as far as they are asked for."""

    talker: spoken_motion.Audio2Motion | None = None  # without it LipTCN speaks
    corrected: spoken_motion.PostNet | None = None
    mover: spoken_motion.Audio2Pose | None = None  # without it PoseVAE moves a generated head


NONE = Networks()


def files(options: RenderOptions) -> dict[str, Path]:
    """What `networks` reads, by name.

    A PostNet corrects one Audio2Motion, so another one (`--audio2motion`) goes without the person's own PostNet.

    Raises:
        InputError: an option needs another one, or no Audio2Motion is at hand.
    """
    found, own = {}, {name: options.person / file for name, file in avatar_store.SPEECH.items()}
    if options.motion == "geneface":
        found["audio2motion"] = options.audio2motion or _if_there(own["audio2motion"])
        if not found["audio2motion"]:
            raise InputError(
                f"--motion geneface: {options.person} holds no Audio2Motion; give --audio2motion FILE (made by jaxtalk "
                "train audio2motion, here or to avatar fit)"
            )
        corrected = options.postnet or (None if options.audio2motion else _if_there(own["postnet"]))
        found |= {"postnet": corrected} if corrected else {}
    else:
        for name in ("audio2motion", "postnet", "temperature"):
            if getattr(options, name):
                raise InputError(f"--{name}: only --motion geneface knows it; add that")
    if options.audio2pose:
        if options.pose != "generated":
            raise InputError("--audio2pose: only --pose generated knows it; add that")
        found["audio2pose"] = options.audio2pose
    return found


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def networks(chosen: dict[str, Path]) -> Networks:
    """Loads `files`. InputError if one cannot be used."""
    made = Networks(
        talker=spoken_motion.audio2motion(chosen["audio2motion"]) if "audio2motion" in chosen else None,
        corrected=spoken_motion.postnet(chosen["postnet"]) if "postnet" in chosen else None,
        mover=spoken_motion.audio2pose(chosen["audio2pose"]) if "audio2pose" in chosen else None,
    )
    if made.talker:
        ear(made.talker, chosen["audio2motion"])
    return made


def ear(talker: spoken_motion.Audio2Motion, path: Path | str = "Audio2Motion") -> motion_ear.Name:
    """How it hears."""
    features = talker.network.config.features
    if features not in EARS:
        raise InputError(
            f"{path}: hears rows of {features} numbers; {' or '.join(map(str, EARS))} can be made of speech here, so "
            "train one with jaxtalk train audio2motion"
        )
    return EARS[features]


def points(
    person: Person,
    wave: Float[np.ndarray, "n"],
    rest: Float[Array, "t e"],
    options: RenderOptions,
    made: Networks = NONE,
) -> Float[Array, "t 68 3"]:
    """What is said in `wave` (mono, 16 kHz) with the upper face of the coefficients `rest`."""
    if made.talker is None:
        mouth = options.mouth * listen.mouth(mel.log_mel(jnp.asarray(wave)), FPS, len(rest))
        return _kept(person, landmarks(person, jnp.where(listen.MOUTH, mouth, rest)))
    manner = spoken_motion.Manner(temperature=options.temperature, amount=options.mouth, seed=options.seed)
    sound = spoken_motion.rows(wave, len(rest), motion_ear.ear(ear(made.talker)))
    said = spoken_motion.points(made.talker, sound, known(person), made.corrected, manner)
    return said.at[:, UPPER].set(landmarks(person, jnp.where(listen.MOUTH, 0.0, rest))[:, UPPER])


def _kept(person: Person, said: Float[Array, "t 68 3"]) -> Float[Array, "t 68 3"]:
    """The lower face moved by as much as the person's usual one differs from LipTCN's, which is everybody's, and then
    brought to what the person's own frames can make.
    """
    as_everybody = jnp.where(listen.MOUTH, _usual_mouth(), person.expression.mean(0))[None]
    own = known(person).points
    moved = said[:, LOWER] + (own.mean(0) - landmarks(person, as_everybody)[0])[None, LOWER]
    frames = jnp.asarray(own[:, LOWER].reshape(len(own), -1))
    brought = landmark_projection.project(moved.reshape(len(moved), -1), frames).reshape(moved.shape)
    return said.at[:, LOWER].set(brought)


@functools.cache
def _usual_mouth() -> Float[np.ndarray, "e"]:
    """LipTCN's mean coefficients, of the shipped sample of speech."""
    wave = load.load(Path(str(resources.files("jaxtalk") / "samples" / "speech.flac")), listen.RATE)
    spoken = listen.mouth(mel.log_mel(jnp.asarray(wave)), FPS, listen.frame_count(len(wave), FPS))
    return np.asarray(spoken.mean(0))


def known(person: Person) -> spoken_motion.Known:
    """What of the person landmarks must agree with."""
    still = np.zeros((1, person.expression.shape[1]), np.float32)
    neutral, seen = (np.asarray(landmarks(person, jnp.asarray(x))) for x in (still, person.expression))
    return spoken_motion.Known(neutral=neutral[0], points=seen)


def landmarks(person: Person, expression: Float[Array, "t e"]) -> Float[Array, "t 68 3"]:
    """The person's 68 points with these coefficients."""
    model = builtin.model()
    at = model.landmarks
    neutral = model.template[at] + jnp.einsum("i,ivc->vc", jnp.asarray(person.identity), model.identity[:, at])
    return neutral[None] + jnp.einsum("te,evc->tvc", expression, model.expression[:, at])


def pose(mover: spoken_motion.Audio2Pose, wave: Float[np.ndarray, "n"], frames: int, seed: int):
    """Audio2Pose's head [t, 6] about the person's mean pose."""
    features = mover.variables["params"]["sound_0"]["kernel"].shape[0] // 2
    if features not in EARS:
        raise InputError(f"--audio2pose: hears rows of {features} numbers, which are not made here")
    return spoken_motion.pose(mover, spoken_motion.rows(wave, frames, motion_ear.ear(EARS[features])), seed=seed)
