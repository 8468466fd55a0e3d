"""Is a dataset whole: sequences and frames of its splits against the official counts, and the marker that says so.

Counts come from listing folders; no image is opened.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from siamrcr import files
from siamrcr.config import Run
from siamrcr.datasets import got10k, lasot, names, otb, sources, trackingnet, vot
from siamrcr.datasets.layout import Layout
from siamrcr.errors import InputError

IMAGES = (".jpg", ".jpeg", ".png")
Found = Iterator[tuple[str, int, list[Path]]]  # name of a sequence, its frames, its annotation files


@dataclass(frozen=True)
class Split:
    """Part of a dataset that is needed as a whole.

    Attributes:
        name: its key in the configuration's `expected`.
        dataset: folder under data/real.
        official: how many sequences (images for COCO and DET, snippets for VID) there are, or None where not published.
        find: lists what is in a dataset's folder.
        benchmark: the benchmark that reads it, if any.
        training: whether it is the training split.
    """

    name: str
    dataset: str
    official: int | None
    find: Callable[[Path], Found]
    benchmark: str | None = None
    training: bool = False

    @property
    def part(self) -> str:
        """The split's name within its dataset, empty where it is all of it."""
        return self.name.removeprefix(self.dataset).removeprefix("-")


def trained_from(run: Run, model: str) -> list[str]:
    """The datasets that a model's training reads: its training sets, and the one that holds its backbone's weights."""
    place = Path(run.models[model].network.weights).parent
    backbone = [place.name] if place.parent == run.data / run.source else []
    return [*run.models[model].training.datasets, *backbone]


def verify(run: Run, dataset: str) -> dict[str, dict[str, int]]:
    """Counts `{split: {"sequences": n, "frames": n}}` of the splits that the run needs (all where it needs none).

    Raises InputError, with what is missing and the remedy, when there are fewer sequences than `run.expected`, or
    officially: generated datasets have no official counts.
    """
    return {split.name: check(run, split) for split in needed(run, dataset)}


def check(run: Run, split: Split) -> dict[str, int]:
    """Counts of sequences and frames of one split; raises InputError as `verify` does."""
    root = folder(run, split)
    count = _count(split, root)
    official = split.official if run.source == "real" else None
    wanted = run.expected.get(split.name, official or 1)
    if count["sequences"] < wanted:
        absent = missing(split, root) if wanted == official else []
        example = f" ({absent[0]} ...)" if absent else ""
        what = f"{split.part} sequences" if split.part else "sequences"
        remedy = f"Run: `siamrcr {'download' if run.source == 'real' else 'mini'} {split.dataset}`"
        if root != run.data / run.source / split.dataset:
            remedy = "Complete it there, or let the configuration name no folder of its own"
        raise InputError(f"{root} is missing {wanted - count['sequences']} of {wanted} {what}{example}. {remedy}")
    return count


def complete(run: Run, dataset: str) -> bool:
    """Whether `verify` would pass."""
    try:
        verify(run, dataset)
    except InputError:
        return False
    return True


def mark(run: Run, dataset: str, root: Path) -> Path:
    """Write data/{source}/{dataset}.json: files, bytes, sequences, frames and a checksum of each split's annotations.

    The marker of a folder within the data folder is beside it, that of another folder where the run's source is. One
    that says the same already stays as it is, so that nothing made from the dataset looks older than its marker. Raises
    InputError when the folder holds no sequence of the dataset.
    """
    splits = {split.name: _count(split, root, checksum=True) for split in of(dataset)}
    splits = {name: count for name, count in splits.items() if count["sequences"]}
    if not splits:
        raise InputError(
            f"{root}: holds no sequences of {dataset} in its official layout. Run: `siamrcr download {dataset}`"
        )
    number, size = _size(root)
    own = root.parent / f"{dataset}.json"
    path = own if root.parent.parent == run.data else marker(run, dataset)
    record = {"dataset": dataset, "parts": list(splits), "files": number, "bytes": size, "splits": splits}
    if _recorded(path) != record:
        files.write_json(path, record | {"date": datetime.now(UTC).isoformat(timespec="seconds")})
    return path


