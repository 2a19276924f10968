"""One process that trains a config of tests/train/tiny_configs.py: python config_job.py NAME FOLDER [STEP].

With STEP it kills itself by SIGKILL before that step, once the checkpoint of step 5 is there. Otherwise it prints, as
JSON, the SHA-256 of the final state and of every batch that it read.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

STEPS = 10


class Batches:
    """The batches of a run, with their digests, until the process is to die."""

    def __init__(self, batches, checkpoint: Path, last: int | None):
        self._batches, self._checkpoint, self._last = batches, checkpoint, last
        self.digests: list[str] = []

    def __iter__(self):
        return self

    def __next__(self):
        if self._last is not None and len(self.digests) == self._last:
            while not self._checkpoint.is_dir():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        batch = next(self._batches)
        hashed = hashlib.sha256(b"".join(key.encode() + batch[key].tobytes() for key in sorted(batch)))
        self.digests.append(hashed.hexdigest())
        return batch

    def get_state(self):
        return self._batches.get_state()

    def set_state(self, state):
        self._batches.set_state(state)

    def close(self):
        if hasattr(self._batches, "close"):
            self._batches.close()


def main() -> None:
    import dataclasses

    import absl.flags
    import jax
    import tiny_configs
    from toy_job import digest

    from jaxtalk.train import loop
    from jaxtalk.train.run_options import RunOptions

    absl.flags.FLAGS.mark_as_parsed()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    name, folder = sys.argv[1], Path(sys.argv[2])
    made = tiny_configs.experiment(name, folder.parent, STEPS)
    data = made.data()
    stream = iter(data.to_iter_dataset() if hasattr(data, "to_iter_dataset") else data)
    batches = Batches(stream, folder / "checkpoints" / "5", int(sys.argv[3]) if len(sys.argv) > 3 else None)
    options = RunOptions(compile_cache=folder.parent / "cache")
    state = loop.run(dataclasses.replace(made, data=lambda: batches), folder, options=options)
    print(json.dumps({"state": digest(state), "batches": batches.digests}))


if __name__ == "__main__":
    main()
