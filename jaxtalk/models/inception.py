"""Inception-v3 as the Frechet inception distance uses it (Szegedy et al., CVPR 2016; Heusel et al., NeurIPS 2017).

    image [b, h, w, 3] --resized to 299 x 299--> convolutions, blocks of parallel branches --mean--> features [b, 2048]

FID means this network with the weights of 2015-12-05, which TensorFlow published and pytorch-fid carries
(`pt_inception-2015-12-05-6726825d.pth`): figures of other weights, torchvision's included, cannot be compared. It
differs from torchvision's network: average pools (of the blocks at 35 and 17 pixels and the first at 8) do not count
padding, and the last block pools by maximum. Pictures are resized without antialiasing, so how they were made smaller
before matters (Parmar et al., CVPR 2022).
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.pool import average_pool, max_pool

WIDTH = 2048  # of the features


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are what FID means."""

    side: int = 299  # pixels to which pictures are resized; 75 is the least
    dtype: DTypeLike = jnp.float32


class Inception(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, image: Float[Array, "*b h w 3"]) -> Float[Array, "*b 2048"]:
        """Features of RGB pictures in [0, 1]: the mean over the last layer's 8 x 8 places ("pool3")."""
        side, dtype = self.config.side, self.config.dtype
        x = resize(image.reshape(-1, *image.shape[-3:]), side) * 2 - 1
        x = Unit(32, (3, 3), 2, dtype=dtype, name="stem_1a")(x)
        x = Unit(32, (3, 3), dtype=dtype, name="stem_2a")(x)
        x = Unit(64, (3, 3), padding=1, dtype=dtype, name="stem_2b")(x)
        x = max_pool(x, 3, 2)
        x = Unit(80, (1, 1), dtype=dtype, name="stem_3b")(x)
        x = Unit(192, (3, 3), dtype=dtype, name="stem_4a")(x)
        x = max_pool(x, 3, 2)  # 35 x 35
        for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
            x = Mixed35(pooled, dtype, name=f"mixed_{name}")(x)
        x = Mixed35To17(dtype, name="mixed_6a")(x)
        for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            x = Mixed17(inner, dtype, name=f"mixed_{name}")(x)
        x = Mixed17To8(dtype, name="mixed_7a")(x)
        x = Mixed8(False, dtype, name="mixed_7b")(x)
        x = Mixed8(True, dtype, name="mixed_7c")(x)
        return x.astype(jnp.float32).mean((1, 2)).reshape(*image.shape[:-3], WIDTH)


def resize(image: Float[Array, "b h w 3"], side: int) -> Float[Array, "b s s 3"]:
    """Bilinear, corners not aligned, no antialiasing (PyTorch's `interpolate`): smaller pictures alias."""
    return jax.image.resize(image, (len(image), side, side, 3), "bilinear", antialias=False)


class Unit(nn.Module):
    """Convolution, batch norm by its running statistics, ReLU."""

    features: int
    window: tuple[int, int]
    stride: int = 1
    padding: int | tuple[int, int] = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h_out w_out o"]:
        x = Conv(self.features, self.window, self.stride, self.padding, bias=False, dtype=self.dtype, name="conv")(x)
        x = nn.BatchNorm(use_running_average=True, epsilon=1e-3, dtype=jnp.float32, name="norm")(x)
        return nn.relu(x).astype(self.dtype)


class Mixed35(nn.Module):
    """Blocks at 35 x 35: windows of 1, 5 and twice 3, and an average."""

    pooled: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        unit = _units(self.dtype)
        one = unit("branch1x1", 64, 1)(x)
        five = unit("branch5x5_2", 64, 5)(unit("branch5x5_1", 48, 1)(x))
        three = unit("branch3x3dbl_2", 96, 3)(unit("branch3x3dbl_1", 64, 1)(x))
        three = unit("branch3x3dbl_3", 96, 3)(three)
        pooled = unit("branch_pool", self.pooled, 1)(average_pool(x, 3, 1, 1, count_padding=False))
        return jnp.concatenate([one, five, three, pooled], axis=-1)


