"""Variables of MATLAB files of version 5 to 7, bounded in every step: SciPy's reader crashes on broken ones.

The format is MathWorks' "MAT-File Format": elements of a tag and data, padded to 8 bytes, nested in arrays.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

HEADER = 128
LARGEST = 1 << 28  # bytes that a compressed variable may unpack to
DEPTH = 8  # of cells and structures inside each other
MATRIX, COMPRESSED = 14, 15
# Types of stored numbers; text is UTF-8 or UTF-16.
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}
CELL, STRUCT, TEXT = 1, 2, 4
_NUMERIC = range(6, 16)
_COMPLEX = 0x800


def variables(data: bytes) -> dict[str, Any]:
    """Name -> value: numbers as arrays, text as a string, a cell array as a list, a structure as a dict.

    Structures of several elements and other classes are None. Raises ValueError where the file is broken or of another
    version; its message names version 7.3.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ValueError("not a MATLAB file of version 5 to 7")
    if struct.unpack_from(f"{order}H", data, 124)[0] != 0x0100:
        raise ValueError("a MATLAB file of version 7.3")
    found = {}
    try:
        for kind, content in _elements(data[HEADER:], order):
            if kind == COMPRESSED:
                unpacked = zlib.decompressobj().decompress(content, LARGEST)
                kind, content = next(_elements(unpacked, order), (0, b""))
            if kind == MATRIX:
                name, value = _array(content, order, DEPTH)
                found[name] = value
    except (struct.error, zlib.error, StopIteration, IndexError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of the elements that follow each other."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        if kind >> 16:  # the whole element in 8 bytes
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
        if start + size > len(data):
            raise ValueError("ends within an element")
        yield kind, data[start : start + size]
        place = start + size if kind == COMPRESSED else place + 8 * math.ceil((start + size - place) / 8)


def _array(content: bytes, order: str, depth: int) -> tuple[str, Any]:
    """Name and value of an array."""
    if not content or not depth:
        return "", None
    parts = _elements(content, order)
    flags = struct.unpack_from(f"{order}I", next(parts)[1])[0]
    shape = [int(size) for size in _numbers(*next(parts), order)]
    name = next(parts)[1].decode("ascii")
    kind, count = flags & 0xFF, math.prod(shape)
    if kind == CELL:
        return name, [_array(part, order, depth - 1)[1] for _, part in parts]
    if kind == STRUCT and count == 1:
        width = int(_numbers(*next(parts), order)[0])
        names = next(parts)[1]
        keys = [names[k : k + width].split(b"\0")[0].decode("ascii") for k in range(0, len(names), max(width, 1))]
        return name, {key: _array(part, order, depth - 1)[1] for key, (_, part) in zip(keys, parts, strict=False)}
    if kind == TEXT:
        return name, "".join(map(chr, _numbers(*next(parts), order).tolist()))
    if kind in _NUMERIC:
        real = _numbers(*next(parts), order).reshape(shape, order="F")
        if flags & _COMPLEX:
            return name, real + 1j * _numbers(*next(parts), order).reshape(shape, order="F")
        return name, real
    return name, None


def _numbers(kind: int, content: bytes, order: str) -> np.ndarray:
    if kind not in _NUMBERS:
        raise ValueError(f"unknown type {kind}")
    return np.frombuffer(content, dtype=np.dtype(_NUMBERS[kind]).newbyteorder(order))  # type: ignore[arg-type]
