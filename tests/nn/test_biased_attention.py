"""Biases and encodings against the originals' tables, and what a frame may see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn import biased_attention
from jaxtalk.nn.biased_attention import AlignedAttention, BiasedAttention, Heard, Past


def test_biases_are_those_of_the_published_table():
    """Built here as the paper says: periods back times a slope; the table ends at 600 frames, ours need not."""
    frames = jnp.arange(700)
    got = np.asarray(biased_attention.bias(frames, frames, 4, 30))
    late, early = np.meshgrid(np.arange(600), np.arange(600), indexing="ij")
    for slope, head in zip((1 / 4, 1 / 16, 1 / 64, 1 / 256), got, strict=True):
        want = np.where(early > late, -np.inf, -slope * ((late - early) // 30))
        np.testing.assert_allclose(head[:600, :600], want, rtol=1e-6)
        assert head[699, 0] == -slope * 23 and head[699, 699] == 0


@pytest.mark.parametrize("heads", [1, 2, 6, 8, 12])
def test_slopes_fall_from_head_to_head_for_any_number_of_them(heads):
    """ALiBi's rule: for a power of two a geometric series that ends with 1/256; else every other of the next one."""
    got = biased_attention.slopes(heads)
    power = 2 ** (heads.bit_length() - 1)
    series = [2.0 ** (-8 * k / power) for k in range(1, power + 1)]
    series += [2.0 ** (-8 * k / (2 * power)) for k in range(1, 2 * power + 1)][::2][: heads - power]
    np.testing.assert_allclose(got, series, rtol=1e-12)


def test_encodings_come_again_after_a_period():
    got = biased_attention.encoding(jnp.array([0, 1, 7, 32, 31, 10_000 * 30 + 7]), 6, 30)
    rate = 10000.0 ** (-np.arange(3) / 3)
    for row, place in zip(got, (0, 1, 7, 2, 1, 7), strict=True):
        np.testing.assert_allclose(row, np.stack([np.sin(place * rate), np.cos(place * rate)], -1).ravel(), atol=1e-5)


def test_a_short_past_is_the_newest_frames():
    """A frame at a time with room for three: as if only those three were ever there."""
    attend = BiasedAttention(width=4, heads=2, period=2)
    x = jax.random.normal(jax.random.key(0), (2, 6, 4))
    variables = jax.jit(attend.init)(jax.random.key(1), x)
    past, frames = Past(*jnp.zeros((2, 2, 3, 2, 2))), jnp.full(3, biased_attention.NOBODY)
    step = jax.jit(lambda *given: attend.apply(variables, *given, method="step"))
    made = []
    for frame in range(6):
        frames = frames.at[frame % 3].set(frame)
        y, past = step(x[:, frame], past, jnp.int32(frame), frames)
        made.append(y)
    whole, end = (jax.jit(attend.apply)(variables, part) for part in (x, x[:, 3:]))
    np.testing.assert_allclose(jnp.stack(made[:3], 1), whole[:, :3], atol=1e-6)
    np.testing.assert_allclose(made[5], end[:, -1], atol=1e-6)  # the same distances, so the same biases
    assert np.abs(made[5] - whole[:, -1]).max() > 1e-3


@pytest.mark.parametrize("moments", [1, 2])
def test_aligned_attention_is_full_attention_under_the_alignment_mask(moments):
    attend = AlignedAttention(width=4, heads=2)
    x = jax.random.normal(jax.random.key(0), (2, 5, 4))
    speech = jax.random.normal(jax.random.key(1), (2, 5, moments, 4))
    variables = attend.init(jax.random.key(2), x, Heard(speech, speech), method=_both)
    got = attend.apply(variables, x, speech, method=lambda m, x, s: m(x, m.hear(s)))

    def dense(name, y):
        layer = variables["params"][name]
        return np.asarray(y @ layer["kernel"] + layer["bias"].reshape((1,) * (y.ndim - 1) + (-1,)))

    query = dense("query", x).reshape(2, 5, 2, 2)
    key, value = (dense(name, speech.reshape(2, -1, 4)).reshape(2, 5 * moments, 2, 2) for name in ("key", "value"))
    scores = np.einsum("bqhc,bkhc->bhqk", query, key) / np.sqrt(2)
    mask = np.arange(5)[:, None] == np.arange(5 * moments)[None] // moments
    weights = np.exp(np.where(mask, scores, -np.inf))
    weights /= weights.sum(-1, keepdims=True)
    seen = np.einsum("bhqk,bkhc->bqhc", weights, value).reshape(2, 5, 4)
    np.testing.assert_allclose(got, dense("out", jnp.asarray(seen)), atol=1e-5)


def _both(attend, x, heard):
    return attend(x, attend.hear(heard.keys))
