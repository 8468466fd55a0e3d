"""Measure the subjects that the command line names, all where it names none."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bench import downloads, evaluation, report, scale, step, tracking, training
from siamrcr import device
from siamrcr.errors import InputError

SUBJECTS: dict[str, Callable[..., None]] = {
    "downloads": downloads.measure,
    "evaluation": evaluation.measure,
    "report": report.measure,
    "scale": scale.measure,
    "step": step.measure,
    "tracking": tracking.measure,
    "training": training.measure,
}
ON_A_DEVICE = ("step", "tracking")


def main() -> int:
    """Measure, print a table a subject and write results/bench/SUBJECT.json; 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("subject", nargs="*", help=f"any of {', '.join(SUBJECTS)}")
    parser.add_argument("--runs", type=int, default=3, help="of each command, after one that is not timed")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the official sizes, in (0, 1]; less than 1 takes synthetic data"
    )
    parser.add_argument("--out", type=Path, default=Path("results/bench"), metavar="DIR", help="where the JSON goes")
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help=f"for {' and '.join(ON_A_DEVICE)} alone",
    )
    options = parser.parse_args()
    unknown = [name for name in options.subject if name not in SUBJECTS]
    if unknown or options.runs < 1 or not 0 < options.share <= 1:
        parser.error(f"unknown subject {unknown[0]}" if unknown else "--runs is 1 or more, --share in (0, 1]")
    cuda = options.device == "cuda"
    other = [name for name in options.subject if cuda and name not in ON_A_DEVICE]
    if other:
        parser.error(f"{other[0]} has no GPU to measure: --device cuda is for {' and '.join(ON_A_DEVICE)}")
    try:
        device.select(options.device)
        for name in options.subject or (ON_A_DEVICE if cuda else SUBJECTS):
            path = options.out / (f"{name}-cuda.json" if cuda else f"{name}.json")
            SUBJECTS[name](path, options.runs, options.share, *([options.device] if name in ON_A_DEVICE else []))
    except InputError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
