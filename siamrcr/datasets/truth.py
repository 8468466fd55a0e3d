"""Ground truth as text: what a sequence's annotation files say, before its frames are looked for."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamrcr import integrity, parsing
from siamrcr.datasets.names import natural
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.ragged import Regions

Flags = NDArray[np.bool_]
YES: Flags = np.ones(1, dtype=bool)  # an attribute of a whole sequence


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of one sequence; the fields are those of `Sequence`, `visible` None where nothing is flagged."""

    boxes: Array
    visible: Flags | None = None
    regions: Regions | None = None
    cover: NDArray[np.int64] | None = None
    size: tuple[int, int] | None = None
    attributes: Mapping[str, Flags] = field(default_factory=dict)


def read_text(path: Path) -> str:
    """A text file. Raises InputError naming it where it cannot be read, or is not what was recorded."""
    try:
        data = path.read_bytes()
        integrity.check(path, data)
        return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig").read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(f"{path}: cannot read the ground truth ({reason}): unpack the sequence again") from None


def listed(folder: Path) -> dict[str, Path]:
    """Name -> folder of the sequences that have a groundtruth.txt, in the order of list.txt, else of their numbers."""
    present = {path.parent.name: path.parent for path in folder.glob("*/groundtruth.txt")}
    listing = folder / "list.txt"
    names = read_text(listing).split() if listing.is_file() else sorted(present, key=natural)
    return {name: present[name] for name in names if name in present}


def rows(text: str, origin: object, columns: int = 4) -> Array:
    """(N, columns) numbers, one row a line; commas, semicolons, tabs and spaces separate, empty lines do not count.

    Raises InputError naming `origin` and the first line that is something else.
    """
    return ragged(text, origin, (columns,)).values.reshape(-1, columns)


def ragged(text: str, origin: object, columns: tuple[int, ...]) -> Regions:
    """N rows of numbers, one a line, where a line may hold any of several counts. Raises InputError as `rows`."""
    if not text or text.isspace():
        raise InputError(f"{origin}: holds no ground truth: unpack the sequence again")
    try:
        values, counts = parsing.numbers(text.encode(errors="replace"), str(origin))
    except InputError as error:
        raise _wrong_line(text, origin, columns) or error from None
    counts = counts[counts > 0]
    if not len(counts):
        raise InputError(f"{origin}: holds no ground truth: unpack the sequence again")
    if not np.isin(counts, columns).all():
        other = InputError(
            f"{origin}: a line is not {' or '.join(map(str, columns))} numbers: unpack the sequence again"
        )
        raise _wrong_line(text, origin, columns) or other
    return Regions(values, np.concatenate([[0], np.cumsum(counts)]))


def flags(text: str, origin: object, count: int, short: bool = False) -> Flags:
    """(count,) flags from 0s and 1s in one line or one a line; surplus ones are dropped.

    Raises InputError where there are fewer, unless `short` says that missing ones are 0.
    """
    return integers(text, origin, count, short) != 0


def integers(text: str, origin: object, count: int, short: bool = False) -> NDArray[np.int64]:
    """(count,) whole numbers in one line or one a line; as `flags`."""
    try:
        values = parsing.numbers(text.encode(errors="replace"), str(origin))[0]
    except InputError:
        values = np.full(1, np.nan)
    if not (np.abs(values) < 2**31).all():
        raise InputError(f"{origin}: holds something other than whole numbers: unpack the sequence again")
    if len(values) < count and not short:
        raise InputError(f"{origin}: {len(values)} values for {count} frames: unpack the sequence again")
    return np.pad(values[:count].astype(np.int64), (0, max(0, count - len(values))))


def any_of(values: Flags) -> Flags:
    """(1,) whether a flag is set in any frame: a whole sequence's attribute."""
    return np.array([values.any()])


def from_one(boxes: Array) -> Array:
    """Boxes (N, 4) whose pixels count from 0, of boxes whose pixels count from 1."""
    return boxes - np.array([1.0, 1.0, 0.0, 0.0])


_SEPARATORS = str.maketrans(",;\t", "   ")


def _wrong_line(text: str, origin: object, columns: tuple[int, ...]) -> InputError | None:
    """The error for the first line that does not hold as many numbers as it should."""
    wanted = " or ".join(str(count) for count in columns)
    for number, line in enumerate(text.splitlines(), start=1):
        tokens = line.translate(_SEPARATORS).split()
        if tokens and not (len(tokens) in columns and all(_is_number(token) for token in tokens)):
            return InputError(f"{origin}: line {number} is not {wanted} numbers: {line.strip()[:60]!r}")
    return None


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True
