"""Our speech encoder against PyTorch's (transformers), same weights and same sound. Prints JSON lines.

    pip install 'jaxtalk[bench]'
    python benchmarks/speech_encoder.py                                   base, 10 s, batch 1 and 4, float32
    python benchmarks/speech_encoder.py --size large --dtype bfloat16 --batch 32 --attention cudnn    on a GPU

transformers makes random weights and writes them as it writes published ones; `jaxtalk convert` reads them. Each side
is a process of its own, so that peak memory is its own, and they take turns: one call of ours, one of theirs. Backward
is the gradient of the mean square of the last layer for all parameters, without dropout. `of_matmul` is the share of
the speed at which this machine multiplies large matrices (our side's), that is the model FLOPs utilisation.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import timing

from jaxtalk.train import measure

SIZES = {  # changes to the configuration of transformers' Wav2Vec2
    "base": {},
    "large": {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
        "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True,
    },
    "tiny": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
        "conv_dim": [16] * 7, "num_conv_pos_embedding_groups": 4,
    },
}  # fmt: skip
NO_DROPOUT = {
    "hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0,
    "layerdrop": 0.0, "mask_time_prob": 0.0,
}  # fmt: skip


def sound(batch: int, seconds: float) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, int(16000 * seconds))).astype(np.float32)


class Ours:
    def __init__(self, folder: Path, options):
        import dataclasses

        import jax
        import jax.numpy as jnp

        from jaxtalk.convert import speech_encoder as convert
        from jaxtalk.io import weights
        from jaxtalk.models.speech_encoder import Config, SpeechEncoder

        convert.convert(folder, folder / "ours.safetensors")
        stored = weights.load(folder / "ours.safetensors")
        self.config = dataclasses.replace(
            Config.of(stored.config), dtype=jnp.dtype(options.dtype), attention=options.attention, dropout=0.0
        )
        self._apply = lambda variables, wave: SpeechEncoder(self.config).apply(variables, wave)[0]
        self._variables, self._jax, self._jnp, self._dtype = stored.variables, jax, jnp, options.dtype

    def prepare(self, backward: bool, wave: np.ndarray) -> float:
        """Seconds of compilation."""
        jax, jnp = self._jax, self._jnp
        loss = lambda variables, wave: jnp.mean(jnp.square(self._apply(variables, wave)))  # noqa: E731
        call, self._wave = (jax.grad(loss) if backward else self._apply), jnp.asarray(wave)
        self._call, taken = measure.timed(lambda: jax.jit(call).lower(self._variables, self._wave).compile())
        return taken.seconds

    def run(self):
        return self._jax.block_until_ready(self._call(self._variables, self._wave))


class Theirs:
    def __init__(self, folder: Path, options):
        import torch
        import transformers

        transformers.logging.disable_progress_bar()
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch, self._device = torch, "cuda" if torch.cuda.is_available() else "cpu"
        model = transformers.Wav2Vec2Model.from_pretrained(folder, dtype=getattr(torch, options.dtype))
        self._model = model.to(self._device).eval()

    def prepare(self, backward: bool, wave: np.ndarray) -> float:
        """Seconds of the first call."""
        self._backward = backward
        self._wave = self._torch.from_numpy(wave).to(self._device, self._model.dtype)
        return measure.timed(self.run)[1].seconds

    def run(self):
        with self._torch.set_grad_enabled(self._backward):
            y = self._model(self._wave).last_hidden_state
            if self._backward:
                self._model.zero_grad(set_to_none=True)
                y.float().square().mean().backward()
        if self._device == "cuda":
            self._torch.cuda.synchronize()
        return y.detach().float().cpu().numpy() if not self._backward else None


def make_weights(folder: Path, options) -> None:
    """A random model as transformers writes it."""
    import torch
    import transformers

    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(**SIZES[options.size], **NO_DROPOUT)
    transformers.Wav2Vec2Model(config).save_pretrained(folder)


def work(options) -> None:
    """One process: writes the weights, or is a side."""
    if options.side == "weights":
        make_weights(options.folder, options)
        return timing.serve(lambda: None)
    side = {"ours": Ours, "theirs": Theirs}[options.side](options.folder, options)

    def last(result) -> dict:
        if not options.backward:
            np.save(options.folder / f"{options.side}.npy", np.asarray(result, np.float32))
        return {"matmul": measure.matmul_flops(options.dtype)} if options.side == "ours" else {}

    timing.serve(side.run, side.prepare(options.backward, sound(options.batch[0], options.seconds)), last)


def compare(options, folder: Path, batch: int, backward: bool) -> dict:
    """Both sides in turns on one case."""
    case = ["--batch", batch, *(["--backward"] if backward else [])]
    workers = {side: worker(options, folder, side, *case) for side in ("ours", "theirs")}
    taken = measure.turns({side: process.time for side, process in workers.items()}, options.rounds)
    result = {"batch": batch, "backward": backward}
    work = flops(options.size, options.seconds) * batch * (3 if backward else 1)
    for side, process in workers.items():  # one after another: matrices are multiplied alone
        last, figures = process.finish(), measure.figures(taken[side])
        median = figures["median_s"]
        result[side] = {"first_s": process.first, "peak_gb": last["peak_gb"]} | figures
        result[side] |= {"times_real_time": batch * options.seconds / median, "gflops": work / median / 1e9}
        if side == "ours":
            result[side]["of_matmul"] = work / median / last["matmul"]
    if not backward:
        ours, theirs = (np.load(folder / f"{side}.npy") for side in workers)
        result["largest_difference"] = float(np.abs(ours - theirs).max())
    return result | {"ratio": result["ours"]["median_s"] / result["theirs"]["median_s"]}


def flops(size: str, seconds: float) -> float:
    """Floating-point operations of one utterance forward, two for each product that is added up."""
    changes = SIZES[size]
    width, hidden = changes.get("hidden_size", 768), changes.get("intermediate_size", 3072)
    channels = changes.get("conv_dim", [512] * 7)
    length, products, into = int(16000 * seconds), 0, 1
    for out, window, stride in zip(channels, (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True):
        length = (length - window) // stride + 1
        products, into = products + length * window * into * out, out
    products += length * into * width
    products += length * 128 * width * width // changes.get("num_conv_pos_embedding_groups", 16)
    layer = length * (4 * width * width + 2 * width * hidden) + 2 * length * length * width
    return 2.0 * (products + changes.get("num_hidden_layers", 12) * layer)


def worker(options, folder: Path, side: str, *case: object) -> timing.Worker:
    arguments = ["--size", options.size, "--seconds", options.seconds, "--dtype", options.dtype]
    return timing.Worker("--side", side, "--folder", folder, *arguments, "--attention", options.attention, *case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--attention", choices=("xla", "cudnn"), default="xla", help="ours")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", choices=("weights", "ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--backward", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return work(options)
    about = timing.about("speech_encoder", size=options.size, seconds=options.seconds, dtype=options.dtype)
    with tempfile.TemporaryDirectory() as folder:
        worker(options, Path(folder), "weights").finish()
        for batch in options.batch:
            for backward in (False, True):
                timing.show(about | compare(options, Path(folder), batch, backward))


if __name__ == "__main__":
    main()
