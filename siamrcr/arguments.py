"""What each verb of the command line takes, with its defaults."""

import argparse
import io
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamrcr import __version__
from siamrcr.errors import InputError

if TYPE_CHECKING:
    from siamrcr.config import Run

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_CONFIGURATION = Path("workflow/config/mini.yaml")
Verb = Callable[[argparse.Namespace], int | None]


def parser(verbs: Mapping[str, Verb], description: str) -> argparse.ArgumentParser:
    """The whole command line, given what each verb does; its help is the verb's docstring."""
    from siamrcr.config import BENCHMARKS, SERVED
    from siamrcr.tuned import SPLITS

    whole = argparse.ArgumentParser(prog="siamrcr", description=description)
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = whole.add_subparsers(required=True, metavar="VERB")

    def add(name: str, **keywords: Any) -> argparse.ArgumentParser:
        text = (verbs[name].__doc__ or "").strip()
        parser = subparsers.add_parser(
            name.replace("_", "-"),
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
        parser.set_defaults(verb=verbs[name])
        return parser

    def rooted(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--root", type=Path, metavar="DIR", help="the benchmark's folder; the configuration's where absent"
        )

    add("doctor")

    datasets = ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019")
    parser = add("mini")
    parser.add_argument("dataset", nargs="*", default=list(datasets), help=f"any of {', '.join(datasets)}")

    every = f"any of {', '.join((*datasets, 'coco', 'vid', 'det', 'resnet50'))}"
    parser = add("download")
    parser.add_argument("dataset", nargs="+", help=every)
    parser.add_argument("--root", type=Path, metavar="DIR", help="the dataset's folder; data/real/DATASET links to it")
    parser.add_argument(
        "--parts", nargs="+", metavar="PART", help="splits or files, as in val, TRAIN_0, cat; the run's where absent"
    )
    parser.add_argument(
        "--from", dest="source_folder", type=Path, metavar="DIR", help="archives or folders that you already have"
    )
    parser.add_argument(
        "--lock", type=Path, metavar="FILE", help="learnt checksums; data/real/checksums.csv where absent"
    )
    parser.add_argument("--jobs", type=_count, default=4, metavar="N", help="files at once")
    parser.add_argument(
        "--accept-terms", action="store_true", help="you agreed to the owner's terms: take copies without registration"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan, the bytes and the free space only")

    parser = add("verify")
    parser.add_argument("dataset", help=every)
    parser.add_argument("--root", type=Path, metavar="DIR", help="the dataset's folder; the configuration's if absent")
    parser.add_argument("--parts", nargs="+", metavar="PART", help="splits; those that the run needs where absent")
    parser.add_argument("--deep", action="store_true", help="decode every frame")
    parser.add_argument("--generated", action="store_true", help="look at the generated dataset, not the real one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all names to this file")
    add("datasets")

    parser = add("train")
    parser.add_argument("model", help="a name under models: in the configuration")
    parser.add_argument("--seed", type=_seed, help="the configuration's first seed where absent")

    trackers = (
        "MODEL-sSEED, a name under trackers:, opencv:NAME, static, module:Class, a .safetensors file, or a folder of "
        "`siamrcr export`"
    )
    parser = add("track")
    parser.add_argument("tracker", help=trackers)
    parser.add_argument("benchmark", choices=BENCHMARKS, metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    rooted(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where raw results go; results/RUN/tracks where absent")
    parser.add_argument(
        "--shard", type=_shard, metavar="I/N", help="part I of N alone; without it, afterwards, the manifest is written"
    )

    parser = add("maps")
    parser.add_argument("model", help="a name under models: in the configuration")
    parser.add_argument("--seed", type=_seed, help="the configuration's first seed where absent")

    parser = add("submit")
    parser.add_argument("benchmark", choices=SERVED, metavar="BENCHMARK", help=", ".join(SERVED))
    parser.add_argument("tracks", type=Path, help="folder or zip of raw results, in any toolkit's layout")
    parser.add_argument("archive", type=Path, help="the zip file to write")
    rooted(parser)

    def scored(name: str) -> argparse.ArgumentParser:
        parser = add(name)
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

    parser = scored("evaluate")
    parser.add_argument("--convention", metavar="NAME", help="the rule; the one that papers print where absent")
    parser.add_argument("--tracker", metavar="NAME", help="name of the tracker; that of the folder where absent")
    parser.add_argument(
        "--answer", type=Path, metavar="FILE", help="what the benchmark's server answered, where it keeps the truth"
    )
    parser.add_argument(
        "--against", type=Path, metavar="OTHER", help="another tracker's raw results: print the paired differences"
    )
    scored("compare_rules")

    parser = add("compare")
    name = "a model, with all its seeds or as MODEL-sSEED, or a tracker of the configuration"
    parser.add_argument("a", help=name)
    parser.add_argument("b", help=name)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="draw every sequence's difference: .svg, .pdf or .png"
    )

    parser = add("table")
    parser.add_argument("name", nargs="*", help="all where absent")
    parser = add("figure")
    parser.add_argument("name", nargs="*", help="all where absent")
    parser = add("report")
    parser.add_argument(
        "--sequences", type=_count, default=40, metavar="N", help="of each benchmark that its player shows, beside it"
    )
    parser.add_argument(
        "--strips", type=_count, default=12, metavar="N", help="of those, how many the report itself has frames of"
    )

    parser = add("digest")
    parser.add_argument("path", nargs="+", type=Path, help="a file or folder under results/")

    parser = add("demo")
    parser.add_argument("source", type=Path, help="a video file, a folder of images, or a camera's number")
    parser.add_argument("--box", required=True, metavar="x,y,w,h", help="the target in the first frame, in pixels")
    parser.add_argument("--tracker", default="siamrcr-s0", help=trackers)
    parser.add_argument("--out", type=Path, metavar="FILE", help="annotated video; boxes only where absent")
    parser.add_argument("--frames", type=_count, metavar="N", help="stop after so many; a camera also stops at Ctrl-C")

    parser = add("speed")
    parser.add_argument("tracker", help=trackers)
    parser.add_argument(
        "--benchmark", choices=BENCHMARKS, default="got10k-val", metavar="NAME", help="where the frames are from"
    )
    rooted(parser)
    parser.add_argument("--sequence", default="", metavar="NAME", help="the longest where absent")
    parser.add_argument("--frames", type=_count, default=100, metavar="N", help="frames to time")
    parser.add_argument("--warm-up", type=_count, default=10, metavar="N", help="frames before them")

    parser = add("tune")
    parser.add_argument("model", help="a name under models: in the configuration")
    parser.add_argument("--seed", type=_seed, help="the configuration's first seed where absent")
    parser.add_argument("--benchmark", default="got10k-val", metavar="SPLIT", help=f"any of {', '.join(SPLITS)}")
    rooted(parser)
    parser.add_argument("--trials", type=_count, default=27, metavar="N", help="candidates; more extend a search")
    parser.add_argument("--sequences", type=_count, metavar="N", help="a seeded sample of so many; all where absent")

    parser = add("export")
    parser.add_argument("model", help="MODEL-sSEED or a .safetensors file")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the graphs' folder; results/RUN/onnx/MODEL where absent"
    )
    parser.add_argument(
        "--benchmark", choices=BENCHMARKS, metavar="NAME", help="check on its frames; on textures where absent"
    )
    rooted(parser)

    parser = add("video")
    parser.add_argument("benchmark", choices=BENCHMARKS, metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    parser.add_argument("sequence", help="its name in the benchmark")
    parser.add_argument("tracks", nargs="+", type=Path, help="folders or zips of raw results, a tracker each")
    rooted(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".mp4, or .jpg or .png for a contact sheet; SEQUENCE.mp4 where absent"
    )
    return whole


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number of 1 or more")
    return int(text)


def _seed(text: str) -> int:
    from siamrcr.hyperparameters import LARGEST_SEED

    if not text.isdecimal() or int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 0 to {LARGEST_SEED}")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text}: write I/N, as in 2/3 for the second of three parts")
    return int(number), int(count)


def chosen_run(options: argparse.Namespace, tuned: bool = True) -> "Run":
    """The configuration that --configfile and --set name; `tuned` as in config.load.

    Raises InputError for one that cannot be read.
    """
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
        try:
            entry: Any = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(f"--set {item}: the value is not YAML ({' '.join(str(error).split())})") from None
        for part in reversed(key.split(".")):
            entry = {part: entry}
        overrides = config.merge(overrides, entry)
    return config.load(path, overrides, tuned)


def chosen_seed(run: "Run", options: argparse.Namespace) -> int:
    """The seed of the model, both as the options name them; the model's first where they name none.

    Raises InputError where the configuration has no such model or seed: no other verb would find what came of it.
    """
    if options.model not in run.models:
        raise InputError(f"{options.configfile}: no model {options.model!r}; known are {', '.join(run.models)}")
    seeds = run.model_seeds(options.model)
    if options.seed not in (None, *seeds):
        trained = run.models[options.model].weights_of or options.model
        key = f"models.{trained}.seeds" if run.models[trained].seeds else "seeds"
        named = ", ".join(map(str, seeds))
        raise InputError(f"{options.configfile}: {key}: has {named}, and not {options.seed}: add it there")
    return seeds[0] if options.seed is None else int(options.seed)


def completed(text: str, whole: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The text, where every command in backticks has the `--configfile` and `--set` that `options` were given.

    Followed without them, a remedy would mend another run. What `whole` does not take as a command stays as it is, and
    so does one that has such options of its own.
    """
    given = [] if options.configfile == DEFAULT_CONFIGURATION else ["--configfile", str(options.configfile)]
    given += [word for item in options.set or () for word in ("--set", item)]

    def complete(found: re.Match[str]) -> str:
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                taken = whole.parse_args(shlex.split(found[1]))
        except (SystemExit, ValueError):
            return found[0]
        own = taken.configfile != DEFAULT_CONFIGURATION or taken.set
        return found[0] if own else f"`siamrcr {found[1]} {shlex.join(given)}`"

    return re.sub("`siamrcr ([^`]+)`", complete, text) if given else text
