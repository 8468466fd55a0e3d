"""Ground truth kept apart from the frames: a dataset's own layout, <sequence>.txt files, a zip of either, or JSON."""

import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamrcr import bundles
from siamrcr.datasets import lasot, vot
from siamrcr.datasets.layout import Layout
from siamrcr.datasets.names import canonical, natural
from siamrcr.datasets.truth import YES, Flags, Truth, flags, integers
from siamrcr.errors import InputError
from siamrcr.files import read_json

# Columns of att/<sequence>.txt in the toolkits.
TAGS = {
    "lasot": ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC"),
    "otb2015": ("IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR"),
}
OTHER_TEXTS = {"list", "testing_set", "training_set", "readme"}
REMEDY = "give the dataset's folder, <sequence>.txt files in a folder or zip, or a JSON file"


def read(benchmark: str, layout: Layout, split: str, path: Path) -> dict[str, Truth]:
    """Sequence -> ground truth, in the order of the dataset's list, else in natural order.

    Args:
        benchmark: whose names and columns hold.
        layout: of the benchmark's dataset.
        split: of the dataset.
        path: folder, zip or JSON file.

    Raises:
        InputError: naming the file, and the line where one is wrong.
    """
    if path.suffix.lower() == ".json" and not path.is_dir():
        return _ordered(benchmark, split, _json(benchmark, layout, path))
    own = _own(layout, split, path) if path.is_dir() else None  # before its images are listed
    if own is not None:
        return own
    with bundles.source(path, "ground truth", REMEDY) as source:
        names = _texts(source.names())
        if not path.is_dir() and any(PurePosixPath(name).name.startswith("groundtruth") for name in names):
            own = _unpacked(source, names, layout, split, path)
        return own if own is not None else _texts_apart(source, names, benchmark, layout, split, path)


def _own(layout: Layout, split: str, path: Path) -> dict[str, Truth] | None:
    """Ground truth of a folder in the dataset's own layout, None where it is not."""
    for base in _nested(path):
        try:
            folders = layout.sequences(base, split)
        except InputError:
            continue
        return {name: layout.truth(folder, name) for name, folder in folders.items()}
    return None


def _unpacked(
    source: bundles.Source, names: list[str], layout: Layout, split: str, path: Path
) -> dict[str, Truth] | None:
    """As `_own`, of an archive: the layouts look for files in folders."""
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            content, target = source.read(name), Path(temporary, name)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            except (OSError, ValueError) as error:
                raise InputError(f"{path}/{name}: cannot be unpacked ({error}): unpack it by hand") from None
        try:
            return _own(layout, split, Path(temporary))
        except InputError as error:
            raise InputError(str(error).replace(temporary, str(path))) from None


def _texts_apart(
    source: bundles.Source, names: list[str], benchmark: str, layout: Layout, split: str, path: Path
) -> dict[str, Truth]:
    """Ground truth of <sequence>.txt files, with absent/ and att/ beside them where LaSOT's toolkit has them."""
    files = [PurePosixPath(name) for name in names if name.endswith(".txt")]
    files = [file for file in files if file.stem.lower() not in OTHER_TEXTS]
    # The toolkits of LaSOT and OTB keep ground truth beside results, which are text files too.
    kept = [file for file in files if {"annos", "anno"} & set(file.parts[:-1])]
    files = kept or files
    beside = {kind: {file.stem: file for file in files if file.parent.name == kind} for kind in ("absent", "att")}
    truths: dict[str, Truth] = {}

    def text(file: PurePosixPath) -> str:
        try:
            return source.read(str(file)).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"{path}/{file}: not a text file: unpack the sequence again") from None

    for file in files:
        if file.parent.name in beside:
            continue
        name, origin = canonical(benchmark, file.stem), f"{path}/{file}"
        if name in truths:
            raise InputError(f"{origin}: a second ground truth of {name}: give the folder of one of them")
        given = layout.parse(text(file), origin, name)
        absent, tags = beside["absent"].get(file.stem), beside["att"].get(file.stem)
        hidden = None if absent is None else flags(text(absent), f"{path}/{absent}", len(given.boxes))
        attributes = {} if tags is None else _tags(benchmark, text(tags), f"{path}/{tags}")
        visible = None if hidden is None else ~hidden
        truths[name] = Truth(given.boxes, visible, given.regions, attributes=attributes)
    if not truths:
        packed = bundles.nested(source.names())
        remedy = f"unpack {packed[0]} first" if packed else REMEDY
        raise InputError(f"{path}: no ground truth of {benchmark} there: {remedy}")
    return _ordered(benchmark, split, truths)


