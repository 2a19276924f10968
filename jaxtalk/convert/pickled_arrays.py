"""Stand-ins for the classes that array pickles name: numpy arrays, scipy's sparse matrices, chumpy (FLAME, SMPL).

A pickle builds its objects by calling what it names. Here it can only call these classes, which keep what they are
given and check it; `resolve` then makes plain numpy and scipy objects of them. Nothing of numpy's, scipy's or
chumpy's own unpickling code runs.
"""

import collections
import math
import re

import numpy as np
import scipy.sparse

KINDS = re.compile(r"[<>|=]?([biufc](1|2|4|8|16)|\?|O8?|[SUa]\d{1,6})")
DEEPEST = 200  # containers within containers


class Dtype:
    """numpy.dtype: a basic kind and a byte order."""

    def __init__(self, name="f8", align=False, copy=False):
        name = name.decode("ascii") if isinstance(name, bytes) else name
        if not isinstance(name, str) or not KINDS.fullmatch(name):
            raise ValueError(f"the data type {name!r} is not read")
        self.name = "O" if name.startswith("O") else name

    def __setstate__(self, state):
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if state[3:5] != (None, None) or order not in ("<", ">", "|", "="):
            raise ValueError("structured data types are not read")
        if order != "|" and "O" not in self.name:
            self.name = order + self.name.lstrip("<>|=")

    def resolve(self):
        return np.dtype(self.name)


class Ndarray:
    """numpy.ndarray."""

    def __init__(self, *_):
        self.value = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, content = state
        if not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 32:
            raise ValueError("an array has no proper shape")
        dtype, count = dtype.resolve(), math.prod(shape)
        if dtype.hasobject:
            if not isinstance(content, list) or len(content) != count:
                raise ValueError("an array of objects has another size than it says")
            self.value = np.empty(count, object)
            self.value[:] = content
        else:
            content = content.encode("latin1") if isinstance(content, str) else content
            if not isinstance(content, bytes) or len(content) != count * dtype.itemsize:
                raise ValueError("an array has another size than it says")
            self.value = np.frombuffer(content, dtype) if count else np.empty(0, dtype)
        self.value = self.value.reshape(shape, order="F" if fortran else "C")

    def resolve(self):
        if self.value is None:
            raise ValueError("an array has no content")
        return self.value


def reconstruct(kind, shape, code):
    """numpy's `_reconstruct`: an empty array, filled by the state that follows."""
    if kind is not Ndarray:
        raise ValueError("only plain arrays are read")
    return Ndarray()


def from_buffer(content, dtype, shape, order="C", axes=None):
    """numpy's `_frombuffer`, by which protocol 5 writes arrays."""
    if axes is not None:
        raise ValueError("an array with its axes in another order is not read")
    array = Ndarray()
    array.__setstate__((1, shape, dtype, order == "F", bytes(content)))
    return array


def scalar(dtype, content=b""):
    """numpy's `scalar`."""
    content = content.encode("latin1") if isinstance(content, str) else content
    dtype = dtype.resolve()
    if dtype.hasobject or not isinstance(content, bytes) or len(content) != dtype.itemsize:
        raise ValueError("a number has another size than it says")
    return np.frombuffer(content, dtype)[0]


def encode(text, encoding="latin1"):
    """`_codecs.encode`, by which Python 3 writes bytes in protocol 2."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"the encoding {encoding!r} is not read")
    return text.encode("latin1")


def no_bytes():
    """`bytes()`, by which Python 3 writes empty bytes in protocol 2; with a number it would take memory at will."""
    return b""


class Holder:
    """An object of which only the attributes matter."""

    def __init__(self, *_):
        self.fields = {}

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise ValueError("an object has a state that is no dictionary")
        self.fields = {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in state.items()}


class Compressed(Holder):
    """scipy.sparse.csc_matrix and csr_matrix."""

    kind: type

    def resolve(self):
        fields = {k: resolve(self.fields[k]) for k in ("data", "indices", "indptr")}
        shape = resolve(self.fields.get("_shape", self.fields.get("shape")))
        matrix = self.kind((fields["data"], fields["indices"], fields["indptr"]), shape=tuple(int(n) for n in shape))
        matrix.check_format(full_check=True)  # indices within the shape
        return matrix


class Csc(Compressed):
    kind = scipy.sparse.csc_matrix


class Csr(Compressed):
    kind = scipy.sparse.csr_matrix


class Chumpy(Holder):
    """chumpy.Ch: its value `x`; or a Select, values of another Ch by flat indices."""

    def resolve(self):
        if "x" in self.fields:
            return np.asarray(resolve(self.fields["x"]))
        if {"a", "idxs"} <= self.fields.keys():
            chosen = np.ravel(resolve(self.fields["a"]))[np.asarray(resolve(self.fields["idxs"]), np.int64)]
            return chosen.reshape(resolve(self.fields.get("preferred_shape", chosen.shape)))
        raise ValueError(f"a chumpy expression of {sorted(map(str, self.fields))[:5]} is not read")


def resolve(thing, depth: int = 0):
    """Plain dictionaries, lists, tuples, numpy arrays and sparse matrices of what a pickle built."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(thing, (Dtype, Ndarray, Compressed, Chumpy)):
        thing = thing.resolve()
        if isinstance(thing, np.ndarray) and thing.dtype.hasobject:
            flat = np.empty(thing.size, object)
            flat[:] = [resolve(item, depth + 1) for item in thing.ravel()]
            return flat.reshape(thing.shape)
        return thing
    if isinstance(thing, dict):
        kind = collections.OrderedDict if isinstance(thing, collections.OrderedDict) else dict
        return kind((resolve(k, depth + 1), resolve(v, depth + 1)) for k, v in thing.items())
    if isinstance(thing, (list, tuple, set)):
        return type(thing)(resolve(item, depth + 1) for item in thing)
    if isinstance(thing, (Holder, type)) or callable(thing):
        raise ValueError("it holds a class or function, not only values")
    return thing
