"""Weights are read as torch reads them, and a file that isn't weights does nothing but fail."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from facebatch.errors import WeightsError
from facebatch.models import registry
from facebatch.models.torch_file import read_state

FILES = [registry.PNET, registry.RNET, registry.ONET]


def saved(state: object) -> bytes:
    """What torch.save writes in its older format."""
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def assert_same(found: dict[str, np.ndarray], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, array in found.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable
        np.testing.assert_array_equal(array, expected[name].numpy())


PNET = registry.read(registry.PNET)
SMALL = saved(OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.ones(2)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_installed_file_is_read_as_torch_reads_it(file):
    content = registry.read(file)
    assert_same(read_state(content), torch.load(io.BytesIO(content), weights_only=True))


def test_views_of_a_storage_are_read_with_their_strides():
    values = torch.arange(24.0)
    state = OrderedDict(
        whole=values,
        part=values[5:9],
        turned=values.reshape(4, 6).T,
        every_other=values[1::2],
        one=values[7],
        none=values[:0],
    )
    assert_same(read_state(saved(state)), state)


def test_reading_imports_no_torch():
    code = (
        "import sys\n"
        "from facebatch.models import registry\n"
        "from facebatch.models.torch_file import read_state\n"
        "print(len(read_state(registry.read(registry.PNET))), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["13", "False"]


class Calling:
    """Pickled, it makes whoever unpickles it call a function."""

    def __init__(self, function, *arguments) -> None:
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", range(5))
def test_a_pickle_that_calls_something_is_refused_and_does_nothing(tmp_path, protocol, place):
    mark = tmp_path / "mark"
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}, {}, [])]
    assert read_state(b"".join(parts)) == {}
    parts[place] = pickle.dumps(Calling(Path.touch, mark), protocol)
    with pytest.raises(WeightsError):
        read_state(b"".join(parts))
    assert not mark.exists()
    pickle.loads(parts[place])  # it would have
    assert mark.exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ((b"torch._utils\n_rebuild_tensor_v2", b"torch._utils\n_rebuild_tensor"), "_rebuild_"),
        ((b"ctorch\nFloatStorage", b"cposix\nsystem"), r"posix\.system"),
        ((b"collections\nOrderedDict", b"collections\nChainMap"), r"collections\.ChainMap"),
        ((b"q\x00", b"r\x00\x00\x00\x70"), "LONG_BINPUT"),  # a memo of gigabytes
        ((b"q\x00", b"\x94"), "MEMOIZE"),
    ],
)
def test_names_and_opcodes_that_weights_do_not_need_are_refused(harm, said):
    assert harm[0] in SMALL
    with pytest.raises(WeightsError, match=said):
        read_state(SMALL.replace(*harm))


@pytest.mark.parametrize(
    "state",
    [
        OrderedDict(a=torch.ones(2, dtype=torch.float64)),
        OrderedDict(a=torch.ones(2, dtype=torch.int64)),
        OrderedDict(a=OrderedDict(b=torch.ones(2))),
        OrderedDict(a=1),
        {1: torch.ones(2)},
        [torch.ones(2)],
        None,
    ],
)
def test_other_contents_are_refused(state):
    with pytest.raises(WeightsError):
        read_state(saved(state))


def test_a_tensor_larger_than_its_storage_is_refused():
    of_six = b"K\x02K\x03\x86"  # (2, 3)
    assert SMALL.count(of_six) == 1
    for size in (b"K\x03K\x03\x86", b"J\xff\xff\xff\x7fK\x03\x86", b"J\xff\xff\xff\xffK\x03\x86"):
        with pytest.raises(WeightsError):
            read_state(SMALL.replace(of_six, size))
    strides = b"K\x03K\x01\x86"
    assert SMALL.count(strides) == 1
    for other in (b"K\x04K\x01\x86", b"J\xff\xff\xff\xffK\x01\x86"):
        with pytest.raises(WeightsError):
            read_state(SMALL.replace(strides, other))


def test_a_zip_file_of_torch_is_refused():
    stream = io.BytesIO()
    torch.save(OrderedDict(a=torch.ones(2)), stream)
    with pytest.raises(WeightsError):
        read_state(stream.getvalue())


@pytest.mark.parametrize("content", [PNET, SMALL], ids=["pnet", "small"])
def test_a_file_with_bytes_missing_or_left_over_is_refused(content):
    for length in {*range(min(len(content), 2500)), *range(0, len(content), 97)}:
        with pytest.raises(WeightsError):
            read_state(content[:length])
    with pytest.raises(WeightsError, match="bytes after"):
        read_state(content + b"\0")


def read_or_refused(content: bytes) -> None:
    try:
        state = read_state(content)
    except WeightsError:
        return
    for name, array in state.items():
        assert isinstance(name, str)
        assert array.dtype == np.float32
        assert array.nbytes <= len(content)


def test_any_byte_may_be_damaged():
    random = np.random.default_rng(0)
    values = SMALL.rindex(b".")  # the pickles end here
    for at in range(values + 20):
        for value in random.choice(256, 40, replace=False):
            read_or_refused(SMALL[:at] + bytes([value]) + SMALL[at + 1 :])


@given(
    edits=st.lists(
        st.tuples(st.integers(0, 2000), st.integers(0, 8), st.binary(max_size=8)), max_size=6
    )
)
@examples(25, 300)
def test_any_bytes_may_be_exchanged(edits):
    content = PNET
    for at, dropped, put in edits:
        content = content[:at] + put + content[at + dropped :]
    read_or_refused(content)


@given(st.binary(max_size=300))
def test_noise_is_refused(content):
    with pytest.raises(WeightsError):
        read_state(content)
