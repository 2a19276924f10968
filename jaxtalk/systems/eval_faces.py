"""Figures of faces in two videos: landmarks, expression, pose, identity, lips, blinks."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxtalk.audio import onsets
from jaxtalk.face import align, builtin, fit
from jaxtalk.face.landmarks import eye_aspect_ratio, lip_opening
from jaxtalk.metrics import (
    blinks,
    expression_distance,
    fid,
    head_motion,
    identity,
    jitter,
    landmark_distance,
    lip_correlation,
    lip_dtw,
    lpips,
)
from jaxtalk.models import face_features
from jaxtalk.systems import eval_networks
from jaxtalk.systems.eval_result import Evaluation, frame_mean
from jaxtalk.systems.eval_watch import Batch, Side

_SHUT, _OPEN = 0.6, 0.75  # of a face's usual eye aspect ratio: blinks
_WARP = 0.4  # seconds by which lips may be warped in time
_LEAST = 3  # frames with a face from which a clip has figures of motion


class Faces:
    """Collects what a clip's faces are like; lost faces leave gaps that no figure counts."""

    def __init__(self, wanted: set[str], networks: eval_networks.Networks):
        ours = wanted & {"face_csim", "face_lpips", "face_fid"}
        self._ours = eval_networks.face_features_of(networks) if ours else None
        self._published = eval_networks.arcface_of(networks) if "csim" in wanted else None
        self._points: list[list[np.ndarray]] = [[], []]  # of both sides, in what is compared
        self._landmarks: list[list[np.ndarray]] = [[], []]  # in the videos
        self._series: dict[str, list[np.ndarray]] = {}
        self._moments = [fid.Moments.of(np.zeros((0, 1)))] * 2

    def see(self, batch: Batch) -> None:
        sides = [batch.result] if batch.truth is None else [batch.result, batch.truth]
        for i, side in enumerate(sides):
            self._points[i].append(side.points[: batch.count])
            self._landmarks[i].append(side.landmarks[: batch.count])
        if self._ours:
            features = [self._ours(_crops(side, face_features.SIZE)) for side in sides]
            self._note("face_csim", batch, identity.csim(*(f.embedding for f in features)))
            self._note("face_lpips", batch, lpips.lpips(*(f.maps for f in features)))
            for i, (side, f) in enumerate(zip(sides, features, strict=True)):
                seen = _found(side.points)[: batch.count]
                pooled = np.asarray(face_features.pooled(f.maps))[: batch.count][seen]
                self._moments[i] = _merged(self._moments[i], fid.Moments.of(pooled))
        if self._published:
            self._note("csim", batch, identity.csim(*(self._published(_crops(side, align.SIZE)) for side in sides)))

    def _note(self, name: str, batch: Batch, values) -> None:
        """Values of a batch's frames, unknown where one of the faces is lost."""
        both = _found(batch.result.points) & _found(batch.truth.points)
        self._series.setdefault(name, []).append(np.where(both, np.asarray(values), np.nan)[: batch.count])

    def landmarks(self) -> Float[np.ndarray, "t 68 2"]:
        """Of the result so far, in pixels of its video; not numbers where no face was found."""
        return np.concatenate(self._landmarks[0])

    def finish(self, into: Evaluation, wave: Float[np.ndarray, "n"] | None) -> None:
        ours = np.concatenate(self._landmarks[0])
        found = _found(ours)
        if lost := int((~found).sum()):
            into.notes.append(f"no face found in {lost} of {len(ours)} frames")
        into.series |= {name: np.concatenate(values) for name, values in self._series.items()}
        if min(moments.count for moments in self._moments) > 0:
            into.moments["face_fid"] = tuple(self._moments)
            into.values["face_fid"] = fid.Frechet(*self._moments).value()
        if found.sum() < _LEAST:
            into.notes.append(f"no figures of motion: a face in fewer than {_LEAST} frames")
        else:
            fitted = _fitted(ours)
            into.values |= _alone(ours, found, fitted, into.fps, wave)
            if self._landmarks[1]:
                self._compare(into, ours, fitted)
        into.values |= {name: frame_mean(values) for name, values in into.series.items() if name not in into.values}

    def _compare(self, into: Evaluation, ours, fitted) -> None:
        theirs = np.concatenate(self._landmarks[1])
        both = _found(ours) & _found(theirs)
        if lost := int((~_found(theirs)).sum()):
            into.notes.append(f"no face found in {lost} frames of the truth")
        if both.sum() < _LEAST:
            return
        points, true_fit = [np.concatenate(side) for side in self._points], _fitted(theirs)
        frames = {
            "lmd": landmark_distance.landmark_distance(*points, "face"),
            "lmd_mouth": landmark_distance.landmark_distance(*points, "mouth"),
            "aed": expression_distance.expression_distance(fitted.expression, true_fit.expression),
            "apd": expression_distance.pose_distance(fitted.angles, true_fit.angles),
        }
        into.series |= {name: np.where(both, np.asarray(values), np.nan) for name, values in frames.items()}
        lips = [lip_opening(jnp.asarray(side[both])) for side in (ours, theirs)]
        into.values["lip_correlation"] = float(lip_correlation.correlation(*lips))
        into.values["lip_dtw"] = _warped(*lips, band=math.ceil(_WARP * into.fps))


