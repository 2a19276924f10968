import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import LogisticRegression

from jaxtalk.metrics import linear_probe


def test_is_as_right_as_scikit_learns_on_rows_it_did_not_see():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((5, 8)) * np.linspace(0.5, 2, 8) * 1.2 + 30
    labels = rng.integers(0, 5, 1200)
    rows = (centres[labels] + rng.standard_normal((1200, 8))).astype(np.float32)
    probe = linear_probe.fit(jnp.asarray(rows[:800]), jnp.asarray(labels[:800]), classes=5)
    ours = float(linear_probe.accuracy(probe, jnp.asarray(rows[800:]), jnp.asarray(labels[800:])).value())
    near = rows - 30  # the same problem; far from 0 their solver may not converge, depending on the machine
    theirs = LogisticRegression(max_iter=1000).fit(near[:800], labels[:800]).score(near[800:], labels[800:])
    assert 0.6 < theirs < 0.98 and abs(ours - theirs) < 0.02


def test_constant_features_do_no_harm():
    rows = jnp.concatenate([jnp.arange(20.0)[:, None], jnp.full((20, 1), 7.0)], axis=1)
    labels = (jnp.arange(20) >= 10).astype(jnp.int32)
    probe = linear_probe.fit(rows, labels, classes=3)
    assert float(linear_probe.accuracy(probe, rows, labels).value()) == 1.0