def _nested(path: Path) -> Iterable[Path]:
    """A folder, and the folders inside it as long as each is alone: archives often wrap their content so."""
    while True:
        yield path
        inner = list(path.iterdir())
        if len(inner) != 1 or not inner[0].is_dir():
            return
        path = inner[0]


def _texts(members: Iterable[str]) -> list[str]:
    """Members of an archive that can be annotations: small files, without what an operating system leaves."""
    suffixes = (".txt", ".label", ".tag", ".ini", "/sequence")
    return [name for name in members if name.endswith(suffixes) and not bundles.hidden(name)]


def _ordered(benchmark: str, split: str, truths: dict[str, Truth]) -> dict[str, Truth]:
    names = lasot.chosen(truths, split) if benchmark == "lasot" else sorted(truths, key=natural)
    return {name: truths[name] for name in names}


def _tags(benchmark: str, text: str, origin: str) -> dict[str, Flags]:
    names = TAGS.get(benchmark, ())
    values = integers(text, origin, len(names)) if names else ()
    return {name: YES for name, value in zip(names, values, strict=True) if value}


def _json(benchmark: str, layout: Layout, path: Path) -> dict[str, Truth]:
    """The JSON files of pysot and video_analyst: sequence -> {gt or gt_rect, width, height, tags ...}."""
    try:
        data = read_json(path, "download it again")
    except RecursionError:
        data = None
    if not isinstance(data, dict) or not all(isinstance(entry, dict) for entry in data.values()):
        raise InputError(f"{path}: not a mapping of sequences to their ground truth: {REMEDY}")
    return {canonical(benchmark, name): _entry(benchmark, layout, path, name, data[name]) for name in data}


def _entry(benchmark: str, layout: Layout, path: Path, name: str, entry: dict[str, Any]) -> Truth:
    origin = f"{path}: {name}"
    regions = entry.get("gt", entry.get("gt_rect"))
    if not isinstance(regions, list) or not all(isinstance(region, list) and region for region in regions):
        raise InputError(f"{origin}: has no list `gt` or `gt_rect` of boxes: {REMEDY}")
    if not set(map(type, chain.from_iterable(regions))) <= {int, float}:
        raise InputError(f"{origin}: its boxes are not numbers: download the file again")
    # The numbers are those of the dataset's own files, so they pass through the same door.
    text = "\n".join(",".join(map(str, region)) for region in regions)
    given = layout.parse(text, origin, canonical(benchmark, name))
    count = len(given.boxes)
    tags = {tag: _marked(entry[tag], count, f"{origin}: {tag}") for tag in vot.TAGS if tag in entry}
    attributes = entry.get("attr") or []
    if not isinstance(attributes, list):
        raise InputError(f"{origin}: attr: not a list of names: download the file again")
    tags |= {str(tag): YES for tag in attributes}
    visible = None
    if entry.get("absent"):
        # pysot's `absent` of LaSOT is 1 where the target is there.
        visible = _numbers(entry["absent"], f"{origin}: absent")[:count] != 0
        if len(visible) < count:
            raise InputError(f"{origin}: absent: {len(visible)} values for {count} frames: download the file again")
    size = _numbers([entry["width"], entry["height"]], f"{origin}: size") if {"width", "height"} <= set(entry) else None
    pixels = None if size is None else (int(size[0]), int(size[1]))
    return Truth(given.boxes, visible, given.regions, size=pixels, attributes=tags)


def _numbers(values: Any, origin: str) -> NDArray[np.int64]:
    """(N,) whole numbers of a list. Raises InputError where it is none."""
    if not isinstance(values, list) or not set(map(type, values)) <= {int} or any(abs(v) > 2**31 for v in values):
        raise InputError(f"{origin}: not whole numbers: download the file again")
    return np.array(values, dtype=np.int64)


def _marked(values: Any, count: int, origin: str) -> Flags:
    """(count,) flags, from one a frame (pysot) or from the indices of those that are set (video_analyst).

    Flags that end before the sequence does are not set, as in the dataset's own files.
    """
    found = _numbers(values, origin)
    if np.isin(found, (0, 1)).all() and (len(found) == count or len(found) > 2):
        return np.pad(found[:count], (0, max(0, count - len(found)))) != 0
    if ((found < 0) | (found >= count)).any():
        raise InputError(f"{origin}: frame {found.max()} of {count}: download the file again")
    return np.isin(np.arange(count), found)