def marker(run: Run, dataset: str) -> Path:
    """Where the marker of a dataset is, which is there when the dataset is complete."""
    return run.data / run.source / f"{dataset}.json"


def of(dataset: str) -> list[Split]:
    """The splits of a dataset. Raises InputError when there is no such dataset."""
    splits = [split for split in SPLITS if split.dataset == dataset]
    if not splits:
        known = ", ".join(dict.fromkeys(split.dataset for split in SPLITS))
        raise InputError(f"unknown dataset {dataset!r}; known are {known}")
    return splits


def needed(run: Run, dataset: str) -> list[Split]:
    """The splits that the run trains on or tracks, or all of the dataset where it does neither."""
    benchmarks = {benchmark for _, benchmark in run.jobs()}
    benchmarks |= {run.analysis.correlation_benchmark} if run.analysis.correlation else set()
    trained = any(dataset in model.training.datasets for name, model in run.models.items() if run.trains(name))
    chosen = [s for s in of(dataset) if s.benchmark in benchmarks or (s.training and trained)]
    return chosen or of(dataset)


def folder(run: Run, split: Split) -> Path:
    """Where the configuration has the split."""
    if split.benchmark is not None:
        return run.root(split.benchmark)
    return run.training_root(split.dataset)


def subset(run: Run, dataset: str) -> bool:
    """Whether the configuration means only a part of the dataset's sequences."""
    return any(split.name in run.expected for split in of(dataset))


def found(dataset: str, root: Path) -> bool:
    """Whether a folder holds any sequence of the dataset in its official layout."""
    return any(next(split.find(root), None) is not None for split in of(dataset))


def official(split: Split, root: Path) -> list[str]:
    """Official names of a split's sequences, as far as they are known: for some, as far as annotations are there."""
    if split.dataset == "got10k":
        return [f"GOT-10k_{split.part.title()}_{number:06d}" for number in range(1, (split.official or 0) + 1)]
    if split.dataset == "lasot":
        classes = [source.file.removesuffix(".zip") for source in sources.read("lasot")]
        every = [f"{name}-{number}" for name in classes for number in range(1, 21)]
        return lasot.chosen(every, split.part, root / "testing_set.txt")
    if split.dataset == "otb2015":
        return list(names.OTB)
    if split.dataset == "trackingnet":
        return sorted(path.stem for path in root.glob(f"{split.part.upper()}*/anno/*.txt"))
    return (root / "list.txt").read_text().split() if (root / "list.txt").is_file() else []


def missing(split: Split, root: Path) -> list[str]:
    """Official names of a split's sequences that are not there, as far as the names are known."""
    present = {name for name, _, _ in split.find(root)}
    return [name for name in official(split, root) if name not in present]


def _recorded(path: Path) -> dict[str, Any] | None:
    """What a marker says, without its date; None where there is none that can be read."""
    try:
        record: dict[str, Any] = files.read_json(path, "mark the dataset again")
    except InputError:
        return None
    record.pop("date", None)
    return record


def _count(split: Split, root: Path, checksum: bool = False) -> dict[str, Any]:
    sequences = frames = 0
    digest = hashlib.sha256()
    for name, length, annotations in split.find(root):
        sequences += 1
        frames += length
        for path in annotations if checksum else ():
            digest.update(f"{name}/{path.name}\n".encode() + path.read_bytes())
    counts: dict[str, Any] = {"sequences": sequences, "frames": frames}
    return counts | ({"checksum": digest.hexdigest()} if checksum else {})


def _size(root: Path) -> tuple[int, int]:
    """Files under a folder, linked ones too, and their bytes; archives that were unpacked are not counted."""
    number = size = 0
    for place, folders, entries in os.walk(root, followlinks=True):
        if Path(place) == root and "archives" in folders:
            folders.remove("archives")
        number += len(entries)
        size += sum(os.stat(os.path.join(place, name)).st_size for name in entries)  # noqa: PTH116, PTH118 (millions)
    return number, size


