"""Names of TPU slices, and what is said where they are wrong or libtpu is missing."""

import importlib.util

import pytest

from jaxtalk.errors import InputError
from jaxtalk.train import topology


def test_a_slice_is_told_by_chip_and_sides():
    found = topology.parse("v5p:4x4x8", slices=2)
    assert (found.chip.name, found.shape, found.chips) == ("v5p", (4, 4, 8), 256)
    assert str(found) == "2 slices of v5p:4x4x8"
    assert topology.parse("v6e:16x16").rings == (True, True)
    assert topology.parse("v6e:4x16").rings == (False, True)


@pytest.mark.parametrize("text", ["v5p:4x4", "v6e:4x4x4", "v9:2x2", "v5e", "v5e:axb", "v5e:0x4", "v6e:32x32", ""])
def test_what_is_no_slice_is_refused_with_an_example(text):
    with pytest.raises(InputError, match="--topology"):
        topology.parse(text)


def test_without_libtpu_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    with pytest.raises(InputError, match=r"jaxtalk\[tpu\]"):
        topology.devices(topology.parse("v5e:2x2"))


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs the extra tpu")
@pytest.mark.parametrize("text", ["v5p:2x2x1", "v5p:4x4x4", "v4:2x2x2", "v5e:1x1", "v5e:4x8", "v6e:16x16"])
def test_libtpu_has_one_device_for_each_chip(text):
    where = topology.parse(text)
    assert len(topology.devices(where)) == where.chips


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs the extra tpu")
def test_slices_are_known_to_devices_and_odd_shapes_to_nobody():
    devices = topology.devices(topology.parse("v5e:4x4", slices=2))
    assert sorted({device.slice_index for device in devices}) == [0, 1]
    with pytest.raises(InputError, match="no such slice"):
        topology.devices(topology.parse("v5p:3x3x3"))
