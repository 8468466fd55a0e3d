"""Bring a dataset to data/real/{dataset}: download, check, unpack, verify, and only then write its marker."""

import hashlib
import shutil
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath

from siamrcr import files
from siamrcr.config import Run
from siamrcr.datasets import archives, sources, transfer, verification
from siamrcr.datasets.sources import Source
from siamrcr.errors import InputError

DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def download(run: Run, dataset: str, *, source_folder: Path | None = None, dry_run: bool = False) -> Path:
    """Make the splits of a dataset that the run needs complete (all, where it needs none) and write their marker.

    What is there already is only verified. Archives in data/real/{dataset}/archives or in the source folder are
    unpacked; an unpacked dataset in the source folder is linked, not copied. Downloads go on where they were cut off,
    and an archive that was downloaded is deleted once it is unpacked.

    Args:
        run: says where the data is, which splits are needed, and how many sequences to expect; read as `source: real`.
        dataset: a dataset of sources.csv.
        source_folder: where the user keeps the dataset or its archives.
        dry_run: print the plan and touch nothing.

    Returns the marker, data/real/{dataset}.json. Raises InputError when a set behind registration is not there, when a
    server fails, the disk is too small or an archive is broken, and when sequences are missing at the end.
    """
    run = run.model_copy(update={"source": "real"})
    root, marker = run.data / "real" / dataset, run.data / "real" / f"{dataset}.json"
    folders = {split: verification.folder(run, split) for split in verification.needed(run, dataset)}
    needed = [split for split, folder in folders.items() if folder == root]
    home = root if needed else next(iter(folders.values()))
    if source_folder is not None and not source_folder.is_dir():
        raise InputError(f"{source_folder}: no such folder: give the one that holds {dataset} or its archives")
    done = verification.complete(run, dataset)
    if not done and source_folder is not None and verification.found(dataset, source_folder):
        if dry_run:
            print(f"{dataset}: what {source_folder} holds would be linked into {root}")
            return marker
        _link(source_folder.resolve(), root)
        done = verification.complete(run, dataset)
    if done:
        if dry_run:
            print(f"{dataset}: complete in {home}, nothing to do")
        return marker if dry_run else verification.mark(run, dataset, home)
    for split, folder in folders.items():
        if folder != root:
            verification.check(run, split)
    parts = {"all", *(split.part for split in needed)}
    places = [folder for folder in (root / "archives", root, source_folder) if folder is not None]
    pending = _pending(root, [source for source in sources.read(dataset) if source.part in parts], needed)
    given = [item for source in pending for item in _given(source, root, places)]
    if dry_run:
        _show(root, pending, given)
        return marker
    transfer.must_fit(root, sum(path.stat().st_size for _, path in given), f"unpacking {dataset}")
    for source, path in given:
        _check(source, path)
        _install(source, path, root)
    if not verification.complete(run, dataset):
        _fetch(run, root, _pending(root, pending, needed), places)
    verification.verify(run, dataset)
    return verification.mark(run, dataset, root)


def _fetch(run: Run, root: Path, pending: list[Source], folders: list[Path]) -> None:
    """Download and install what is still missing."""
    if not pending:
        raise InputError(f"{root}: all was unpacked, yet sequences are missing: delete what is not whole and run again")
    closed = [source for source in pending if source.access == "registration"]
    if closed:
        names = [source.file for source in closed]
        wanted = ", ".join(names) if len(names) <= 3 else f"{names[0]} ... {names[-1]} ({len(names)} files)"
        copies = "".join(f" (a copy: {source.mirror})" for source in closed if source.mirror)
        raise InputError(
            f"{root.name} needs registration: register at {closed[0].url}, put {wanted}{copies} into "
            f"{root / 'archives'} (or name the folder that has them with --from), and run the same command again"
        )
    transfer.must_fit(root, _room(root, pending), f"downloading {root.name}")
    for source in pending:
        if run.expected and verification.complete(run, root.name):
            return  # a subset is meant, and it is there
        items = sources.listed(source)
        for item in _pending(root, items):
            given = _given(item, root, folders)
            path = given[0][1] if given else root / "archives" / item.file
            if given:
                _check(item, path)
            else:
                transfer.fetch(item.addresses, path, item.bytes, partial(_check, item))
            _install(item, path, root)
            if not given:
                path.unlink()
        if source.file == sources.VOT_LIST:
            # VOT's list of sequences is of its toolkit's making: no archive brings it.
            sequences = dict.fromkeys(PurePosixPath(item.layout).parts[0] for item in items)
            files.write_text(root / "list.txt", "\n".join(sequences) + "\n")