def _list(root: Path) -> tuple[int, list[Path]]:
    """How many images a folder holds, and its other files."""
    images, others = 0, []
    if root.is_dir():
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.name.lower().endswith(IMAGES):
                    images += 1
                elif entry.is_file():
                    others.append(Path(entry.path))
    return images, sorted(others)


def _benchmark(layout: Layout, part: str) -> Callable[[Path], Found]:
    """Lists a split as the benchmark's reader finds it; a sequence without a frame is missing."""

    def find(root: Path) -> Found:
        try:
            present = layout.sequences(root, part)
        except InputError:
            return
        for name, sequence in present.items():
            inner = next((place for place in (sequence / "img", sequence / "color") if place.is_dir()), sequence)
            frames, _ = _list(inner)
            if frames:
                apart = sequence.parent.parent / "anno" / f"{name}.txt"  # TrackingNet's
                yield name, frames, [apart] if apart.is_file() else _list(sequence)[1]

    return find


def _coco(root: Path) -> Found:
    annotations = root / "annotations" / "instances_train2017.json"
    images = root / "train2017" if (root / "train2017").is_dir() else root / "images" / "train2017"
    if annotations.is_file() and images.is_dir():
        record = [annotations]  # once, with the first image
        for name in sorted(os.listdir(images)):  # noqa: PTH208 (118,287 names)
            if name.lower().endswith(IMAGES):
                yield name, 1, record
                record = []


def _vid(root: Path) -> Found:
    base = root / "Annotations" / "VID" / "train"
    for place, folders, entries in os.walk(base, followlinks=True):
        folders.sort()
        annotations = sorted(Path(place, name) for name in entries if name.endswith(".xml"))
        frames, _ = _list(root / "Data" / "VID" / "train" / Path(place).relative_to(base))
        if annotations and frames:
            yield Path(place).name, frames, annotations


def _det(root: Path) -> Found:
    base = root / "Annotations" / "DET" / "train"
    for place, folders, entries in os.walk(base, followlinks=True):
        folders.sort()
        images = root / "Data" / "DET" / "train" / Path(place).relative_to(base)
        present = {path.split(".")[0] for path in os.listdir(images)} if images.is_dir() else set()  # noqa: PTH208
        for name in sorted(entries):
            if name.endswith(".xml") and name.removesuffix(".xml") in present:
                yield name.removesuffix(".xml"), 1, [Path(place, name)]


def _weights(root: Path) -> Found:
    path = root / "model.safetensors"
    if path.is_file():
        yield path.name, 0, [path]


SPLITS = (
    Split("got10k-train", "got10k", 9335, _benchmark(got10k, "train"), training=True),
    Split("got10k-val", "got10k", 180, _benchmark(got10k, "val"), "got10k-val"),
    Split("got10k-test", "got10k", 180, _benchmark(got10k, "test"), "got10k-test"),
    Split("trackingnet-train", "trackingnet", 2512 + 11 * 2511, _benchmark(trackingnet, "train"), training=True),
    Split("trackingnet-test", "trackingnet", 511, _benchmark(trackingnet, "test"), "trackingnet"),
    Split("lasot-train", "lasot", 1120, _benchmark(lasot, "train"), training=True),
    Split("lasot-test", "lasot", 280, _benchmark(lasot, "test"), "lasot"),
    Split("otb2015", "otb2015", 100, _benchmark(otb, "test"), "otb2015"),
    Split("vot2018", "vot2018", 60, _benchmark(vot, "test"), "vot2018"),
    Split("vot2019", "vot2019", 60, _benchmark(vot, "test"), "vot2019"),
    Split("coco", "coco", 118_287, _coco, training=True),
    Split("vid", "vid", 3862, _vid, training=True),
    Split("det", "det", None, _det, training=True),
    Split("resnet50", "resnet50", 1, _weights),
)
