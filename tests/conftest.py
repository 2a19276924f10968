"""Strictness for every test: eight simulated devices, no silent broadcasting, warnings are errors (pyproject.toml)."""

import os
from pathlib import Path

import absl.flags
import jax
import pytest

# Nine tenths of the suite's time went into LLVM's optimisation of functions that run once. Without it and without the
# fusion emitters (MLIR takes as long; later jaxlibs do not know the flag) the suite takes 10 minutes instead of 23.
# XLA's own passes stay as they are. XLA_FLAGS= gives what users get, for tests that train long.
FAST_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
FUSION_EMITTERS = " --xla_cpu_use_fusion_emitters=false" if jax.__version_info__ < (0, 11) else ""
os.environ.setdefault("XLA_FLAGS", FAST_COMPILE + FUSION_EMITTERS)
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
absl.flags.FLAGS.mark_as_parsed()  # grain reads absl flags, which nobody parses under pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def media() -> Path:
    """Real videos, speech, portraits and tracks, which are not part of the project."""
    if not (SHARED / "media").is_dir():
        pytest.skip("needs the real test material in ../shared/media, which is not part of the project")
    return SHARED / "media"


@pytest.fixture(scope="session")
def published() -> Path:
    """Published face models and trackers, which users bring themselves."""
    if not (SHARED / "models").is_dir():
        pytest.skip("needs the published models in ../shared/models, which are not part of the project")
    return SHARED / "models"
