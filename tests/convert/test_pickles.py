"""The reader of others' pickles: all that it reads, written by hand or by numpy, and all that it must refuse."""

import collections
import io
import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse

from jaxtalk.convert import pickles
from jaxtalk.errors import InputError

# --- a pickle written opcode by opcode, as torch writes it (torch itself is not needed) ---

STOP, NONE, NO = b".", b"N", b"\x89"


def name(module, attribute):
    return b"c" + f"{module}\n{attribute}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def row(*items):
    return b"(" + b"".join(items) + b"t"


def table(**items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def call(function, *arguments):
    return function + row(*arguments) + b"R"


def program(body):
    return b"\x80\x02" + body + STOP


def storage(kind, key, count, view=None):
    parts = [text("storage"), name("torch", kind), text(key), text("cpu"), number(count)]
    return row(*parts, *([] if view is None else [view])) + b"Q"


def tensor(stored, offset, size, stride):
    hooks = call(name("collections", "OrderedDict"))
    shape, step = (row(*map(number, values)) for values in (size, stride))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, number(offset), shape, step, NO, hooks)


def write_zip(path, body, storages, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("model/data.pkl", program(body))
        for key, values in storages.items():
            archive.writestr(f"model/data/{key}", values.tobytes())
    return path


def write_stream(path, body, storages):
    system = b"\x80\x02}" + text("little_endian") + b"\x88s."
    keys = b"\x80\x02](" + b"".join(map(text, storages)) + b"e."
    raw = b"".join(struct.pack("<q", len(values)) + values.tobytes() for values in storages.values())
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    path.write_bytes(magic + program(number(1001)) + system + program(body) + keys + raw)
    return path


NUMBERS = np.arange(12, dtype=np.float32)
WHOLE = tensor(storage("FloatStorage", "0", 12), 0, (3, 4), (4, 1))


# --- what is read ---


def test_tensors_of_a_zip_with_views_and_shared_storages(tmp_path):
    body = table(
        weight=WHOLE,
        transposed=tensor(storage("FloatStorage", "0", 12), 0, (4, 3), (1, 4)),
        part=tensor(storage("FloatStorage", "0", 12), 5, (2, 2), (4, 2)),
        scalar=tensor(storage("FloatStorage", "0", 12), 7, (), ()),
        nothing=tensor(storage("FloatStorage", "0", 12), 0, (0, 4), (4, 1)),
        parameter=call(name("torch._utils", "_rebuild_parameter"), WHOLE, NO, NONE),
        shape=call(name("torch", "Size"), row(number(3), number(4))),
        type=name("torch", "bfloat16"),
        device=call(name("torch", "device"), text("cuda"), number(0)),
        epoch=number(20),
    )
    read = pickles.read(write_zip(tmp_path / "a.pth", body, {"0": NUMBERS}))
    grid = NUMBERS.reshape(3, 4)
    np.testing.assert_array_equal(read["weight"], grid)
    np.testing.assert_array_equal(read["transposed"], grid.T)
    np.testing.assert_array_equal(read["part"], [[5, 7], [9, 11]])
    assert read["scalar"] == 7 and read["scalar"].shape == () and read["nothing"].shape == (0, 4)
    np.testing.assert_array_equal(read["parameter"], grid)
    assert read["shape"] == (3, 4) and read["type"] == ml_dtypes.bfloat16 and read["epoch"] == 20


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("DoubleStorage", np.float64), ("HalfStorage", np.float16), ("BFloat16Storage", ml_dtypes.bfloat16),
        ("LongStorage", np.int64), ("IntStorage", np.int32), ("CharStorage", np.int8), ("ByteStorage", np.uint8),
        ("BoolStorage", np.bool_), ("ComplexFloatStorage", np.complex64),
    ],
)  # fmt: skip
def test_every_type_of_storage(tmp_path, kind, dtype):
    values = np.array([0, 1, 1, 0, 1, 0]).astype(dtype)
    body = tensor(storage(kind, "key", 6), 2, (2, 2), (2, 1))
    read = pickles.read(write_zip(tmp_path / "a.pth", body, {"key": values}))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read.astype(complex), values[2:].reshape(2, 2).astype(complex))


