"""k-means against scikit-learn, and on data where it is easily led astray."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.cluster import KMeans

from jaxtalk.models import kmeans


def clouds(centres, count=40, spread=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return (np.repeat(centres, count, axis=0) + spread * rng.standard_normal((len(centres) * count, 3))).astype(
        np.float32
    )


def test_finds_clouds_that_lie_apart_and_never_gets_worse():
    centres = 100 + 5 * np.random.default_rng(1).standard_normal((12, 3))
    points = jnp.asarray(clouds(centres))
    found, history = kmeans.fit(jax.random.key(0), points, clusters=12)
    distance = np.linalg.norm(np.asarray(found)[:, None] - centres[None], axis=-1)
    assert sorted(distance.argmin(0)) == list(range(12)) and distance.min(0).max() < 0.1
    assert np.all(np.diff(history) <= 1e-6)
    index, _ = kmeans.assign(points, found)
    assert all(len(set(part)) == 1 for part in np.split(np.asarray(index), 12))


def test_is_as_good_as_scikit_learn_where_clusters_overlap():
    points = np.random.default_rng(2).standard_normal((1500, 3)).astype(np.float32)
    found, _ = kmeans.fit(jax.random.key(1), jnp.asarray(points), clusters=20, rounds=100)
    index, distance = kmeans.assign(jnp.asarray(points), found)
    theirs = KMeans(20, n_init=1, max_iter=100, random_state=0).fit(points)
    assert float(distance.mean()) < 1.03 * theirs.inertia_ / len(points)
    # A fixed point of Lloyd's: every centre is the mean of what is nearest to it.
    exact = np.linalg.norm(points[:, None] - np.asarray(found)[None], axis=-1)
    np.testing.assert_array_equal(index, exact.argmin(1))
    np.testing.assert_allclose(distance, exact.min(1) ** 2, atol=1e-5)
    means = np.stack([points[np.asarray(index) == k].mean(0) for k in range(20)])
    np.testing.assert_allclose(found, means, atol=1e-4)


def test_more_clusters_than_different_points():
    points = jnp.asarray(np.repeat(np.eye(3, dtype=np.float32), 5, axis=0))
    found, history = kmeans.fit(jax.random.key(0), points, clusters=6)
    assert np.isfinite(found).all() and history[-1] < 1e-6
    assert len(set(np.asarray(kmeans.assign(points, found)[0]).tolist())) == 3


def test_centres_without_points_move_to_where_points_are(monkeypatch):
    """Started all in one place, every centre finds points of its own."""
    centres = 5 * np.random.default_rng(1).standard_normal((8, 3))
    points = jnp.asarray(clouds(centres))
    monkeypatch.setattr(kmeans, "_start", lambda rng, points, clusters: jnp.broadcast_to(points[:1], (clusters, 3)))
    kmeans.fit.clear_cache()
    found, history = kmeans.fit(jax.random.key(0), points, clusters=8)
    kmeans.fit.clear_cache()
    assert history[-1] < 0.4 * history[0]
    assert len(set(np.asarray(kmeans.assign(points, found)[0]).tolist())) == 8
