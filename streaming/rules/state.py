"""Turn the state of a rule into bytes and back.

The bytes are a first line that says what they are, a checksum of all that follows, a line
of JSON (kind, version, the arrays' names, types and shapes) and the arrays' buffers,
little-endian and in order. Equal state gives equal bytes, whatever the machine; damaged or
foreign bytes are refused by name.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.errors import DamagedStateError, StateError

_MAGIC = b"trading-state\n"


def pack(kind: str, version: int, arrays: Mapping[str, NDArray[Any]], **facts: Any) -> bytes:
    """Give the bytes of a state.

    Parameters
    ----------
    kind, version
        What the state is and the version of its layout; `unpack` insists on both.
    arrays
        Numeric arrays (integer, float or boolean) of any shape, by name.
    **facts
        Small JSON values kept in the header.
    """
    listing = []
    buffers = []
    for name, array in arrays.items():
        array = np.ascontiguousarray(array)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        listing.append([name, array.dtype.str, list(array.shape)])
        buffers.append(array.tobytes())
    body = b"".join(buffers)
    header = {
        "kind": kind,
        "version": version,
        "arrays": listing,
        "facts": facts,
    }
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    content = line + b"\n" + body
    return _MAGIC + _checksum(content) + b"\n" + content


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def check(kind: str, data: bytes) -> None:
    """Check that bytes are what `pack` made of something, whatever it was.

    Raises
    ------
    DamagedStateError
        If they are not; the message says of what `kind` they should be.
    """
    if not data.startswith(_MAGIC):
        raise DamagedStateError(f"{kind} state: these bytes are no saved state. Start without it.")
    start = len(_MAGIC) + 33
    if data[len(_MAGIC) : start] != _checksum(memoryview(data)[start:]) + b"\n":
        raise DamagedStateError(f"{kind} state: the bytes are damaged (checksum differs).")


def unpack(kind: str, version: int, data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read bytes that `pack` made: (arrays, writable, and facts).

    Raises
    ------
    StateError
        If the bytes are damaged, or of another kind or version.
    """
    check(kind, data)
    start = len(_MAGIC) + 33
    end = data.index(b"\n", start)
    header = json.loads(data[start:end])
    if header["kind"] != kind or header["version"] != version:
        raise StateError(
            f"{kind} state: found {header['kind']} version {header['version']}, this code "
            f"reads version {version}. Run again from a state that this version wrote, or "
            "from the start."
        )
    body = memoryview(data)[end + 1 :]
    arrays: dict[str, NDArray[Any]] = {}
    at = 0
    for name, dtype, shape in header["arrays"]:
        kind_of = np.dtype(dtype)
        size = kind_of.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body[at : at + size], kind_of).reshape(shape).copy()
        at += size
    return arrays, header["facts"]
