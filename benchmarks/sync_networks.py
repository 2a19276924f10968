"""Windows a second of the published lip-sync networks, ours and PyTorch's. Prints JSON lines.

    python benchmarks/sync_networks.py                       both networks, batch 8, float32
    python benchmarks/sync_networks.py --batch 64 --dtype bfloat16 --networks syncnet      on a GPU

Each call embeds sound and faces of a batch of windows. Weights are random. With PyTorch installed (`pip install
'jaxtalk[bench]'`) the same layers are built there, the state dict goes through `jaxtalk.convert.syncnet`, the sides
take turns in one process, and the largest difference of their embeddings is printed too. `gflop` is the work of a
window, two operations for each product that is added up; `least_cpu_s` is the least processor time of a call, which
says more than its duration on a busy machine; there keep to one core (`taskset -c 0`): PyTorch's threads wait busily.

On CPUs jaxlib 0.10.2 is slow at the first convolution of SyncNet; this makes it several times quicker:
    XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type=-individual_convolution python benchmarks/sync_networks.py
"""

import argparse
import os

import jax
import jax.numpy as jnp
import numpy as np
import timing

from jaxtalk.convert import syncnet as convert
from jaxtalk.models import syncnet, wav2lip_syncnet
from jaxtalk.train import measure

INPUTS = {  # of one window: sound, faces
    "syncnet": ((13, 20), (5, 224, 224, 3)),
    "wav2lip_syncnet": ((80, 16), (5, 48, 96, 3)),
}


def given(network: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return tuple(draw.standard_normal((batch, *shape), np.float32) for shape in INPUTS[network])


def ours(network: str, state: dict | None, arrays, dtype: str):
    """A function that embeds the batch, its operations in gigaflop for each window, and seconds of compilation."""
    if network == "syncnet":
        model = syncnet.SyncNet(syncnet.Config(dtype=jnp.dtype(dtype)))
        variables = convert.syncnet_variables("PyTorch", state) if state else None
    else:
        model = wav2lip_syncnet.SyncExpert(wav2lip_syncnet.Config(dtype=jnp.dtype(dtype)))
        variables = convert.wav2lip_variables("PyTorch", state) if state else None
    sound, faces = (jnp.asarray(x) for x in arrays)
    if variables is None:
        variables = jax.jit(model.init)(jax.random.key(0), sound[:1], faces[:1])
    variables = jax.device_put({name: variables[name] for name in ("params", "batch_stats")})
    call, taken = measure.timed(lambda: jax.jit(model.apply).lower(variables, sound, faces).compile())
    work = call.cost_analysis()["flops"] / len(sound) / 1e9
    return lambda: jax.block_until_ready(call(variables, sound, faces)), work, taken.seconds


def theirs(network: str, dtype: str):
    """PyTorch's network with the published names: sound's and faces' towers."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def conv(into, out, window, stride=1, padding=0):
        depth = {nn.Conv2d: nn.BatchNorm2d, nn.Conv3d: nn.BatchNorm3d}
        kind = nn.Conv3d if isinstance(window, tuple) and len(window) == 3 else nn.Conv2d
        return kind(into, out, window, stride, padding), depth[kind](out), nn.ReLU()

    def head():
        return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))

    class Residual(nn.Module):
        def __init__(self, into, out, window, stride, padding, residual):
            super().__init__()
            self.conv_block, self.residual = nn.Sequential(*conv(into, out, window, stride, padding)[:2]), residual

        def forward(self, x):
            y = self.conv_block(x)
            return torch.relu(y + x if self.residual else y)

    def residuals(into, layers):
        outs = [32 * units for units, *_ in layers]
        return nn.Sequential(*(Residual(i, o, *rest) for i, o, (_, *rest) in zip([into, *outs], outs, layers)))  # noqa: B905

    if network == "syncnet":
        flat, over = (1, 3, 3), (1, 2, 2)
        towers = {
            "netcnnaud": nn.Sequential(
                *conv(1, 64, 3, 1, 1), nn.Identity(),
                *conv(64, 192, 3, 1, 1), nn.MaxPool2d(3, (1, 2)),
                *conv(192, 384, 3, 1, 1), *conv(384, 256, 3, 1, 1), *conv(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2),
                *conv(256, 512, (5, 4)),
            ),
            "netfcaud": head(),
            "netcnnlip": nn.Sequential(
                *conv(3, 96, (5, 7, 7), over), nn.MaxPool3d(flat, over),
                *conv(96, 256, (1, 5, 5), over, (0, 1, 1)), nn.MaxPool3d(flat, over, (0, 1, 1)),
                *conv(256, 256, flat, 1, (0, 1, 1)), *conv(256, 256, flat, 1, (0, 1, 1)),
                *conv(256, 256, flat, 1, (0, 1, 1)), nn.MaxPool3d(flat, over),
                *conv(256, 512, (1, 6, 6)),
            ),
            "netfclip": head(),
        }  # fmt: skip
    else:
        towers = {
            "audio_encoder": residuals(1, wav2lip_syncnet.SOUND),
            "face_encoder": residuals(15, wav2lip_syncnet.FACE),
        }
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = nn.ModuleDict(towers).to(device, getattr(torch, dtype)).eval()

    def embed(arrays):
        sound, faces = (torch.from_numpy(x).to(device, getattr(torch, dtype)) for x in arrays)
        sound = sound[:, None]

        @torch.inference_mode()
        def call():
            if network == "syncnet":
                moved = faces.permute(0, 4, 1, 2, 3)
                out = (
                    model["netfcaud"](model["netcnnaud"](sound).flatten(1)),
                    model["netfclip"](model["netcnnlip"](moved).flatten(1)),
                )
            else:
                stacked = faces.permute(0, 1, 4, 2, 3).flatten(1, 2)
                pair = model["audio_encoder"](sound).flatten(1), model["face_encoder"](stacked).flatten(1)
                out = tuple(nn.functional.normalize(x) for x in pair)
            if device == "cuda":
                torch.cuda.synchronize()
            return out

        return call

    return {name: value.float().cpu().numpy() for name, value in model.state_dict().items()}, embed


def compare(network: str, batch: int, dtype: str, rounds: int) -> dict:
    arrays = given(network, batch)
    try:
        state, embed = theirs(network, dtype)
    except ImportError:
        state, embed = None, None
    our_call, work, compile_s = ours(network, state, arrays, dtype)
    calls = {"ours": our_call, **({"pytorch": embed(arrays)} if embed else {})}
    answers = {side: call() for side, call in calls.items()}
    taken = measure.turns({side: lambda call=call: measure.timed(call)[1] for side, call in calls.items()}, rounds)
    result = {"network": network, "batch": batch, "dtype": dtype, "gflop": work, "compile_s": compile_s}
    for side in calls:
        figures = measure.figures(taken[side])
        result[side] = {"windows_per_s": batch / figures["median_s"]} | figures
    if embed:
        pairs = zip(answers["ours"], answers["pytorch"], strict=True)
        differences = [np.abs(np.asarray(x) - y.float().cpu().numpy()).max() for x, y in pairs]
        result["largest_difference"] = float(max(differences))
        result["ratio"] = result["ours"]["median_s"] / result["pytorch"]["median_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    about = timing.about("sync_networks", device=jax.devices()[0].device_kind)
    for network in options.networks:
        for batch in options.batch:
            timing.show(about | compare(network, batch, options.dtype, options.rounds))


if __name__ == "__main__":
    main()
