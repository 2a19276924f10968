"""A run of toy_job.py that tells of every step, and can be slow or die: python toy_run.py JSON with fields of `Life`.

Prints "step N SHA-256-of-the-state" at every step, and at its end, however it comes, one line of JSON: what it read.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import toy_job


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    folder: str
    steps: int
    save_every: int = 10**6
    pause: float = 0.0  # seconds a step
    strikes: int = -1  # step at which it sends itself the signal `by`, once the checkpoint `saved` is there
    by: int = signal.SIGKILL
    saved: int | None = None

    def start(self, process: int = 0, count: int = 1, port: int = 0) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, __file__, json.dumps(dataclasses.asdict(self))],
            env=toy_job.environment(process, count, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def live(self, state) -> dict:
        """At every step, as an evaluation."""
        step = int(state.step)
        print("step", step, toy_job.digest(state), flush=True)
        time.sleep(self.pause)
        if step == self.strikes:
            while self.saved is not None and not (Path(self.folder) / "checkpoints" / str(self.saved)).is_dir():
                time.sleep(0.01)
            os.kill(os.getpid(), self.by)
        return {}


def main() -> None:
    import absl.flags

    from jaxtalk.train import distributed, loop

    absl.flags.FLAGS.mark_as_parsed()
    life = Life(**json.loads(sys.argv[1]))
    distributed.init_distributed()
    read: list = []
    toy = toy_job.experiment(toy_job.Job(folder=life.folder, steps=life.steps, save_every=life.save_every), read)
    try:
        loop.run(dataclasses.replace(toy, evaluate=life.live, evaluate_every=1, log_every=10), Path(life.folder))
    finally:
        print(json.dumps(read), flush=True)


if __name__ == "__main__":
    main()
