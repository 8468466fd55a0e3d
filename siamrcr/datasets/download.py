"""Bring a dataset to data/real/{dataset}: download, check, unpack, verify, and only then write its marker."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath

from siamrcr import files
from siamrcr.config import Run
from siamrcr.datasets import archives, checksums, install, plan, pool, sources, transfer, verification
from siamrcr.datasets.bars import Bars, bars
from siamrcr.datasets.install import Given, given, pending
from siamrcr.datasets.sources import Source
from siamrcr.errors import InputError


@dataclass(frozen=True)
class Options:
    """How a dataset is brought.

    Attributes:
        root: the dataset's folder, where it shall not be data/real/{dataset}, which then links to it.
        parts: splits or files (`val`, `TRAIN_0`, `cat`, `TRAIN_*`); what the run needs where empty.
        source_folder: where the user keeps the dataset or its archives.
        lock: the file of learnt checksums; data/real/checksums.csv where absent.
        jobs: files at once.
        accept_terms: take what is behind registration from its copies; the user has agreed to its owner's terms.
        dry_run: print the plan and touch nothing.
    """

    root: Path | None = None
    parts: tuple[str, ...] = ()
    source_folder: Path | None = None
    lock: Path | None = None
    jobs: int = install.JOBS
    accept_terms: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class _Job:
    """A dataset on its way: `splits` are to be whole in the end, `rows` are where they come from."""

    run: Run
    dataset: str
    root: Path
    splits: list[verification.Split]
    rows: list[Source]
    options: Options
    lock: checksums.Lock

    @property
    def own(self) -> list[verification.Split]:
        """Those of the splits that are in the dataset's own folder; the user keeps the others elsewhere."""
        return [split for split in self.splits if verification.folder(self.run, split) == self.root]

    @property
    def places(self) -> list[Path]:
        """Folders where the user may have put archives."""
        given = self.options.source_folder
        return [self.root / "archives", self.root, *([given] if given is not None else [])]

    def done(self) -> bool:
        """Whether all that is wanted is there."""
        if self.options.parts and not self.splits:
            return not pending(self.root, self.rows)
        try:
            for split in self.splits:
                verification.check(self.run, split)
        except InputError:
            return False
        return True


def download(run: Run, dataset: str, options: Options | None = None) -> Path | None:
    """Make the splits of a dataset that the run needs complete (all, where it needs none) and write their marker.

    What is there already is only verified. Archives in data/real/{dataset}/archives or in the source folder are
    unpacked; an unpacked dataset in the source folder is linked, not copied. Downloads go on where they were cut off,
    and an archive that was downloaded is deleted once it is unpacked.

    Args:
        run: says where the data is, which splits are needed, and how many sequences to expect; read as `source: real`.
        dataset: a dataset of sources.csv.
        options: how.

    Returns the marker, data/real/{dataset}.json; None for a dry run, and where chosen parts are there but the run needs
    others too.
    Raises InputError when a set behind registration is not there, when a server fails, the disk is too small or an
    archive is broken, and when sequences are missing at the end.
    """
    options = options or Options()
    run = run.model_copy(update={"source": "real"})
    job = _job(run, dataset, options)
    folders = {split: verification.folder(run, split) for split in verification.needed(run, dataset)}
    apart = [split for split, folder in folders.items() if folder != job.root]
    home = job.root if len(apart) < len(folders) else next(iter(folders.values()))
    if options.source_folder is not None and not options.source_folder.is_dir():
        raise InputError(f"{options.source_folder}: no such folder: give the one that holds {dataset} or its archives")
    if options.root is not None and not options.dry_run:
        install.settle(job.root, options.root)
    if not job.done() and options.source_folder and verification.found(dataset, options.source_folder):
        if options.dry_run:
            print(f"{dataset}: what {options.source_folder} holds would be linked into {job.root}")
            return None
        install.link(options.source_folder.resolve(), job.root)
    if not job.done():
        for split in apart:
            verification.check(run, split)
        if options.dry_run:
            wanted = pending(job.root, job.rows, job.own)
            plan.show(run, options.root or job.root, wanted, _at_hand(job, wanted), options.jobs)
            return None
        with install.alone(job.root):
            _bring(job)
    elif options.dry_run:
        print(f"{dataset}: complete in {home}, nothing to do")
        return None
    for split in job.splits:
        verification.check(run, split)
    if options.parts and not verification.complete(run, dataset):
        print(
            f"{dataset}: {', '.join(options.parts)} complete; the configuration needs more of it, so it has no marker"
        )
        return None
    with transfer.writing(run.data / "real"):
        return verification.mark(run, dataset, home)


def _job(run: Run, dataset: str, options: Options) -> _Job:
    root, rows = run.data / "real" / dataset, sources.read(dataset)
    lock = checksums.Lock(options.lock or run.data / "real" / "checksums.csv")
    if not options.parts:
        needed = verification.needed(run, dataset)
        parts = {"all", *(split.part for split in needed if verification.folder(run, split) == root)}
        return _Job(run, dataset, root, needed, [row for row in rows if row.part in parts], options, lock)
    chosen, splits = [], []
    for name in options.parts:
        split = [split for split in verification.of(dataset) if name in (split.part, split.name)]
        found = [row for row in rows if split and row.part in ("all", *(each.part for each in split))]
        found = found or [row for row in rows if fnmatch(row.file, name) or fnmatch(row.file.partition(".")[0], name)]
        if not found:
            known = [each.part for each in verification.of(dataset) if each.part]
            raise InputError(
                f"--parts {name}: {dataset} has no such part; known are {', '.join(known or ['its files'])}, and files "
                f"such as {rows[0].file}"
            )
        chosen += [row for row in found if row not in chosen]
        splits += [each for each in split if each not in splits]
    return _Job(run, dataset, root, splits, chosen, options, lock)