def _room(root: Path, pending: list[Source]) -> int:
    """Bytes that the files take once unpacked, and the largest archive beside them; as far as sizes are published."""
    # Of a folder of the hub that was begun, what is left is unknown; its files are small, and each is checked.
    sizes = {source.file: source.bytes or 0 for source in pending if not (source.hub and (root / source.file).exists())}
    largest = max((sizes[source.file] for source in pending if not source.lists), default=0)
    parts = [root / "archives" / f"{file}.part" for file in sizes]
    return sum(sizes.values()) + largest - sum(part.stat().st_size for part in parts if part.exists())


def _pending(root: Path, wanted: list[Source], needed: list[verification.Split] | None = None) -> list[Source]:
    """Those of the files that have not brought all they hold."""
    names = [name for split in needed or [] for name in verification.missing(split, root)]

    def installed(source: Source) -> bool:
        stamp, staging = _traces(source, root)
        if source.lists or staging.exists():
            return False
        if stamp.is_file():
            return all((root / entry).exists() for entry in files.read_json(stamp, "delete it and run again"))
        pattern = PurePosixPath(source.layout).name
        return any(root.glob(source.layout)) and not any(fnmatch(name, pattern) for name in names)

    return [source for source in wanted if not installed(source)]


def _given(source: Source, root: Path, folders: list[Path]) -> list[tuple[Source, Path]]:
    """The file where the user put it; of a folder of the hub, those of its files that are still to be installed."""
    if source.hub:
        paths = [(folder, path) for folder in folders for path in sorted(folder.glob(f"{source.file}/*/*.*"))]
        items = [(sources.in_hub(source, path.relative_to(folder).as_posix()), path) for folder, path in paths]
        return [(item, path) for item, path in items if item is not None and _pending(root, [item])]
    places = (place for f in folders for place in (f / source.file, *f.glob(f"*/{source.file}")) if place.is_file())
    return [] if source.lists else [(source, path) for path in places][:1]


def _check(source: Source, path: Path) -> None:
    """Raise InputError for a file that is not what its row says; checksums of a kind not known here are passed over."""
    name = str(path).removesuffix(".part")
    archives.check(path, name)
    size = path.stat().st_size
    if source.bytes and size != source.bytes:
        raise InputError(f"{name}: {size} bytes instead of {source.bytes}: download it again")
    algorithm = DIGESTS.get(len(source.checksum))
    if algorithm is not None:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
        if digest != source.checksum.lower():
            raise InputError(f"{name}: {algorithm} {digest} instead of {source.checksum}: download it again")


def _install(source: Source, path: Path, root: Path) -> None:
    """Put a checked file, unpacked if it is an archive, where the readers look for it."""
    if not archives.is_archive(source.file):
        with files.atomic(root / source.layout) as temporary:
            shutil.copyfile(path, temporary)
        return
    stamp, staging = _traces(source, root)
    archives.extract(path, staging)
    entries = archives.place(staging, root, source.layout)
    if "*" in source.layout:
        files.write_json(stamp, entries)


def _traces(source: Source, root: Path) -> tuple[Path, Path]:
    """What an archive brought, kept where its layout alone cannot tell; and where it is unpacked first."""
    return root / "archives" / f"{source.file}.json", root / "archives" / f"{source.file}.unpacked"


def _link(source_folder: Path, root: Path) -> None:
    """Link what an unpacked dataset holds into the dataset's folder."""
    if source_folder == root.resolve():
        return
    root.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source_folder.iterdir()):
        link = root / entry.name
        if link.is_symlink():
            link.unlink()
        if link.exists():
            raise InputError(f"{link}: is there already: move it away, or leave out the source folder {source_folder}")
        link.symlink_to(entry)


def _show(root: Path, pending: list[Source], given: list[tuple[Source, Path]]) -> None:
    """Print the plan."""
    at_hand = {source.file: path for source, path in given}
    for source in pending:
        size = f"{source.bytes / 1e9:.2f} GB" if source.bytes else "size unknown"
        origin = at_hand.get(source.file) or f"{source.access}, {source.url}"
        print(f"{root.name}: {source.file}: {size}, {origin}")
    known, unknown = sum(source.bytes or 0 for source in pending), sum(not source.bytes for source in pending)
    sizes = [f"{known / 1e9:.2f} GB"] * bool(known) + [f"{unknown} of unknown size"] * bool(unknown)
    print(f"{root.name}: {' and '.join(sizes)} to {root}, {transfer.free(root) / 1e9:.1f} GB free")
