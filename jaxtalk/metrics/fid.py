"""Frechet distance of two sets of features, FID with Inception's (Heusel et al., NeurIPS 2017, eq. 6). Lower is better.

    d^2 = |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))      m: mean, S: covariance

Between 0 and infinity, in squared units of the features. FID means `models.inception` with the published weights; any
other features give a distance of their own, which must bear the name of their network. Its traps: the estimate falls
with the number of pictures (10 000 and more are usual; compare only equal numbers), depends on crop, compression and
the filter by which pictures were resized, and says nothing of single pictures or of time.

All is float64 on the host: the square root takes half of the digits of small eigenvalues, and float32 has none to give.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Array, Float


class Moments(NamedTuple):
    """Statistics of features that merge exactly, whatever the order and sizes of the parts (Chan et al., 1979)."""

    count: Float[np.ndarray, ""]
    mean: Float[np.ndarray, "d"]
    scatter: Float[np.ndarray, "d d"]  # sum of the outer products of what is left without the mean

    @classmethod
    def of(cls, features: Float[Array | np.ndarray, "n d"]) -> "Moments":
        """Of a batch; none at all (n = 0) is the neutral element of `merge`."""
        features = np.asarray(features).astype(np.float64)
        mean = features.sum(0) / max(len(features), 1)
        centred = features - mean[None]
        return cls(np.asarray(float(len(features))), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        share = other.count / np.maximum(count, 1.0)
        apart = other.mean - self.mean
        scatter = self.scatter + other.scatter + self.count * share * np.outer(apart, apart)
        return Moments(np.asarray(count), self.mean + share * apart, scatter)

    def covariance(self) -> Float[np.ndarray, "d d"]:
        """Unbiased; 0 of a single vector."""
        return self.scatter / np.maximum(self.count - 1.0, 1.0)


class Frechet(NamedTuple):
    """The distance as it grows over batches: `Frechet.of(ours, theirs).merge(...).value()`."""

    predicted: Moments
    truth: Moments

    @classmethod
    def of(cls, predicted: Float[Array | np.ndarray, "n d"], truth: Float[Array | np.ndarray, "m d"]) -> "Frechet":
        return cls(Moments.of(predicted), Moments.of(truth))

    def merge(self, other: "Frechet") -> "Frechet":
        return Frechet(self.predicted.merge(other.predicted), self.truth.merge(other.truth))

    def value(self) -> float:
        """The distance; not a number while one side has seen nothing."""
        if min(self.predicted.count, self.truth.count) < 1:
            return float("nan")
        a, b = self
        return frechet_distance(a.mean, a.covariance(), b.mean, b.covariance())


def frechet_distance(
    mean_a: Float[np.ndarray, "d"],
    covariance_a: Float[np.ndarray, "d d"],
    mean_b: Float[np.ndarray, "d"],
    covariance_b: Float[np.ndarray, "d d"],
) -> float:
    """d^2 of two normal distributions, as from a published file of statistics.

    The trace of (S_a S_b)^(1/2) is that of (R S_b R)^(1/2), where R is the symmetric root of S_a: the sum of the roots
    of the eigenvalues of R S_b R. Singular covariances (fewer pictures than features) are no special case: rounding
    gives eigenvalues of either sign in place of 0, and negative ones are taken as 0. The positive ones lower the
    distance a little: by 2e-7 of the trace of a covariance of 2048 features, of 1000 pictures or of 10 000. So equal
    statistics end below 0 by as much, and whatever is below 0 is raised to 0.
    """
    values, vectors = scipy.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[None]) @ vectors.T
    overlap = np.sqrt(np.maximum(scipy.linalg.eigvalsh(root @ covariance_b @ root), 0.0)).sum()
    apart = mean_a - mean_b
    distance = apart @ apart + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap
    return max(float(distance), 0.0)
