"""Figures of frames as pictures: how far from the truth's, how sharp, how natural, how steady."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.metrics import cpbd, fid, ms_ssim, niqe, psnr, ssim
from jaxtalk.systems import eval_networks
from jaxtalk.systems.eval_flicker import Flicker
from jaxtalk.systems.eval_result import Evaluation, frame_mean
from jaxtalk.systems.eval_watch import Batch

_PAIRS = {"psnr": jax.jit(psnr.psnr), "ssim": jax.jit(ssim.ssim), "ms_ssim": jax.jit(ms_ssim.ms_ssim)}
_CPBD, _NIQE_OF = jax.jit(cpbd.cpbd), jax.jit(niqe.niqe)
_LPIPS = {"lpips": "lpips_alex", "lpips_vgg": "lpips_vgg"}  # figure and network
_NIQE = {"niqe": "niqe", "niqe_ours": "niqe_ours"}


class Pictures:
    """Collects figures frame by frame; frames that do not show what is compared have none."""

    def __init__(self, wanted: set[str], networks: eval_networks.Networks):
        self._pairs: dict[str, Callable] = {name: measure for name, measure in _PAIRS.items() if name in wanted}
        for name in wanted & _LPIPS.keys():
            self._pairs[name] = eval_networks.lpips_of(networks, _LPIPS[name])
        self._alone: dict[str, Callable] = {"cpbd": _CPBD} if "cpbd" in wanted else {}
        for name in wanted & _NIQE.keys():
            pristine = niqe.Pristine(**networks.weights[_NIQE[name]].variables)
            self._alone[name] = functools.partial(_NIQE_OF, pristine=pristine)
        self._features = eval_networks.inception_of(networks) if "fid" in wanted else None
        self._flicker = Flicker() if "flicker" in wanted else None
        self._moments: list[fid.Moments | None] = [None, None]
        self._series: dict[str, list[np.ndarray]] = {}
        self._refused: dict[str, str] = {}

    def see(self, batch: Batch) -> None:
        ours = _floats(batch.result.frames)
        for name, measure in self._alone.items():
            self._note(name, batch.result.known, batch.count, measure, ours)
        if self._flicker:
            for frame in batch.result.frames[: batch.count]:
                self._flicker.see(frame)
        if batch.truth is None:
            return
        theirs, known = _floats(batch.truth.frames), batch.result.known & batch.truth.known
        for name, measure in self._pairs.items():
            self._note(name, known, batch.count, measure, ours, theirs)
        if self._features:
            seen = np.flatnonzero(known[: batch.count])
            for i, frames in enumerate((ours, theirs)):
                moments = fid.Moments.of(np.asarray(self._features(frames))[seen])
                self._moments[i] = moments if self._moments[i] is None else self._moments[i].merge(moments)

    def _note(self, name: str, known, count: int, measure: Callable, *pictures: Float[Array, "b h w 3"]) -> None:
        try:
            values = np.asarray(measure(*pictures), np.float32)
        except ValueError as error:  # pictures too small for a window, of which all frames are
            self._refused[name] = str(error)
            return
        self._series.setdefault(name, []).append(np.where(known, values, np.nan)[:count])

    def finish(self, into: Evaluation, wave: Float[np.ndarray, "n"] | None) -> None:
        own = {name: np.concatenate(values) for name, values in self._series.items()}
        if self._flicker:
            own["flicker"] = self._flicker.series()
        into.series |= own
        into.values |= {name: frame_mean(values) for name, values in own.items()}
        into.notes += [f"{name}: {reason}" for name, reason in self._refused.items()]
        if None not in self._moments:
            into.moments["fid"] = tuple(self._moments)
            into.values["fid"] = fid.Frechet(*self._moments).value()


def _floats(frames) -> Float[Array, "b h w 3"]:
    return jnp.asarray(frames, jnp.float32) / 255.0
