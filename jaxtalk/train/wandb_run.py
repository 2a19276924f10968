"""What a run tells, for Weights & Biases (install it: pip install wandb)."""

from pathlib import Path

from jaxtalk.errors import InputError
from jaxtalk.train.show import Clip, Distribution, Picture, Shown, Sound


class WandbRun:
    """A run of `project`; repeated in the same folder it goes on as the same run. WANDB_MODE=offline keeps it here."""

    def __init__(self, folder: Path, project: str):
        try:
            import wandb
        except ImportError as error:
            raise InputError(f"--wandb: wandb is not there ({error}); install it: pip install wandb") from error
        self._wandb = wandb
        self._run = wandb.init(project=project, name=folder.name, id=folder.name, dir=str(folder), resume="allow")

    def write(self, step: int, kind: str, numbers: dict[str, float]) -> None:
        self._run.log({f"{kind}/{name}": value for name, value in numbers.items()}, step=step)

    def show(self, step: int, shown: dict[str, Shown]) -> None:
        self._run.log({name: self._convert(one) for name, one in shown.items()}, step=step)

    def close(self) -> None:
        self._run.finish()

    def _convert(self, one: Shown):
        match one:
            case Picture(colours):
                return self._wandb.Image(colours)
            case Clip(frames, fps):
                pixels = (255 * frames.clip(0, 1)).astype("uint8").transpose(0, 3, 1, 2)
                return self._wandb.Video(pixels, fps=int(fps), format="gif")
            case Sound(samples, rate):
                return self._wandb.Audio(samples, sample_rate=rate)
            case Distribution(values):
                return self._wandb.Histogram(values)
