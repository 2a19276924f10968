"""Stated figures of chips, for estimates. Sources: the pages of Cloud TPU's documentation on each chip (November 2026).

v5p, v5e, v6e: https://docs.cloud.google.com/tpu/docs/v5p, .../v5e, .../v6e. v4: https://docs.cloud.google.com/tpu/docs/v4;
its network is taken as 25 GB/s a host of four, which https://jax-ml.github.io/scaling-book/tpus gives for hosts in
general. Documentation gives links in both directions added up; what counts for a collective is one of them.
"""

import dataclasses

GB = 1e9
GIB = 2**30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chip:
    """All figures are of one chip."""

    name: str
    flops: float
    """Products of matrices in bfloat16, a second, at the most."""
    memory: float
    """Bytes that a program may use."""
    bandwidth: float
    """Bytes a second from and to memory."""
    links: float
    """Bytes a second out of the chip over all its links to neighbours."""
    axes: int
    """Of the torus that the links make; each has two of the links."""
    network: float
    """Bytes a second out of the chip to other slices, over the data-centre network."""
    ring: int
    """A side of a slice that is a multiple of this closes into a ring; shorter ones are lines."""
    largest: int
    """Chips in the largest slice."""


# Memory is what libtpu's compiler lets a program use, a little less than the chip has.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip(name="v4", flops=275e12, memory=30.75 * GIB, bandwidth=1200 * GB, links=300 * GB, axes=3,
             network=6.25 * GB, ring=4, largest=4096),
        Chip(name="v5p", flops=459e12, memory=95.74 * GIB, bandwidth=2765 * GB, links=600 * GB, axes=3,
             network=6.25 * GB, ring=4, largest=6144),
        Chip(name="v5e", flops=197e12, memory=15.75 * GIB, bandwidth=819 * GB, links=200 * GB, axes=2,
             network=3.125 * GB, ring=16, largest=256),
        Chip(name="v6e", flops=918e12, memory=31.25 * GIB, bandwidth=1600 * GB, links=400 * GB, axes=2,
             network=12.5 * GB, ring=16, largest=256),
    )
}  # fmt: skip
