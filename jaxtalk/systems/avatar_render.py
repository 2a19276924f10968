"""`jaxtalk avatar render`: an avatar says what a recording says.

speech, person --avatar_moments--> what each frame is drawn from --field--> frames --> mp4, mov; or, with opacity,
                                                                                      mov, webm, pictures
"""

import json
import math
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Array, Float, UInt8
from PIL import Image

from jaxtalk.audio import load as audio
from jaxtalk.errors import InputError
from jaxtalk.face.camera import Pinhole
from jaxtalk.io import alpha_video, image, output, provenance, video, weights
from jaxtalk.render import volume
from jaxtalk.systems import avatar_field, avatar_moments, avatar_speech, avatar_store, listen
from jaxtalk.systems.avatar_moments import FPS
from jaxtalk.systems.avatar_options import RenderOptions

TRANSPARENT = Path("transparent")
FAINT = 1e-3  # opacity below which a pixel has no colour of its own


def run(options: RenderOptions) -> Path:
    """Writes the video.

    Raises:
        InputError: an option, the avatar, the sound, the background or the output is wrong; nothing is written then.
    """
    for name, least, most in (("mouth", 0, 4), ("smooth", 0, 1), ("size", 32, 2048), ("temperature", 0, 2)):
        value = getattr(options, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"--{name} {value}: must be {least} to {most}")
    clear = options.background == TRANSPARENT
    target = alpha_video.check(options.output) if clear else output.check(options.output, video.Writer.suffixes)
    spoken = avatar_speech.files(options)
    avatar, variables, person = avatar_store.load(options.person)
    networks = avatar_speech.networks(spoken)
    avatar = enlarged(avatar, options.size or avatar.size)
    wave = audio.load(options.speech)
    behind = None if clear else _background(options.background, person.background, avatar.size)
    moments = avatar_moments.told(person, wave, options, avatar.network.config.condition.smoothed, networks)
    names = listen.NETWORKS[: 2 if options.pose == "generated" and not networks.mover else 1]
    files = {name: weights.shipped(name) for name in names} | {"avatar": options.person / avatar_store.FIELD}
    made = provenance.record(options, files | spoken)
    draw = drawer(avatar, variables, None if behind is None else jnp.asarray(behind, jnp.float32) / 255)
    with _writer(target, avatar.size, options, made) as file:
        for frame in tqdm.trange(len(moments.eyes), desc="drawing", unit="frame", disable=None):
            file.write(np.asarray(draw(jax.tree.map(lambda x: x[frame], moments))))  # noqa: B023
    if target.is_file():
        provenance.sidecar(target, made)
    else:
        with output.atomic(target / "provenance.json") as to:
            to.write_text(json.dumps(made, indent=1))
    return target


def _writer(target: Path, size: int, options: RenderOptions, made: provenance.Record):
    tags = {"comment": provenance.comment(made)}
    if not target.suffix:
        return alpha_video.Folder(target, tags)
    kind = alpha_video.Writer if options.background == TRANSPARENT else video.Writer
    return kind(target, size, size, FPS, audio=options.speech, metadata=tags)


def enlarged(avatar: avatar_field.Avatar, size: int) -> avatar_field.Avatar:
    """The same, seen in more or fewer pixels."""
    scale = size / avatar.size
    camera = Pinhole(avatar.camera.focal * scale, avatar.camera.centre * scale, avatar.camera.distance)
    return avatar._replace(camera=camera, size=size)


def drawer(avatar: avatar_field.Avatar, variables: dict, background: Float[Array, "s s 3"] | None):
    """draw(moment) -> the frame, 8 bits; without a background a fourth channel is the opacity of head and torso."""
    params = variables["params"]
    space: volume.Box = avatar.space(variables["batch_stats"]["occupancy"])
    behind = jnp.zeros((avatar.size, avatar.size, 3)) if background is None else background

    @jax.jit
    def draw(moment) -> UInt8[Array, "s s c"]:
        drawn = avatar.picture(params, space, moment, avatar_field.codes(params, 0), behind)
        seen = drawn.colour
        if background is None:
            opacity = (drawn.head + (1 - drawn.head) * drawn.torso)[:, None]
            seen = jnp.concatenate([jnp.where(opacity < FAINT, 0, seen / jnp.maximum(opacity, FAINT)), opacity], -1)
        return (255 * seen.reshape(avatar.size, avatar.size, -1).clip(0, 1) + 0.5).astype(jnp.uint8)

    return draw


def _background(
    chosen: Path | None, own: UInt8[np.ndarray, "h h 3"], size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """The person's own, one colour, or the middle square of a picture."""
    if chosen is not None and str(chosen).startswith("#"):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", str(chosen)):
            raise InputError(f"--background {chosen}: a colour is # and six digits, such as #00b140")
        return np.broadcast_to(np.frombuffer(bytes.fromhex(str(chosen)[1:]), np.uint8), (size, size, 3))
    picture = Image.fromarray(own if chosen is None else image.load(chosen))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return np.asarray(square if side == size else square.resize((size, size), Image.Resampling.LANCZOS))
