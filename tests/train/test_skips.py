import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.metrics.mean import Mean
from jaxtalk.train.skips import Skips


def look(skips, step, skipped):
    skips.look(
        step, {"generator/skipped": Mean.of(jnp.float32(skipped)), "error": Mean.of(jnp.float32(1))}, {"x": step}
    )


def test_a_run_gives_up_after_too_many_in_a_row_and_leaves_the_last_batch(tmp_path):
    skips = Skips(tmp_path, 3)
    for step, skipped in enumerate([0, 1, 1, 0, 1, 1, 1]):
        look(skips, step, skipped)
    assert (skips.row, skips.total) == (2, 4)  # the last is judged when the next one runs
    with pytest.raises(InputError, match="nonfinite-6-0.npz: the gradients of 3 steps in a row are not finite"):
        skips.judge()
    dumped = np.load(tmp_path / "nonfinite-6-0.npz")
    assert dumped["step"] == 6 and dumped["x"] == 6


def test_single_steps_are_forgiven_and_counted(tmp_path):
    skips = Skips(tmp_path, 2)
    for step in range(10):
        look(skips, step, step % 2)
    skips.judge()
    assert (skips.row, skips.total) == (1, 5) and not list(tmp_path.iterdir())
