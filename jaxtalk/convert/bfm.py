"""Basel Face Model 2009 with the expression basis of Guo et al., as Deep3DFaceRecon and SadTalker use it.

The source of this FaceModel is a folder with either `BFM_model_front.mat`, or the files it is made of:

- `01_MorphableModel.mat` (https://faces.dmi.unibas.ch/bfm): shapeMU [3V, 1], shapePC [3V, 199], shapeEV [199, 1],
  V = 53490, and texMU, texPC, texEV of the same shapes for colours from 0 to 255;
- `Exp_Pca.bin` (Guo et al., 3DFace "CoarseData"): int32 count, then float32 mean [3W] and components [count, 3W],
  W = 53215; `std_exp.txt`: a standard deviation per component;
- `BFM_exp_idx.mat` (trimIndex [W]: which of V), `BFM_front_idx.mat` (idx [35709]: which of W) and
  `facemodel_info.mat` (tri, keypoints of the cut face), of Deep3DFaceRecon; all indices from 1.

80 identity and 64 expression components, as these networks predict, named `bfm00` ... `bfm63`. The model has no teeth
or eyeballs; micrometres become metres.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from jaxtalk.convert import face_axes
from jaxtalk.errors import InputError
from jaxtalk.face import store
from jaxtalk.face.model import FaceModel
from jaxtalk.face.recon_geometry import Albedo

IDENTITY, EXPRESSION = 80, 64
METRES = 1e-6  # the files are in micrometres
FRONT_METRES = 0.1  # BFM_model_front.mat is in decimetres


def convert(source: Path, destination: Path) -> None:
    """Writes the FaceModel and the Albedo of a folder of BFM files. InputError if one is missing or wrong."""
    store.save(destination, load(source), load_albedo(source))


def load(source: Path) -> FaceModel:
    """The FaceModel of a folder of BFM files."""
    folder = Path(source)
    front = folder / "BFM_model_front.mat"
    try:
        template, identity, expression, triangles, landmarks = _front(front) if front.is_file() else _raw(folder)
        return face_axes.build(
            template=template,
            identity=np.moveaxis(identity[..., :IDENTITY], -1, 0),
            expression=np.moveaxis(expression[..., :EXPRESSION], -1, 0),
            names=tuple(f"bfm{k:02d}" for k in range(min(EXPRESSION, expression.shape[-1]))),
            triangles=triangles,
            landmarks=landmarks,
        )
    except InputError:
        raise
    except (ValueError, IndexError) as error:
        raise InputError(f"{folder}: its BFM files do not fit together ({error}); get them again") from error


def load_albedo(source: Path) -> Albedo:
    """The skin's colours of a folder of BFM files, for the vertices of `load`."""
    folder = Path(source)
    front = folder / "BFM_model_front.mat"
    try:
        if front.is_file():
            read = _mat(front, "meantex", "texBase")
            mean, basis = read["meantex"].reshape(-1, 3), read["texBase"]
            basis = basis.reshape(len(mean), 3, -1)
        else:
            read = _mat(folder / "01_MorphableModel.mat", "texMU", "texPC", "texEV")
            trimmed, kept = _lists(folder)
            mean = read["texMU"].reshape(-1, 3)
            basis = (read["texPC"] * read["texEV"].reshape(1, -1)).reshape(len(mean), 3, -1)
            mean, basis = mean[trimmed[kept]], basis[trimmed[kept]]
    except (ValueError, IndexError) as error:
        raise InputError(f"{folder}: its BFM files do not fit together ({error}); get them again") from error
    basis = np.moveaxis(basis[..., :IDENTITY], -1, 0)
    return Albedo(*(jnp.asarray(values / 255, jnp.float32) for values in (mean, basis)))


def _lists(folder):
    """Which vertices of the whole head have expressions, and which of these are kept."""
    trimmed = _mat(folder / "BFM_exp_idx.mat", "trimIndex")["trimIndex"].astype(int).ravel() - 1
    front = _mat(folder / "BFM_front_idx.mat", "idx")["idx"].astype(int).ravel() - 1
    return trimmed, front


def _raw(folder):
    model = _mat(folder / "01_MorphableModel.mat", "shapeMU", "shapePC", "shapeEV")
    mean = model["shapeMU"].reshape(-1, 3)
    identity = (model["shapePC"] * model["shapeEV"].reshape(1, -1)).reshape(len(mean), 3, -1)
    expression = _expression(folder)
    trimmed, front = _lists(folder)
    info = _mat(folder / "facemodel_info.mat", "tri", "keypoints")
    if len(trimmed) != len(expression):
        raise ValueError(f"BFM_exp_idx.mat lists {len(trimmed)} vertices, Exp_Pca.bin has {len(expression)}")
    chosen = trimmed[front]
    return (
        mean[chosen] * METRES,
        identity[chosen] * METRES,
        expression[front] * METRES,
        info["tri"].astype(int) - 1,
        info["keypoints"].astype(int).ravel() - 1,
    )


def _expression(folder):
    """Guo et al.'s components times their standard deviations: w 3 count."""
    path, spread_path = folder / "Exp_Pca.bin", folder / "std_exp.txt"
    try:
        content = path.read_bytes()
        spread = np.array(spread_path.read_text("utf-8").split(), float)
    except OSError as error:
        raise InputError(f"{error.filename}: is missing; put the expression basis of Guo et al. there") from error
    except ValueError as error:
        raise InputError(f"{spread_path}: is no list of numbers ({error}); get it again") from error
    count = int.from_bytes(content[:4], "little")
    values = np.frombuffer(content, np.float32, offset=4) if len(content) % 4 == 0 and len(content) > 4 else None
    if values is None or not 0 < count <= len(values) or values.size % (3 * (count + 1)) or len(spread) != count:
        raise InputError(f"{path}: is no expression basis with {len(spread)} components as std_exp.txt has")
    components = values[len(values) // (count + 1) :].reshape(count, -1, 3)
    return np.moveaxis(components * spread[:, None, None], 0, -1)


def _front(path):
    read = _mat(path, "meanshape", "idBase", "exBase", "tri", "keypoints")
    mean = read["meanshape"].reshape(-1, 3) * FRONT_METRES
    identity, expression = (read[k].reshape(len(mean), 3, -1) * FRONT_METRES for k in ("idBase", "exBase"))
    return mean, identity, expression, read["tri"].astype(int) - 1, read["keypoints"].astype(int).ravel() - 1


def _mat(path, *names):
    if not path.is_file():
        raise InputError(f"{path}: is missing; put the files of Deep3DFaceRecon's BFM folder there")
    try:
        read = scipy.io.loadmat(path, variable_names=names)
        return {name: np.asarray(read[name], np.float64) for name in names}
    except (KeyError, ValueError, TypeError, NotImplementedError, MatReadError, OSError) as error:
        reason = (str(error).splitlines() or ["wrong content"])[0][:100]
        raise InputError(f"{path}: is no such MATLAB file ({reason}); get it again") from error
