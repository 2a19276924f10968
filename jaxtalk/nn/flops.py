"""How many floating-point operations the layers of a network take, counted on paper: two for each product added up.

Convolutions and dense layers count, found while the network is traced for shapes; taps that meet padding are none, and
of an enlarged picture's taps those that fall on one pixel are one (`nn/upsample.py`). Left out are norms, activations
and resampling. A gradient takes two products for each of the network's own: one for what came in, one for the kernel.
"""

import dataclasses
import math
from collections.abc import Callable

import flax.linen as nn
import jax
from jaxtyping import Array

from jaxtalk.nn import conv
from jaxtalk.nn.spectral_norm import SpectralConv
from jaxtalk.nn.upsample import EnlargedConv

_LAYERS = (nn.Dense, conv.Conv, SpectralConv, EnlargedConv)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flops:
    """Of a network that is given pictures or sounds, which need no gradient."""

    first: int  # of its first layer
    forward: int  # of all layers

    @property
    def train(self) -> int:
        """Forward and backward, nothing computed twice."""
        return 3 * self.forward - self.first

    @property
    def through(self) -> int:
        """Forward, and backward to what it was given: a network that judges another one."""
        return 2 * self.forward


def count(run: Callable, *inputs: Array | jax.ShapeDtypeStruct) -> Flops:
    """Of the layers that `run(*inputs)` calls, each as often as it does; what `run` is must not have been jitted."""
    found: list[int] = []

    def listen(call, args, kwargs, context):
        y = call(*args, **kwargs)
        if isinstance(context.module, _LAYERS) and context.method_name == "__call__":
            found.append(2 * _products(context.module, args[0], y))
        return y

    with nn.intercept_methods(listen):
        jax.eval_shape(run, *inputs)
    return Flops(first=found[0] if found else 0, forward=sum(found))


def _products(layer: nn.Module, x: Array, y: Array) -> int:
    """Of one layer for all examples."""
    match layer:
        case conv.Conv():
            places = zip(x.shape[1:-1], y.shape[1:-1], layer.window, *_extents(layer), strict=True)
            pairs = math.prod(_pairs(*axis, layer.dilation) for axis in places)
            return x.shape[0] * pairs * x.shape[-1] // layer.groups * y.shape[-1]
        case SpectralConv():
            return y.size * math.prod(layer.window) * x.shape[-1]
        case EnlargedConv():
            depth = [3 * size - 2 for size in x.shape[1:-3]]
            taps = {1: 3, 2: 4}.get(layer.factor, 5)  # of all kinds of pixels that a pixel becomes, along one axis
            pairs = math.prod([*depth, *(taps * size - 2 for size in x.shape[-3:-1])])
            return x.shape[0] * pairs * x.shape[-1] * y.shape[-1]
    return y.size * x.shape[-1]


def _extents(layer: conv.Conv) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Its stride and padding along each axis."""
    axes = len(layer.window)
    return tuple((e,) * axes if isinstance(e, int) else tuple(e) for e in (layer.stride, layer.padding))


def _pairs(inputs: int, outputs: int, window: int, stride: int, padding: int, dilation: int) -> int:
    """How many outputs and taps along one axis meet an input."""
    starts = (tap * dilation - padding for tap in range(window))
    return sum(_inside(start, stride, outputs, inputs) for start in starts)


def _inside(start: int, stride: int, outputs: int, inputs: int) -> int:
    """How many of start, start + stride, ... (`outputs` of them) lie from 0 to inputs - 1."""
    below = min(outputs, max(0, -(start // stride)))  # negative ones
    up_to_end = min(outputs, max(0, (inputs - 1 - start) // stride + 1))
    return max(0, up_to_end - below)
