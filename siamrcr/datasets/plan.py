"""What a download will do, before it does it: files, bytes, room on the disk, and where the user must register."""

from collections.abc import Iterable
from pathlib import Path

from siamrcr.config import Run
from siamrcr.datasets import catalogue, install, sources, transfer, verification
from siamrcr.datasets.install import Given
from siamrcr.datasets.sources import Source
from siamrcr.errors import InputError


def room(run: Run, root: Path, pending: list[Source], given: list[Given], jobs: int) -> int:
    """Bytes that the files take once unpacked, and the archives under way beside them; as far as sizes are known.

    What is unpacked is about as large as its archive, since frames are compressed already. Where no file's size is
    known, and all of them are meant, the dataset's own size counts as its source states it.
    """
    at_hand = {item.source.file: item.archive.bytes for item in given}
    # Of a folder of the hub that was begun, what is left is unknown; its files are small, and each is checked.
    coming = [s for s in pending if s.file not in at_hand and not (s.hub and (root / s.file).exists())]
    sizes = {source.file: source.bytes or 0 for source in coming}
    under_way = sorted((sizes[source.file] for source in coming if not source.lists), reverse=True)[:jobs]
    parts = [root / "archives" / f"{file}.part" for file in sizes]
    begun = sum(part.stat().st_size for part in parts if part.exists())
    known = sum(sizes.values()) + sum(under_way) - begun
    if not known and not verification.subset(run, root.name) and len(coming) == len(sources.read(root.name)):
        known = catalogue.FACTS[root.name].about or 0
    return known + sum(at_hand.values())


def show(run: Run, root: Path, pending: list[Source], given: list[Given], jobs: int) -> None:
    """Print the plan. Raises DiskError where the disk is too small for it."""
    at_hand = {item.source.file: item.archive.name for item in given}
    for source in pending:
        size = f"{source.bytes / 1e9:.2f} GB" if source.bytes else "size unknown"
        print(f"{root.name}: {source.file}: {size}, {at_hand.get(source.file) or f'{source.access}, {source.url}'}")
    known, unknown = sum(source.bytes or 0 for source in pending), sum(not source.bytes for source in pending)
    sizes = [f"{known / 1e9:.2f} GB"] * bool(known) + [f"{unknown} of unknown size"] * bool(unknown)
    needed = room(run, root, pending, given, jobs)
    print(f"{root.name}: {' and '.join(sizes) or 'nothing'} to {root}, {transfer.free(root) / 1e9:.1f} GB free", end="")
    print(f", about {needed / 1e9:.1f} GB needed" if needed else "")
    transfer.must_fit(root, needed, f"downloading {root.name}")


def registration(root: Path, closed: list[Source]) -> InputError:
    """Where to go, what to fetch, and where to put it."""
    names = [source.file for source in closed]
    wanted = ", ".join(names) if len(names) <= 3 else f"{names[0]} ... {names[-1]} ({len(names)} files)"
    copies = " or ".join(copy.replace("+", " and ") for source in closed for copy in source.mirror.split())
    terms = f", or add --accept-terms to take a copy ({copies})" if copies else ""
    return InputError(
        f"{root.name} needs registration: register at {closed[0].url}, put {wanted} into {root / 'archives'} (or name "
        f"the folder that has them with --from){terms}, and run the same command again"
    )


def ready(run: Run, datasets: Iterable[str]) -> None:
    """Whether datasets can be downloaded without the user. Raises InputError naming all that cannot, and the commands.

    Asks no server, and unpacks nothing.
    """
    run = run.model_copy(update={"source": "real"})
    problems: list[str] = []
    needed: dict[int, tuple[Path, int]] = {}  # disk -> a folder there, and bytes
    for dataset in datasets:
        if verification.complete(run, dataset):
            continue
        root = run.data / "real" / dataset
        splits = [split for split in verification.needed(run, dataset) if verification.folder(run, split) == root]
        parts = {"all", *(split.part for split in splits)}
        wanted = install.pending(root, [source for source in sources.read(dataset) if source.part in parts], splits)
        at_hand = [item for source in wanted for item in install.given(source, root, [root / "archives", root])]
        disk = transfer.existing(root).stat().st_dev
        needed[disk] = (root, needed.get(disk, (root, 0))[1] + room(run, root, wanted, at_hand, install.JOBS))
        found = {item.source.file for item in at_hand}
        closed = [source for source in wanted if source.access == "registration" and source.file not in found]
        if closed:
            problems.append(f"{registration(root, closed)}: `siamrcr download {dataset} --from DIR`")
    if problems:
        raise InputError("; ".join(problems))
    for root, size in needed.values():
        transfer.must_fit(root, size, "the datasets of this run")
