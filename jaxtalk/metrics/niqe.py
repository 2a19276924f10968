"""NIQE: how far is an image from natural ones? (Mittal et al., IEEE SPL 2013.) From 0, lower is better; no reference.

Grey levels, less their local mean and over their local deviation (eq. 1), have a distribution that distortions change.
In each patch of 96 x 96 pixels, and in the same at half the size, 18 numbers describe it: shape and width of a
generalised Gaussian of the values, and shape, mean and both widths of one of the products with the neighbour in each of
four directions (eqs. 2 to 8). With the mean m and covariance S of the patches' features, and m_0, S_0 those of pristine
photographs, a frame has (eq. 10)

    NIQE = sqrt((m_0 - m)^T ((S_0 + S) / 2)^-1 (m_0 - m))

The steps are those of the authors' MATLAB program. Figures depend on the pristine model: name it. Ours, "niqe-jaxtalk"
(`weights.shipped("niqe_ours")`), is fitted to eight photographs and is not the authors', whose `modelparameters.mat`
goes through `jaxtalk convert niqe`. Either is `Pristine(**weights.load(path).variables)`. Traps:

- Grey is `luma.grey_levels`, 0 to 255 in whole numbers, as MATLAB makes it; the constant 1 that is added to the
  deviation ties the result to that range. Code that takes the luma from 16 to 235 gets other figures.
- Half the size is MATLAB's bicubic with antialiasing, over 8 pixels. OpenCV's has none.
- Only whole patches from the top left count: of 256 x 256 pixels, four in 192 x 192. The fewer, the noisier; of one
  patch S is taken for 0.
- A little noise can lower it, of pictures that are soft or compressed.
- Where a picture is exactly flat, the published program counts the rounding errors of MATLAB's filter as values above
  or below the mean. Here they are neither, which moved a photograph's value by 0.02. A patch that is flat, or has
  products of one sign only, has no fit and is left out; a frame of nothing else, black or white, has features of 0,
  which are far from anything natural (29.9 by ours).
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.special import gammaln

from jaxtalk.metrics import windows
from jaxtalk.metrics.luma import grey_levels

PATCH = 96
_WINDOW = windows.gaussian(7, 7 / 6)
_HALF = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256  # cubic convolution (a = -1/2) over twice its reach
_SHAPES = np.arange(200, 10001) / 1000  # of a generalised Gaussian, as far and as fine as the authors look


class Pristine(NamedTuple):
    """What natural images are like: of the features of a patch, 18 at full and 18 at half the size."""

    mean: Float[Array, "36"]
    covariance: Float[Array, "36 36"]


class Patches(NamedTuple):
    """What is measured of the whole patches of images, row by row."""

    features: Float[Array, "*b p 36"]  # 0 where there is no fit
    fitted: Bool[Array, "*b p"]
    sharpness: Float[Array, "*b p"]  # mean local deviation in grey levels


def niqe(image: Float[Array, "*b h w 3"], pristine: Pristine) -> Float[Array, "*b"]:
    """NIQE of each frame. ValueError for less than 96 pixels a side."""
    found = patches(image)
    covariance = jnp.asarray(pristine.covariance, jnp.float32)
    scale = jnp.sqrt(jnp.diagonal(covariance))  # as the unit of each feature, so that float32 is enough
    features = found.features / jnp.broadcast_to(scale, found.features.shape)
    weight = found.fitted[..., None].astype(jnp.float32)
    count = weight.sum(-2)
    mean = (weight * features).sum(-2) / jnp.maximum(count, 1)
    apart = weight * (features - mean[..., None, :])
    spread = jnp.einsum("...pi,...pj->...ij", apart, apart, precision=jax.lax.Precision.HIGHEST)
    spread = spread / jnp.maximum(count - 1, 1)[..., None]
    natural = covariance / (scale[:, None] * scale[None])
    away = mean - jnp.broadcast_to(jnp.asarray(pristine.mean, jnp.float32) / scale, mean.shape)
    both = (jnp.broadcast_to(natural, spread.shape) + spread) / 2
    return jnp.sqrt(jnp.sum(away * jnp.linalg.solve(both, away[..., None])[..., 0], axis=-1))


def fit_pristine(images: Iterable[Float[Array, "_ _ 3"] | Float[np.ndarray, "_ _ 3"]], sharp: float = 0.75) -> Pristine:
    """The model of photographs of any size, of each the patches at least `sharp` times as sharp as its sharpest.

    The authors took 125 photographs and 0.75. ValueError for too few patches to know a covariance of 36 features.
    """
    measure, kept = jax.jit(patches), []
    for image in images:
        features, fitted, sharpness = jax.device_get(measure(jnp.asarray(image)))
        kept.append(features[fitted & (sharpness > sharp * sharpness.max())])
    features = np.concatenate(kept).astype(np.float64)
    if len(features) <= features.shape[1]:
        raise ValueError(f"a pristine model needs more than 36 sharp patches, these images have {len(features)}")
    covariance = np.cov(features, rowvar=False)
    return Pristine(jnp.asarray(features.mean(0), jnp.float32), jnp.asarray(covariance, jnp.float32))


def patches(image: Float[Array, "*b h w 3"]) -> Patches:
    """Features, and how sharp each patch is. ValueError for less than 96 pixels a side."""
    *batch, height, width, _ = image.shape
    rows, columns = height // PATCH, width // PATCH
    if not rows * columns:
        raise ValueError(f"NIQE needs {PATCH} pixels a side, the images are {height} x {width}")
    grey = grey_levels(image[..., : rows * PATCH, : columns * PATCH, :]).reshape(-1, rows * PATCH, columns * PATCH)
    normal, deviation = _normalised(grey)
    sharpness = _split(deviation, PATCH).mean((-2, -1))
    fine, fine_fitted = _describe(_split(normal, PATCH))
    coarse, coarse_fitted = _describe(_split(_normalised(_half(grey))[0], PATCH // 2))
    fitted = fine_fitted & coarse_fitted
    features = jnp.where(fitted[..., None], jnp.concatenate([fine, coarse], -1), 0)
    return Patches(*(x.reshape(*batch, *x.shape[1:]) for x in (features, fitted, sharpness)))


def _normalised(grey: Float[Array, "n h w"]):
    """(x - mean) / (deviation + 1) in a Gaussian window, and the deviation; beyond the border the nearest pixels.

    By differences from the middle, one axis after the other (the variance is the mean variance within the columns and
    the variance of their means), so that nothing cancels and what is flat is exactly 0.
    """
    reach = len(_WINDOW) // 2
    weights = [float(weight) for weight in _WINDOW]
    around = jnp.pad(grey, ((0, 0), (reach, reach), (reach, reach)), "edge")
    down = [around[:, k : k + grey.shape[1]] for k in range(len(weights))]
    mean = down[reach] + sum(w * (x - down[reach]) for w, x in zip(weights, down, strict=True))
    variance = sum(w * (x - mean) ** 2 for w, x in zip(weights, down, strict=True))
    means, variances = ([x[..., k : k + grey.shape[2]] for k in range(len(weights))] for x in (mean, variance))
    below = sum(w * (x - grey) for w, x in zip(weights, means, strict=True))
    mean = grey + below
    variance = sum(w * (v + (x - mean) ** 2) for w, v, x in zip(weights, variances, means, strict=True))
    deviation = jnp.sqrt(variance)
    return -below / (deviation + 1), deviation


def _half(grey: Float[Array, "n h w"]) -> Float[Array, "n h/2 w/2"]:
    """Half the size; the image goes on mirrored beyond its border."""
    for axis in (1, 2):
        grey = jnp.pad(grey, [(3, 3) if i == axis else (0, 0) for i in range(3)], "symmetric")
        last = grey.shape[axis] - len(_HALF) + 1
        taps = (jax.lax.slice_in_dim(grey, k, k + last, 2, axis) for k in range(len(_HALF)))
        grey = sum(float(weight) * tap for weight, tap in zip(_HALF, taps, strict=True))
    return grey


def _split(image: Float[Array, "n h w"], size: int) -> Float[Array, "n p s s"]:
    rows, columns = image.shape[1] // size, image.shape[2] // size
    image = image.reshape(-1, rows, size, columns, size)
    return jnp.swapaxes(image, 2, 3).reshape(-1, rows * columns, size, size)


def _describe(normal: Float[Array, "n p s s"]) -> tuple[Float[Array, "n p 18"], Bool[Array, "n p"]]:
    """The features of patches, and whether there are all of them. Neighbours are taken around the patch's border."""
    shifts = ((0, 1), (1, 0), (1, 1), (1, -1))
    products = [normal * jnp.roll(normal, shift, (-2, -1)) for shift in shifts]
    shape, left, right, mean, fitted = _fit(jnp.stack([normal, *products]))
    first = jnp.stack([shape[0], (left[0] + right[0]) / 2], -1)
    others = jnp.stack([shape[1:], mean[1:], left[1:], right[1:]], -1)  # [4 n p 4]
    return jnp.concatenate([first, *others], -1), fitted.all(0)


