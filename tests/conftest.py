"""Strictness for every test: eight simulated devices, no silent broadcasting, warnings are errors (pyproject.toml)."""

from pathlib import Path

import absl.flags
import jax
import pytest

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
