"""One device, and eight split in every way that the mesh knows, train alike."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

from jaxtalk.errors import InputError
from jaxtalk.metrics import mean
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import speech_encoder
from jaxtalk.train import mesh, optimizers, parallel, state, step
from jaxtalk.train.mesh import MeshShape
from jaxtalk.train.sharding import ShardingRules

RULES = ShardingRules(smallest=2**6)  # so that the small arrays of these tests are split too
STEPS = 20
NETWORK = speech_encoder.ContextNetwork(
    speech_encoder.Config(width=16, layers=1, heads=4, hidden=32, position_window=4, position_groups=2, dropout=0.1)
)
# Adam divides by the size of the gradient: where that is but rounding, so is its step. A large epsilon leaves that out.
OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, eps=1e-3))
FEATURES = np.random.default_rng(0).standard_normal((STEPS, 16, 10, 8)).astype(np.float32)


def loss(params, stats, batch, rng):
    heard = NETWORK.apply({"params": params}, batch["features"], train=True, rngs={"dropout": rng})[0]
    error = (heard - jnp.cumsum(batch["features"], axis=1).mean(-1, keepdims=True)) ** 2
    return error.mean(), (stats, {"error": Mean.of(error)})


def init(rng):
    return state.create(NETWORK.init(rng, jnp.zeros((1, 10, 8))), OPTIMIZER, rng)


def trained(shape: MeshShape, devices: int):
    """Losses of all steps, and the state, under this mesh."""
    grid = mesh.make(shape, jax.devices()[:devices])
    current = parallel.init(init, jax.random.key(0), grid, RULES)
    run = parallel.compile_step(step.make_step(loss, OPTIMIZER), current, grid, RULES)
    losses = []
    for features in FEATURES:
        current, metrics = run(current, parallel.put({"features": features}, grid))
        losses.append(mean.values(metrics)["error"])
    return np.array(losses), current


@functools.cache
def alone():
    return trained(MeshShape(), 1)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(MeshShape(), marks=pytest.mark.slow),
        pytest.param(MeshShape(fsdp=8), marks=pytest.mark.slow),
        pytest.param(MeshShape(tensor=4), marks=pytest.mark.slow),
        MeshShape(slice=2, fsdp=2, tensor=2),
        MeshShape(fsdp=2, sequence=2, tensor=2),
    ],
    ids=["data", "fsdp", "tensor", "all", "sequence"],
)
def test_eight_devices_train_as_one(shape):
    losses, many = trained(shape, 8)
    wanted, one = alone()
    np.testing.assert_allclose(losses, wanted, rtol=2e-5)
    for a, b in zip(jax.tree.leaves(many.params), jax.tree.leaves(one.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # sums over the batch in another order


def test_parameters_moments_and_average_are_born_split_alike():
    grid = mesh.make(MeshShape(fsdp=2, tensor=4), jax.devices())
    born = parallel.init(init, jax.random.key(0), grid, RULES)
    adam = born.optimizer[1][0]
    for tree in (born.params, born.average, adam.mu, adam.nu):
        layer = tree["layer_0"]
        assert layer["widen"]["kernel"].sharding.spec == PartitionSpec("fsdp", "tensor")
        assert layer["narrow"]["kernel"].sharding.spec == PartitionSpec("tensor", "fsdp")
        assert layer["attention"]["query"]["kernel"].sharding.spec == PartitionSpec("fsdp", "tensor")
        assert layer["widen"]["kernel"].addressable_shards[0].data.shape == (8, 8)
    assert born.step.sharding.is_fully_replicated


def test_fsdp_takes_the_largest_axis_that_it_divides():
    grid = mesh.make(MeshShape(fsdp=8), jax.devices())
    path = (jax.tree_util.DictKey("conv"), jax.tree_util.DictKey("kernel"))
    assert RULES.spec(path, (3, 24, 64), grid) == PartitionSpec(None, None, "fsdp")
    assert RULES.spec(path, (3, 24, 65), grid) == PartitionSpec(None, "fsdp", None)
    assert RULES.spec(path, (3, 25, 65), grid) == PartitionSpec(None, None, None)
    assert RULES.spec(path, (3, 8), grid) == PartitionSpec()  # too small to be split


def test_a_mesh_of_all_devices_by_default_and_refuses_what_does_not_fit():
    assert dict(mesh.make().shape) == {"slice": 1, "data": 8, "fsdp": 1, "sequence": 1, "tensor": 1}
    with pytest.raises(InputError, match="data 1 x fsdp 3.* needs 6 devices, there are 8"):
        mesh.make(MeshShape(fsdp=3, tensor=2))
    with pytest.raises(InputError, match="does not divide among 8"):
        parallel.put({"x": np.zeros((12, 1))}, mesh.make())


def test_devices_of_a_slice_stay_together():
    class Device:
        def __init__(self, number):
            self.id, self.slice_index, self.platform, self.device_kind = number, number % 2, "cpu", "cpu"
            self.process_index = 0

    groups = mesh._slices([Device(i) for i in range(8)], 2)
    assert [{d.slice_index for d in group} for group in groups] == [{0}, {1}]
    with pytest.raises(InputError, match="give --mesh.slice 2"):
        mesh._slices([Device(i) for i in range(8)], 1)


def test_devices_that_share_examples_belong_to_one_process():
    class Device:
        platform, device_kind = "cpu", "cpu"

        def __init__(self, number, process):
            self.id, self.process_index = number, process

    def mixed(processes, **shape):
        devices = [Device(*numbered) for numbered in enumerate(processes)]
        grid = np.array(devices).reshape(MeshShape(**shape).on(len(devices)).sizes)
        return parallel._mixed(Mesh(grid, mesh.AXES))

    assert not mixed((0, 0, 1, 1), tensor=2) and not mixed((0, 0, 1, 1), sequence=2) and not mixed((0, 1, 2, 3))
    assert mixed((0, 0, 1, 1), sequence=4) and mixed((0, 1, 0, 1), tensor=2)


def test_a_step_without_finite_gradient_moves_nothing_but_its_number():
    def spoilt(params, stats, batch, rng):
        total, more = loss(params, stats, batch, rng)
        return total + batch["spoil"].sum(), more

    grid = mesh.make(devices=jax.devices()[:1])
    run = jax.jit(step.make_step(spoilt, OPTIMIZER))
    before = run(parallel.init(init, jax.random.key(0), grid), {"features": FEATURES[0], "spoil": np.zeros(16)})[0]
    after, metrics = run(before, {"features": FEATURES[1] * np.nan, "spoil": np.zeros(16)})
    assert int(after.step) == int(before.step) + 1
    for part in ("params", "average", "optimizer", "stats"):
        jax.tree.map(np.testing.assert_array_equal, getattr(after, part), getattr(before, part))
    assert mean.values(metrics) == {"error": 0.0, "gradient_norm": 0.0, "skipped": 1.0}
    again, metrics = run(after, {"features": FEATURES[2], "spoil": np.zeros(16)})
    assert mean.values(metrics)["skipped"] == 0 and np.isfinite(mean.values(metrics)["error"])
    assert not np.array_equal(again.params["projection"]["kernel"], after.params["projection"]["kernel"])


def test_look_ahead_meets_half_way_every_k_steps():
    optimizer = optimizers.look_ahead(optax.sgd(1.0), every=3, share=0.5)
    params = {"w": jnp.array([0.0])}
    current, seen = optimizer.init(params), []
    for _ in range(6):
        change, current = optimizer.update({"w": jnp.array([-1.0])}, current, params)
        params = optax.apply_updates(params, change)
        seen.append(float(params["w"][0]))
    assert seen == [1.0, 2.0, 1.5, 2.5, 3.5, 3.0]  # half of 3 from 0; half of 4.5 - 1.5 from 1.5


def test_ranger_finds_the_bottom_of_a_bowl():
    optimizer = optimizers.ranger(0.05)
    params = jnp.array([1.0, -2.0])
    current = optimizer.init(params)

    def descend(both, _):
        params, current = both
        change, current = optimizer.update(params * jnp.array([1.0, 10.0]), current, params)
        return (optax.apply_updates(params, change), current), None

    (params, _), _ = jax.lax.scan(descend, (params, current), length=300)
    assert float(jnp.abs(params).max()) < 1e-2


def test_what_is_frozen_stays_and_has_no_moments():
    params = {"ear": {"kernel": jnp.ones(3)}, "head": {"kernel": jnp.ones(3)}}
    optimizer = optimizers.freeze(optax.adam(0.1), lambda path: path[0] == "ear")
    current = optimizer.init(params)
    change, current = optimizer.update(params, current, params)
    assert float(jnp.abs(change["ear"]["kernel"]).max()) == 0 and float(jnp.abs(change["head"]["kernel"]).min()) > 0
    assert sum(leaf.size for leaf in jax.tree.leaves(current)) == 2 * 3 + 1  # mu and nu of the head, and a count
