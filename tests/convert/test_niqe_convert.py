"""NIQE's pristine model from a MATLAB file like the published one."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io

from jaxtalk.convert import niqe as convert
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.metrics import niqe

MEAN = np.linspace(0.1, 3, 36)[None]
COVARIANCE = np.diag(np.linspace(0.01, 1, 36)) + 1e-3


@pytest.mark.slow
def test_reads_the_published_names_and_judges(tmp_path):
    scipy.io.savemat(tmp_path / "m.mat", {"mu_prisparam": MEAN, "cov_prisparam": COVARIANCE, "other": 3})
    convert.convert(tmp_path / "m.mat", tmp_path / "niqe.safetensors")
    stored = weights.load(tmp_path / "niqe.safetensors")
    assert stored.name == "niqe" and "attribution" in stored.licence
    pristine = niqe.Pristine(**stored.variables)
    np.testing.assert_allclose(pristine.mean, MEAN[0], rtol=1e-6)
    np.testing.assert_allclose(pristine.covariance, COVARIANCE, rtol=1e-6)
    flat = np.sqrt(2 * MEAN @ np.linalg.inv(COVARIANCE) @ MEAN.T)[0, 0]  # features of 0, no covariance of its own
    np.testing.assert_allclose(niqe.niqe(jnp.zeros((96, 96, 3)), pristine), flat, rtol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pop_mu": MEAN, "pop_cov": COVARIANCE}, "has no mu_prisparam"),
        ({"mu_prisparam": MEAN, "cov_prisparam": COVARIANCE[:35]}, "has no cov_prisparam"),
        ({"mu_prisparam": MEAN, "cov_prisparam": COVARIANCE - np.eye(36)}, "not positive definite"),
        ({"mu_prisparam": np.nan * MEAN, "cov_prisparam": COVARIANCE}, "not positive definite"),
    ],
)
def test_other_models_are_refused(tmp_path, content, message):
    scipy.io.savemat(tmp_path / "m.mat", content)
    with pytest.raises(InputError, match=message):
        convert.convert(tmp_path / "m.mat", tmp_path / "niqe.safetensors")
    assert not (tmp_path / "niqe.safetensors").exists()


def test_no_file_and_no_matlab_file_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        convert.convert(tmp_path / "m.mat", tmp_path / "niqe.safetensors")
    (tmp_path / "m.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(200))
    with pytest.raises(InputError, match="cannot be read as a MATLAB file"):
        convert.convert(tmp_path / "m.mat", tmp_path / "niqe.safetensors")
