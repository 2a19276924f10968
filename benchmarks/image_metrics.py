"""Throughput of the metrics of pictures. Prints JSON lines.

    python benchmarks/image_metrics.py               8 frames of 256x256 at once
    python benchmarks/image_metrics.py --only ssim

`first_s` is the first call (compilation), `median_s` and `spread` are of the calls after it on arrays that are on the
device. `torch_s` is the same SSIM (Gaussian window of 11, valid places, each colour) as grouped convolutions in
PyTorch, one axis after the other as its packages do, in turns with ours, where PyTorch is installed (extra `bench`).
"""

import argparse
import json
import os
import resource
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.io import weights
from jaxtalk.metrics import cpbd, flicker, ms_ssim, niqe, psnr, ssim


def cases(batch: int, size: int) -> dict:
    """Name: (metric, its arrays)."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(size=(batch, size // 16, size // 16, 3))
    truth = np.repeat(np.repeat(coarse, 16, 1), 16, 2) * 0.8 + rng.uniform(size=(batch, size, size, 3)) * 0.2
    truth = truth.astype(np.float32)
    drawn = np.clip(truth + rng.normal(0, 0.05, truth.shape), 0, 1).astype(np.float32)
    pristine = niqe.Pristine(**weights.load(weights.shipped("niqe_ours")).variables)
    flow = rng.normal(0, 1, (batch - 1, size, size, 2)).astype(np.float32)
    seen = np.ones(flow.shape[:3], bool)
    return {
        "psnr": (jax.jit(psnr.psnr), [drawn, truth]),
        "ssim": (jax.jit(ssim.ssim), [drawn, truth]),
        "ssim_uniform": (jax.jit(ssim.ssim_uniform), [drawn, truth]),
        "ms_ssim": (jax.jit(ms_ssim.ms_ssim), [drawn, truth]),
        "cpbd": (jax.jit(cpbd.cpbd), [drawn]),
        "niqe": (jax.jit(lambda x: niqe.niqe(x, pristine)), [drawn]),
        "warping_error": (jax.jit(flicker.warping_error), [drawn, flow, seen]),
    }


def torch_ssim(batch: int, size: int):
    """SSIM in PyTorch as a function of two arrays [b, h, w, 3], or None."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    weight = torch.from_numpy(ssim.GAUSSIAN.astype(np.float32))
    across, down = weight.view(1, 1, 1, -1).repeat(3, 1, 1, 1), weight.view(1, 1, -1, 1).repeat(3, 1, 1, 1)

    def smooth(x):
        return torch.nn.functional.conv2d(torch.nn.functional.conv2d(x, across, groups=3), down, groups=3)

    @torch.no_grad()
    def measure(a, b):
        x, y = (torch.from_numpy(v).permute(0, 3, 1, 2).contiguous() for v in (a, b))
        mean_x, mean_y = smooth(x), smooth(y)
        var_x, var_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
        both = smooth(x * y) - mean_x * mean_y
        top = (2 * mean_x * mean_y + 1e-4) * (2 * both + 9e-4)
        return (top / ((mean_x**2 + mean_y**2 + 1e-4) * (var_x + var_y + 9e-4))).mean((1, 2, 3)).numpy()

    return measure


def seconds_of(call, arrays) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call(*arrays))
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", help="metrics whose name begins so")
    options = parser.parse_args()
    about = {"benchmark": "image_metrics", "device": jax.devices()[0].device_kind, "jax": jax.__version__}
    about |= {"cores": len(os.sched_getaffinity(0)), "batch": options.batch, "size": options.size}
    peer = torch_ssim(options.batch, options.size)
    for name, (metric, arrays) in cases(options.batch, options.size).items():
        if options.only and not name.startswith(options.only):
            continue
        on_device = [jnp.asarray(x) for x in arrays]
        first = seconds_of(metric, on_device)
        against = peer if name == "ssim" else None
        if against:
            np.testing.assert_allclose(against(*arrays), metric(*on_device), atol=1e-4)
        taken, theirs = [], []
        for _ in range(options.rounds):
            taken.append(seconds_of(metric, on_device))
            theirs += [seconds_of(against, arrays)] if against else []
        median = statistics.median(taken)
        result = {
            "metric": name,
            "first_s": round(first, 3),
            "median_s": round(median, 6),
            "spread": round((max(taken) - min(taken)) / median, 2),
            "frames_per_s": round(len(arrays[0]) / median),
            "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        }
        if theirs:
            result["torch_s"] = round(statistics.median(theirs), 6)
            result["torch_spread"] = round((max(theirs) - min(theirs)) / statistics.median(theirs), 2)
        print(json.dumps(about | result), flush=True)


if __name__ == "__main__":
    main()
