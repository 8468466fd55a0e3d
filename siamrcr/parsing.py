"""Numbers from the text files of strangers: any separator, line end and byte-order mark; exact, or an error's line."""

import codecs
import re
import warnings

import numpy as np
from numpy.typing import NDArray

from siamrcr.errors import InputError
from siamrcr.geometry import Array

Counts = NDArray[np.intp]

# What a byte of a text is.
SPACE, TOKEN, SEPARATOR, LINE = range(4)
_KINDS = np.full(256, TOKEN, dtype=np.uint8)
# What C takes for space within a line, and so NumPy.
_SPACES = b" \t\v\f"
_KINDS[list(_SPACES)], _KINDS[list(b",;")], _KINDS[ord("\n")] = SPACE, SEPARATOR, LINE
_SEPARATORS = b",;\n" + _SPACES
_TO_SPACES = bytes.maketrans(_SEPARATORS, b" " * len(_SEPARATORS))
_DECIMAL = b"0123456789-." + _SEPARATORS
# A decimal of at most so many characters is a whole number below 2^53 over a power of ten, both exact in float64, or a
# whole number that is rounded once: either way the nearest double, as a correct parser gives it.
_EXACT = 16
_POWERS = 10.0 ** np.arange(_EXACT)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_COMPLEX = re.compile(rb"(?<![^,;\s])[-+.\de]*\d[-+.\de]*[ij](?![^,;\s])", re.IGNORECASE)


def numbers(data: bytes, origin: str) -> tuple[Array, Counts]:
    """All numbers (M,) of a text, and how many each of its lines holds (N,).

    Commas, semicolons, tabs and spaces separate; empty lines at the end do not count. Raises InputError naming `origin`
    and the line that holds something else, or nothing between two commas.
    """
    text = _text(data, origin)
    raw = np.frombuffer(text, dtype=np.uint8)
    kinds = _KINDS[raw]
    inside = kinds == TOKEN
    first = np.flatnonzero(inside & np.concatenate([[True], ~inside[:-1]]))
    counts = np.diff(np.searchsorted(first, np.flatnonzero(kinds == LINE)), prepend=0)
    if not len(first) and not _has_gap(text, kinds):
        return np.empty(0), counts
    values = _decimals(text, raw, inside, first)
    if values is None:
        values = _floats(text)
    if len(values) != len(first) or _has_gap(text, kinds):
        raise InputError(f"{origin}: {_first_wrong(text)}")
    return values, counts


def without_complex(data: bytes) -> bytes:
    """A text whose complex numbers are NaN, as MATLAB writes them: 1.5+2i, 3i. One without imaginary part is real."""

    def real(match: re.Match[bytes]) -> bytes:
        try:
            number = complex(match[0].decode().lower().replace("i", "j"))
        except ValueError:
            return match[0]
        return b"nan" if number.imag else repr(number.real).encode()

    return _COMPLEX.sub(real, data) if b"i" in data or b"j" in data else data


def column(values: Array, counts: Counts, index: int, length: int) -> Array:
    """Numbers (length,) of one column of a parsed text, a line each; NaN where a line or the text has none."""
    filled = np.full(length, np.nan)
    starts, known = np.cumsum(counts) - counts, np.flatnonzero(counts[:length] > index)
    filled[known] = values[starts[known] + index]
    return filled


def _text(data: bytes, origin: str) -> bytes:
    """The text in ASCII where it is a text of numbers, with plain line ends and one at its end."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise InputError(f"{origin}: not a text of numbers: its UTF-16 is broken") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.rstrip() + b"\n"


def _has_gap(text: bytes, kinds: NDArray[np.uint8]) -> bool:
    """Whether a line begins with a separator, or two follow each other with spaces at most between them."""
    solid = kinds[kinds != SPACE] if any(space in text for space in _SPACES) else kinds
    empty = (solid[1:] == SEPARATOR) & (solid[:-1] >= SEPARATOR)
    return bool(solid[0] == SEPARATOR or empty.any())


def _decimals(text: bytes, raw: NDArray[np.uint8], inside: NDArray[np.bool_], first: Counts) -> Array | None:
    """The numbers of a text of short decimals, by way of whole numbers, which are parsed five times as fast.

    None where any is something else.
    """
    last = np.flatnonzero(inside[:-1] & ~inside[1:])
    if not len(first) or text.translate(None, _DECIMAL) or (last - first).max() >= _EXACT:
        return None
    negative = raw[first] == ord("-")
    points = np.flatnonzero(raw == ord("."))
    pointed = np.diff(np.searchsorted(points, first), append=len(points))
    digits = last - first + 1 - negative - pointed
    if text.count(b"-") != np.count_nonzero(negative) or pointed.max() > 1 or digits.min() < 1:
        return None
    decimals = np.zeros(len(first), dtype=np.intp)
    decimals[pointed == 1] = last[pointed == 1] - points
    whole = np.fromstring(text.translate(_TO_SPACES, b"."), dtype=np.int64, sep=" ")
    values = whole / _POWERS[decimals]
    return np.where(negative, -np.abs(values), values)  # -0 too


def _floats(text: bytes) -> Array:
    """The numbers of any text of numbers, none where it is not one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.translate(_TO_SPACES).decode("ascii", "replace"), sep=" ")
        except (DeprecationWarning, ValueError):
            return np.empty(0)


def _first_wrong(text: bytes) -> str:
    for number, line in enumerate(text.decode(errors="replace").split("\n"), start=1):
        fields = re.split(r"[ \t\v\f]*[,;][ \t\v\f]*|[ \t\v\f]+", line.strip(" \t\v\f"))
        fields = fields[:-1] if len(fields) > 1 and not fields[-1] else fields
        if line.strip() and not all(_NUMBER.fullmatch(field) for field in fields):
            return f"line {number} is not numbers: {line.strip()[:60]!r}"
    return "not a text of numbers"
