"""`jaxtalk avatar render`: an avatar says what a recording says.

speech --listen--> mouth --+--> expression --face--> landmarks, kept near the person's own --field--> frames --> mp4
the person's video --------+    (eyes, brows, pose)
"""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Array, Float
from PIL import Image

from jaxtalk.audio import load as audio
from jaxtalk.audio import mel
from jaxtalk.data import avatar_frames
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, landmark_projection, rotation
from jaxtalk.io import image, output, provenance, video, weights
from jaxtalk.render import volume
from jaxtalk.systems import avatar_field, avatar_store, listen
from jaxtalk.systems.avatar_field import Moment
from jaxtalk.systems.avatar_options import RenderOptions
from jaxtalk.systems.avatar_store import Person

FPS = 25.0
LAG = 0.2  # of each frame's landmarks is the one before, as GeneFace's fast renderer has it


def run(options: RenderOptions) -> Path:
    """Writes the video.

    Raises:
        InputError: an option, the avatar, the sound, the background or the output is wrong; nothing is written then.
    """
    if not (math.isfinite(options.mouth) and 0 <= options.mouth <= 4):
        raise InputError(f"--mouth {options.mouth}: must be 0 to 4")
    target = output.check(options.output, (".mp4", ".mov"))
    avatar, variables, person = avatar_store.load(options.person)
    wave = audio.load(options.speech)
    behind = _background(options.background, avatar.size) if options.background else person.background
    moments = told(person, wave, options, avatar.network.config.condition.smoothed)
    files = {name: weights.shipped(name) for name in listen.NETWORKS[:1]} | {
        "avatar": options.person / avatar_store.FIELD
    }
    made = provenance.record(options, files)
    tags = {"comment": provenance.comment(made)}
    draw = drawer(avatar, variables, jnp.asarray(behind, jnp.float32) / 255)
    with video.Writer(target, avatar.size, avatar.size, FPS, audio=options.speech, metadata=tags) as file:
        for frame in tqdm.trange(len(moments.eyes), desc="drawing", unit="frame", disable=None):
            file.write(np.asarray(draw(jax.tree.map(lambda x: x[frame], moments))))  # noqa: B023
    provenance.sidecar(target, made)
    return target


def told(person: Person, wave: Float[np.ndarray, "n"], options: RenderOptions, smoothed: int) -> Moment:
    """What each frame of the video is drawn from."""
    frames = listen.frame_count(len(wave), FPS)
    there = forth_and_back(len(person.eyes), frames) if options.pose == "video" else np.full(frames, _usual(person))
    mouth = options.mouth * listen.mouth(mel.log_mel(jnp.asarray(wave)), FPS, frames)
    expression = jnp.where(listen.MOUTH, mouth, jnp.asarray(person.expression)[there])
    points = landmarks(person, expression)
    limited = landmark_projection.clamp(points, jnp.asarray(person.mean), jnp.asarray(person.spread))
    normal = (np.asarray(landmark_projection.lag(limited, LAG)) - person.mean) / person.spread
    windows = avatar_frames.landmark_windows(normal.reshape(frames, -1), smoothed)
    eyes = person.eyes[there] if options.blink == "video" else np.full(frames, np.quantile(person.eyes, 0.9))
    return Moment(
        jnp.asarray(windows),
        jnp.asarray(eyes, jnp.float32)[:, None],
        rotation.matrix(jnp.asarray(person.angles[there])),
        jnp.asarray(person.translation[there]),
    )


def landmarks(person: Person, expression: Float[Array, "t e"]) -> Float[Array, "t 68 3"]:
    """The person's 68 points before the pose, in metres."""
    model = builtin.model()
    at = model.landmarks
    neutral = model.template[at] + jnp.einsum("i,ivc->vc", jnp.asarray(person.identity), model.identity[:, at])
    return neutral[None] + jnp.einsum("te,evc->tvc", expression, model.expression[:, at])


def drawer(avatar: avatar_field.Avatar, variables: dict, background: Float[Array, "s s 3"]):
    """draw(moment) -> the frame, 8 bits."""
    params = variables["params"]
    space: volume.Box = avatar.space(variables["batch_stats"]["occupancy"])

    @jax.jit
    def draw(moment):
        drawn = avatar.picture(params, space, moment, avatar_field.codes(params, 0), background)
        colour = drawn.colour.reshape(avatar.size, avatar.size, 3).clip(0, 1)
        return (255 * colour + 0.5).astype(jnp.uint8)

    return draw


def forth_and_back(known: int, frames: int) -> np.ndarray:
    """Frames of a clip of `known` frames, played forwards and backwards without a jump."""
    period = max(2 * known - 2, 1)
    place = np.arange(frames) % period
    return np.where(place < known, place, period - place)


def _usual(person: Person) -> int:
    """The frame whose pose is nearest to the mean one."""
    away = np.linalg.norm(person.angles - person.angles.mean(0), axis=-1)
    return int((away + np.linalg.norm(person.translation - person.translation.mean(0), axis=-1)).argmin())


def _background(path: Path, size: int) -> np.ndarray:
    """The middle square of a picture."""
    picture = Image.fromarray(image.load(path))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return np.asarray(picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS))