def test_untyped_storages_of_newer_torch(tmp_path):
    stored = row(text("storage"), name("torch.storage", "UntypedStorage"), text("0"), text("cpu"), number(48)) + b"Q"
    body = call(
        name("torch._utils", "_rebuild_tensor_v3"), stored, number(1), row(number(2)), row(number(3)), NO, NONE,
        name("torch", "float32"),
    )  # fmt: skip
    read = pickles.read(write_zip(tmp_path / "a.pth", body, {"0": NUMBERS}))
    np.testing.assert_array_equal(read, [1, 4])


def test_ordered_dictionaries_keep_their_order_and_lose_torchs_notes(tmp_path):
    items = b"(" + text("b") + WHOLE + text("a") + WHOLE + b"u"
    body = call(name("collections", "OrderedDict")) + items + table(_metadata=NONE) + b"b"
    read = pickles.read(write_zip(tmp_path / "a.pth", body, {"0": NUMBERS}))
    assert isinstance(read, collections.OrderedDict) and list(read) == ["b", "a"]


def test_the_older_stream_with_views_of_storages(tmp_path):
    view = row(text("part"), number(4), number(6))
    body = table(
        weight=WHOLE, view=tensor(storage("FloatStorage", "0", 12, view), 1, (2,), (2,)),
        ids=tensor(storage("LongStorage", "1", 3, NONE), 0, (3,), (1,)),
    )  # fmt: skip
    read = pickles.read(write_stream(tmp_path / "a.pt", body, {"0": NUMBERS, "1": np.array([7, 8, 9])}))
    np.testing.assert_array_equal(read["weight"], NUMBERS.reshape(3, 4))
    np.testing.assert_array_equal(read["view"], [5, 7])
    np.testing.assert_array_equal(read["ids"], [7, 8, 9])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_and_scipy_as_numpy_pickles_them(tmp_path, protocol):
    rng = np.random.default_rng(0)
    value = {
        "c": rng.normal(size=(2, 3)),
        "fortran": np.asfortranarray(rng.normal(size=(2, 3)).astype(np.float32)),
        "swapped": rng.integers(0, 9, 5).astype(">i4"),
        "flags": np.array([True, False]),
        "words": np.array(["jaw", "lips"]),
        "objects": np.array([np.arange(2), "x"], dtype=object),
        "number": np.float64(2.5),
        "whole": np.int32(7),
        "csc": scipy.sparse.csc_matrix(np.diag([1.0, 2.0, 0.0])),
        "csr": scipy.sparse.csr_matrix(np.array([[0, 5.0], [0, 0]])),
        "rest": [None, True, 3, "text", b"bytes", (1, 2), {3}],
        "empty": np.zeros((0, 3)),
    }
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    read = pickles.read(path)
    for key in ("c", "fortran", "swapped", "flags", "words", "empty"):
        np.testing.assert_array_equal(read[key], value[key])
        assert read[key].dtype == value[key].dtype
    np.testing.assert_array_equal(read["objects"][0], [0, 1])
    assert read["objects"][1] == "x" and read["number"] == 2.5 and read["whole"] == 7
    for key in ("csc", "csr"):
        assert scipy.sparse.issparse(read[key]) and (read[key] != value[key]).nnz == 0
    assert read["rest"] == value["rest"]


def python2_array(values):
    """A numpy array as Python 2 pickled it: bytes are strings, names are old."""
    raw = values.tobytes()
    state = row(
        number(1), row(*map(number, values.shape)),
        call(name("numpy", "dtype"), b"U\x02" + values.dtype.str[1:].encode(), number(0), number(1))
        + row(number(3), b"U\x01<", NONE, NONE, NONE, number(-1), number(-1), number(0)) + b"b",
        NO, b"T" + struct.pack("<i", len(raw)) + raw,
    )  # fmt: skip
    make = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), row(number(0)), b"U\x01b")
    return make + state + b"b"


