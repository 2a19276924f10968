"""How fast the metrics of pictures are, and SSIM beside two that run on PyTorch. Prints JSON lines.

    python benchmarks/image_metrics.py                            eight frames of 256 x 256, all metrics
    python benchmarks/image_metrics.py --metric niqe --size 512 --batch 4
    pip install torch torchmetrics pytorch-msssim                 to have SSIM and MS-SSIM beside them

Each metric is a process of its own, so that peak memory is its own (on a CPU that of the whole process, imports and
all). `first_s` is the compilation, or the first call on PyTorch. The processes of one metric take turns, one call each.
`cpu_s` is what all threads worked, which other work on the machine disturbs less than the time. torchmetrics pads the
borders, so its SSIM is another; `difference` is the largest one from ours over the frames.
"""

import argparse
import importlib.util
import os

import numpy as np
import timing

from jaxtalk.train import measure

METRICS = ("psnr", "ssim", "ssim_uniform", "ms_ssim", "niqe", "cpbd", "warping_error", "visible")
SIDES = ("ours", "pytorch_msssim", "torchmetrics")  # the others know SSIM and MS-SSIM only


def frames(options) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures with some noise, and the same with more."""
    rng = np.random.default_rng(0)
    down, right, phase = rng.uniform(0, 6, (3, options.batch, 1, 1, 3))
    place = np.arange(options.size) / options.size
    waves = 0.5 + 0.3 * np.cos(2 * np.pi * (down * place[:, None, None] + right * place[None, :, None] + phase))
    noise = rng.normal(size=(2, *waves.shape)) * np.array([0.03, 0.08])[:, None, None, None, None]
    first, second = (waves + noise).clip(0, 1).astype(np.float32)
    return first, second


class Ours:
    def __init__(self, options):
        import jax
        import jax.numpy as jnp

        from jaxtalk.io import weights
        from jaxtalk.metrics import cpbd, flicker, ms_ssim, niqe, psnr, ssim

        pristine = niqe.Pristine(**weights.load(weights.shipped("niqe_ours")).variables)
        first, second = map(jnp.asarray, frames(options))
        flow = jnp.full((options.batch, options.size, options.size, 2), 0.3)
        seen = jnp.ones((options.batch - 1, options.size, options.size), bool)
        call, given = {
            "psnr": (psnr.psnr, (second, first)),
            "ssim": (ssim.ssim, (second, first)),
            "ssim_uniform": (ssim.ssim_uniform, (second, first)),
            "ms_ssim": (ms_ssim.ms_ssim, (second, first)),
            "niqe": (lambda image: niqe.niqe(image, pristine), (first,)),
            "cpbd": (cpbd.cpbd, (first,)),
            "warping_error": (flicker.warping_error, (first, flow[1:], seen)),
            "visible": (flicker.visible, (flow, -flow)),
        }[options.metric]
        self._given, self._wait = given, jax.block_until_ready
        self._call, taken = measure.timed(lambda: jax.jit(call).lower(*given).compile())
        self.first_s = taken.seconds

    def run(self):
        return self._wait(self._call(*self._given))


class Theirs:
    def __init__(self, options):
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch, self._device = torch, "cuda" if torch.cuda.is_available() else "cpu"
        first, second = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().to(self._device) for x in frames(options))
        if options.side == "pytorch_msssim":
            import pytorch_msssim

            call = getattr(pytorch_msssim, options.metric)
            self._call = lambda: call(second, first, data_range=1.0, size_average=False)
        else:
            import torchmetrics.functional.image as theirs

            name = {"ssim": "structural_similarity_index_measure"}
            name["ms_ssim"] = f"multiscale_{name['ssim']}"
            call = getattr(theirs, name[options.metric])
            self._call = lambda: call(second, first, data_range=1.0, reduction="none")
        self.first_s = measure.timed(self.run)[1].seconds

    def run(self):
        with self._torch.no_grad():
            return self._call().cpu().numpy()


def work(options) -> None:
    """One side."""
    side = Ours(options) if options.side == "ours" else Theirs(options)
    values = lambda result: np.ravel(result)[: options.batch].astype(float).tolist()  # noqa: E731
    timing.serve(side.run, side.first_s, lambda result: {"values": values(result)})


def compare(options) -> dict:
    """All sides that know a metric, in turns."""
    known = SIDES if options.metric in ("ssim", "ms_ssim") else SIDES[:1]
    sides = [side for side in known if side == "ours" or importlib.util.find_spec(side)]
    arguments = ["--metric", options.metric, "--size", options.size, "--batch", options.batch]
    workers = {side: timing.Worker("--side", side, *arguments) for side in sides}
    taken = measure.turns({side: worker.time for side, worker in workers.items()}, options.rounds)
    result, values = {"metric": options.metric}, {}
    for side, worker in workers.items():
        last, figures = worker.finish(), measure.figures(taken[side])
        values[side] = np.array(last.pop("values"))
        frames = {"frames_per_s": options.batch / figures["median_s"]}
        result[side] = {"first_s": worker.first} | figures | frames | last
        if side != "ours":
            result[side]["difference"] = float(np.abs(values[side] - values["ours"]).max())
            result[side]["times_ours"] = figures["median_s"] / result["ours"]["median_s"]
            result[side]["cpu_times_ours"] = figures["cpu_s"] / result["ours"]["cpu_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", choices=METRICS, help="only this one")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return work(options)
    about = timing.about("image_metrics", size=options.size, batch=options.batch, rounds=options.rounds)
    for metric in [options.metric] if options.metric else METRICS:
        options.metric = metric
        timing.show(about | compare(options))


if __name__ == "__main__":
    main()
