"""Runs a tracker over a benchmark: protocols ask, frames are decoded ahead, every finished sequence is kept."""

import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from siamrcr import baselines, bundles, datasets, lanes, layouts, results, shards
from siamrcr.config import Run
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError, TrackerError
from siamrcr.files import checksum, read_json, settings_hash, write_json
from siamrcr.finished import Finished
from siamrcr.lanes import Job
from siamrcr.progress import progress
from siamrcr.protocols import one_pass, reset_based
from siamrcr.provenance import provenance
from siamrcr.shards import Shard


def track(
    run: Run,
    tracker: str,
    benchmark: str,
    root: Path | None = None,
    out: Path | None = None,
    shard: Shard | None = None,
) -> Path:
    """Run a tracker over the sequences of a benchmark and give the folder of its raw results.

    A sequence that is already there, from the same settings and frames, is left alone, so an interrupted run continues;
    the others are tracked, several at once. A tracker that fails on a sequence fails there only: the manifest, which is
    written last, says where and why, and the next run tries again. Times are the tracker's own: decoding is left out.

    A shard tracks its part of the sequences and writes a record in the manifest's place. Once all are there, the run
    without a shard finds nothing left to track and writes the manifest.

    Args:
        run: the configuration.
        tracker: any name that `baselines.source` knows.
        benchmark: one of config.BENCHMARKS.
        root: the benchmark's folder; the configuration's where absent.
        out: folder of the raw results; results/{run}/tracks/{tracker}/{benchmark} where absent.
        shard: the part to track; all where absent.

    Raises:
        InputError: the tracker or the benchmark is not there, a frame cannot be read, or the folder holds raw results
            of these sequences that no run of this package began.
    """
    with closing(baselines.source(run, tracker)) as source:
        sequences = datasets.there(run, benchmark, root)
        name = baselines.short(tracker)
        folder = out or run.folder / "tracks" / name / benchmark
        repetitions = repetition_count(run, tracker, benchmark, source.deterministic)
        digest = settings_hash(source.settings)
        _refuse_foreign(folder, benchmark, sequences)
        with shards.alone(folder):
            unchanged = _discard_stale(folder, benchmark, sequences, repetitions, digest)
        finished = Finished(folder)
        protocol = reset_based if benchmark.startswith("vot") else one_pass
        part = sequences if shard is None else shard.of(sequences)
        runs = [Job(sequence, number, protocol) for sequence in part for number in range(1, repetitions + 1)]
        todo = [job for job in runs if not _whole(finished, benchmark, job)]
        if todo or not unchanged:
            (folder / results.MANIFEST).unlink(missing_ok=True)
        elif shard is None and _manifest_tells(folder):
            return folder
        failures = _run(source, todo, finished, benchmark, name, sum(len(job.sequence) for job in runs))

    if shard is not None:
        record = {"sequences": len(part), "frames": sum(map(len, part)), "failures": failures, "lanes": source.lanes}
        shards.write(folder, shard, record | {"settings_sha256": digest, "provenance": provenance()})
        return folder
    parts = shards.read(folder, digest)
    kept = [s for s in sequences if any(results.exists(folder, benchmark, s.name, r + 1) for r in range(repetitions))]
    stored = results.read(folder, benchmark, kept, subset=True) if kept else {}
    times = np.concatenate([np.empty(0), *(each.times for runs in stored.values() for each in runs)])
    seconds, timed = float(np.nansum(times)), int(np.isfinite(times).sum())
    manifest = {
        "tracker": tracker,
        "label": run.tracker_label(tracker),
        "benchmark": benchmark,
        "sequences": len(sequences),
        "frames": sum(map(len, sequences)),
        "repetitions": repetitions,
        "deterministic": source.deterministic,
        "failures": failures,
        "seconds": seconds,
        "fps": timed / seconds if seconds else None,
        "lanes": source.lanes,
        "times": _times(source),
        "weights_sha256": source.settings.get("weights_sha256"),
        "settings": source.settings,
        "settings_sha256": digest,
        "digest": results.digest(folder) if kept else None,
        "files": _checksums(folder),
        "provenance": provenance(shards=parts) if parts else provenance(),
    }
    results.write_manifest(folder, manifest)
    return folder


def _manifest_tells(folder: Path) -> bool:
    """Whether the manifest is there as it was written; takes away and names one that is not."""
    try:
        if "failures" in (results.read_manifest(folder) or {}):
            return True
    except InputError as error:
        print(f"{str(error).removesuffix(results.REMEDY)}it is written again", file=sys.stderr)
    (folder / results.MANIFEST).unlink(missing_ok=True)
    return False