def _merged(all_before: fid.Moments, batch: fid.Moments) -> fid.Moments:
    return batch if all_before.count == 0 else all_before.merge(batch)


def _found(points) -> Bool[np.ndarray, "t"]:
    return np.isfinite(points).all((1, 2))


def _crops(side: Side, size: int) -> np.ndarray:
    """Aligned faces; black where there is none."""
    black = np.zeros((size, size, 3), np.uint8)
    shown = zip(side.frames, side.points, _found(side.points), strict=True)
    return np.stack([align.aligned(frame, points, size) if found else black for frame, points, found in shown])


def _alone(points, found: Bool[np.ndarray, "t"], fitted: fit.Fit, fps: float, wave) -> dict[str, float]:
    """Figures that need no truth."""
    known, filled = jnp.asarray(found), jnp.asarray(_filled(points, found))
    eyes = eye_aspect_ratio(filled)
    usual = float(np.median(np.asarray(eyes)[found]))
    blinked = blinks.blinks(eyes, fps, known, close=_SHUT * usual, reopen=_OPEN * usual)
    corners = np.linalg.norm(points[found, 45] - points[found, 36], axis=-1)
    trembling = np.asarray(jitter.acceleration(filled / float(np.median(corners)), fps))
    inside = found[2:] & found[1:-1] & found[:-2]
    values = {
        "blink_rate": float(blinked.rate().value()),
        "blink_seconds": float(blinked.duration().value()) if float(blinked.whole) else math.nan,
        "head_turning": float(head_motion.diversity(fitted.angles, known)),
        "jitter": frame_mean(np.where(inside, trembling, np.nan)),
    }
    if wave is not None:
        beats = head_motion.motion_beats(fitted.angles, fps, known)
        values["beat_alignment"] = float(head_motion.beat_alignment(onsets.times(jnp.asarray(wave)), beats))
    return values


def _fitted(points) -> fit.Fit:
    confidence = np.repeat(_found(points)[:, None], 68, axis=1).astype(np.float32)
    return fit.fit_sequence(builtin.model(), jnp.asarray(np.nan_to_num(points)), confidence=jnp.asarray(confidence))


def _filled(points, found):
    """Where the face is lost, where it last was (or first will be)."""
    last = np.maximum.accumulate(np.where(found, np.arange(len(found)), -1))
    return points[np.where(last < 0, found.argmax(), last)]


def _warped(ours, theirs, band: int) -> float:
    """Dynamic time warping of openings, padded so that few lengths are compiled."""
    length = max(64, 1 << (len(ours) - 1).bit_length())
    padded = [jnp.pad(lips, (0, length - len(lips)))[:, None] for lips in (ours, theirs)]
    counts = jnp.array(len(ours)), jnp.array(len(theirs))
    return float(lip_dtw.lip_dtw(*padded, counts, band=band))