def python2_object(module, kind, **state):
    made = call(name("copy_reg", "_reconstructor"), name(module, kind), name("__builtin__", "object"), NONE)
    return made + table(**state) + b"b"


def test_chumpy_and_old_scipy_of_python_2(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    body = table(
        v=python2_object("chumpy.ch", "Ch", x=python2_array(values)),
        chosen=python2_object(
            "chumpy.reordering", "Select", a=python2_object("chumpy.ch", "Ch", x=python2_array(values)),
            idxs=python2_array(np.array([5, 0])), preferred_shape=row(number(2), number(1)),
        ),
        regressor=python2_object(
            "scipy.sparse.csc", "csc_matrix", _shape=row(number(2), number(2)),
            data=python2_array(np.array([2.0, 3.0])), indices=python2_array(np.array([1, 0], np.int32)),
            indptr=python2_array(np.array([0, 1, 2], np.int32)),
        ),
    )  # fmt: skip
    (tmp_path / "a.pkl").write_bytes(program(body))
    read = pickles.read(tmp_path / "a.pkl")
    np.testing.assert_array_equal(read["v"], values)
    np.testing.assert_array_equal(read["chosen"], [[5], [0]])
    np.testing.assert_array_equal(read["regressor"].toarray(), [[0, 3], [2, 0]])


def test_tensors_inside_a_plain_pickle(tmp_path):
    """`torch.save` of a storage, as bytes inside another pickle: how plain pickles of tensors look."""
    inner = write_stream(tmp_path / "inner", storage("FloatStorage", "0", 12), {"0": NUMBERS}).read_bytes()
    content = b"C" + bytes([len(inner)]) if len(inner) < 256 else b"B" + struct.pack("<I", len(inner))
    stored = call(name("torch.storage", "_load_from_bytes"), content + inner)
    (tmp_path / "a.pkl").write_bytes(b"\x80\x03" + tensor(stored, 0, (3, 4), (4, 1)) + STOP)
    np.testing.assert_array_equal(pickles.read(tmp_path / "a.pkl"), NUMBERS.reshape(3, 4))


def test_npy_files_plain_and_pickled(tmp_path):
    np.save(tmp_path / "plain.npy", NUMBERS)
    np.testing.assert_array_equal(pickles.read_npy(tmp_path / "plain.npy"), NUMBERS)
    np.save(tmp_path / "object.npy", np.array({"faces": np.arange(3)}, dtype=object))
    np.testing.assert_array_equal(pickles.read_npy(tmp_path / "object.npy")["faces"], [0, 1, 2])


def test_real_checkpoints_are_read_whole(published):
    said = pickles.read(published / "said_vae.pth")
    assert len(said) == 70 and said["encoder.conv_layers.0.weight"].shape == (32, 32, 3)
    onet = pickles.read(published / "mtcnn_onet.pt")  # the older stream
    assert len(onet) == 21 and onet["conv1.weight"].shape == (32, 3, 3, 3)
    for values in (*said.values(), *onet.values()):
        assert np.isfinite(values).all()
    assert 0.1 < onet["conv1.weight"].std() < 0.4  # weights, not whatever bytes lie there


# --- what is refused ---


class Bomb:
    """What an attacker pickles: a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("function", [eval, exec, print, getattr, __import__, open, io.StringIO, np.load, np.fromfile])
def test_calls_are_blocked_by_name_and_never_made(tmp_path, function, capsys):
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"weights": Bomb(function, "print('executed')")}))
    with pytest.raises(InputError, match="blocked: the pickle asks for") as caught:
        pickles.read(path)
    assert function.__name__ in str(caught.value) and "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_shell_command_is_blocked_in_every_protocol(tmp_path, protocol):
    import os

    target = tmp_path / "executed"
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(Bomb(os.system, f"touch {target}"), protocol=protocol))
    with pytest.raises(InputError, match=f"{os.system.__module__}.system"):
        pickles.read(path)
    assert not target.exists()


def test_a_command_inside_a_torch_zip_is_blocked(tmp_path):
    body = table(weight=WHOLE, evil=call(name("posix", "system"), text("true")))
    with pytest.raises(InputError, match="blocked: the pickle asks for posix.system"):
        pickles.read(write_zip(tmp_path / "a.pth", body, {"0": NUMBERS}))


BAD_TENSORS = {
    "outside": tensor(storage("FloatStorage", "0", 12), 1, (3, 4), (4, 1)),
    "huge stride": tensor(storage("FloatStorage", "0", 12), 0, (2,), (1 << 30,)),
    "negative stride": tensor(storage("FloatStorage", "0", 12), 5, (2,), (-1,)),
    "negative offset": tensor(storage("FloatStorage", "0", 12), -1, (2,), (1,)),
    "without end": tensor(storage("FloatStorage", "0", 12), 0, (1 << 20, 1 << 10), (0, 0)),
    "wrong rank": tensor(storage("FloatStorage", "0", 12), 0, (2, 2), (1,)),
    "short storage": tensor(storage("FloatStorage", "0", 13), 0, (2,), (1,)),
    "negative storage": tensor(storage("FloatStorage", "0", -1), 0, (2,), (1,)),
    "missing storage": tensor(storage("FloatStorage", "9", 12), 0, (2,), (1,)),
    "no storage": tensor(number(3), 0, (2,), (1,)),
    "a class": name("collections", "OrderedDict"),
}


@pytest.mark.parametrize("kind", BAD_TENSORS)
@pytest.mark.parametrize("write", [write_zip, write_stream])
def test_tensors_that_do_not_fit_their_memory_are_refused(tmp_path, kind, write):
    with pytest.raises(InputError, match="is no pickle of arrays or damaged"):
        pickles.read(write(tmp_path / "a.pth", BAD_TENSORS[kind], {"0": NUMBERS}))


def test_storages_bigger_than_the_file_are_not_allocated(tmp_path):
    body = tensor(storage("DoubleStorage", "0", 2**31 - 1), 0, (2,), (1,))  # 16 GB
    with pytest.raises(InputError, match="bigger than the file"):
        pickles.read(write_stream(tmp_path / "a.pt", body, {"0": NUMBERS}))


def test_compressed_members_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.pth", WHOLE, {"0": NUMBERS}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="is compressed"):
        pickles.read(path)


PROGRAMS = {
    "memo without end": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "ends early": b"\x80\x02X\xff\x00\x00\x00abc",
    "nothing": b"",
    "no pickle": b"<html>not found</html>",
    "outside data": program(row(text("storage")) + b"Q"),
    "nested": program(b"]" * 1000 + b"a" * 999),
    "array too long": pickle.dumps(np.arange(1000)).replace(b"M\xe8\x03", b"M\xe9\x03"),
    "structured type": pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "i4")])),
    "index outside the matrix": pickle.dumps(scipy.sparse.csc_matrix(np.eye(3))).replace(
        np.arange(3, dtype=np.int32).tobytes(), np.array([0, 1, 99], np.int32).tobytes()
    ),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_damaged_and_hostile_pickles_end_in_one_line(tmp_path, kind):
    path = tmp_path / "a.pkl"
    path.write_bytes(PROGRAMS[kind])
    with pytest.raises(InputError, match="is no pickle of arrays or damaged") as caught:
        pickles.read(path)
    assert "\n" not in str(caught.value)


def test_every_truncation_of_a_checkpoint_is_an_input_error(tmp_path):
    whole = write_stream(tmp_path / "a.pt", table(weight=WHOLE), {"0": NUMBERS}).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(InputError):
            pickles.read(tmp_path / "cut.pt")


def test_other_zips_and_missing_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="no data.pkl"):
        pickles.read(tmp_path / "a.zip")
    with pytest.raises(InputError, match="cannot be read"):
        pickles.read(tmp_path / "none.pth")