def _run(
    source: baselines.Source, todo: list[Job], finished: Finished, benchmark: str, name: str, frames: int
) -> dict[str, str]:
    """Track what is left of a benchmark of `frames` frames; give the runs that failed, each with the reason."""
    # The longest first: none is left to run alone at the end.
    jobs, failures = sorted(todo, key=lambda job: -len(job.sequence)), dict[str, str]()
    with progress(f"{name} on {benchmark}", frames, "frames") as bar:
        bar.resume(frames - sum(len(job.sequence) for job in jobs))
        if source.batch is not None:
            outcomes = lanes.lockstep(jobs, source.batch(), bar)
        else:
            outcomes = lanes.threads(jobs, source.make, source.lanes, bar, source.start, source.close)
        with closing(outcomes):
            for job, outcome in outcomes:
                bar.note = job.sequence.name
                if isinstance(outcome, TrackerError):
                    where = f"{job.sequence.name}, repetition {job.repetition}"
                    failures[where] = str(outcome)
                    print(f"{name} failed on {where}: {outcome}", file=sys.stderr)
                else:
                    results.write(finished.folder, benchmark, job.sequence.name, job.repetition, outcome)
                    finished.add(_files(benchmark, job))
    return failures


def _files(benchmark: str, job: Job) -> list[str]:
    """The files of a run, the boxes first; repetitions may share that of times."""
    places = (layouts.boxes_file, layouts.confidence_file, layouts.times_file)
    return [place(benchmark, job.sequence.name, job.repetition) for place in places]


def _whole(finished: Finished, benchmark: str, job: Job) -> bool:
    """Whether a run is stored as it was written; takes away and names what is there and is something else."""
    names = _files(benchmark, job)
    if not (finished.folder / names[0]).is_file():
        return False
    changed = [name for name in names if name in finished.known and not finished.holds(name)]
    for name in changed:
        # Of a shared file nothing is kept: it goes, so each repetition that wrote to it is tracked again.
        (finished.folder / name).unlink(missing_ok=True)
        print(f"{finished.folder / name}: is not what was tracked: it is tracked again", file=sys.stderr)
    return not changed and names[0] in finished.known


def _checksums(folder: Path) -> dict[str, str]:
    source = bundles.Folder(folder)
    return {name: checksum(source.read(name)) for name in source.names() if not bundles.hidden(name)}


def _times(source: baselines.Source) -> str:
    """What a frame's time is."""
    if source.lanes == 1:
        return "a frame's own"
    how = "a batch of so many" if source.batch is not None else "so many threads"
    return f"amortised: a frame's, over the lanes in use ({how})"


def repetition_count(run: Run, tracker: str, benchmark: str, deterministic: bool) -> int:
    """How often each sequence is run.

    A tracker that draws random numbers runs as often as the configuration says, else 15 times on VOT and 3 times on
    GOT-10k, as their toolkits have it; once elsewhere, as any deterministic tracker does.
    """
    if deterministic:
        return 1
    entry = run.trackers.get(tracker)
    if entry is not None and entry.repetitions is not None:
        return entry.repetitions
    return next((count for prefix, count in (("vot", 15), ("got10k", 3)) if benchmark.startswith(prefix)), 1)


def _refuse_foreign(folder: Path, benchmark: str, sequences: list[Sequence]) -> None:
    """Raise InputError where raw results are in the folder, under any toolkit's name, and the stamp is not."""
    if (folder / results.STAMP).is_file() or not folder.is_dir():
        return
    names = [sequence.name for sequence in sequences]
    # Looked for again: another shard may have begun meanwhile, and the stamp comes before the first result.
    found = layouts.index(bundles.Folder(folder).names(), benchmark, names, folder)
    if found and not (folder / results.STAMP).is_file():
        raise InputError(
            f"{folder}: holds raw results of {benchmark} that were not made here ({results.STAMP} is missing): choose "
            f"another folder for the results (--out) or remove this one"
        )


def _discard_stale(folder: Path, benchmark: str, sequences: list[Sequence], repetitions: int, settings: str) -> bool:
    """Remove the raw results that were made of other settings or frames, or are repetitions too many, and say so.

    True where everything is as it was when the folder was last written to.
    """
    stamp = folder / results.STAMP
    old = read_json(stamp, results.stamp_remedy(folder)) if stamp.is_file() else {}
    now = {sequence.name: sequence.fingerprint() for sequence in sequences}
    stale = 0
    for name, fingerprint in now.items():
        same = old.get("settings") == settings and old.get("sequences", {}).get(name) == fingerprint
        first, last = repetitions + 1 if same else 1, max(old.get("repetitions", 1), repetitions)
        # Repetitions share a file of times: it stays with those that stay.
        places = [layouts.boxes_file, layouts.confidence_file] + ([] if same else [layouts.times_file])
        for repetition in range(first, last + 1):
            stale += results.exists(folder, benchmark, name, repetition)
            for place in places:
                (folder / place(benchmark, name, repetition)).unlink(missing_ok=True)
    if stale:
        print(f"{folder}: {stale} runs of other settings, frames or repetitions are removed", file=sys.stderr)
    new = {"settings": settings, "repetitions": repetitions, "sequences": now}
    if old != new:
        write_json(stamp, new)
    return bool(old == new)
