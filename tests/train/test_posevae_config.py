"""What the config of PoseVAE does besides training: which of the conditions count."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from configs import posevae

RNG = np.random.default_rng(0)


def given(**changes):
    task = posevae.Task.__new__(posevae.Task)
    task.config = dataclasses.replace(posevae.Config(), **changes)
    pose, sound = (jnp.asarray(RNG.normal(size=(2, 33, k)), jnp.float32) for k in (6, 4))
    return pose, sound, task.given({"pose": pose, "sound": sound, "style": jnp.array([3, 45])})


def test_motion_is_the_residual_to_the_first_frame():
    pose, sound, (motion, heard, reference, style) = given()
    unit = posevae.audio2pose.UNIT
    np.testing.assert_allclose(motion * unit[None, None], pose[:, 1:] - pose[:, :1], atol=1e-5)
    np.testing.assert_array_equal(heard, sound[:, 1:])
    assert not reference.any() and style.tolist() == [3, 45]


def test_conditions_can_be_left_out():
    assert not given(sound=False)[2][1].any()
    assert given(styles=False)[2][3].tolist() == [0, 0]


def test_a_deaf_network_has_no_weights_for_sound():
    dense = {"kernel": jnp.ones((4, 6)), "bias": jnp.ones(6)}
    part = {"sound": dense, "hidden": dense}
    made = posevae.deaf({"params": {"encoder": part, "decoder": part, "ear": dense}, "batch_stats": {}})
    for name in ("encoder", "decoder"):
        assert not any(leaf.any() for leaf in jax.tree.leaves(made["params"][name]["sound"]))
        assert all(leaf.all() for leaf in jax.tree.leaves(made["params"][name]["hidden"]))
