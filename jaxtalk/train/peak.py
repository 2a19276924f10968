"""The most that devices can do, as their makers state it: what a model's use of them is measured against."""

from jaxtalk.train.chips import CHIPS

# How jax names TPUs -> our name of the chip.
TPUS = {
    "TPU v4": "v4", "TPU v5": "v5p", "TPU v5p": "v5p", "TPU v5 lite": "v5e", "TPU v5e": "v5e", "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
}  # fmt: skip
# Dense products in bfloat16 a second, from NVIDIA's data sheets (which print twice as much, with sparsity). jax gives
# the name that the driver gives; the longest that it begins with counts.
GPUS = {
    "NVIDIA A100": 312e12,
    "NVIDIA H100": 989e12,  # SXM
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H200": 989e12,
    "NVIDIA B200": 2250e12,
    "NVIDIA L4": 121e12,
    "NVIDIA L40S": 362e12,
}


def flops(kind: str) -> float | None:
    """FLOP a second of one device in bfloat16; None for CPUs and for what is not known here."""
    if kind in TPUS:
        return CHIPS[TPUS[kind]].flops
    known = max(
        (name for name in GPUS if kind == name or kind.startswith((name + " ", name + "-"))), key=len, default=""
    )
    return GPUS.get(known)
