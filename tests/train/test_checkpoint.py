import errno
import json
import logging
import resource
import shutil
import subprocess

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtalk.train import manifest
from jaxtalk.train.checkpoint import Best, CheckpointError, Checkpoints
from jaxtalk.train.preemption import Preempted
from jaxtalk.train.state import State, create


def state(number=0.0, devices=1):
    """A state of a few arrays, the first split over devices."""
    mesh = Mesh(np.array(jax.devices()[:devices]), ("data",))
    values = np.random.default_rng(7).standard_normal((16, 3)).astype(np.float32) + np.float32(number)
    made = create({"params": {"w": jnp.asarray(values), "b": jnp.zeros(3)}}, optax.adam(1e-3), jax.random.key(5))
    specs = jax.tree.map(lambda x: PartitionSpec("data" if x.shape == (16, 3) else None), made)
    specs = jax.tree.map(lambda x, s: s if x.ndim else PartitionSpec(), made, specs)
    return jax.device_put(made, jax.tree.map(lambda s: NamedSharding(mesh, s), specs))


def stream():
    dataset = grain.MapDataset.range(12).seed(3).shuffle().repeat().batch(5, drop_remainder=True)
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)))


def equal(a, b):
    """Whether two states are the same, bit by bit."""
    raw = [jax.tree.map(lambda x: _numbers(x).tobytes(), tree) for tree in (a, b)]
    return raw[0] == raw[1]


def _numbers(x):
    return np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)


def steps(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with checkpoints of steps 10 and 20, to be copied."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(10, state(1))
        checkpoints.save(20, state(2))
    return folder


@pytest.fixture
def folder(run, tmp_path):
    return shutil.copytree(run, tmp_path / "checkpoints")


def test_state_and_data_come_back_in_the_middle_of_an_epoch(tmp_path):
    batches = stream()
    for _ in range(4):
        next(batches)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest is None
        checkpoints.save(4, state(1), batches)
    expected = [next(batches).tolist() for _ in range(5)]
    again = stream()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 4
        restored = checkpoints.restore(state(), again)
    assert isinstance(restored, State) and equal(restored, state(1)) and not equal(restored, state())
    assert [next(again).tolist() for _ in range(5)] == expected


def test_what_is_saved_is_the_state_of_that_step_though_training_goes_on_in_its_memory(tmp_path):
    step = jax.jit(lambda s: jax.tree.map(lambda x: x * 3 + 1, s), donate_argnums=0)
    now = step({"w": jnp.arange(2.0**20)})
    expected = np.array(now["w"])
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, now)
        for _ in range(20):
            now = step(now)
        checkpoints.wait()
        np.testing.assert_array_equal(checkpoints.restore(now)["w"], expected)


def test_newest_every_few_and_best_stay(tmp_path):
    errors = {1: 5.0, 2: 1.0, 3: float("nan"), 4: 2.0, 5: 4.0}
    with Checkpoints(tmp_path / "low", keep=1, keep_every=3, best=Best("error")) as checkpoints:
        assert checkpoints.best is None
        for step, error in errors.items():
            checkpoints.save(step, {"w": jnp.float32(step)}, metrics={"error": error})
        assert checkpoints.best == 2
        assert float(checkpoints.restore({"w": jnp.float32(0)}, step=2)["w"]) == 2
        assert steps(tmp_path / "low") == [2, 3, 5]
    with Checkpoints(tmp_path / "high", keep=1, best=Best("error", highest=True)) as checkpoints:
        for step in (3, 4, 5):
            checkpoints.save(step, {"w": jnp.float32(step)}, metrics={"error": errors[step]} if step < 5 else None)
    assert steps(tmp_path / "high") == [4, 5]


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES = [flip_a_bit, shorten, lambda path: path.unlink(), lambda path: path.write_text("{garbage")]


@pytest.mark.parametrize("damage", DAMAGES, ids=["bit", "short", "gone", "garbage"])
def test_damage_to_any_file_is_named_and_the_older_checkpoint_used(run, tmp_path, damage, caplog):
    files = [path.relative_to(run) for path in (run / "20").rglob("*") if path.is_file() and path.stat().st_size]
    assert len(files) > 6
    for i, name in enumerate(files):
        caplog.clear()
        folder = shutil.copytree(run, tmp_path / str(i))
        damage(folder / name)
        with Checkpoints(folder) as checkpoints:
            assert checkpoints.latest == 10
        (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert str(folder / "20") in warning and name.name in warning and "going on from 10" in warning
        assert steps(folder) == [10] and (folder / "20.damaged").is_dir()


def test_after_damage_the_run_goes_on_and_saves_the_same_step_again(folder):
    flip_a_bit(max((folder / "20").rglob("*"), key=lambda path: path.stat().st_size * path.is_file()))
    with Checkpoints(folder) as checkpoints:
        assert equal(checkpoints.restore(state()), state(1))
        checkpoints.save(20, state(3))
        checkpoints.wait()
        assert equal(checkpoints.restore(state()), state(3))
    (folder / "20" / manifest.NAME).unlink()
    assert Checkpoints(folder).latest == 10
    assert {path.name for path in folder.iterdir()} == {"10", "20.damaged", "20.damaged-1"}


def test_an_empty_folder_is_no_checkpoint(folder, caplog):
    (folder / "30").mkdir()
    assert Checkpoints(folder).latest == 20
    assert "an empty folder" in caplog.text


def test_without_a_good_checkpoint_nothing_starts_anew_and_nothing_is_touched(folder):
    flip_a_bit(folder / "10" / "place.json")
    shutil.rmtree(folder / "20")
    (folder / "20").mkdir()
    before = sorted(folder.rglob("*"))
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"no good checkpoint \(20: an empty folder; 10: place.json: its SHA"):
            Checkpoints(folder)
    assert sorted(folder.rglob("*")) == before


