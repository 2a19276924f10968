"""How much of one track does a linear map of another know? Ridge regression, cross-validated over contiguous folds.

In numpy: folds and shifts are of many lengths, each of which jax would compile.
"""

import numpy as np
from jaxtyping import Float


def readout(
    features: Float[np.ndarray, "t d"], target: Float[np.ndarray, "t"], folds: int = 5, penalty: float = 10.0
) -> Float[np.ndarray, "t"]:
    """The target of each fold as ridge regression on the other folds predicts it from the features.

    Features are standardised over the frames that are learnt from; `penalty` is added to their Gram matrix. Folds are
    stretches of neighbouring frames: drawn at random, a frame would be known from its neighbours.
    """
    place, predicted = np.arange(len(target)), []
    for held_out in np.array_split(place, folds):
        learnt = np.setdiff1d(place, held_out)
        mean, spread = features[learnt].mean(0), features[learnt].std(0) + 1e-6
        x, level = (features[learnt] - mean) / spread, target[learnt].mean()
        weight = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (target[learnt] - level))
        predicted.append((features[held_out] - mean) / spread @ weight + level)
    return np.concatenate(predicted)


def lagged(
    features: Float[np.ndarray, "t d"],
    target: Float[np.ndarray, "t"],
    reach: int,
    folds: int = 5,
    penalty: float = 10.0,
) -> Float[np.ndarray, "{2*reach+1}"]:
    """Correlation of the readout with a target that is taken -reach ... reach frames later than the features."""
    count, found = len(target), []
    for lag in range(-reach, reach + 1):
        x, y = features[max(0, -lag) : count - max(0, lag)], target[max(0, lag) : count - max(0, -lag)]
        found.append(np.corrcoef(readout(x, y, folds, penalty), y)[0, 1])
    return np.array(found)
