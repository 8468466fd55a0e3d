"""Ground truth kept apart from the frames: a dataset's own layout, <sequence>.txt files, a zip of either, or JSON."""

import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from siamrcr.datasets import lasot, vot
from siamrcr.datasets.layout import Layout
from siamrcr.datasets.names import canonical, natural
from siamrcr.datasets.truth import YES, Flags, Truth, flags, integers, read_text
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
    if path.is_dir():
        return _folder(benchmark, layout, split, path)
    if path.suffix.lower() == ".json":
        return _ordered(benchmark, split, _json(benchmark, layout, path))
    with tempfile.TemporaryDirectory() as temporary:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(temporary, _texts(archive.namelist()))
            return _folder(benchmark, layout, split, Path(temporary))
        except (OSError, zipfile.BadZipFile):
            raise InputError(f"{path}: not a folder, zip or JSON file of ground truth: {REMEDY}") from None
        except InputError as error:
            raise InputError(str(error).replace(temporary, str(path))) from None


def _folder(benchmark: str, layout: Layout, split: str, path: Path) -> dict[str, Truth]:
    for base in _nested(path):
        try:
            folders = layout.sequences(base, split)
        except InputError:
            continue
        return {name: layout.truth(folder, name) for name, folder in folders.items()}
    # The toolkits of LaSOT and OTB keep ground truth beside results, which are text files too.
    base = next((path / name for name in ("annos", "anno") if (path / name).is_dir()), path)
    files = [file for file in sorted(base.rglob("*.txt")) if file.stem.lower() not in OTHER_TEXTS]
    beside = {kind: {file.stem: file for file in files if file.parent.name == kind} for kind in ("absent", "att")}
    truths = {}
    for file in files:
        if file.parent.name not in beside:
            name = canonical(benchmark, file.stem)
            given = layout.parse(read_text(file), file, name)
            visible = _seen(beside["absent"].get(file.stem), len(given.boxes))
            tags = _tags(benchmark, beside["att"].get(file.stem))
            truths[name] = Truth(given.boxes, visible, given.regions, attributes=tags)
    if not truths:
        raise InputError(f"{path}: no ground truth of {benchmark} there: {REMEDY}")
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
    return [name for name in members if name.endswith(suffixes) and not name.startswith("__MACOSX")]


def _ordered(benchmark: str, split: str, truths: dict[str, Truth]) -> dict[str, Truth]:
    names = lasot.chosen(truths, split) if benchmark == "lasot" else sorted(truths, key=natural)
    return {name: truths[name] for name in names}


def _seen(path: Path | None, count: int) -> Flags | None:
    return None if path is None else ~flags(read_text(path), path, count)


def _tags(benchmark: str, path: Path | None) -> dict[str, Flags]:
    names = TAGS.get(benchmark, ())
    if path is None or not names:
        return {}
    values = integers(read_text(path), path, len(names))
    return {name: YES for name, value in zip(names, values, strict=True) if value}


def _json(benchmark: str, layout: Layout, path: Path) -> dict[str, Truth]:
    """The JSON files of pysot and video_analyst: sequence -> {gt or gt_rect, width, height, tags ...}."""
    data = read_json(path, "download it again")
    if not isinstance(data, dict) or not all(isinstance(entry, dict) for entry in data.values()):
        raise InputError(f"{path}: not a mapping of sequences to their ground truth: {REMEDY}")
    return {canonical(benchmark, name): _entry(benchmark, layout, path, name, data[name]) for name in data}


def _entry(benchmark: str, layout: Layout, path: Path, name: str, entry: dict[str, Any]) -> Truth:
    origin = f"{path}: {name}"
    regions = entry.get("gt", entry.get("gt_rect"))
    if not isinstance(regions, list) or not all(isinstance(region, list) for region in regions):
        raise InputError(f"{origin}: has no list `gt` or `gt_rect` of boxes: {REMEDY}")
    # The numbers are those of the dataset's own files, so they pass through the same door.
    text = "\n".join(",".join(str(number) for number in region) for region in regions)
    given = layout.parse(text, origin, canonical(benchmark, name))
    count = len(given.boxes)
    tags = {tag: _marked(entry[tag], count, f"{origin}: {tag}") for tag in vot.TAGS if tag in entry}
    tags |= {str(tag): YES for tag in entry.get("attr") or ()}
    # pysot's `absent` of LaSOT is 1 where the target is there.
    visible = _marked(entry["absent"], count, f"{origin}: absent") if entry.get("absent") else None
    size = (int(entry["width"]), int(entry["height"])) if {"width", "height"} <= entry.keys() else None
    return Truth(given.boxes, visible, given.regions, size=size, attributes=tags)


def _marked(values: list[int], count: int, origin: str) -> Flags:
    """(count,) flags, from one a frame (pysot) or from the indices of those that are set (video_analyst)."""
    found = np.array(values, dtype=np.int64)
    if len(found) == count and np.isin(found, (0, 1)).all():
        return found.astype(bool)
    if ((found < 0) | (found >= count)).any():
        raise InputError(f"{origin}: frame {found.max()} of {count}: download the file again")
    return np.isin(np.arange(count), found)
