"""What a network of meshes gives for speech of any length, piece after piece, in memory that does not grow.

FaceFormer and CodeTalker go on from piece to piece and see `PAST` frames; VOCA hears a window around each frame. Rows
of an ear are cut as they are. Waves (published networks) are heard `WAVE` seconds at a time, and a second around them,
since wav2vec 2.0 sees all that it is given: to shorter speech that changes nothing.

CodeTalker, by `window`: 0, exact as published, all at once; else frames that are decoded together to feed one back. Up
to `WHOLE` frames are decoded once more together at the end, of longer speech each with those around it.
"""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32

from jaxtalk.models import codetalker, faceformer
from jaxtalk.models.motion_decoder import Speech
from jaxtalk.systems import listen, mesh_networks
from jaxtalk.systems.long_speech import Heard
from jaxtalk.systems.mesh_networks import MeshNetwork

PAST = 600  # frames: as many as the published networks can see
PIECE = 250  # frames at once
WHOLE = 1500  # frames that attention over time takes at once without much room
WAVE, AROUND = 20.0, 1.0  # seconds


def rows(network: MeshNetwork, heard: Heard) -> Float32[np.ndarray, "n f"]:
    """What the network's ear gives for all frames of the speech."""
    return mesh_networks.rows(network, heard.spectrum, listen.frame_count(heard.samples, network.fps))


def numbers(
    network: MeshNetwork, sound: Float[np.ndarray, "n *f"], style: Float[np.ndarray, "s"], window: int
) -> Iterator[Float32[np.ndarray, "n c"]]:
    """Pieces of what `mesh_networks.animate` gives for all; `sound` as `rows` or `mesh_networks.listen` gives it."""
    if network.kind == "voca":
        yield from _voca(network, sound, style)
    elif network.kind == "faceformer":
        yield from _faceformer(network, sound, style)
    elif window and _frames(network, sound) > WHOLE:
        yield from _codetalker(network, sound, style, window)
    else:
        yield mesh_networks.animate(network, sound, style, window or None)


def _voca(network, sound, style):
    around = network.model.config.window
    for first in range(0, len(sound), PIECE):
        before = min(around, first)
        part = sound[first - before : first + PIECE + around]
        yield mesh_networks.animate(network, part, style)[before : before + PIECE]


def _faceformer(network, sound, style):
    model, variables = network.model, network.variables
    past = min(PAST, _frames(network, sound))
    progress = model.apply(variables, 1, past, method="start")
    for speech in _speech(network, sound):
        progress, motion = _go_on(model, variables, progress, speech, jnp.asarray(style)[None])
        yield np.asarray(motion[0])


def _codetalker(network, sound, style, window: int):
    prior, prior_variables = network.prior
    variables = codetalker.Variables(network.variables, prior_variables)
    delay, waiting = window // 2, window // 2
    state = codetalker.start(network.model, prior, variables, 1, window, PAST)
    for speech in _speech(network, sound):
        state, motion = _advance(network.model, prior, variables, state, speech, jnp.asarray(style)[None], delay)
        motion = np.asarray(motion[0])
        skipped = min(waiting, len(motion))  # of before the first frame
        waiting -= skipped
        yield motion[skipped:]
    yield np.asarray(codetalker.rest(prior, variables, state, delay)[0])


@functools.partial(jax.jit, static_argnums=0)
def _go_on(model, variables, progress, speech, style):
    return faceformer.advance(model, variables, progress, speech, style)


@functools.partial(jax.jit, static_argnums=(0, 1, 6))
def _advance(model, prior, variables, state, speech, style, delay):
    state, (motion, _, _) = codetalker.advance(model, prior, variables, state, speech, style, delay)
    return state, motion


def _frames(network: MeshNetwork, sound) -> int:
    if network.ear is None:
        return listen.frame_count(len(sound), network.fps)
    return len(sound) // network.decoder.moments


def _speech(network: MeshNetwork, sound) -> Iterator[Speech]:
    """What the decoder takes of speech, piece by piece."""
    if network.ear is not None:
        size = PIECE * network.decoder.moments
        for first in range(0, len(sound), size):
            yield _heard(network.model, network.variables, jnp.asarray(sound[first : first + size])[None], None)
        return
    frames, fps = _frames(network, sound), network.fps
    if frames <= WAVE * fps:
        yield _heard(network.model, network.variables, jnp.asarray(sound)[None], None)
        return
    step, around = round(WAVE * fps), round(AROUND * fps)
    for first in range(0, frames, step):
        start, stop = max(0, first - around), min(frames, first + step + around)
        wave = jnp.asarray(sound[round(start / fps * listen.RATE) : round(stop / fps * listen.RATE)])
        speech = _heard(network.model, network.variables, wave[None], stop - start)
        inside = slice(first - start, min(first + step, frames) - start)
        yield Speech(jax.tree.map(lambda x: x[inside], speech.layers))  # noqa: B023


@functools.partial(jax.jit, static_argnums=(0, 3))
def _heard(model, variables, sound, frames):
    return model.apply(variables, sound, frames, method="listen")
