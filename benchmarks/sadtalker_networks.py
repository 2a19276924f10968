"""Frames a second of SadTalker's networks, ours and PyTorch's, same weights and same input. Prints JSON lines.

    pip install 'jaxtalk[bench]' torchvision
    python benchmarks/sadtalker_networks.py                                   all of them, 256 x 256, batch 1, float32
    python benchmarks/sadtalker_networks.py --networks draw --batch 1 2 4 8 16 --size 256 512
    python benchmarks/sadtalker_networks.py --device gpu --dtype bfloat16 --batch 1 4 16 --networks draw

`generator` encodes the portrait for each frame, as the published code does; `draw` has its volume already, as
`jaxtalk talk` does. `train` is the generator's gradient for all parameters with the statistics of the batch, at half
the size. A frame of `pose` is a 32nd of what the decoder makes. PyTorch's side (`torch_vid2vid.py`,
`torch_sadtalker.py`) makes random weights, which our converter reads; it lays channels last and runs in inference mode.
Each side is a process of its own, and they take turns. Without PyTorch ours runs alone.

`difference` is the largest one of the outputs, relative to the largest output. `gflop` is the work of a frame, two
operations for each product that is added up: ours as XLA counts them in what it runs, PyTorch's as its counter does.
`of_matmul` is the share, at best, of the speed at which this machine multiplies large matrices (by XLA): the
utilisation of FLOPs. `cpu_s` is what all threads worked, spinning included.

Both sides get malloc thresholds that keep freed memory, which helps both. On CPUs with jaxlib 0.10.2 this helps ours:
    XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type=-individual_convolution
On a busy machine `taskset -c 0` compares on one core, where PyTorch's threads do not wait for each other.
"""

import argparse
import importlib.metadata
import importlib.util
import itertools
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import timing

from jaxtalk.train import measure

NETWORKS = ("keypoints", "head_pose", "mapping", "recon", "expnet", "pose", "encode", "draw", "generator", "train")
TRIM = 1 << 32  # bytes
MALLOC = {"MALLOC_MMAP_THRESHOLD_": TRIM, "MALLOC_TRIM_THRESHOLD_": TRIM, "MALLOC_TOP_PAD_": 1 << 28}


