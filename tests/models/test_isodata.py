"""ISODATA against a plain implementation, on separated crowds, and what its parameters do."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models import isodata


def crowds(centres, size, spread, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([c + spread * rng.standard_normal((size, len(c))) for c in np.asarray(centres, float)])


def found(objects, **config):
    return np.asarray(isodata.found(isodata.isodata(jnp.asarray(objects, jnp.float32), isodata.Config(**config))))


def plain(x, expected, minimum, split, merge, pairs, iterations, settling=5):
    """Lists and loops, as one would write it on paper."""

    def assign(centres):
        return np.array([np.argmin([np.sum((o - c) ** 2) for c in centres]) for o in x])

    def dissolve(centres):
        own = assign(centres)
        members = [np.sum(own == k) for k in range(len(centres))]
        kept = [c for k, c in enumerate(centres) if members[k] >= minimum or k == np.argmax(members)]
        own = assign(kept)
        return [x[own == k].mean(0) for k in range(len(kept)) if np.any(own == k)]

    def split_wide(centres):
        own = assign(centres)
        radius = np.array([np.linalg.norm(o - centres[k]) for o, k in zip(x, own, strict=True)])
        halves, added = [], []
        for k, c in enumerate(centres):
            deviation = np.sqrt(np.mean((x[own == k] - c) ** 2, 0))
            loose = radius[own == k].mean() > radius.mean() and np.sum(own == k) > 2 * (minimum + 1)
            room = len(centres) + len(added) < 2 * expected
            if deviation.max() > split and (loose or len(centres) <= expected // 2) and room:
                across = np.zeros_like(c)
                across[deviation.argmax()] = 0.5 * deviation.max()
                halves.append(c - across)
                added.append(c + across)
            else:
                halves.append(c)
        return halves + added

    def merge_near(centres):
        own = assign(centres)
        members = [np.sum(own == k) for k in range(len(centres))]
        gaps = [(np.linalg.norm(a - b), i, j) for i, a in enumerate(centres) for j, b in enumerate(centres) if i < j]
        used, joint = set(), []
        for gap, i, j in sorted(gaps):
            if gap < merge and not used & {i, j} and len(joint) < pairs:
                used |= {i, j}
                joint.append((members[i] * centres[i] + members[j] * centres[j]) / (members[i] + members[j]))
        return [c for k, c in enumerate(centres) if k not in used] + joint

    centres = [x.mean(0)]
    for i in range(iterations):
        centres = dissolve(centres)
        few = len(centres) <= expected // 2
        splitting = few or (len(centres) < 2 * expected and i % 2 == 0)
        centres = split_wide(centres) if splitting else merge_near(centres)
    for _ in range(settling):
        centres = dissolve(centres)
    return np.array(centres)


@pytest.mark.parametrize("seed, merge", [(0, 0.5), (1, 1.5)])
def test_a_plain_implementation_finds_the_same(seed, merge):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, 3)) * [3.0, 1.5, 0.7] + rng.integers(0, 2, (300, 1)) * 4
    config = {"expected": 6, "minimum": 8, "split": 0.8, "merge": merge, "pairs": 2, "iterations": 11}
    ours, theirs = found(x, **config), plain(x, **config)
    assert ours.shape == theirs.shape and 3 <= len(ours) <= 12
    order = np.array([np.argmin(((theirs - c) ** 2).sum(1)) for c in ours])
    assert sorted(order) == list(range(len(ours)))
    np.testing.assert_allclose(ours, theirs[order], atol=1e-4)


def test_separated_crowds_are_recovered():
    centres = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0], [100, 100, 0], [50, 50, 120]])
    patterns = found(crowds(centres, 60, 5.0), expected=5, minimum=10, split=12.0, merge=30.0)
    assert patterns.shape == (5, 3)
    distance = np.linalg.norm(patterns[:, None] - centres[None], axis=-1)
    assert (distance.min(0) < 2.5).all()


def test_few_objects_are_no_class():
    objects = np.concatenate([crowds([[0, 0], [100, 0]], 100, 3.0), crowds([[50, 400]], 6, 1.0)])
    centres = found(objects, expected=3, minimum=10, split=8.0, merge=20.0)
    assert np.linalg.norm(centres - [50, 400], axis=-1).min() > 100
    with_few = found(objects, expected=3, minimum=4, split=8.0, merge=20.0)
    assert np.linalg.norm(with_few - [50, 400], axis=-1).min() < 2


def test_split_and_merge_do_what_they_say():
    objects = crowds([[0, 0]], 1000, 10.0)
    count = [len(found(objects, expected=8, minimum=5, split=s, merge=1.0)) for s in (20.0, 6.0, 3.0)]
    assert count[0] == 1 and count[1] < count[2]
    count = [len(found(objects, expected=8, minimum=5, split=3.0, merge=m)) for m in (1.0, 12.0, 18.0)]
    assert count[0] > count[1] > count[2]


def test_patterns_are_means_of_what_is_nearest_and_counted():
    objects = jnp.asarray(crowds([[0, 0], [40, 0], [0, 60]], 70, 6.0), jnp.float32)
    result = isodata.isodata(objects, isodata.Config(expected=4, minimum=5, split=8.0, merge=10.0))
    taken = result.members > 0
    own = np.asarray(isodata.nearest(objects, result.centres, taken))
    assert result.members.sum() == len(objects) and len(taken) == 8
    for k in np.flatnonzero(taken):
        assert (own == k).sum() == result.members[k] >= 5
        np.testing.assert_allclose(result.centres[k], np.asarray(objects)[own == k].mean(0), atol=1.0)


def test_order_follows_the_longest_axis():
    centres = found(crowds([[0, 0], [30, 5], [60, -5], [90, 0]], 50, 2.0), expected=4, minimum=5, split=5.0, merge=9.0)
    np.testing.assert_allclose(centres[:, 0], [0, 30, 60, 90], atol=2)


def test_equal_objects_are_one_class():
    np.testing.assert_allclose(found(np.full((20, 3), 7.0), expected=4, minimum=5), [[7, 7, 7]])
