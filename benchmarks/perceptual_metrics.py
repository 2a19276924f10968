"""LPIPS and FID's features against the lpips package and pytorch-fid, same weights and same pictures. JSON lines.

    pip install 'jaxtalk[bench]' torchvision lpips pytorch-fid
    python benchmarks/perceptual_metrics.py                        four pictures (LPIPS: pairs) of 256 x 256, forward
    python benchmarks/perceptual_metrics.py --gradient             with the gradient of LPIPS for one of the pictures

Backbones are random, heads are those of the lpips package; our converter reads what PyTorch wrote. Each side is a
process of its own, and they take turns: one call of ours, one of theirs. Without PyTorch ours runs alone. `per_s`
counts pictures, or pairs of LPIPS; `cpu_s` is what all threads of the process worked, which other work on the machine
disturbs less; `difference` is the largest one of the results, relative to the largest result. In gradients it is large
at single pixels: random features are nearly flat, and where two of a pooling window are equal after rounding each side
follows another.
"""

import argparse
import importlib.util
import os
import tempfile
from pathlib import Path

import numpy as np
import timing

from jaxtalk.train import measure

NETWORKS = ("lpips_alex", "lpips_vgg", "inception")
PACKAGES = ("torch", "torchvision", "lpips", "pytorch_fid")


def pictures(options) -> tuple[np.ndarray, np.ndarray]:
    shape = (2, options.batch, options.size, options.size, 3)
    first, second = np.random.default_rng(0).random(shape, np.float32)
    return first, 0.8 * first + 0.2 * second


class Ours:
    def __init__(self, options):
        import jax
        import jax.numpy as jnp

        from jaxtalk.convert import perceptual
        from jaxtalk.io import weights
        from jaxtalk.metrics.lpips import lpips

        network, image = perceptual.model(options.network)
        source = options.folder / options.network
        if source.exists():
            published = source / "backbone.pth" if options.network == "inception" else source
            perceptual.convert(published, source / "ours.safetensors", options.network)
            variables = weights.load(source / "ours.safetensors").variables
        else:
            like = jax.eval_shape(network.init, jax.random.key(0), image)
            variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.01), like)

        def distance(first, second, variables):
            (a, heads), (b, _) = (network.apply(variables, image) for image in (first, second))
            return lpips(a, b, heads)

        def gradient(*given):
            return jax.grad(lambda *given: distance(*given).sum())(*given)

        features = lambda first, second, variables: network.apply(variables, first)  # noqa: E731
        call = features if options.network == "inception" else gradient if options.gradient else distance
        self._call, self._wait = jax.jit(call), jax.block_until_ready
        self._given = (*map(jnp.asarray, pictures(options)), jax.tree.map(jnp.asarray, variables))

    def run(self) -> np.ndarray:
        return np.asarray(self._wait(self._call(*self._given)))


class Theirs:
    def __init__(self, options):
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.manual_seed(0)
        self._network, self._gradient, self._torch = theirs(options), options.gradient, torch
        self._given = [torch.from_numpy(image).permute(0, 3, 1, 2).contiguous() for image in pictures(options)]

    def run(self) -> np.ndarray:
        first, second = self._given
        with self._torch.set_grad_enabled(self._gradient):
            if self._gradient:
                first = first.detach().requires_grad_()
                self._network(first, second, normalize=True).sum().backward()
                return first.grad.permute(0, 2, 3, 1).numpy()
            if hasattr(self._network, "lins"):
                return self._network(first, second, normalize=True).flatten().numpy()
            return self._network(first)[0][:, :, 0, 0].numpy()


def theirs(options):
    """Their network with random weights, which are written for ours to convert."""
    import shutil
    import warnings

    import torch
    import torchvision

    warnings.simplefilter("ignore")  # torchvision's older arguments
    folder = options.folder / options.network
    folder.mkdir(exist_ok=True)
    if options.network == "inception":
        import pytorch_fid.inception

        bare = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False)
        torch.save(bare.state_dict(), folder / "backbone.pth")  # FID's blocks have the same arrays
        pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: bare.state_dict()
        return pytorch_fid.inception.InceptionV3().eval()
    import lpips

    name = options.network.removeprefix("lpips_")
    network = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
    layers = [item for item in network.net.state_dict().items() if item[0].startswith("slice")]
    features = {f"features.{key.split('.', 1)[1]}": value for key, value in layers}  # as torchvision counts them
    torch.save(features, folder / "backbone.pth")
    shutil.copy(Path(lpips.__file__).parent / "weights" / "v0.1" / f"{name}.pth", folder / "heads.pth")
    return network.eval()


def work(options) -> None:
    """One side, which keeps its last result."""
    side = {"ours": Ours, "theirs": Theirs}[options.side](options)
    timing.serve(side.run, last=lambda result: np.save(options.folder / f"{options.side}.npy", result) or {})


def compare(options) -> dict:
    """Both sides in turns on one network."""
    names = ("theirs", "ours") if all(map(importlib.util.find_spec, PACKAGES)) else ("ours",)
    arguments = ["--folder", options.folder, "--network", options.network, "--size", options.size]
    arguments += ["--batch", options.batch, *(["--gradient"] if options.gradient else [])]
    workers = {side: timing.Worker("--side", side, *arguments) for side in names}  # theirs writes the weights first
    taken = measure.turns({side: worker.time for side, worker in workers.items()}, options.rounds)
    result = {"network": options.network}
    for side, worker in workers.items():
        figures = measure.figures(taken[side])
        per_s = {"per_s": options.batch / figures["median_s"]}
        result[side] = {"first_s": taken[side][0].seconds} | figures | per_s | worker.finish()
    if len(names) == 2:
        ours, others = (np.load(options.folder / f"{side}.npy") for side in ("ours", "theirs"))
        result["difference"] = float(np.abs(ours - others).max() / np.abs(others).max())
        result["ratio"] = result["ours"]["median_s"] / result["theirs"]["median_s"]
        result["cpu_ratio"] = result["ours"]["cpu_s"] / result["theirs"]["cpu_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, help="only this one")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--gradient", action="store_true", help="of LPIPS; Inception is left out")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return work(options)
    about = timing.about("perceptual_metrics", size=options.size, batch=options.batch, gradient=options.gradient)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        for network in [options.network] if options.network else NETWORKS[: 2 if options.gradient else 3]:
            options.network = network
            timing.show(about | compare(options))


if __name__ == "__main__":
    main()
