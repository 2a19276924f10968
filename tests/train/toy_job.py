"""One process of a training job for tests that need real ones: python toy_job.py JSON with the fields of `Job`.

Prints one line of JSON: losses, batches that this process read, and the state's SHA-256.
"""

import dataclasses
import hashlib
import json
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    folder: str
    steps: int
    devices: int = 1
    mesh: dict = dataclasses.field(default_factory=dict)
    save_every: int = 5
    spoilt: int = -1  # step whose batch is not finite on the last process

    def arguments(self) -> list[str]:
        return [sys.executable, __file__, json.dumps(dataclasses.asdict(self))]


def environment(process: int = 0, count: int = 1, port: int = 0) -> dict[str, str]:
    """That of one of `count` processes on this machine."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "SLURM_", "OMPI_"))}
    plain |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(FOLDER)}
    if count > 1:
        plain |= {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}"}
        plain |= {"JAX_NUM_PROCESSES": str(count), "JAX_PROCESS_ID": str(process)}
    return plain


def experiment(job: Job, read: list):
    import flax.linen as nn
    import grain
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from jaxtalk.data import host_rows
    from jaxtalk.metrics.mean import Mean
    from jaxtalk.train import sharding, state, step
    from jaxtalk.train.experiment import Experiment

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            y = nn.Dropout(0.1, deterministic=not train)(jnp.tanh(nn.Dense(32, name="widen")(x)))
            return nn.Dense(1, name="narrow")(y)

    model, optimizer = Block(), optax.adamw(1e-2, eps=1e-3)
    inputs = np.random.default_rng(0).standard_normal((48, 8)).astype(np.float32)  # three batches an epoch

    def loss(params, stats, batch, rng):
        heard = model.apply({"params": params}, batch["x"], train=True, rngs={"dropout": rng})[:, 0]
        error = (heard - batch["y"]) ** 2
        return error.mean(), (stats, {"error": Mean.of(error)})

    def data():
        def example(i, rng):
            return {
                "index": np.int32(i),
                "x": inputs[i] + 0.1 * rng.standard_normal(8, np.float32),
                "y": inputs[i].sum(),
            }

        def note(step, batch):
            read.append(batch["index"].tolist())
            spoil = step == job.spoilt and jax.process_index() == jax.process_count() - 1
            return batch | {"x": batch["x"] * np.float32("nan" if spoil else 1)}

        order = grain.MapDataset.range(48).seed(1).shuffle().repeat().random_map(example)
        rows = host_rows.batches(order, 16).map_with_index(note)
        return rows.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))

    return Experiment(
        name="toy",
        init=lambda rng: state.create(model.init(rng, jnp.zeros((1, 8)), False), optimizer, rng),
        step=step.make_step(loss, optimizer),
        data=data,
        steps=job.steps,
        save_every=job.save_every,
        evaluate_every=10,
        evaluate=lambda s: {"size": float(optax.tree.norm(s.average))},
        export=lambda s, folder: None,
        log_every=1,
        rules=sharding.ShardingRules(smallest=8),
    )


def digest(state) -> str:
    """SHA-256 of everything in a state that this process has whole."""
    import jax
    import numpy as np

    hashed = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        plain = jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        hashed.update(np.asarray(plain).tobytes())
    return hashed.hexdigest()


def main() -> None:
    import absl.flags
    import jax

    from jaxtalk.train import distributed, loop
    from jaxtalk.train.mesh import MeshShape
    from jaxtalk.train.run_options import RunOptions

    absl.flags.FLAGS.mark_as_parsed()
    job = Job(**json.loads(sys.argv[1]))
    jax.config.update("jax_num_cpu_devices", job.devices)
    distributed.init_distributed()
    read: list = []
    state = loop.run(experiment(job, read), Path(job.folder), options=RunOptions(mesh=MeshShape(**job.mesh)))
    print(json.dumps({"read": read, "digest": digest(distributed.own(state))}))


if __name__ == "__main__":
    main()