def _fit(x: Float[Array, "*b s s"]):
    """Asymmetric generalised Gaussian of the values of patches, by moments: shape, left and right width, mean, is any.

    The ratio of E|x|^2 to E x^2 and that of the deviations to each side determine the shape (sec. II-C).
    """
    square = x * x
    sides = (x < 0, x > 0)
    count = [side.sum((-2, -1)) for side in sides]
    left, right = (
        jnp.sqrt(jnp.where(side, square, 0).sum((-2, -1)) / jnp.maximum(n, 1))
        for side, n in zip(sides, count, strict=True)
    )
    fitted = (count[0] > 0) & (count[1] > 0)
    skew = jnp.where(fitted, left, 1) / jnp.where(fitted, right, 1)
    ratio = jnp.abs(x).mean((-2, -1)) ** 2 / jnp.where(fitted, square.mean((-2, -1)), 1)
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    ratios, width, centre = _moments()
    above = jnp.searchsorted(ratios, ratio).clip(1, len(ratios) - 1)
    nearest = above - (ratio - ratios[above - 1] < ratios[above] - ratio)
    left, right = left * width[nearest], right * width[nearest]
    return jnp.asarray(_SHAPES, jnp.float32)[nearest], left, right, (right - left) * centre[nearest], fitted


def _moments():
    """Of each shape: E|x|^2 / E x^2, width / deviation, and mean / difference of widths."""
    one, two, three = (gammaln(k / _SHAPES) for k in (1, 2, 3))
    tables = (np.exp(2 * two - one - three), np.exp((one - three) / 2), np.exp(two - one))
    return [jnp.asarray(table, jnp.float32) for table in tables]
