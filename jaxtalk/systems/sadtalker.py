"""SadTalker's own way from a portrait and speech to coefficients (CVPR 2023), with its published networks.

    picture --crop, Deep3DFaceRecon--> row: expression [64], angles [3], translation [3], the crop's scale and place [3]
    speech, row --ExpNet, PoseVAE--> Motion of 64 coefficients --> rows, which MappingNet takes

Motion is relative to the portrait in its pose, as everywhere; its expression is that of the Basel Face Model, whole,
since ExpNet is told the portrait's own. Whatever is heard is heard at 25 frames a second and then brought to others.
"""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.audio import mel
from jaxtalk.errors import InputError
from jaxtalk.face import recon_crop, recon_geometry
from jaxtalk.face.motion import Motion, resample
from jaxtalk.io import video
from jaxtalk.models import audio2pose
from jaxtalk.systems import analyse, heard, moves
from jaxtalk.systems.talk_options import TalkOptions
from jaxtalk.systems.vid2vid_networks import Network, Networks

FPS = 25.0
EXPRESSION = 64
POSE = slice(64, 70)  # of a row: angles in radians, translation in decimetres
NAMES = tuple(f"bfm_{k}" for k in range(EXPRESSION))
STEP = 64  # frames that ExpNet hears in one call
_CROPS = 8  # pictures that Deep3DFaceRecon sees in one call


def hear(options: TalkOptions, wave: Float[np.ndarray, "n"], networks: Networks, row: Float[np.ndarray, "c"]) -> Motion:
    """Heard by SadTalker's networks for the portrait of `row`; key angles are left to the renderer."""

    def watched(path: Path | None) -> Float[np.ndarray, "t 73"] | None:
        if path is None:
            return None
        find = analyse.finder(options)
        frames = ((frame, next(iter(find(frame)), None)) for frame in video.frames(path, fps=FPS))
        return rows_of_video(networks.face_recon, path, frames)

    eyes = watched(options.ref_eyeblink)
    pose = eyes if options.ref_pose == options.ref_eyeblink else watched(options.ref_pose)
    given = {"blink": heard.blink(options, wave), "style": options.style, "seed": options.seed, "eyes": eyes}
    moved = motion(networks, row, wave, options.fps, **given)
    return adjusted(moved, options.expression_scale, heard.pose_scale(options), pose)


def rows_of(
    recon: Network, pictures: Iterable[tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "68 2"]]]
) -> Float[np.ndarray, "t 73"]:
    """What Deep3DFaceRecon sees in pictures with their landmarks (pixels)."""
    rows, crops, places = [], [], []
    for picture, landmarks in pictures:
        alignment = recon_crop.align(jnp.asarray(landmarks, jnp.float32))
        crops.append(recon_crop.crop(picture, alignment)[0])
        places.append(np.asarray(recon_crop.published(alignment, picture.shape[0])))
        if len(crops) == _CROPS:
            rows.append(_rows_of_crops(recon, crops, places))
            crops, places = [], []
    if crops:
        rows.append(_rows_of_crops(recon, crops, places))
    return np.concatenate(rows)


def _rows_of_crops(recon: Network, crops: list, places: list) -> Float[np.ndarray, "n 73"]:
    padded = np.stack(crops + crops[-1:] * (_CROPS - len(crops)) if len(crops) > 1 else crops)
    seen = _recon(recon.module, recon.variables, padded)
    return np.concatenate([np.asarray(seen)[: len(crops)], np.stack(places)], 1)


@functools.partial(jax.jit, static_argnums=0)
def _recon(module, variables, crops: UInt8[Array, "n 224 224 3"]) -> Float[Array, "n 70"]:
    seen, _ = module.apply(variables, crops.astype(jnp.float32) / 255)
    return jnp.concatenate([seen.expression, seen.angles, seen.translation], -1)


def rows_of_video(
    recon: Network, path: Path, frames: Iterable[tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "68 2"] | None]]
) -> Float[np.ndarray, "t 73"]:
    """The same for a video, frame by frame; a frame without a face repeats the last one that had one.

    Raises:
        InputError: no frame has a face.
    """
    seen: list[bool] = []

    def visible():
        for picture, landmarks in frames:
            seen.append(landmarks is not None)
            if landmarks is not None:
                yield picture, landmarks

    watched = iter(visible())
    first = next(watched, None)
    if first is None:
        raise InputError(f"{path}: no face found in any frame; use another video")
    rows = rows_of(recon, _chained(first, watched))
    return rows[np.maximum(np.cumsum(seen) - 1, 0)]


def _chained(first, others):
    yield first
    yield from others


