"""The command line: one verb a step, each usable without Snakemake.

The only module that may import everything; it does so inside the verbs, so that `--help` is quick and no verb pays for
another's libraries.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamrcr import __version__
from siamrcr.errors import InputError

if TYPE_CHECKING:
    from siamrcr.config import Run

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_CONFIGURATION = Path("workflow/config/mini.yaml")
Verb = Callable[[argparse.Namespace], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit status.

    0: done; 2: the user's input cannot be used, said in one line; 130: interrupted; 141: nobody reads the output.
    """
    options = _parser().parse_args(arguments)
    verb: Verb = options.verb
    # Threads that wait for one another by spinning are up to ten times slower beside other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from siamrcr.guard import end_with_workflow

        end_with_workflow()
        return verb(options) or 0
    except InputError as error:
        print(f"siamrcr: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("siamrcr: interrupted; the same command continues", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(options: argparse.Namespace) -> "Run":
    """The configuration that --configfile and --set name."""
    import yaml

    from siamrcr import config

    path: Path = options.configfile
    if path == DEFAULT_CONFIGURATION and not path.exists():
        path = REPOSITORY / path
    overrides: dict[str, Any] = {}
    for item in options.set or ():
        key, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"--set {item}: write KEY=VALUE, as in --set training.epochs=2")
        entry: Any = yaml.safe_load(value)
        for part in reversed(key.split(".")):
            entry = {part: entry}
        overrides = config.merge(overrides, entry)
    return config.load(path, overrides)


def mini(options: argparse.Namespace) -> None:
    """Generate miniature datasets and write their markers."""
    from siamrcr.datasets.mini import generate
    from siamrcr.datasets.verification import mark

    run = _run(options)
    for dataset in options.dataset:
        generate(dataset, run.data / "mini", run.mini)
        print(mark(run, dataset, run.data / "mini" / dataset))


def download(options: argparse.Namespace) -> None:
    """Download a dataset, or verify it where it is already there."""
    from siamrcr.datasets.download import download

    run = _run(options)
    for dataset in options.dataset:
        print(download(run, dataset, source_folder=options.source_folder, dry_run=options.dry_run))


def train(options: argparse.Namespace) -> None:
    """Train a model of the configuration."""
    from siamrcr.training.train import train

    run = _run(options)
    _known(options.model, run.models, "model", options)
    train(run, options.model, options.seed if options.seed is not None else run.model_seeds(options.model)[0])


def track(options: argparse.Namespace) -> None:
    """Run a tracker over a benchmark."""
    from siamrcr.engine import track

    print(track(_run(options), options.tracker, options.benchmark, root=options.root, out=options.out))


def maps(options: argparse.Namespace) -> None:
    """Store a model's scores and overlaps on a sample of frames."""
    from siamrcr.maps import collect

    run = _run(options)
    _known(options.model, run.models, "model", options)
    print(collect(run, options.model, options.seed if options.seed is not None else run.model_seeds(options.model)[0]))


def submit(options: argparse.Namespace) -> None:
    """Pack raw results as a benchmark's server takes them, or say what they lack."""
    from siamrcr.submission import pack

    pack(_run(options), options.benchmark, options.tracks, options.archive, options.root)
    print(options.archive)


def evaluate(options: argparse.Namespace) -> None:
    """Score raw results by the benchmark's own rules."""
    from analysis.scoring import evaluate_tracks, summary, tracker_name
    from siamrcr.files import write_json

    tracks = _folder(options.tracks)
    score = evaluate_tracks(
        _run(options),
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
    compared = compare_rules(_run(options), options.benchmark, tracks, options.annotations, options.subset)
    if options.json:
        write_json(options.json, compared)
    _tell(dict.fromkeys(note for row in compared["rules"] for note in row.get("notes", ())))
    print(table(compared))


def table(options: argparse.Namespace) -> None:
    """Write tables as Markdown, CSV and LaTeX."""
    from analysis import tables

    run = _run(options)
    for name in options.name or tables.NAMES:
        for path in tables.write(run, name):
            print(path)


def figure(options: argparse.Namespace) -> None:
    """Draw figures as SVG, PDF and PNG."""
    from analysis import figures

    run = _run(options)
    for name in options.name or figures.NAMES:
        for path in figures.write(run, name):
            print(path)


def report(options: argparse.Namespace) -> None:
    """Write the report."""
    from analysis.report import write

    print(write(_run(options)))


def digest(options: argparse.Namespace) -> None:
    """Print the checksum of results, leaving out times, dates and provenance."""
    from siamrcr.results import digest

    for path in options.path:
        print(digest(path), path)


def demo(options: argparse.Namespace) -> None:
    """Track a target through the user's own video or image folder."""
    from siamrcr.baselines import create
    from siamrcr.demo import demo

    try:
        box = [float(number) for number in options.box.split(",")]
    except ValueError:
        box = []
    if len(box) != 4:
        raise InputError(f"--box {options.box}: write four numbers x,y,w,h in pixels, as in --box 120,80,64,48")
    tracker = create(_run(options), options.tracker)(options.source.stem, 1)
    print(demo(options.source, box, tracker, options.out))


def _folder(tracks: Path) -> Path:
    """Raw results, of which the manifest may be named too, as the workflow does."""
    from siamrcr.results import MANIFEST

    return tracks.parent if tracks.name == MANIFEST else tracks


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"siamrcr: {note}", file=sys.stderr)