def given(network: str, batch: int, size: int) -> list[np.ndarray]:
    """What a network hears or sees, channels last."""
    rng = np.random.default_rng(0)
    normal = lambda *shape: rng.standard_normal((batch, *shape), np.float32)  # noqa: E731
    points = [0.3 * normal(15, 3), 0.3 * normal(15, 3)]
    picture = lambda size: rng.random((batch, size, size, 3), np.float32)  # noqa: E731
    match network:
        case "mapping":
            return [normal(27, 70)]
        case "recon":
            return [picture(224)]
        case "expnet":
            return [normal(1, 80, 16), normal(1, 64), rng.random((batch, 1), np.float32)]
        case "pose":
            return [normal(32, 512), normal(6), normal(64)]
        case "draw":
            return [normal(16, size // 4, size // 4, 32), *points]
        case "generator":
            return [picture(size), *points]
        case "train":
            return [picture(size // 2), *points]
    return [picture(size)]


def ours(options) -> None:
    """Our side: compiles a network and serves its calls."""
    import jax
    import jax.numpy as jnp

    run, variables, arrays = network_of_ours(options, jax, jnp)
    variables, arrays = jax.device_put(variables), [jnp.asarray(x) for x in arrays]
    start = time.perf_counter()
    call = jax.jit(run).lower(variables, *arrays).compile()
    first = time.perf_counter() - start

    def last(result) -> dict:
        outputs = [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(result)]
        np.savez(options.folder / "ours.npz", *outputs[:8])
        device = jax.devices()[0]
        return {
            "gflop": call.cost_analysis().get("flops", 0.0) / 1e9,
            "matmul": measure.matmul_flops(options.dtype, "best_s"),
            "device": f"{device.platform} {device.device_kind}",
        }

    timing.serve(lambda: jax.block_until_ready(call(variables, *arrays)), first, last)


def network_of_ours(options, jax, jnp):
    """A function of variables and arrays, the variables, and the arrays. Outputs in the order of PyTorch's."""
    from jaxtalk.convert import sadtalker, sadtalker_vid2vid, state_dict
    from jaxtalk.models import audio2exp, audio2pose, face_recon, head_pose, keypoints, motion_mapping
    from jaxtalk.models import vid2vid_generator as vid2vid

    name, dtype = options.network, jnp.dtype(options.dtype)
    arrays = given(name, options.batch, options.size)

    def motion(m):
        return m.yaw, m.pitch, m.roll, m.translation, m.expression.reshape(*m.expression.shape[:-2], -1)

    def model(module, convert, method="__call__", choose=lambda y: y, **fixed):
        """Variables are PyTorch's, or ours at random where there is none."""
        path = options.folder / "state.npz"
        if path.exists():
            variables = convert(dict(np.load(path)))
        else:
            start = lambda: module.init(jax.random.key(0), *map(jnp.asarray, arrays), method=method, **fixed)  # noqa: E731
            shapes = jax.eval_shape(start)
            variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.01), shapes)
        return (lambda v, *x: choose(module.apply(v, *x, method=method, **fixed))), variables, arrays

    if name == "keypoints":
        config = keypoints.Config(dtype=dtype)
        return model(
            keypoints.KeypointDetector(config), lambda s: sadtalker_vid2vid.keypoint_variables("PyTorch", s),
            choose=lambda y: y[0],
        )  # fmt: skip
    if name == "head_pose":
        module = head_pose.HeadPoseEstimator(head_pose.Config(dtype=dtype))
        return model(module, lambda s: sadtalker_vid2vid.head_pose_variables("PyTorch", s), choose=motion)
    if name == "mapping":
        module = motion_mapping.MappingNet(motion_mapping.Config(dtype=dtype))
        first = lambda y: [x[:, 0] for x in motion(y)]  # noqa: E731
        return model(module, lambda s: sadtalker.mapping_variables("PyTorch", s)[0], choose=first)
    if name == "recon":
        module = face_recon.FaceRecon(face_recon.Config(dtype=dtype))

        def coefficients(y):
            c = y[0]
            kinds = c.identity, c.expression, c.texture, c.angles, c.light, c.translation
            return jnp.concatenate(kinds, -1)

        return model(module, lambda s: sadtalker.face_recon_variables("PyTorch", s)[0], choose=coefficients)
    if name == "expnet":
        config = audio2exp.Config(dtype=dtype)
        convert = lambda s: sadtalker.audio2exp_variables("PyTorch", s, config)  # noqa: E731
        return model(audio2exp.ExpNet(config), convert, choose=lambda y: y[0])
    if name == "pose":
        arrays.append(np.zeros(options.batch, np.int32))  # the style
        decoder = audio2pose.Decoder(audio2pose.Config(dtype=dtype))
        like = jax.eval_shape(lambda: decoder.init(jax.random.key(0), *map(jnp.asarray, arrays), train=False))
        like = {kind: {"decoder": tree} for kind, tree in like.items()}

        def convert(state):
            state = {f"netG.decoder.{key}": value for key, value in state.items()}
            variables = state_dict.convert("PyTorch", state, sadtalker.AUDIO2POSE, like)
            return {kind: tree["decoder"] for kind, tree in variables.items()}

        return model(decoder, convert, train=False)
    module = vid2vid.Generator(vid2vid.Config(dtype=dtype))
    convert = lambda s: sadtalker_vid2vid.generator_variables("PyTorch", s)  # noqa: E731
    run, variables, arrays = model(
        module, convert, {"encode": "encode", "draw": "draw"}.get(name, "__call__"),
        choose=(lambda y: y) if name == "encode" else lambda y: y[0],
    )  # fmt: skip
    return (learning(module, jax, jnp) if name == "train" else run), variables, arrays


def learning(module, jax, jnp):
    """The gradient of the mean square of the picture for all parameters."""

    def loss(params, rest, *x):
        (picture, _), updated = module.apply({"params": params, **rest}, *x, train=True, mutable=["batch_stats"])
        return jnp.mean(picture**2), (picture, updated)

    def run(variables, *x):
        rest = {kind: tree for kind, tree in variables.items() if kind != "params"}
        (_, (picture, updated)), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"], rest, *x)
        return picture, updated, gradient

    return run


def theirs(options) -> None:
    """PyTorch's side: writes random weights, or reads them, and serves the network's calls."""
    import torch
    import torch_sadtalker as others
    import torch_vid2vid as vid2vid
    from torch.utils.flop_counter import FlopCounterMode

    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    kinds = {
        "keypoints": vid2vid.KeypointDetector, "head_pose": vid2vid.HeadPoseEstimator, "mapping": others.MappingNet,
        "recon": others.FaceRecon, "expnet": others.ExpNet, "pose": others.PoseDecoder,
    }  # fmt: skip
    model = kinds.get(options.network, vid2vid.Generator)().eval()
    randomise(model, torch)
    names = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    state = {name: value.numpy() for name, value in model.state_dict().items() if name in names}
    np.savez(options.folder / "state.npz", **state)
    device = "cuda" if options.device == "gpu" else "cpu"
    model = model.to(device, getattr(torch, options.dtype))
    for parameter in model.parameters():
        if parameter.ndim in (4, 5):
            parameter.data = vid2vid.laid_out(parameter.data)
    arrays = [torch.from_numpy(x) for x in given(options.network, options.batch, options.size)]
    if options.network == "mapping":
        arrays = [arrays[0].mT]
    elif options.network not in ("expnet", "pose"):
        arrays = [vid2vid.laid_out(x.movedim(-1, 1)) if x.ndim > 3 else x for x in arrays]
    # Keypoints stay in single precision, as ours do.
    kept = options.network in ("draw", "generator", "train")
    arrays = [x.to(device, torch.float32 if kept and x.ndim == 3 else getattr(torch, options.dtype)) for x in arrays]
    method = {"encode": "encode", "draw": "draw"}.get(options.network, "forward")

    def run():
        if options.network == "train":
            model.train()
            model.zero_grad(set_to_none=True)
            outputs = model(*arrays)
            outputs.square().mean().backward()
            outputs = outputs.detach()
        else:
            with torch.inference_mode():
                outputs = getattr(model, method)(*arrays)
        if device == "cuda":
            torch.cuda.synchronize()
        return outputs

    def last(outputs) -> dict:
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        outputs = [x.float().cpu().movedim(1, -1).numpy() if x.ndim > 3 else x.float().cpu().numpy() for x in outputs]
        np.savez(options.folder / "theirs.npz", *outputs)
        with FlopCounterMode(display=False) as counter:
            run()
        return {"gflop": counter.get_total_flops() / 1e9}

    _, taken = measure.timed(run)
    timing.serve(run, taken.seconds, last)


def randomise(model, torch) -> None:
    """Weights that keep activations at about 1, and statistics of norms that are no identity."""
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if not value.is_floating_point() or name == "blur":
            continue
        noise = torch.randn_like(value)
        with torch.no_grad():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.ndim > 1:
                value.copy_(noise * 1.2 / value[0].numel() ** 0.5)
            else:
                value.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))


