"""What of a dataset is whole, missing, damaged or too much, sequence by sequence and, where wanted, frame by frame."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path, PurePosixPath

from siamrcr.config import SERVED, Run
from siamrcr.datasets import LAYOUTS, sources, verification
from siamrcr.datasets.images import SUFFIXES
from siamrcr.errors import InputError
from siamrcr.progress import progress

Frames = Sequence[Path]
# At the top of a dataset's folder, beside what the archives bring.
BESIDE = {
    "got10k": ("full_data",),
    "lasot": ("*.txt",),
    "vot2018": ("*",),
    "vot2019": ("*",),
    "coco": ("annotations", "images", "val2017", "test2017"),
    "vid": ("Annotations", "Data", "ImageSets", "devkit"),
    "det": ("Annotations", "Data", "ImageSets", "devkit"),
}
BATCH = 500  # images of a set without sequences, decoded at once
SHOWN = 5  # names of each kind


@dataclass
class Audit:
    """One split.

    Attributes:
        split: its name.
        root: where it was looked for.
        wanted: how many sequences (images, snippets) there should be; None where nobody publishes it.
        whole: how many are there with all their frames.
        frames: how many frames those have.
        missing: names of those that are not there, or how many, where the names are not known.
        damaged: name and what is wrong.
        extra: what does not belong there.
    """

    split: str
    root: Path
    wanted: int | None
    whole: int = 0
    frames: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing or damaged."""
        return not self.missing and not self.damaged


def chosen(run: Run, dataset: str, parts: Sequence[str] | None = None) -> list[verification.Split]:
    """The splits that are named, or those that the run needs. Raises InputError for an unknown name."""
    if not parts:
        return verification.needed(run, dataset)
    every = verification.of(dataset)
    known = {name: split for split in every for name in (split.name, split.part) if name}
    unknown = [name for name in parts if name not in known]
    if unknown:
        names = ", ".join(split.part or split.name for split in every)
        raise InputError(f"--parts {unknown[0]}: {dataset} has no such split; known are {names}")
    return list(dict.fromkeys(known[name] for name in parts))


def audit(run: Run, split: verification.Split, root: Path | None = None, deep: bool = False) -> Audit:
    """Look at every sequence of a split: its ground truth, the number of its frames and, if `deep`, every frame.

    Args:
        run: says where the split is and how many sequences to expect, where a subset is meant.
        split: one of `verification.SPLITS`.
        root: the dataset's folder, where it is another than the run's.
        deep: decode every frame, in as many processes as there are cores.
    """
    place = root or verification.folder(run, split)
    official = split.official if run.source == "real" else None
    found = Audit(split.name, place, run.expected.get(split.name, official))
    look = _sequences if split.dataset in LAYOUTS else {"coco": _coco, "resnet50": _files}.get(split.dataset, _trees)
    frames: dict[str, Frames] = {}
    for name, files in look(split, place, found):
        frames[name] = files
        found.whole += 1
        found.frames += len(files)
    if split.name not in run.expected and official is not None:
        lost = official - found.whole - len(found.damaged) - len(found.missing)
        if lost > 0:
            found.missing.append(f"{lost} more")
    elif split.name in run.expected and split.dataset in LAYOUTS:
        # A subset is meant, and which one is the user's choice.
        lost = run.expected[split.name] - found.whole - len(found.damaged)
        found.missing = [f"{lost} of {run.expected[split.name]}"] if lost > 0 else []
    if run.source == "real":
        # What is beside the splits belongs to none of them: the first one tells it.
        first = split == verification.of(split.dataset)[0]
        found.extra = list(dict.fromkeys(found.extra + (_strays(split.dataset, place) if first else [])))
    else:
        found.missing, found.extra = [], []  # generated sequences have no official names
    if deep:
        _decode(found, frames)
    return found


def table(found: list[Audit]) -> str:
    """Counts as Markdown, and below it the first names of each kind."""
    lines = ["| split | expected | whole | frames | missing | damaged | extra |", "|---|---|---|---|---|---|---|"]
    for each in found:
        wanted = each.wanted if each.wanted is not None else "not published"
        cells = [each.split, wanted, each.whole, each.frames, len(each.missing), len(each.damaged), len(each.extra)]
        lines.append(f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells)} |")
    for each in found:
        damaged = [f"{name} ({reason})" for name, reason in each.damaged.items()]
        for kind, names in (("missing", each.missing), ("damaged", damaged), ("extra", each.extra)):
            if names:
                more = f", and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
                lines.append(f"{each.split}: {kind}: {', '.join(names[:SHOWN])}{more}")
    return "\n".join(lines)


def must_be_complete(run: Run, dataset: str, found: list[Audit]) -> None:
    """Raise InputError with the remedy where something is missing or damaged."""
    bad = [each for each in found if not each.complete]
    if bad:
        what = "; ".join(f"{e.split}: {len(e.missing)} missing, {len(e.damaged)} damaged" for e in bad)
        first = "delete what is damaged, then run" if any(each.damaged for each in bad) else "run"
        verb = "download" if run.source == "real" else "mini"
        raise InputError(f"{bad[0].root}: {what}: {first}: `siamrcr {verb} {dataset}`")