def _known(name: str, names: Any, kind: str, options: argparse.Namespace) -> None:
    if name not in names:
        raise InputError(f"{options.configfile}: no {kind} {name!r}; known are {', '.join(names)}")


def _parser() -> argparse.ArgumentParser:
    from siamrcr.config import BENCHMARKS, SERVED

    whole = argparse.ArgumentParser(prog="siamrcr", description=__doc__.splitlines()[0] if __doc__ else None)
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = whole.add_subparsers(required=True, metavar="VERB")

    def add(verb: Verb, **keywords: Any) -> argparse.ArgumentParser:
        text = (verb.__doc__ or "").strip()
        parser = verbs.add_parser(
            verb.__name__.replace("_", "-"),
            help=text.splitlines()[0],
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            **keywords,
        )
        parser.add_argument(
            "--configfile", type=Path, default=DEFAULT_CONFIGURATION, metavar="FILE", help="the run's configuration"
        )
        parser.add_argument(
            "--set", action="append", metavar="KEY=VALUE", help="override a key, as in training.epochs=2; repeatable"
        )
        parser.set_defaults(verb=verb)
        return parser

    datasets = ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019")
    parser = add(mini)
    parser.add_argument("dataset", nargs="*", default=list(datasets), help=f"any of {', '.join(datasets)}")

    parser = add(download)
    parser.add_argument("dataset", nargs="+", help=f"any of {', '.join((*datasets, 'coco', 'vid', 'det', 'resnet50'))}")
    parser.add_argument(
        "--from", dest="source_folder", type=Path, metavar="DIR", help="archives or folders that you already have"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan, the bytes and the free space only")

    parser = add(train)
    parser.add_argument("model", help="a name under models: in the configuration")
    parser.add_argument("--seed", type=int, help="the configuration's first seed where absent")

    trackers = "MODEL-sSEED, a name under trackers:, opencv:NAME, static, module:Class, or a .safetensors file"
    parser = add(track)
    parser.add_argument("tracker", help=trackers)
    parser.add_argument("benchmark", choices=BENCHMARKS, metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the benchmark's folder; the configuration's where absent"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where raw results go; results/RUN/tracks where absent")

    parser = add(maps)
    parser.add_argument("model", help="a name under models: in the configuration")
    parser.add_argument("--seed", type=int, help="the configuration's first seed where absent")

    parser = add(submit)
    parser.add_argument("benchmark", choices=SERVED, metavar="BENCHMARK", help=", ".join(SERVED))
    parser.add_argument("tracks", type=Path, help="folder or zip of raw results, in any toolkit's layout")
    parser.add_argument("archive", type=Path, help="the zip file to write")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the benchmark's folder; the configuration's where absent"
    )

    def scored(verb: Verb) -> argparse.ArgumentParser:
        parser = add(verb)
        parser.add_argument("benchmark", choices=BENCHMARKS, metavar="BENCHMARK", help=", ".join(BENCHMARKS))
        parser.add_argument(
            "tracks", type=Path, help="folder or zip of raw results, as any of the field's toolkits writes them"
        )
        parser.add_argument(
            "--annotations", type=Path, metavar="PATH", help="ground truth: dataset folder, zip or JSON"
        )
        parser.add_argument(
            "--subset", action="store_true", help="score the sequences that are there, though some are missing"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
        return parser

    parser = scored(evaluate)
    parser.add_argument("--convention", metavar="NAME", help="the rule; the one that papers print where absent")
    parser.add_argument("--tracker", metavar="NAME", help="name of the tracker; that of the folder where absent")
    parser.add_argument(
        "--answer", type=Path, metavar="FILE", help="what the benchmark's server answered, where it keeps the truth"
    )
    parser.add_argument(
        "--against", type=Path, metavar="OTHER", help="another tracker's raw results: print the paired differences"
    )
    scored(compare_rules)

    parser = add(table)
    parser.add_argument("name", nargs="*", help="all where absent")
    parser = add(figure)
    parser.add_argument("name", nargs="*", help="all where absent")
    add(report)

    parser = add(digest)
    parser.add_argument("path", nargs="+", type=Path, help="a file or folder under results/")

    parser = add(demo)
    parser.add_argument("source", type=Path, help="a video file or a folder of images")
    parser.add_argument("--box", required=True, metavar="x,y,w,h", help="the target in the first frame, in pixels")
    parser.add_argument("--tracker", default="siamrcr-s0", help=trackers)
    parser.add_argument("--out", type=Path, metavar="FILE", help="annotated video; boxes only where absent")
    return whole