class Mixed35To17(nn.Module):
    """From 35 x 35 to 17 x 17."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h_out w_out o"]:
        unit = _units(self.dtype)
        three = Unit(384, (3, 3), 2, dtype=self.dtype, name="branch3x3")(x)
        twice = unit("branch3x3dbl_2", 96, 3)(unit("branch3x3dbl_1", 64, 1)(x))
        twice = Unit(96, (3, 3), 2, dtype=self.dtype, name="branch3x3dbl_3")(twice)
        return jnp.concatenate([three, twice, max_pool(x, 3, 2)], axis=-1)


class Mixed17(nn.Module):
    """Blocks at 17 x 17: windows of 7 x 7 as a row and a column, once and twice, and an average."""

    inner: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        unit = _units(self.dtype)
        one = unit("branch1x1", 192, 1)(x)
        once = unit("branch7x7_2", self.inner, 1, 7)(unit("branch7x7_1", self.inner, 1)(x))
        once = unit("branch7x7_3", 192, 7, 1)(once)
        twice = unit("branch7x7dbl_2", self.inner, 7, 1)(unit("branch7x7dbl_1", self.inner, 1)(x))
        twice = unit("branch7x7dbl_4", self.inner, 7, 1)(unit("branch7x7dbl_3", self.inner, 1, 7)(twice))
        twice = unit("branch7x7dbl_5", 192, 1, 7)(twice)
        pooled = unit("branch_pool", 192, 1)(average_pool(x, 3, 1, 1, count_padding=False))
        return jnp.concatenate([one, once, twice, pooled], axis=-1)


class Mixed17To8(nn.Module):
    """From 17 x 17 to 8 x 8."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h_out w_out o"]:
        unit = _units(self.dtype)
        three = unit("branch3x3_1", 192, 1)(x)
        three = Unit(320, (3, 3), 2, dtype=self.dtype, name="branch3x3_2")(three)
        seven = unit("branch7x7x3_2", 192, 1, 7)(unit("branch7x7x3_1", 192, 1)(x))
        seven = unit("branch7x7x3_3", 192, 7, 1)(seven)
        seven = Unit(192, (3, 3), 2, dtype=self.dtype, name="branch7x7x3_4")(seven)
        return jnp.concatenate([three, seven, max_pool(x, 3, 2)], axis=-1)


class Mixed8(nn.Module):
    """Blocks at 8 x 8: windows of 1, of 3 as a row beside a column, the same behind a 3 x 3, and a pool."""

    largest: bool  # pools by maximum, not by mean: the last block of FID's network, against the paper
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        unit = _units(self.dtype)
        one = unit("branch1x1", 320, 1)(x)
        three = unit("branch3x3_1", 384, 1)(x)
        twice = unit("branch3x3dbl_2", 384, 3)(unit("branch3x3dbl_1", 448, 1)(x))
        pooled = max_pool(x, 3, 1, 1) if self.largest else average_pool(x, 3, 1, 1, count_padding=False)
        branches = [
            one,
            unit("branch3x3_2a", 384, 1, 3)(three),
            unit("branch3x3_2b", 384, 3, 1)(three),
            unit("branch3x3dbl_3a", 384, 1, 3)(twice),
            unit("branch3x3dbl_3b", 384, 3, 1)(twice),
            unit("branch_pool", 192, 1)(pooled),
        ]
        return jnp.concatenate(branches, axis=-1)


def _units(dtype: DTypeLike):
    """Maker of units that keep the size: `unit(name, features, height)` or `unit(name, features, height, width)`."""

    def unit(name: str, features: int, height: int, width: int | None = None) -> Unit:
        window = (height, width or height)
        return Unit(features, window, padding=tuple(n // 2 for n in window), dtype=dtype, name=name)

    return unit