def motion(
    networks: Networks,
    row: Float[np.ndarray, "c"],
    wave: Float[np.ndarray, "n"],
    fps: float,
    *,
    blink: Float[np.ndarray, "t"],
    style: int,
    seed: int,
    eyes: Float[np.ndarray, "m 73"] | None = None,
) -> Motion:
    """What the portrait of `row` does while it says `wave` (mono, 16 kHz), a frame for each of `blink`.

    `eyes` are rows of a video whose blinks are borrowed: its expression stands in for the portrait's, and `blink` is
    not asked; the video is played forwards and backwards to the end.
    """
    frames = len(blink)
    count = max(2, int(np.ceil(frames * FPS / fps)))
    place = np.minimum(np.arange(count) * fps / FPS, frames - 1)
    closed = np.interp(place, np.arange(frames), blink).astype(np.float32)
    told = np.broadcast_to(row[:EXPRESSION], (count, EXPRESSION))
    if eyes is not None:
        closed, told = np.zeros_like(closed), eyes[moves.there_and_back(count, len(eyes)), :EXPRESSION]
    spectrum = mel.log_mel(jnp.asarray(wave))
    expression = _expression(networks.audio2exp, spectrum, told, closed)
    pose = _pose(networks.audio2pose, spectrum, row[POSE], style, seed, count) - row[None, POSE]
    heard = _motion(expression, pose)
    whole = heard if fps == FPS else resample(heard, fps)
    place = np.minimum(np.arange(frames), len(whole) - 1)
    tracks = {name: np.asarray(getattr(whole, name))[place] for name in ("expression", "rotation", "translation")}
    return dataclasses.replace(whole, **{name: jnp.asarray(track) for name, track in tracks.items()})


def _motion(expression: Float[np.ndarray, "t 64"], pose: Float[np.ndarray, "t 6"]) -> Motion:
    """Of 25 frames a second, for a pose relative to the portrait's."""
    translation = np.float32(recon_geometry.UNIT) * pose[:, 3:]
    return Motion(jnp.asarray(expression), jnp.asarray(pose[:, :3]), jnp.asarray(translation), FPS, NAMES)


def _expression(network: Network, spectrum, told, closed) -> Float[np.ndarray, "t 64"]:
    parts = []
    for first in range(0, len(closed), STEP):
        place = np.minimum(np.arange(first, first + STEP), len(closed) - 1)
        sound = mel.windows(spectrum, FPS, STEP, first)
        parts.append(np.asarray(_said(network.module, network.variables, sound, told[place], closed[place])))
    return np.concatenate(parts)[: len(closed)]


@functools.partial(jax.jit, static_argnums=0)
def _said(module, variables, sound, told, closed):
    return module.apply(variables, sound, told, closed)[0]


def _pose(network: Network, spectrum, reference, style: int, seed: int, count: int) -> Float[np.ndarray, "t 6"]:
    windows, chosen = mel.windows(spectrum, FPS, count)[None], np.full(1, style)
    return np.asarray(_posed(network.module, network.variables, reference[None], chosen, windows, jax.random.key(seed)))


@functools.partial(jax.jit, static_argnums=0)
def _posed(module, variables, reference, style, windows, key):
    chunks = audio2pose.chunks(windows.shape[1], module.config.sequence)
    z = jax.random.normal(key, (1, chunks, module.config.latent))
    return audio2pose.smooth(audio2pose.generate(module, variables, reference, style, windows, z)[0])


def adjusted(heard: Motion, expression: float, pose: float, reference: Float[np.ndarray, "n 73"] | None) -> Motion:
    """What the user asks on top: factors, and the head motion of a video's rows, which SadTalker adds to its own.

    The video is played forwards and backwards to the end. A factor of 0 on the pose is SadTalker's still mode.
    """
    rotation, translation = np.asarray(heard.rotation), np.asarray(heard.translation)
    if reference is not None:
        whole = (reference[:, POSE] - reference[:1, POSE]).astype(np.float32)
        borrowed = resample(_motion(np.zeros((len(whole), EXPRESSION), np.float32), whole), heard.fps)
        place = moves.there_and_back(len(heard), len(borrowed))
        rotation = rotation + np.asarray(borrowed.rotation)[place]
        translation = translation + np.asarray(borrowed.translation)[place]
    return dataclasses.replace(
        heard,
        expression=jnp.asarray(np.float32(expression) * np.asarray(heard.expression)),
        rotation=jnp.asarray(np.float32(pose) * rotation),
        translation=jnp.asarray(np.float32(pose) * translation),
    )


def rows(row: Float[np.ndarray, "c"], moved: Motion) -> Float[np.ndarray, "t c"]:
    """A motion as MappingNet takes it, for the portrait of `row`: of 70 coefficients, or 73 with the crop's place."""
    translation = np.asarray(moved.translation) / np.float32(recon_geometry.UNIT)
    pose = np.concatenate([np.asarray(moved.rotation), translation], 1) + row[None, POSE]
    place = np.broadcast_to(row[None, POSE.stop :], (len(moved), len(row) - POSE.stop))
    return np.concatenate([np.asarray(moved.expression), pose, place], 1)
