"""The mesh of devices: how many ways batches, parameters and matrices are split."""

import collections
import dataclasses
import math
from collections.abc import Mapping

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh

from jaxtalk.errors import InputError

AXES = ("slice", "data", "fsdp", "sequence", "tensor")
BATCH_AXES = ("slice", "data", "fsdp")  # a batch is split over all of these


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshShape:
    """Devices along each axis of the mesh. Their product is the number of devices."""

    slice: int = 1
    """Slices of a pod that only the data-centre network connects; parameters are whole in each."""
    data: int = 0
    """Ways the batch is split, each with all parameters; 0: as many as there are devices left."""
    fsdp: int = 1
    """Ways the batch and the parameters are split, which are gathered layer by layer when they are needed."""
    sequence: int = 1
    """Ways the time of long recordings is split: of what the model calls time, in every example."""
    tensor: int = 1
    """Ways each layer's matrices are split."""

    def on(self, devices: int) -> "MeshShape":
        """With `data` worked out for so many devices.

        Raises:
            InputError: the axes do not fit the number of devices.
        """
        if min(self.slice, self.fsdp, self.sequence, self.tensor) < 1 or self.data < 0:
            raise InputError(f"mesh {self}: every axis has at least one device; data may be 0")
        others = self.slice * self.fsdp * self.sequence * self.tensor
        filled = dataclasses.replace(self, data=self.data or max(1, devices // others))
        if math.prod(filled.sizes) != devices:
            raise InputError(f"mesh {filled}: needs {math.prod(filled.sizes)} devices, there are {devices}")
        return filled

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(getattr(self, axis) for axis in AXES)

    def otherwise(self, default: "MeshShape") -> "MeshShape":
        """Itself, or `default` where nothing was said."""
        return default if self == MeshShape() else self

    def __str__(self) -> str:
        return " x ".join(f"{axis} {size}" for axis, size in zip(AXES, self.sizes, strict=True))


def make(shape: MeshShape | None = None, devices: list | None = None) -> Mesh:
    """The mesh of these devices (all, where none are given); within a slice, jax chooses who is whose neighbour."""
    devices = list(jax.devices() if devices is None else devices)
    shape = (shape or MeshShape()).on(len(devices))
    slices = _slices(devices, shape.slice)
    kinds = (AxisType.Auto,) * len(AXES)
    # jax.make_mesh does the same, but refuses axes that are a part of a torus's side: tensor 4 on 16 x 16 chips.
    parts = [
        mesh_utils.create_device_mesh((1, *shape.sizes[1:]), part, allow_split_physical_axes=True) for part in slices
    ]
    return Mesh(np.concatenate(parts), AXES, axis_types=kinds)


def batch_ways(sizes: Mapping[str, int]) -> int:
    """Parts of which every batch must be a multiple, on a mesh of these sizes."""
    return math.prod(sizes[axis] for axis in BATCH_AXES)


def _slices(devices: list, count: int) -> list[list]:
    """The devices of each slice; devices that know of no slices are cut evenly, in their order."""
    known = collections.defaultdict(list)
    for device in devices:
        known[getattr(device, "slice_index", 0)].append(device)
    if len(known) == 1:
        return [list(part) for part in np.split(np.array(devices), count)]
    if len(known) != count:
        raise InputError(f"the devices lie in {len(known)} slices; give --mesh.slice {len(known)}")
    return [known[index] for index in sorted(known)]
