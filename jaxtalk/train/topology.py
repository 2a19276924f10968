"""Slices of TPUs that are not here, as the compiler knows them: `v5p:4x4x4` is 64 chips of a v5p pod.

libtpu compiles for them on any machine with Linux on x86 (pip install "jaxtalk[tpu]"). The devices it lists can be laid
out in a mesh and compiled for; nothing runs on them. GPUs cannot be planned so: where CUDA's libraries are missing,
jax's CUDA plugin makes no topologies (jax 0.10.2: "topology not implemented for cuda").
"""

import dataclasses
import importlib.util
import math
import os
import re

from jaxtalk.errors import InputError
from jaxtalk.train.chips import CHIPS, Chip

_EXAMPLES = "v5p:4x4x4, v6e:16x16, v4:2x2x4, v5e:4x8"
# libtpu asks the machine which TPUs it has. Without these it waits for answers that never come, and warns; and it lets
# only one process use a TPU, of which there is none.
_NO_TPU_HERE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5p-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
}


@dataclasses.dataclass(frozen=True)
class Topology:
    """`slices` equal slices, each of `shape` chips."""

    chip: Chip
    shape: tuple[int, ...]
    slices: int = 1

    @property
    def chips(self) -> int:
        return self.slices * math.prod(self.shape)

    @property
    def rings(self) -> tuple[bool, ...]:
        """Which sides of a slice close into a ring."""
        return tuple(side % self.chip.ring == 0 for side in self.shape)

    def __str__(self) -> str:
        name = f"{self.chip.name}:{'x'.join(map(str, self.shape))}"
        return name if self.slices == 1 else f"{self.slices} slices of {name}"


def parse(text: str, slices: int = 1) -> Topology:
    """From `chip:AxB` (v5e, v6e) or `chip:AxBxC` (v4, v5p).

    Raises:
        InputError: it is none of these, or no slice has this shape.
    """
    name, _, sides = text.partition(":")
    if name not in CHIPS:
        raise InputError(f"--topology {text}: no figures for {name!r}; there are {', '.join(CHIPS)}, as in {_EXAMPLES}")
    chip = CHIPS[name]
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", sides) or sides.count("x") + 1 != chip.axes:
        raise InputError(f"--topology {text}: a {name} slice has {chip.axes} sides; write it as in {_EXAMPLES}")
    shape = tuple(map(int, sides.split("x")))
    if math.prod(shape) > chip.largest:
        raise InputError(f"--topology {text}: a {name} slice has at most {chip.largest} chips; use --slices for more")
    if slices < 1:
        raise InputError(f"--slices {slices}: give 1 or more")
    return Topology(chip, shape, slices)


def expect_no_tpu() -> None:
    """Tells libtpu not to look for TPUs; to be called before anything makes jax look for devices."""
    for name, value in _NO_TPU_HERE.items():
        os.environ.setdefault(name, value)


def devices(topology: Topology) -> list:
    """One device for each chip, in jax's order.

    Raises:
        InputError: libtpu is not installed, or knows no such slice.
    """
    if importlib.util.find_spec("libtpu") is None and "TPU_LIBRARY_PATH" not in os.environ:
        raise InputError('planning needs the TPU compiler libtpu (Linux on x86): pip install "jaxtalk[tpu]"')
    expect_no_tpu()
    from jax.experimental import topologies

    options = {}
    if topology.chip.name == "v4":
        options["chip_config_name"] = "megacore"  # both cores of a chip as one device, as jax runs them
    if topology.slices > 1:
        options["num_slices"] = topology.slices
    if topology.shape == (1, 1):
        options["chips_per_host_bounds"] = (1, 1, 1)
    name = f"{topology.chip.name}:{'x'.join(map(str, topology.shape))}"
    try:
        return list(topologies.get_topology_desc(name, "tpu", **options).devices)
    except Exception as error:  # jaxlib's own kind of error
        reason = str(error).splitlines()[0].removeprefix("INVALID_ARGUMENT: ")
        raise InputError(f"--topology {name}: libtpu knows no such slice ({reason})") from None