def _at_hand(job: _Job, wanted: list[Source]) -> list[Given]:
    return [item for source in wanted for item in given(source, job.root, job.places)]


def _bring(job: _Job) -> None:
    """Install what the user has, then what servers have."""
    wanted = pending(job.root, job.rows, job.own)
    at_hand = _at_hand(job, wanted)
    size = sum(item.archive.bytes for item in at_hand)
    transfer.must_fit(job.root, size, f"unpacking {job.dataset}")
    if at_hand:
        with bars(f"unpack {job.dataset}", len(at_hand), size) as shown:
            pool.each(at_hand, partial(_unpack, job, shown), job.options.jobs)
    if not job.done():
        _fetch(job, pending(job.root, wanted, job.own))


def _fetch(job: _Job, wanted: list[Source]) -> None:
    """Download and install what is still missing."""
    if not wanted:
        raise InputError(
            f"{job.root}: all was unpacked, yet sequences are missing: delete what is not whole, run again"
        )
    closed = [source for source in wanted if source.access == "registration"]
    if any(not (job.options.accept_terms and source.mirror) for source in closed):
        raise plan.registration(job.root, closed)
    wanted = sources.described(wanted)
    transfer.must_fit(
        job.root, plan.room(job.run, job.root, wanted, [], job.options.jobs), f"downloading {job.dataset}"
    )
    # Where a subset is meant, nobody knows which files have it: one after the other, until it is there.
    subset = verification.subset(job.run, job.dataset)
    batches = [[source] for source in wanted] if subset else [wanted]
    lists: dict[str, list[Source]] = {}
    with bars(f"download {job.dataset}", len(wanted), sum(source.bytes or 0 for source in wanted)) as shown:
        for batch in batches:
            if subset and job.done():
                return
            pool.each(_items(job, batch, lists, shown), partial(_get, job, shown), job.options.jobs)
            for source in (source for source in batch if source.file == sources.VOT_LIST):
                # VOT's list of sequences is of its toolkit's making: no archive brings it.
                names = dict.fromkeys(PurePosixPath(item.layout).parts[0] for item in lists[source.file])
                files.write_text(job.root / "list.txt", "\n".join(names) + "\n")


def _items(job: _Job, batch: list[Source], lists: dict[str, list[Source]], shown: Bars) -> Iterator[Source]:
    """The single files of rows, listed when their turn comes; `lists` keeps what was listed."""
    for source in batch:
        lists[source.file] = sources.listed(source)
        items = pending(job.root, lists[source.file])
        shown.files += len(items) - 1
        if source.lists:
            shown.total += sum(item.bytes or 0 for item in items) - (source.bytes or 0)
        yield from items


def _get(job: _Job, shown: Bars, source: Source) -> None:
    """Download and install one file."""
    at_hand = given(source, job.root, job.places)
    if at_hand:
        _unpack(job, shown, at_hand[0])
        return
    archive = job.root / "archives" / source.file
    # One that was checked and not unpacked yet has a name of its own: what the user puts there is never deleted.
    checked = archive.with_name(f"{archive.name}.checked")
    failures = []
    for copy in source.mirror.split() if source.access == "registration" else [""]:
        pieces = copy.split("+")
        try:
            paths = [_piece(job, shown, source, url, archive) for url in pieces] if len(pieces) > 1 else [checked]
            if len(pieces) == 1 and not checked.exists():
                with shown.part(source.file, source.bytes or 0) as meter:
                    examine = partial(_examine, job, shown, source)
                    transfer.fetch([copy] if copy else source.addresses, archive, source.bytes, examine, meter)
                    archive.replace(checked)
        except pool.DiskError:
            raise
        except InputError as error:
            failures.append(str(error))
            continue
        whole = archives.of(paths[0], str(archive))
        if len(pieces) > 1:
            archives.check(whole, str(archive))
        _install(job, shown, Given(source, whole))
        for path in paths:
            path.unlink()
        return
    raise InputError("; ".join(failures))


def _piece(job: _Job, shown: Bars, source: Source, url: str, archive: Path) -> Path:
    """Download one piece of an archive; it is checked by itself, where the hub tells its checksum."""
    path = archive.with_name(archive.name + PurePosixPath(url).suffix)
    row = sources.described([replace(source, file=path.name, url=url, mirror="", bytes=None, checksum="")])[0]
    if not path.exists():
        with shown.part(path.name, 0) as meter:

            def examine(part: Path) -> None:
                with shown.part(f"check {path.name}", counted=False) as checking:
                    install.check(row, archives.of(part, path.name), job.lock, checking)

            transfer.fetch([url], path, row.bytes, examine, meter)
    return path


def _examine(job: _Job, shown: Bars, source: Source, part: Path) -> None:
    with shown.part(f"check {source.file}", counted=False) as meter:
        install.check(source, archives.of(part, str(part.with_suffix(""))), job.lock, meter)


def _unpack(job: _Job, shown: Bars, item: Given) -> None:
    """Install what the user has, and leave it where it is."""
    with shown.part(item.source.file, item.archive.bytes) as meter:
        install.check(item.source, item.archive, job.lock)
        install.put(item.source, item.archive, job.root, meter)


def _install(job: _Job, shown: Bars, item: Given) -> None:
    with shown.part(f"unpack {item.source.file}", counted=False) as meter:
        install.put(item.source, item.archive, job.root, meter)