def test_what_a_killed_run_left_half_written_is_no_checkpoint(folder):
    for left in ("30.saving", "30.saving.orbax-checkpoint-tmp", "5.deleting"):
        shutil.copytree(folder / "20", folder / left)
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest == 20
    assert {path.name for path in folder.iterdir()} == {"10", "20"}


@pytest.fixture(params=["limit", "tmpfs"])
def two_megabytes(request, tmp_path):
    """A folder where no file can grow beyond 2 MB, as on a full disk; the second one is a full disk."""
    if request.param == "limit":
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, before[1]))
        yield tmp_path, "File too large"
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs its permission")
    yield tmp_path, "No space left on device"
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_a_full_disk_is_an_error_at_the_next_save_and_older_checkpoints_stay(two_megabytes):
    folder, words = two_megabytes
    noise = jnp.asarray(np.random.default_rng(0).standard_normal(2**20).astype(np.float32))  # does not compress
    with pytest.raises(CheckpointError, match="20: not saved.*") as told:
        with Checkpoints(folder / "c") as checkpoints:
            checkpoints.save(10, {"w": jnp.zeros(3)})
            checkpoints.save(20, {"w": noise})
            checkpoints.save(30, {"w": jnp.zeros(3)})
    assert words in str(told.value) and "\n" not in str(told.value)
    with Checkpoints(folder / "c") as checkpoints:
        assert checkpoints.latest == 10


def test_a_folder_that_went_away_is_an_error_at_the_next_save(tmp_path):
    with pytest.raises(CheckpointError, match="20: not saved"):
        with Checkpoints(tmp_path / "c") as checkpoints:
            checkpoints.save(10, {"w": jnp.zeros(3)})
            checkpoints.wait()
            (tmp_path / "c").rename(tmp_path / "gone")
            (tmp_path / "c").touch()
            checkpoints.save(20, {"w": jnp.zeros(3)})
            checkpoints.save(30, {"w": jnp.zeros(3)})
    assert manifest.fault(tmp_path / "gone" / "10") is None


def test_a_last_save_that_fails_hides_no_error_but_no_run_ends_as_saved(tmp_path, caplog, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest, "write", no_space)
    for end, seen in ((ZeroDivisionError(), ZeroDivisionError), (Preempted(10), CheckpointError)):
        with pytest.raises(seen):
            with Checkpoints(tmp_path / "c") as checkpoints:
                checkpoints.save(10, {"w": jnp.zeros(3)})
                raise end
        assert steps(tmp_path / "c") == []
    assert "10: not saved: [Errno 28]" in caplog.text


def test_states_move_between_meshes_bit_by_bit(tmp_path):
    before, previous = state(1, devices=8), None
    for step, devices in enumerate((8, 1, 4), start=1):
        like = state(devices=devices)
        with Checkpoints(tmp_path) as checkpoints:
            here = before if previous is None else checkpoints.restore(like)
            assert equal(here, before) and len(here.params["w"].sharding.device_set) == devices
            checkpoints.save(step, here)
        previous = devices
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state(devices=2))
    assert equal(Checkpoints(tmp_path).restore(shapes), before)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda s: s.replace(params={"w": jnp.zeros((16, 4)), "b": s.params["b"]}), r"'w'\] is float32\[16, 3\], this"),
        (lambda s: s.replace(params={"w": s.params["w"]}), r"'b'\] is float32\[3\], this config's is missing"),
        (lambda s: s.replace(average=jax.tree.map(lambda x: x.astype(jnp.bfloat16), s.average)), "bfloat16"),
    ],
)
def test_a_state_of_another_config_is_an_error_that_names_the_array(run, change, words):
    with pytest.raises(CheckpointError, match=words):
        Checkpoints(run).restore(change(state()))


def test_the_place_in_the_data_does_not_depend_on_processes(tmp_path):
    batches = stream()
    next(batches)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(), batches)
    assert json.loads((tmp_path / "1" / "place.json").read_text())["data"] == {"next_index": 1}


def test_saving_a_step_again_changes_nothing(folder):
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(20, state(9))
        assert equal(checkpoints.restore(state()), state(2))
