"""The convolution layers of every network, channels last: [b, *space, i] with kernel [*window, i, o] -> [b, *space, o].

Padding is counted on each side, as the papers and PyTorch do. Derivatives of every order and mode are right, and
reverse mode is fast: XLA's CPU backend is quick only for convolutions whose operands lie in memory as above, but the
gradients that JAX derives name other axes batch and channel. Inside `lax.scan` they ran 40 times slower; kernel
gradients of transposed convolutions 15 times, anywhere (two cores, 32x32x64). So the tangents below are written with
transposed operands: *their* transposes, which are the gradients, are convolutions of the quick kind.

More was measured for speech encoders, on one core. Groups are convolutions of their own on the CPU, one after another:
XLA's grouped one took 1.6 times as long, and 20 times with gradients. The gradient of a long kernel over one axis is
a sum over blocks of the sequence, 10 times faster than at once. Dilated convolutions, which have no quick path on the
CPU, are matrix products of gathered columns; over one axis strided ones too on GPUs, because cuDNN may find no
algorithm for them in bfloat16 (jax issue 37922). Over three axes XLA has no quick path on the CPU either: a sum of
convolutions over two took a third of the time with windows of 3 and a twelfth with windows of 7, gradients or not.
Wide ones in single precision take half the products: `jaxtalk.nn.winograd`.
Where padding makes the output larger than the input, the kernel's gradient took 25 to 50 times as long (its window is
larger than what it slides over), so such pictures are padded first.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn import winograd

Extent = int | Sequence[int]  # one number for all axes, or one for each
_LONG = 16  # taps of a kernel from which on its gradient is taken by blocks
_BLOCK = 32  # outputs in a block
_FEW = 128  # outputs for all depths of a kernel, up to which one convolution makes them


def convolve(
    x: Float[Array, "b *space i"],
    kernel: Float[Array, "*window i_group o"],
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Float[Array, "b *space_out o"]:
    """Cross-correlation over one to three axes: y[p] = sum_j x[stride p + dilation j - padding] kernel[j].

    With `groups`, inputs and outputs fall into as many runs of channels, each convolved by its part of the kernel's
    outputs. Dilation is for one axis only.
    """
    axes = x.ndim - 2
    stride, padding = _each(stride, axes), _each(padding, axes)
    on_cpu = _platform() == "cpu"
    if dilation > 1 or (axes == 1 and max(stride) > 1 and _platform() not in ("cpu", "tpu")):
        (stride,), (padding,) = stride, padding
        return _by_columns(x, kernel, stride, padding, dilation, groups)
    if not on_cpu:  # GPUs and TPUs have kernels of their own for gradients
        return _general(x, kernel, "N*C *IO N*C", [(p, p) for p in padding], stride, groups=groups)
    if groups == 1 and axes > 1 and max(stride) == 1 and x.dtype == kernel.dtype == jnp.float32:
        outputs = [n + 2 * p - w + 1 for n, p, w in zip(x.shape[1:-1], padding, kernel.shape, strict=False)]
        if winograd.pays((len(x), *outputs), kernel.shape):
            rows = functools.partial(convolve, padding=(*padding[:-1], 0))
            return winograd.convolve_winograd(x, kernel, rows, padding[-1])
    if axes > 1 and any(2 * p >= window for window, p in zip(kernel.shape, padding, strict=False)):
        x, padding = _pad(x, padding), (0,) * axes
    if groups == 1:
        return (_by_depth if axes == 3 else _convolve)(x, kernel, stride, padding)
    parts = [jnp.moveaxis(v.reshape(*v.shape[:-1], groups, -1), -2, 0) for v in (x, kernel)]
    y = jax.lax.map(lambda part: _convolve(*part, stride, padding), tuple(parts))
    return jnp.moveaxis(y, 0, -2).reshape(*y.shape[1:-1], -1)


def convolve_transposed(
    x: Float[Array, "b *space i"],
    kernel: Float[Array, "*window i o"],
    stride: Extent = 1,
    padding: Extent = 0,
    extra: Extent = 0,
) -> Float[Array, "b *space_out o"]:
    """The transpose of a strided convolution: y[stride q + j - padding] is the sum of x[q] kernel[j].

    `extra` (PyTorch's output padding) samples are added at the end: (n - 1) stride - 2 padding + window + extra.
    """
    axes = x.ndim - 2
    return _convolve_transposed(x, kernel, _each(stride, axes), _each(padding, axes), _each(extra, axes))


class Conv(nn.Module):
    """Convolution with a bias: parameters `kernel` [*window, i / groups, o] and `bias` [o] in float32."""

    features: int
    window: Sequence[int]  # its length says over how many axes
    stride: Extent = 1
    padding: Extent = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    dtype: DTypeLike = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"]) -> Float[Array, "b *space_out o"]:
        kernel, bias = _parameters(self, x.shape[-1] // self.groups)
        y = convolve(x.astype(self.dtype), kernel, self.stride, self.padding, self.dilation, self.groups)
        return _add(y, bias)


class ConvTranspose(nn.Module):
    """Transposed convolution with a bias: parameters as those of `Conv`."""

    features: int
    window: Sequence[int]
    stride: Extent = 1
    padding: Extent = 0
    extra: Extent = 0
    bias: bool = True
    dtype: DTypeLike = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"]) -> Float[Array, "b *space_out o"]:
        kernel, bias = _parameters(self, x.shape[-1])
        return _add(convolve_transposed(x.astype(self.dtype), kernel, self.stride, self.padding, self.extra), bias)


def _parameters(layer: Conv | ConvTranspose, channels: int) -> tuple[Array, Array | None]:
    shape = (*layer.window, channels, layer.features)
    kernel = layer.param("kernel", layer.kernel_init, shape, jnp.float32)
    bias = layer.param("bias", nn.initializers.zeros, shape[-1:], jnp.float32) if layer.bias else None
    return jnp.asarray(kernel, layer.dtype), None if bias is None else jnp.asarray(bias, layer.dtype)


def _add(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + jnp.broadcast_to(bias, y.shape)


def _platform() -> str:
    """Where this will run: the ambient mesh knows, also while it is compiled for machines that are not here."""
    device = jax.sharding.get_abstract_mesh().abstract_device
    return jax.default_backend() if device is None else device.platform


def _each(extent: Extent, axes: int) -> tuple[int, ...]:
    return (extent,) * axes if isinstance(extent, int) else tuple(extent)


def _pad(x: Array, padding: Sequence[int]) -> Array:
    return jnp.pad(x, ((0, 0), *((p, p) for p in padding), (0, 0)))


# Axes of an operand in memory order: N batch, C channels, I and O the kernel's channels, * the spatial axes.
def _general(x, kernel, spec, padding, stride=None, up=None, dilation=None, groups=1):
    axes = x.ndim - 2
    numbers = tuple(part.replace("*", "DHW"[-axes:]) for part in spec.split())
    stride = stride or (1,) * axes
    return jax.lax.conv_general_dilated(x, kernel, stride, padding, up, dilation, numbers, groups)


def _by_columns(x, kernel, stride, padding, dilation, groups):
    """A convolution over one axis as a product: every output has its inputs as one long column."""
    window, channels, features = kernel.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (0, 0)))
    outputs = (x.shape[1] - dilation * (window - 1) - 1) // stride + 1
    last = stride * (outputs - 1) + 1
    taps = [x[:, dilation * j : dilation * j + last : stride] for j in range(window)]
    columns = jnp.stack([tap.reshape(*tap.shape[:2], groups, channels) for tap in taps], 3)
    y = jnp.einsum("btgji,jigo->btgo", columns, kernel.reshape(window, channels, groups, features // groups))
    return y.reshape(*y.shape[:2], features)


def _by_depth(x, kernel, stride, padding):
    """A convolution over three axes as ones over the last two, depth joining the batch.

    Few outputs are made for all depths of the kernel at once and then added up.
    """
    taps, features = len(kernel), kernel.shape[-1]
    deep = lambda x: _pad(x, (padding[0], 0, 0))  # noqa: E731
    last = (x.shape[1] + 2 * padding[0] - taps) // stride[0] * stride[0] + 1

    def planes(x, kernel):
        y = convolve(x.reshape(-1, *x.shape[2:]), kernel, stride[1:], padding[1:])
        return y.reshape(*x.shape[:2], *y.shape[1:])

    if stride[0] == 1 and taps * features <= _FEW:
        y = deep(planes(x, jnp.moveaxis(kernel, 0, -2).reshape(*kernel.shape[1:-1], -1)))
        parts = [y[:, j : j + last, ..., features * j : features * (j + 1)] for j in range(taps)]
    else:
        x = deep(x)
        parts = [planes(x[:, j : j + last : stride[0]], part) for j, part in enumerate(kernel)]
    return sum(parts[1:], start=parts[0])


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _convolve(x, kernel, stride, padding):
    return _general(x, kernel, "N*C *IO N*C", [(p, p) for p in padding], stride)


@functools.partial(_convolve.defjvp, symbolic_zeros=True)
def _(stride, padding, primals, tangents):
    x, kernel = primals
    dx, dkernel = tangents
    both_sides = [(p, p) for p in padding]
    parts = []
    if not isinstance(dx, SymbolicZero):
        parts.append(_general(dx, jnp.swapaxes(kernel, -1, -2), "N*C *OI N*C", both_sides, stride))
    if not isinstance(dkernel, SymbolicZero):
        long = len(stride) == 1 and stride[0] == 1 and kernel.shape[0] >= _LONG
        parts.append(_by_blocks(x, dkernel, *padding) if long else _batch_last(x, dkernel, stride, both_sides))
    y = _convolve(*primals, stride, padding)
    return y, sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(y)


def _batch_last(x, kernel, stride, padding):
    """The convolution whose transpose, for the kernel, takes the batch for channels."""
    x = jnp.swapaxes(x, 0, -1)  # [i, *space, b]
    y = _general(x, jnp.moveaxis(kernel, -2, 0), "C*N I*O *NC", padding, stride)  # [*space, b, o]
    return jnp.moveaxis(y, -2, 0)


def _by_blocks(x, kernel, padding):
    """The same over one axis in overlapping blocks, which join the batch: a convolution of few channels is slow."""
    outputs = x.shape[1] + 2 * padding - len(kernel) + 1
    blocks = -(-outputs // _BLOCK)
    x = jnp.pad(x, ((0, 0), (padding, padding + blocks * _BLOCK - outputs), (0, 0)))
    reach = _BLOCK + len(kernel) - 1
    parts = jnp.stack([x[:, _BLOCK * k : _BLOCK * k + reach] for k in range(blocks)])  # [blocks, b, reach, i]
    y = _batch_last(parts.reshape(-1, *parts.shape[2:]), kernel, (1,), [(0, 0)])
    y = jnp.moveaxis(y.reshape(blocks, -1, _BLOCK, y.shape[-1]), 0, 1)  # [b, blocks, _BLOCK, o]
    return y.reshape(y.shape[0], -1, y.shape[-1])[:, :outputs]


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _convolve_transposed(x, kernel, stride, padding, extra):
    return _spread(x, kernel, "N*C *IO N*C", stride, padding, extra)


def _spread(x, kernel, spec, stride, padding, extra):
    sides = [(k - 1 - p, k - 1 - p + e) for k, p, e in zip(kernel.shape, padding, extra, strict=False)]
    return _general(x, jnp.flip(kernel, range(len(stride))), spec, sides, up=stride)


@functools.partial(_convolve_transposed.defjvp, symbolic_zeros=True)
def _(stride, padding, extra, primals, tangents):
    x, kernel = primals
    dx, dkernel = tangents
    parts = []
    if not isinstance(dx, SymbolicZero):
        parts.append(_spread(dx, jnp.swapaxes(kernel, -1, -2), "N*C *OI N*C", stride, padding, extra))
    if not isinstance(dkernel, SymbolicZero):
        # The kernel takes the input's place: it is convolved with the dilated input.
        axes = range(len(stride))
        image = jnp.flip(jnp.moveaxis(x, 0, -2), axes)  # [*space, b, i]
        reach = [s * (n - 1) for s, n in zip(stride, image.shape, strict=False)]
        sides = [(r - p, r - p + e) for r, p, e in zip(reach, padding, extra, strict=True)]
        part = _general(jnp.moveaxis(dkernel, -1, 0), image, "N*C *OI N*C", sides, dilation=stride)  # [o, *space, b]
        parts.append(jnp.swapaxes(part, 0, -1))
    y = _convolve_transposed(*primals, stride, padding, extra)
    return y, sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(y)