def _sequences(split: verification.Split, root: Path, found: Audit) -> Iterator[tuple[str, Frames]]:
    """The sequences of a benchmark that its reader takes; what it does not take is noted."""
    layout = LAYOUTS[split.dataset]
    part = split.part if split.part in ("train", "val", "test") else "test"
    try:
        present = layout.sequences(root, part)
    except InputError:
        present = {}
    official = verification.official(split, root)
    found.missing = [name for name in official if name not in present]
    found.extra = [name for name in present if official and name not in set(official)]
    with progress(f"verify {split.name}", len(present), "sequences") as bar:
        for name, folder in present.items():
            try:
                boxes = len(layout.truth(folder, name).boxes)
                yield name, layout.images(folder, name, None if boxes == 1 and split.benchmark in SERVED else boxes)
            except InputError as error:
                found.damaged[name] = str(error)
            bar.advance()


def _coco(split: verification.Split, root: Path, found: Audit) -> Iterator[tuple[str, Frames]]:  # noqa: ARG001
    """The training images that the annotations name, in batches of none but their own."""
    path = root / "annotations" / "instances_train2017.json"
    folder = root / "train2017" if (root / "train2017").is_dir() else root / "images" / "train2017"
    present = set(_images(folder))
    try:
        named = {image["file_name"] for image in json.loads(path.read_text())["images"]}
    except FileNotFoundError:
        found.missing = ["annotations/instances_train2017.json"]
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        found.damaged["annotations/instances_train2017.json"] = f"cannot be read: {error!r}"
        return
    found.missing, found.extra = sorted(named - present), sorted(present - named)
    for name in sorted(named & present):
        yield name, (folder / name,)


def _trees(split: verification.Split, root: Path, found: Audit) -> Iterator[tuple[str, Frames]]:
    """ILSVRC: an image beside every annotation, in a tree of its own; VID's by snippet, DET's one by one."""
    task = split.dataset.upper()
    base = root / "Annotations" / task / "train"
    for place, folders, entries in os.walk(base, followlinks=True):
        folders.sort()
        images = root / "Data" / task / "train" / Path(place).relative_to(base)
        stems = sorted(name.removesuffix(".xml") for name in entries if name.endswith(".xml"))
        present = {name.rpartition(".")[0]: name for name in _images(images)} if stems else {}
        lost = [stem for stem in stems if stem not in present]
        frames = tuple(images / present[stem] for stem in stems if stem in present)
        if task == "DET":
            found.missing += lost
            yield from ((frame.stem, (frame,)) for frame in frames)
        elif not frames and stems:
            found.missing.append(Path(place).name)
        elif lost:
            found.damaged[Path(place).name] = f"{len(lost)} of {len(stems)} frames missing: {images / lost[0]}"
        elif stems:
            yield Path(place).name, frames


def _files(split: verification.Split, root: Path, found: Audit) -> Iterator[tuple[str, Frames]]:
    """Plain files, which hold no frames."""
    for source in sources.read(split.dataset):
        if (root / source.layout).is_file():
            yield source.file, ()
        else:
            found.missing.append(source.file)


def _images(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES)]  # noqa: PTH208 (118,287 names)


def _strays(dataset: str, root: Path) -> list[str]:
    """Leftovers of downloads, and entries at the top that no archive of the dataset brings."""
    known = {PurePosixPath(source.layout).parts[0] for source in sources.read(dataset)}
    known |= {"archives", "list.txt", *BESIDE.get(dataset, ())}
    if not root.is_dir():
        return []
    entries = sorted(entry.name for entry in root.iterdir())
    strays = [name for name in entries if not any(fnmatch(name, pattern) for pattern in known)]
    left = [
        path for kind in ("part", "checked", "unpacked", "tmp") for path in sorted(root.glob(f"archives/**/*.{kind}"))
    ]
    return strays + [path.relative_to(root).as_posix() for path in left]


def _decode(found: Audit, frames: dict[str, Frames]) -> None:
    """Move sequences with a frame that cannot be read from `whole` to `damaged`."""
    single = [name for name, files in frames.items() if len(files) == 1]
    several = ([name] for name, files in frames.items() if len(files) > 1)
    batches = [*several, *(single[start : start + BATCH] for start in range(0, len(single), BATCH))]
    bad: dict[str, list[str]] = {}
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores) as executor, progress(f"decode {found.split}", found.frames, "frames") as bar:
        waiting: dict[Future[list[tuple[int, str]]], list[str]] = {}
        left = iter(batches)
        while True:
            for names in islice(left, 4 * cores - len(waiting)):
                waiting[executor.submit(_unreadable, [frames[name] for name in names])] = names
            if not waiting:
                break
            future = next(as_completed(waiting))
            names = waiting.pop(future)
            for number, reason in future.result():
                bad.setdefault(names[number], []).append(reason)
            bar.advance(sum(len(frames[name]) for name in names))
    for name, reasons in bad.items():
        found.whole -= 1
        found.frames -= len(frames[name])
        more = f", and {len(reasons) - 1} more frames" if len(reasons) > 1 else ""
        found.damaged[name] = f"{reasons[0]}{more}"


def _unreadable(several: list[Frames]) -> list[tuple[int, str]]:
    """Number of the sequence and what is wrong, of every frame that cannot be decoded to its last pixel."""
    return [(number, reason) for number, files in enumerate(several) for path in files if (reason := _fault(path))]


def _fault(path: Path) -> str:
    import simplejpeg  # deferred, as everything that decodes
    from PIL import Image

    try:
        data = path.read_bytes()
        try:
            simplejpeg.decode_jpeg(data)
        except ValueError:
            # Stricter than the trackers' decoder about the end of a file, and laxer about its colours.
            with Image.open(path) as image:
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()).replace(str(path), "it")
        return f"{path}: {reason or type(error).__name__}"
    return ""
