"""Figures of sound and lips together, over the whole clip: by our network on landmarks, by published ones on crops."""

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import mel, speech_mfcc
from jaxtalk.face import mouth_crops
from jaxtalk.io import video, weights
from jaxtalk.metrics import lip_sync as metric
from jaxtalk.models import syncnet, wav2lip_syncnet
from jaxtalk.systems import eval_networks, lip_sync
from jaxtalk.systems.eval_result import Evaluation

RATE = mel.RATE
FPS = 25.0  # frames a second that all these networks see
_BATCH = 16  # windows embedded at once
_LEAST = 2 * metric.REACH  # frames at 25 a second: of fewer, a shift leaves too little


def ours(landmarks: Float[np.ndarray, "t 68 2"], fps: float, wave: Float[np.ndarray, "n"]) -> metric.LipSync | None:
    """LipSyncNet's distance, confidence and offset; None of clips that are too short or show too little of a face.

    Landmarks (pixels; not numbers where the face is lost) are brought to 25 frames a second by straight lines, lost
    frames too.
    """
    at_25 = _at_25(landmarks, fps, len(wave) / RATE)
    if at_25 is None:
        return None
    return metric.lip_sync(*(jnp.asarray(part) for part in lip_sync.embed(at_25, wave)))


def _at_25(landmarks, fps: float, seconds: float) -> Float[np.ndarray, "n 68 2"] | None:
    found = np.isfinite(landmarks).all((1, 2))
    frames = math.floor(min(len(landmarks) / fps, seconds) * FPS)
    if frames < _LEAST or found.mean() < 0.5:
        return None
    return lip_sync.bridged(landmarks[found], np.flatnonzero(found) / fps, np.arange(frames) / FPS)


def published(
    networks: eval_networks.Networks,
    wanted: set[str],
    result: Path,
    landmarks: Float[np.ndarray, "t 68 2"],
    fps: float,
    wave: Float[np.ndarray, "n"],
) -> tuple[metric.LipSync | None, float | None]:
    """SyncNet's figures and the score by Wav2Lip's expert, as far as wanted. Reads the video once more."""
    at_25 = _at_25(landmarks, fps, len(wave) / RATE)
    if at_25 is None:
        return None, None
    boxes = mouth_crops.detector_box(at_25)
    windows, sync, score = len(boxes) - syncnet.FRAMES + 1, None, None
    if wanted & {"lse_d", "lse_c", "av_offset"}:
        place = mouth_crops.track(boxes)
        crops = (mouth_crops.syncnet_crop(f, at) for f, at in zip(video.frames(result, FPS), place, strict=False))
        see, hear = _towers(networks, "syncnet")
        heard = speech_mfcc.windows(speech_mfcc.mfcc(jnp.asarray(wave)), windows)
        sync = metric.lip_sync(*_matched(_over_windows(crops, see), _in_batches(hear, heard)))
    if "sync_score" in wanted:
        crops = (mouth_crops.wav2lip_crop(f, box) for f, box in zip(video.frames(result, FPS), boxes, strict=False))
        see, hear = _towers(networks, "wav2lip_syncnet")
        heard = mel.windows(mel.log_mel(jnp.asarray(wave)), FPS, windows, first=2)
        score = float(metric.sync_score(*_matched(_over_windows(crops, see), _in_batches(hear, heard))))
    return sync, score


@functools.cache
def _towers(networks: eval_networks.Networks, name: str) -> tuple[Callable, Callable]:
    """What embeds faces and what embeds sound; built once for all clips."""
    kinds = {"syncnet": (syncnet.SyncNet, syncnet.Config)}
    kinds |= {"wav2lip_syncnet": (wav2lip_syncnet.SyncExpert, wav2lip_syncnet.Config)}
    (module, config), stored = kinds[name], networks.weights[name]
    apply = jax.jit(module(weights.config(config, stored)).apply, static_argnames="method")
    return tuple(functools.partial(apply, stored.variables, method=method) for method in ("see", "hear"))


def _over_windows(crops: Iterator[np.ndarray], see: Callable) -> Float[np.ndarray, "n d"]:
    """Embeddings of all windows of five crops; only as many crops as a batch needs are held."""
    held, parts = [], []
    for crop in crops:
        held.append(crop)
        if len(held) == _BATCH + syncnet.FRAMES - 1:
            parts.append(_seen(see, held))
            held = held[_BATCH:]
    if len(held) >= syncnet.FRAMES:
        count = len(held) - syncnet.FRAMES + 1
        parts.append(_seen(see, held + held[-1:] * (_BATCH - count))[:count])
    return np.concatenate(parts)


def _seen(see, crops: list[np.ndarray]) -> np.ndarray:
    return np.asarray(see(jnp.asarray(mouth_crops.windows(np.stack(crops)), jnp.float32)))


def _in_batches(hear: Callable, windows: Float[Array, "n *w"]) -> Float[np.ndarray, "n d"]:
    missing = -len(windows) % _BATCH
    padded = np.concatenate([windows, np.repeat(windows[-1:], missing, axis=0)])
    return np.concatenate([np.asarray(hear(part)) for part in padded.reshape(-1, _BATCH, *windows.shape[1:])])[
        : len(windows)
    ]


def _matched(face: np.ndarray, sound: np.ndarray) -> tuple[Array, Array]:
    """Both to the end of the shorter."""
    count = min(len(face), len(sound))
    return jnp.asarray(face[:count]), jnp.asarray(sound[:count])


def add(into: Evaluation, sync: metric.LipSync | None, names: tuple[str, str, str]) -> None:
    """The clip's distance, confidence and offset (in frames of 25 a second) under these names."""
    if sync is None:
        into.notes.append(f"{names[0]}: the clip is too short, or its face is lost too often")
        return
    values = zip(names, (sync.distance, sync.confidence, sync.offset), strict=True)
    into.values |= {name: float(value) for name, value in values}