def compare(options) -> dict:
    """Both sides of one network in turns."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--folder", folder, "--networks", options.network, "--batch", options.batch]
        arguments += ["--size", options.size, "--dtype", options.dtype, "--device", options.device]
        both = importlib.util.find_spec("torch") and not options.alone
        workers = {side: timing.Worker("--side", side, *arguments) for side in (["theirs"] if both else []) + ["ours"]}
        taken = measure.turns({side: worker.time for side, worker in workers.items()}, options.rounds)
        last = {side: worker.finish() for side, worker in workers.items()}
        result = {"network": options.network, "batch": options.batch, "size": options.size}
        result |= {"device": last["ours"].pop("device"), "matmul_gflops": last["ours"]["matmul"] / 1e9}
        for side, worker in workers.items():
            result[side] = {"first_s": worker.first} | rates(options, measure.figures(taken[side]), last, side)
        if both:
            files = (dict(np.load(Path(folder) / f"{side}.npz")) for side in ("ours", "theirs"))
            result["difference"] = difference(*files)
            for ratio, figure in {"ratio": "median_s", "best_ratio": "best_s", "cpu_ratio": "least_cpu_s"}.items():
                result[ratio] = result["ours"][figure] / result["theirs"][figure]
        return result


def rates(options, figures: dict, last: dict, side: str) -> dict:
    frames = options.batch * (32 if options.network == "pose" else 1)
    work = last[side]["gflop"]
    rates = {"frames_per_s": frames / figures["median_s"], "gflop": work / frames, "peak_gb": last[side]["peak_gb"]}
    return figures | rates | {"of_matmul": work * 1e9 / figures["best_s"] / last["ours"]["matmul"]}


def difference(ours: dict, theirs: dict) -> float:
    """The largest of all outputs; of those of `train` only the picture is compared."""
    each = [np.abs(ours[key] - theirs[key]).max() / np.abs(theirs[key]).max() for key in theirs]
    return float(max(each))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--size", type=int, nargs="+", default=[256])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", action="store_true", help="ours only, with weights that are all the same")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        (options.network,), (options.batch,), (options.size,) = options.networks, options.batch, options.size
        return {"ours": ours, "theirs": theirs}[options.side](options)
    os.environ |= {name: str(value) for name, value in MALLOC.items()}
    os.environ["JAX_PLATFORMS"] = {"cpu": "cpu", "gpu": "cuda"}[options.device]
    versions = {name: version(name) for name in ("jax", "jaxlib", "torch")}
    for network, size, batch in itertools.product(options.networks, options.size, options.batch):
        about = timing.about("sadtalker_networks", dtype=options.dtype, **versions, load=os.getloadavg()[0])
        case = argparse.Namespace(**vars(options) | {"network": network, "size": size, "batch": batch})
        timing.show(about | compare(case))


def version(package: str) -> str | None:
    return importlib.metadata.version(package) if importlib.util.find_spec(package) else None


if __name__ == "__main__":
    main()
