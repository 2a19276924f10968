"""Reads pickles of others without executing anything: PyTorch checkpoints, and numpy, scipy and chumpy files.

A pickle is a program. This reader lets it name only what `GLOBALS` lists, and everything there is a function of ours
that checks its arguments; any other name ends the reading with one line that tells the name. Tensors come as numpy
arrays (bfloat16 by ml_dtypes). Three kinds of file are told apart by their first bytes:

- PyTorch's zip (since 1.6): `*/data.pkl`, and a member `*/data/KEY` of raw bytes for each storage;
- PyTorch's older stream of pickles, raw storages at its end;
- a plain pickle of any protocol, Python 2's included.
"""

import collections
import io
import math
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from jaxtalk.convert import pickled_arrays as arrays
from jaxtalk.errors import InputError

LARGEST_PROGRAM = 1 << 28  # bytes of a torch pickle without its storages
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

STORAGES = {
    "FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16, "LongStorage": np.int64, "IntStorage": np.int32,
    "ShortStorage": np.int16, "CharStorage": np.int8, "ByteStorage": np.uint8, "BoolStorage": np.bool_,
    "ComplexFloatStorage": np.complex64, "ComplexDoubleStorage": np.complex128, "UntypedStorage": np.uint8,
}  # fmt: skip
TYPES = {
    "float32": np.float32, "float": np.float32, "float64": np.float64, "double": np.float64, "float16": np.float16,
    "half": np.float16, "bfloat16": ml_dtypes.bfloat16, "int64": np.int64, "long": np.int64, "int32": np.int32,
    "int": np.int32, "int16": np.int16, "int8": np.int8, "uint8": np.uint8, "bool": np.bool_,
    "complex64": np.complex64, "complex128": np.complex128,
}  # fmt: skip


def read(path: str | Path) -> Any:
    """What a `.pth`, `.pt`, `.ckpt`, `.tar` or `.pkl` file holds, with numpy arrays for tensors.

    Raises:
        InputError: no such file, damaged, or it names anything but arrays, containers and numbers.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return arrays.resolve(_parse(path, file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the name") from error
    except InputError:
        raise
    except Exception as error:  # a damaged pickle may fail anywhere; none of it is a bug of ours
        raise InputError(f"{path}: is no pickle of arrays or damaged ({_reason(error)}); get it again") from error


def read_npy(path: str | Path) -> Any:
    """What an `.npy` file holds, also if numpy pickled it: an array, or the object inside an array of one.

    Raises:
        InputError: as `read`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
            shape, _, dtype = header(file)
            if dtype.hasobject:
                value = arrays.resolve(_load(path, file, None))
                return value.item() if isinstance(value, np.ndarray) and shape == () else value
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the name") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: is no array file or damaged ({_reason(error)}); get it again") from error


def _parse(path, file):
    """One of the three kinds of file, still with our stand-ins in it."""
    start = file.read(len(_LEGACY_START))
    file.seek(0)
    if start[:2] == b"PK":
        return _zip(path, file)
    return _stream(path, file) if start == _LEGACY_START else _load(path, file, None)


def _reason(error):
    return (str(error).splitlines() or [""])[0][:160] or type(error).__name__


class Reader(pickle.Unpickler):
    """An unpickler that finds only what `GLOBALS` lists."""

    def __init__(self, path, file, storage):
        super().__init__(file, encoding="latin1")
        self.path, self.storage = path, storage

    def find_class(self, module, name):
        if module.split(".")[0] == "chumpy":
            return arrays.Chumpy
        module = module.replace("numpy._core", "numpy.core")  # numpy 2 moved it; Python 3 renamed these:
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if (module, name) == ("torch.storage", "_load_from_bytes"):  # a tensor pickled without torch.save
            return lambda content: _parse(self.path, io.BytesIO(content))
        if (module, name) in GLOBALS:
            return GLOBALS[module, name]
        if module == "torch" and name in TYPES:
            return np.dtype(TYPES[name])
        raise InputError(
            f"{self.path}: blocked: the pickle asks for {module}.{name}, which could run code; "
            "only arrays, tensors and containers are read, so export it as safetensors or npz"
        )

    def persistent_load(self, pid):
        if self.storage is None:
            raise ValueError("it refers to data outside the file")
        return self.storage(pid)


def _load(path, file, storage):
    """The next pickle of a file, after a look at its program: a huge memo index alone would take all memory."""
    start = file.tell()
    for code, argument, position in pickletools.genops(file):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > position - start:
            raise ValueError("it stores a value under an impossible number")
    file.seek(start)
    return Reader(path, file, storage).load()


class Storage:
    """Typed memory that tensors are views of."""

    def __init__(self, values: np.ndarray):
        self.values = values


class Kind:
    """Stands for a storage class of torch in the pickle."""

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)


