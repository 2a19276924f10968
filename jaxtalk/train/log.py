"""What a run tells: always `log.jsonl` and the lines beside the progress bar; TensorBoard and wandb where asked for."""

import json
from pathlib import Path

import tqdm

from jaxtalk.train import distributed
from jaxtalk.train.run_options import RunOptions
from jaxtalk.train.show import Shown
from jaxtalk.train.tensorboard import TensorBoard
from jaxtalk.train.wandb_run import WandbRun


class Log:
    """Told by all processes, written by the first."""

    def __init__(self, folder: Path, options: RunOptions):
        self._lines, self._others = None, []
        if distributed.first():
            if options.tensorboard:
                self._others.append(TensorBoard(folder / "tensorboard"))
            if options.wandb:
                self._others.append(WandbRun(folder, options.wandb))
            self._lines = open(folder / "log.jsonl", "a")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._lines:
            self._lines.close()
        for other in self._others:
            other.close()

    @property
    def shows(self) -> bool:
        """Whether there is anybody to `show` things to."""
        return bool(self._others)

    def write(self, step: int, kind: str, numbers: dict[str, float]) -> None:
        """`kind` says what the numbers are of: train, eval."""
        if not self._lines:
            return
        self._lines.write(json.dumps({"step": step, "kind": kind} | numbers) + "\n")
        self._lines.flush()
        tqdm.tqdm.write(f"{kind} {step}: " + "  ".join(f"{k} {v:.4g}" for k, v in numbers.items()))
        for other in self._others:
            other.write(step, kind, numbers)

    def show(self, step: int, shown: dict[str, Shown]) -> None:
        for other in self._others:
            other.show(step, shown)
