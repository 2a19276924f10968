"""What a mesh's vertices do as a few numbers: principal components of their motion, with the mesh that they move.

    offsets of vertices from their place at rest [v, 3] = numbers [k] @ basis [k, v, 3]

A network that animates has as many outputs as numbers, however fine the mesh is. The basis is orthogonal and of one
length, so distances between numbers are distances between meshes: sqrt of the sum over all vertices of their squared
distances is `unit` times the distance of the numbers. The first number has a root mean square of 1 over what the basis
was made of. A rig of n shapes has no more than n, so that nothing is lost.
"""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int

from jaxtalk.errors import InputError
from jaxtalk.io import output


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionBasis:
    template: Float32[np.ndarray, "v 3"]  # in the unit of the mesh: metres, for faces of ours
    triangles: Int[np.ndarray, "f 3"]  # none, where only vertices are known (VOCASET, BIWI)
    basis: Float32[np.ndarray, "k v 3"]
    lips: Int[np.ndarray, "l"]  # vertices whose error counts as the lips'
    upper: Int[np.ndarray, "u"]  # and those of brows, eyes and forehead; none, where nobody knows
    jaw: Int[np.ndarray, ""]  # the vertex whose rise and fall is the jaw's

    @property
    def unit(self) -> float:
        """Length of each component."""
        return float(np.linalg.norm(self.basis[0]))

    def numbers(self, offsets: Float[np.ndarray, "*n v 3"]) -> Float32[np.ndarray, "*n k"]:
        """Those that come nearest to the offsets."""
        flat = self.basis.reshape(len(self.basis), -1)
        return (offsets.reshape(*offsets.shape[:-2], -1) @ flat.T / self.unit**2).astype(np.float32)

    def offsets(self, numbers: Float[np.ndarray, "*n k"]) -> Float32[np.ndarray, "*n v 3"]:
        return np.tensordot(np.asarray(numbers, np.float32), self.basis, 1)


def components(offsets: Float[np.ndarray, "n v 3"], count: int) -> Float32[np.ndarray, "k v 3"]:
    """The first `count` principal components of motion about rest (not about its mean), fewer if it has fewer."""
    flat = offsets.reshape(len(offsets), -1)
    values, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64) / len(flat))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    used = values > 1e-6 * values[0]
    directions = (vectors[:, used] / np.sqrt(len(flat) * values[used])[None]).T @ flat  # each of length 1
    return (np.sqrt(values[0]) * directions).reshape(-1, *offsets.shape[1:]).astype(np.float32)


def save(path: str | Path, basis: MotionBasis, **notes: str | float | list[str]) -> None:
    """Writes `.npz`, with what else is to be known of it."""
    with output.atomic(Path(path)) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file, **{field.name: getattr(basis, field.name) for field in dataclasses.fields(basis)}, **notes
        )


def load(path: str | Path) -> tuple[MotionBasis, dict[str, np.ndarray]]:
    """What `save` wrote. InputError if it is none, or damaged."""
    names = [field.name for field in dataclasses.fields(MotionBasis)]
    try:
        with np.load(path, allow_pickle=False) as z:
            arrays = {name: z[name] for name in names}
            notes = {name: z[name] for name in z.files if name not in names}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no motion basis of jaxtalk ({error}); export the network again") from error
    basis, template = arrays["basis"], arrays["template"]
    if basis.ndim != 3 or basis.shape[1:] != template.shape or template.shape[1:] != (3,):
        raise InputError(f"{path}: is a damaged motion basis; export the network again")
    return MotionBasis(**arrays), notes