def _zip(path, file):
    with zipfile.ZipFile(file) as archive:
        programs = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise InputError(f"{path}: is a zip but no PyTorch checkpoint (it has no data.pkl)")
        root = programs[0][: -len("data.pkl")]
        if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder").strip() != b"little":
            raise InputError(f"{path}: was written on a big-endian machine; save it again on a usual one")
        loaded: dict[str, Storage] = {}

        def member(name):
            info = archive.getinfo(name)
            if info.compress_type != zipfile.ZIP_STORED:  # torch never compresses; a small file could grow without end
                raise ValueError(f"{name} is compressed")
            return info, lambda: archive.read(info)

        def storage(pid):
            tag, kind, key, _, count = pid[:5]
            if tag != "storage" or not isinstance(kind, Kind) or not isinstance(key, str):
                raise ValueError("it refers to data outside the file")
            if key not in loaded:
                info, content = member(f"{root}data/{key}")
                if info.file_size < count * kind.dtype.itemsize or count < 0:
                    raise ValueError(f"storage {key} is shorter than the pickle says")
                loaded[key] = Storage(np.frombuffer(content(), kind.dtype, count))
            return loaded[key]

        info, content = member(programs[0])
        if info.file_size > LARGEST_PROGRAM:
            raise ValueError("data.pkl is too big")
        return _load(path, io.BytesIO(content()), storage)


def _stream(path, file):
    """Magic number, version, system, then the object with references to storages, their keys, and their bytes."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if _load(path, file, None) != _LEGACY_MAGIC or _load(path, file, None) != 1001:
        raise ValueError("unknown version")
    if _load(path, file, None).get("little_endian") is not True:
        raise ValueError("it is not little-endian")
    waiting: dict[str, Storage] = {}

    def storage(pid):
        tag, kind, key, _, count, view = (*pid, None)[:6]
        if tag != "storage" or not isinstance(kind, Kind) or not isinstance(count, int) or count < 0:
            raise ValueError("it refers to data outside the file")
        if key not in waiting:
            taken = sum(s.values.nbytes for s in waiting.values())
            if taken + count * kind.dtype.itemsize > size:
                raise ValueError("its storages are bigger than the file")
            waiting[key] = Storage(np.zeros(count, kind.dtype))
        if view is None:
            return waiting[key]
        _, offset, length = view
        if not 0 <= offset <= offset + length <= len(waiting[key].values):
            raise ValueError("a part of a storage lies outside it")
        return Storage(waiting[key].values[offset : offset + length])

    result = _load(path, file, storage)
    for key in _load(path, file, None):
        values = waiting[key].values
        if int.from_bytes(file.read(8), "little") != len(values):
            raise ValueError(f"storage {key} has another length than the pickle says")
        content = file.read(values.nbytes)
        if len(content) != values.nbytes:
            raise ValueError("it ends early")
        values[:] = np.frombuffer(content, values.dtype)
    return result


def _tensor(storage, offset, size, stride, *_):
    """torch._utils._rebuild_tensor and _v2: a view of a storage, checked to lie inside it."""
    if not isinstance(storage, Storage):
        raise ValueError("a tensor has no storage")
    values, count = storage.values, math.prod(size)
    if len(size) != len(stride) or not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)):
        raise ValueError("a tensor has no proper shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count and (last >= len(values) or count > len(values)):
        raise ValueError("a tensor lies outside its storage")
    if not count:
        return np.zeros(size, values.dtype)
    strides = [step * values.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(values[offset:], size, strides)


def _tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, *_):
    """torch._utils._rebuild_tensor_v3: the storage is bytes, the type comes separately."""
    if not isinstance(dtype, np.dtype) or not isinstance(storage, Storage):
        raise ValueError("a tensor has no type")
    return _tensor(Storage(storage.values.view(np.uint8).view(dtype)), offset, size, stride)


def _parameter(data, *_):
    return data


def _size(values=()):
    return tuple(values)


def _device(*names):
    return ":".join(map(str, names))


def _object(cls, *_):
    """copyreg._reconstructor and object creation of Python 2, for our stand-ins only."""
    if not (isinstance(cls, type) and issubclass(cls, arrays.Holder)):
        raise ValueError("it makes an object of a class")
    return cls()


class _Object:
    """Stands for `object`, an argument of copyreg._reconstructor."""

    def __init__(self):
        raise ValueError("it makes an object of a class")


GLOBALS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("copyreg", "_reconstructor"): _object,
    ("builtins", "object"): _Object,
    ("builtins", "set"): set,
    ("builtins", "bytes"): arrays.no_bytes,
    ("_codecs", "encode"): arrays.encode,
    ("numpy", "dtype"): arrays.Dtype,
    ("numpy", "ndarray"): arrays.Ndarray,
    ("numpy.core.multiarray", "_reconstruct"): arrays.reconstruct,
    ("numpy.core.multiarray", "scalar"): arrays.scalar,
    ("numpy.core.numeric", "_frombuffer"): arrays.from_buffer,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "UntypedStorage"): Kind(np.uint8),
    **{("torch", name): Kind(dtype) for name, dtype in STORAGES.items()},
    **{("scipy.sparse" + part, "csc_matrix"): arrays.Csc for part in ("", ".csc", "._csc", ".compressed")},
    **{("scipy.sparse" + part, "csr_matrix"): arrays.Csr for part in ("", ".csr", "._csr", ".compressed")},
}  # fmt: skip
