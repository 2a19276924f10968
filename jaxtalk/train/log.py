"""What a run tells: `log.jsonl`, one line for each log and evaluation, and the same beside the progress bar."""

import json
from pathlib import Path

import tqdm

from jaxtalk.train import distributed


class Log:
    """Written by the first process; the others' calls do nothing."""

    def __init__(self, folder: Path):
        self._file = open(folder / "log.jsonl", "a") if distributed.first() else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._file:
            self._file.close()

    def write(self, step: int, kind: str, numbers: dict[str, float]) -> None:
        """One line; `kind` says what the numbers are of: train, eval."""
        if self._file:
            self._file.write(json.dumps({"step": step, "kind": kind} | numbers) + "\n")
            self._file.flush()
            tqdm.tqdm.write(f"{kind} {step}: " + "  ".join(f"{k} {v:.4g}" for k, v in numbers.items()))
