"""The command line: one verb a step, each usable without Snakemake.

The only module that may import everything; it does so inside the verbs, so that `--help` is quick and no verb pays for
another's libraries.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from siamrcr import allocator
from siamrcr.arguments import Verb, chosen_run, chosen_seed, completed, parser
from siamrcr.errors import InputError
from siamrcr.guard import end_with_workflow


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit status.

    0: done; 1: a tracker failed on some sequences; 2: the user's input cannot be used, said in one line; 130:
    interrupted; 141: nobody reads the output.
    """
    whole = whole_parser()
    options = whole.parse_args(arguments)
    verb: Verb = options.verb
    # Threads that wait for one another by spinning are up to ten times slower beside other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        allocator.keep()
        end_with_workflow()
        return verb(options) or 0
    except InputError as error:
        # Wrapped anew, since what was given may not print in one line either.
        print(f"siamrcr: {InputError(completed(str(error), whole, options))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("siamrcr: interrupted; the same command continues", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        from siamrcr.files import refusal

        said = refusal(error, Path(str(error.filename2 or error.filename or "a file")))
        if said is None:
            raise
        print(f"siamrcr: {said}", file=sys.stderr)
        return 2


def doctor(options: argparse.Namespace) -> int:
    """Say what would stop a run on this machine, each with its remedy; exit status 1 where anything would."""
    from siamrcr.doctor import tell

    return tell(chosen_run(options), partial(completed, whole=whole_parser(), options=options))


def mini(options: argparse.Namespace) -> None:
    """Generate miniature datasets and write their markers."""
    from siamrcr.datasets.mini import generate
    from siamrcr.datasets.verification import mark

    run = chosen_run(options)
    for dataset in options.dataset:
        generate(dataset, run.data / "mini", run.mini)
        print(mark(run, dataset, run.data / "mini" / dataset))


def download(options: argparse.Namespace) -> None:
    """Download a dataset, or verify it where it is already there."""
    from siamrcr.datasets.download import Options, download

    if options.root is not None and len(options.dataset) > 1:
        raise InputError("--root: is the folder of one dataset: give one dataset")
    run = chosen_run(options)
    chosen = Options(
        root=options.root,
        parts=tuple(options.parts or ()),
        source_folder=options.source_folder,
        lock=options.lock,
        jobs=options.jobs,
        accept_terms=options.accept_terms,
        dry_run=options.dry_run,
    )
    for dataset in options.dataset:
        marker = download(run, dataset, chosen)
        if marker is not None:
            print(marker)


def verify(options: argparse.Namespace) -> None:
    """Say what of a dataset is whole, missing, damaged or extra; exit status 2 where it is not complete."""
    from siamrcr.datasets import audit
    from siamrcr.files import write_json

    run = chosen_run(options)
    run = run if options.generated else run.model_copy(update={"source": "real"})
    splits = audit.chosen(run, options.dataset, options.parts)
    found = [audit.audit(run, split, options.root, options.deep) for split in splits]
    print(audit.table(found))
    if options.json:
        write_json(options.json, [vars(each) for each in found])
    audit.must_be_complete(run, options.dataset, found)


def datasets(options: argparse.Namespace) -> None:
    """List the datasets: what is there, how large each is, who must register, and which results need it."""
    from siamrcr.datasets import catalogue

    print(catalogue.table(chosen_run(options)))


def train(options: argparse.Namespace) -> int | None:
    """Train a model of the configuration."""
    from siamrcr.training.launch import launched
    from siamrcr.training.train import train

    run = chosen_run(options)
    seed = chosen_seed(run, options)
    settings = [f"--set={each}" for each in options.set or ()]
    status = launched(run, ["train", options.model, f"--seed={seed}", f"--configfile={options.configfile}", *settings])
    if status is None:
        train(run, options.model, seed)
    return status


def track(options: argparse.Namespace) -> int:
    """Run a tracker over a benchmark."""
    from siamrcr.engine import track
    from siamrcr.files import read_json
    from siamrcr.results import MANIFEST, REMEDY
    from siamrcr.shards import Shard

    shard = Shard(*options.shard) if options.shard else None
    folder = track(chosen_run(options), options.tracker, options.benchmark, options.root, options.out, shard)
    print(folder)
    failures = read_json(shard.record(folder) if shard else folder / MANIFEST, REMEDY)["failures"]
    if failures:
        _tell([f"{len(failures)} runs failed: the manifest says why, and the same command tries them again"])
    return 1 if failures else 0


def maps(options: argparse.Namespace) -> None:
    """Store a model's scores and overlaps on a sample of frames."""
    from siamrcr.maps import collect

    run = chosen_run(options)
    print(collect(run, options.model, chosen_seed(run, options)))


def submit(options: argparse.Namespace) -> None:
    """Pack raw results as a benchmark's server takes them, or say what they lack."""
    from siamrcr.submission import pack

    pack(chosen_run(options), options.benchmark, options.tracks, options.archive, options.root)
    print(options.archive)


def evaluate(options: argparse.Namespace) -> None:
    """Score raw results by the benchmark's own rules."""
    from analysis.scoring import evaluate_tracks, summary, tracker_name
    from siamrcr.files import write_json

    tracks = _folder(options.tracks)
    score = evaluate_tracks(
        chosen_run(options),
        options.benchmark,
        tracks,
        tracker=options.tracker or tracker_name(tracks),
        annotations=options.annotations,
        convention=options.convention,
        subset=options.subset,
        answer=options.answer,
        against=_folder(options.against) if options.against else None,
    )
    if options.json:
        write_json(options.json, score)
    _tell(score["notes"])
    if "against" in score:
        _tell(f"{score['against']['tracker']}: {note}" for note in score["against"]["notes"])
    print(summary(score))


def compare_rules(options: argparse.Namespace) -> None:
    """Score raw results by every rule that the benchmark is scored by."""
    from analysis.rules import compare_rules, table
    from siamrcr.files import write_json

    tracks = _folder(options.tracks)
    compared = compare_rules(chosen_run(options), options.benchmark, tracks, options.annotations, options.subset)
    if options.json:
        write_json(options.json, compared)
    _tell(dict.fromkeys(note for row in compared["rules"] for note in row.get("notes", ())))
    print(table(compared))


def compare(options: argparse.Namespace) -> None:
    """Compare two models or trackers of the run: paired differences on every benchmark, sequences, cost."""
    from analysis.pairing import compare, table
    from siamrcr.files import write_json

    run = chosen_run(options)
    compared = compare(run, options.a, options.b)
    if options.json:
        write_json(options.json, compared)
    if options.figure:
        from analysis.figures import draw_pair

        draw_pair(run, options.a, options.b, options.figure)
    print(table(compared))


def table(options: argparse.Namespace) -> None:
    """Write tables as Markdown, CSV, LaTeX and JSON."""
    from analysis import tables

    run = chosen_run(options)
    for name in options.name or tables.NAMES:
        for path in tables.write(run, name):
            print(path)


def figure(options: argparse.Namespace) -> None:
    """Draw figures as SVG, PDF and PNG."""
    from analysis import figures

    run = chosen_run(options)
    for name in options.name or figures.NAMES:
        for path in figures.write(run, name):
            print(path)


def report(options: argparse.Namespace) -> None:
    """Write the report, and the sequences that its player shows whole beside it."""
    from analysis import report
    from siamrcr import strips

    run = chosen_run(options)
    chosen, tracks = report.disagreements(run, options.sequences), report.drawn(run)
    player, lacks = strips.make(run, chosen, tracks, run.folder / "report", options.strips)
    _tell(lacks)
    print(report.write(run, player))


def digest(options: argparse.Namespace) -> None:
    """Print the checksum of results, leaving out times, dates and provenance."""
    from siamrcr.results import digest

    for path in options.path:
        print(digest(path), path)


def demo(options: argparse.Namespace) -> None:
    """Track a target through the user's own video, image folder or camera."""
    from contextlib import closing

    from siamrcr.baselines import source
    from siamrcr.demo import demo

    try:
        box = [float(number) for number in options.box.split(",")]
    except ValueError:
        box = []
    if len(box) != 4:
        raise InputError(f"--box {options.box}: write four numbers x,y,w,h in pixels, as in --box 120,80,64,48")
    with closing(source(chosen_run(options), options.tracker)) as found:
        tracker = found.make(options.source.stem, 1)
        print(demo(options.source, box, tracker, options.out, options.frames))


def speed(options: argparse.Namespace) -> None:
    """Time a tracker alone, frame by frame: frames per second, milliseconds by stage, FLOPs."""
    from analysis import reported
    from siamrcr.files import read_json
    from siamrcr.speed import describe, measure

    path = measure(
        chosen_run(options),
        options.tracker,
        options.benchmark,
        options.root,
        options.sequence,
        options.frames,
        options.warm_up,
    )
    print(describe(read_json(path, "measure again")))
    paper = reported.find("text", reported.OURS, "fps")
    if paper is not None:
        print(f"reported: {paper.value:g} frames/s ({paper.source}); {paper.note}")
    print(path)


def tune(options: argparse.Namespace) -> None:
    """Search a model's test-time parameters on a split that no result is reported on."""
    from siamrcr.files import read_json
    from siamrcr.tune import tune

    # What an earlier search found is no part of what is searched from, and may be what is to be made again.
    run = chosen_run(options, tuned=False)
    seed = chosen_seed(run, options)
    path = tune(run, options.model, seed, options.benchmark, options.root, options.trials, options.sequences)
    found = read_json(path, "tune again")
    low, high = found["gain_interval"]
    print(", ".join(f"{name} {value:g}" for name, value in found["tracking"].items()))
    print(
        f"average overlap {found['average_overlap']:.4f}, {found['gain']:+.4f} [{low:+.4f}, {high:+.4f}] against the "
        f"configuration's own, on {found['sequences']} sequences of {found['split']}"
    )
    print(f"to track with them: models: {{{options.model}: {{tuned: {path}}}}}")


def export(options: argparse.Namespace) -> None:
    """Write a trained network as ONNX graphs, checked against PyTorch; their folder is a tracker's name."""
    from siamrcr.export import export, read

    folder = export(chosen_run(options), options.model, options.out, options.benchmark, options.root)
    check = read(folder)["check"]
    _tell(
        [
            f"largest difference on {check['pairs']} {check['on']}: {check['max_score_difference']:.2g} in scores, "
            f"{check['max_box_difference']:.2g} pixels in boxes"
        ]
    )
    print(folder)


def video(options: argparse.Namespace) -> None:
    """Draw trackers and the ground truth into a sequence: a video or a contact sheet."""
    from analysis.scoring import tracker_name
    from siamrcr.video import video

    folders = [_folder(path) for path in options.tracks]
    names = [tracker_name(folder) for folder in folders]
    alike = len(set(names)) < len(names)
    tracks = {str(folder) if alike else name: folder for name, folder in zip(names, folders, strict=True)}
    out = options.out or Path(f"{options.sequence}.mp4")
    print(video(chosen_run(options), options.benchmark, options.sequence, tracks, out, options.root))


def _folder(tracks: Path) -> Path:
    """Raw results, of which the manifest may be named too, as the workflow does."""
    from siamrcr.results import MANIFEST

    return tracks.parent if tracks.name == MANIFEST else tracks


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"siamrcr: {note}", file=sys.stderr)


def whole_parser() -> argparse.ArgumentParser:
    """What every verb takes."""
    return parser({verb.__name__: verb for verb in VERBS}, (__doc__ or "").splitlines()[0])


# In the order of `--help`.
VERBS: tuple[Verb, ...] = (
    doctor,
    mini,
    download,
    verify,
    datasets,
    train,
    track,
    maps,
    submit,
    evaluate,
    compare_rules,
    compare,
    table,
    figure,
    report,
    digest,
    demo,
    video,
    speed,
    tune,
    export,
)
