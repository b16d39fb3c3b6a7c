"""Reading a ``torch.save`` file of weights without torch.

``import torch`` costs a process most of a second and some 200 MB, and a worker whose networks run
in OpenVINO needs nothing else of it. The format is torch's older one, before zip files, in which
facenet-pytorch's weights come: five pickles, then the values of each storage. Like torch with
``weights_only=True`` the reader admits the few opcodes and names that a state dict needs and
refuses all others, though ``weights.read`` has verified the file's sha256 before.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_FLOATS = np.dtype("<f4")

# What pickle's protocol 2 makes of tuples, strings, small numbers, dicts and objects.
_ADMITTED = (
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINUNICODE EMPTY_DICT "
    "SETITEM SETITEMS EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "BINPUT BINGET GLOBAL REDUCE BUILD BINPERSID"
)
_OPCODES = frozenset(_ADMITTED.split())


def read_state(content: bytes) -> dict[str, NDArray[np.float32]]:
    """Decode a whole file that holds the state dict of a float32 network.

    Args:
        content: The file's bytes.

    Returns:
        Each tensor by its name: C-contiguous, writable, of its own memory.

    Raises:
        WeightsError: The bytes are damaged, incomplete, too many, or hold anything else.
    """
    try:
        return _read(io.BytesIO(content))
    except WeightsError:
        raise
    except Exception as error:  # pickle says itself that damage may raise anything
        raise _refused(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Storage:
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The tensor's copy of its part of a storage; numpy checks that it lies inside."""
        if math.prod(self.size) > len(values):
            raise _refused(f"a tensor of {self.size} in {len(values)} values")
        view = np.ndarray(
            self.size,
            _FLOATS,
            buffer=values,
            offset=self.offset * _FLOATS.itemsize,
            strides=[along * _FLOATS.itemsize for along in self.stride],
        )
        return view.astype(np.float32, order="C")


class _Unpickler(pickle.Unpickler):
    """Makes the records above of tensors: their values come later in the file."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch", "FloatStorage":
                return _FLOATS.str
            case "torch._utils", "_rebuild_tensor_v2":
                # A new function each time: a pickle can set the attributes of what it gets.
                return lambda *arguments: _Tensor(*arguments[:4])
        raise _refused(f"{module}.{name} isn't admitted")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", _FLOATS.str, str(key), str(), int(count), None):
                return _Storage(key, count)
        raise _refused("a storage that isn't of float32, or is a view")


def _read(stream: io.BytesIO) -> dict[str, NDArray[np.float32]]:
    if _unpickled(stream) != _MAGIC or _unpickled(stream) != _PROTOCOL:
        raise _refused("another kind of file")
    _unpickled(stream)  # sizes and byte order on the machine that saved it; both are fixed since
    state, keys = _unpickled(stream), _unpickled(stream)
    storages = {key: _values(stream) for key in keys}
    if stream.read(1):
        raise _refused("bytes after the last storage")
    arrays = {}
    for name, tensor in state.items():
        values = storages[tensor.storage.key]
        if not isinstance(name, str) or len(values) != tensor.storage.count:
            raise _refused(f"storage of {name!r} holds {len(values)} values")
        arrays[name] = tensor.of(values)
    return arrays


def _unpickled(stream: io.BytesIO) -> Any:
    """The next pickle's object; its opcodes are checked before any of them is followed."""
    start = stream.tell()
    for opcode, _, _ in pickletools.genops(stream):
        if opcode.name not in _OPCODES:
            raise _refused(f"the opcode {opcode.name} isn't admitted")
    return _Unpickler(io.BytesIO(stream.getvalue()[start : stream.tell()])).load()


def _values(stream: io.BytesIO) -> NDArray[np.float32]:
    count = int.from_bytes(stream.read(8), "little")
    content = stream.read(_FLOATS.itemsize * count)
    if len(content) < _FLOATS.itemsize * count:
        raise _refused(f"{count} values wanted and {len(content)} bytes left")
    return np.frombuffer(content, _FLOATS)


def _refused(what: str) -> WeightsError:
    return WeightsError(f"not a torch file of float32 weights: {what}")
