"""Do the official toolkits, running a tracker of ours, write what `siamrcr track` writes? (`make parity`)

Small benchmarks are generated, got10k's and vot-toolkit's own experiments run on them, and every box is compared.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence as Items
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from siamrcr import baselines, config, datasets, results
from siamrcr.config import Mini, Run
from siamrcr.datasets.mini import generate
from siamrcr.engine import track
from siamrcr.errors import InputError
from siamrcr.files import write_json, write_text
from siamrcr.lanes import drive
from siamrcr.progress import progress
from siamrcr.protocols import reset_based
from siamrcr.provenance import provenance
from siamrcr.toolkits import CONFIGURATION, vot

BENCHMARKS = ("got10k-val", "got10k-test", "otb2015", "vot2018")
MINI = {"train_sequences": 1, "val_sequences": 4, "sequences": 4}
# got10k's OTB knows the official names only; of the four targets the second has images beyond its last box.
OTB_NAMES = {"Mini1": "Basketball", "Mini3": "Jogging"}
# The rule by which `siamrcr track` finds failures, and not the toolkit's.
PUBLISHED = "published"
STACK = """title: reset-based
experiments:
  baseline:
    type: supervised
    repetitions: 1
    skip_initialize: 5
"""


@dataclass(frozen=True)
class Comparison:
    """A tracker on a benchmark, run by a toolkit and by `siamrcr track`.

    Attributes:
        rule: whose overlap makes a failure in ours; empty where there are none.
        difference: largest one of two numbers that both wrote, in pixels.
        equal: whether they wrote the same codes and boxes, to the last digit that the toolkit keeps.
        expected: False where ours goes by another rule than the toolkit, so a failure may be in another frame.
    """

    benchmark: str
    toolkit: str
    tracker: str
    rule: str
    sequences: int
    frames: int
    difference: float
    failures_theirs: int
    failures_ours: int
    equal: bool
    expected: bool


def compare(configfile: Path, tracker: str, benchmark: str, root: Path, work: Path) -> list[Comparison]:
    """Run a tracker over a benchmark's folder in its toolkit and in ours.

    On VOT ours runs twice: by the toolkit's own overlap, where all must be equal, and as `siamrcr track` does.

    Args:
        configfile: of the run.
        tracker: one that draws no random numbers.
        benchmark: one that has a toolkit: GOT-10k's splits, OTB-2015, VOT-2018 or VOT-2019.
        root: the benchmark's folder, in the layout that its toolkit reads.
        work: an empty folder for raw results.
    """
    run, sequences = config.load(configfile), datasets.load(benchmark, root)
    tracks = track(run, tracker, benchmark, root=root, out=work / "track")
    if not benchmark.startswith("vot"):
        theirs = got10k(configfile, tracker, benchmark, root, work)
        return [_compared(sequences, theirs, tracks, benchmark, tracker)]
    theirs = vot_toolkit(configfile, tracker, benchmark, root, work)
    same_rule = work / "same-rule"
    source = baselines.source(run, tracker)
    for sequence in sequences:
        with progress(sequence.name, len(sequence), "frames") as bar:
            protocol = reset_based(sequence, overlap=vot.overlap)
            result = drive(protocol, source.make(sequence.name, 1), sequence, bar)
        results.write(same_rule, benchmark, sequence.name, 1, result)
    return [
        _compared(sequences, theirs, same_rule, benchmark, tracker, "vot-toolkit"),
        _compared(sequences, theirs, tracks, benchmark, tracker, PUBLISHED),
    ]


def got10k(configfile: Path, tracker: str, benchmark: str, root: Path, work: Path) -> Path:
    """Folder of the raw results that got10k's experiment writes."""
    from got10k.datasets import OTB
    from got10k.experiments import ExperimentGOT10k, ExperimentOTB

    from siamrcr.toolkits.got10k import Got10kTracker

    class Offline(ExperimentOTB):
        """Without the download of the sequences that are not there."""

        def __init__(self) -> None:
            self.dataset = OTB(str(root), 2015, download=False)
            self.result_dir = str(work / "OTB2015")

    adapter = Got10kTracker(tracker, configfile, one_based=benchmark == "otb2015", name="theirs")
    with contextlib.redirect_stdout(io.StringIO()):
        if benchmark == "otb2015":
            Offline().run(adapter)
            return work / "OTB2015" / "theirs"
        ExperimentGOT10k(str(root), benchmark.partition("-")[2], result_dir=str(work)).run(adapter)
    return work / "GOT-10k" / "theirs"


def vot_toolkit(configfile: Path, tracker: str, benchmark: str, root: Path, work: Path) -> Path:
    """Folder of the raw results that vot-toolkit's supervised experiment writes. Raises InputError where it fails."""
    workspace = work / "workspace"
    write_text(workspace / "config.yaml", "stack: ./stack.yaml\nregistry: [./trackers.ini]\n")
    write_text(workspace / "stack.yaml", STACK)
    write_text(workspace / "trackers.ini", vot.entry(tracker, configfile))
    (workspace / "sequences").symlink_to(root.resolve(), target_is_directory=True)
    name = vot.identifier(tracker)
    command = [sys.executable, "-m", "vot", "evaluate", "--workspace", str(workspace), name]
    # Its binary files hold the same numbers.
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "VOT_RESULTS_BINARY": "0"}, check=False
    )
    folder = workspace / "results" / name
    wanted = [f"baseline/{each.name}/{each.name}_001.txt" for each in datasets.load(benchmark, root)]
    if not all((folder / path).is_file() for path in wanted):
        # It ends well though its tracker did not.
        said = "\n".join(path.read_text() for path in sorted(workspace.glob("logs/*"))) or done.stdout + done.stderr
        raise InputError(f"vot-toolkit could not run {tracker}: {' '.join(said.split())[-300:]}")
    return folder


def _compared(
    sequences: list[datasets.Sequence], theirs: Path, ours: Path, benchmark: str, tracker: str, rule: str = ""
) -> Comparison:
    toolkit = "vot-toolkit" if rule else "got10k"
    read = [results.read(folder, benchmark, sequences) for folder in (theirs, ours)]
    codes = [np.concatenate([side[each.name][0].codes for each in sequences]) for side in read]
    boxes = [np.concatenate([side[each.name][0].boxes for each in sequences]) for side in read]
    # vot-toolkit keeps regions in single precision.
    kept = [side.astype(np.float32) for side in boxes] if rule else boxes
    both = (codes[0] == results.REGION) & (codes[1] == results.REGION)
    return Comparison(
        benchmark=benchmark,
        toolkit=f"{toolkit} {metadata.version(toolkit)}",
        tracker=tracker,
        rule=rule,
        sequences=len(sequences),
        frames=len(codes[0]),
        difference=float(np.abs(boxes[0][both] - boxes[1][both]).max(initial=0)),
        failures_theirs=int((codes[0] == results.FAILURE).sum()),
        failures_ours=int((codes[1] == results.FAILURE).sum()),
        equal=np.array_equal(codes[0], codes[1]) and np.array_equal(kept[0], kept[1], equal_nan=True),
        expected=rule != PUBLISHED,
    )


def small(benchmark: str, folder: Path, settings: Mini) -> Path:
    """Generate a benchmark in a folder, with names that its toolkit knows, and give its root."""
    dataset = config.DATASET[benchmark]
    generate(dataset, folder, settings)
    root = folder / dataset
    if dataset != "otb2015":
        return root
    named = folder / "otb"
    named.mkdir()
    for generated, name in OTB_NAMES.items():
        (named / name).symlink_to((root / generated).resolve(), target_is_directory=True)
    return named


def table(rows: Items[Comparison]) -> str:
    """The comparisons as a Markdown table."""
    head = "benchmark | toolkit | tracker | failure rule | sequences | frames | difference (px) | failures | equal"
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for row in rows:
        failures = f"{row.failures_theirs} / {row.failures_ours}" if row.rule else ""
        verdict = ("yes" if row.equal else "no") + ("" if row.expected or row.equal else " (other rule)")
        cells = [row.benchmark, row.toolkit, row.tracker, row.rule, str(row.sequences), str(row.frames)]
        lines.append("| " + " | ".join([*cells, f"{row.difference:.5f}", failures, verdict]) + " |")
    return "\n".join(lines)


def main(arguments: Items[str] | None = None) -> int:
    """Compare, print and write; 1 where a toolkit and we disagree by the same rule, 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m siamrcr.toolkits.parity", description=__doc__)
    parser.add_argument("tracker", nargs="*", help="the reference model where it is trained, opencv:KCF and static")
    parser.add_argument("--configfile", type=Path, default=CONFIGURATION, metavar="FILE", help="of the run")
    parser.add_argument("--json", type=Path, default=Path("results/parity.json"), metavar="FILE", help="what to write")
    options = parser.parse_args(arguments)
    try:
        run = config.load(options.configfile)
        trackers = options.tracker or [*_reference(run), "opencv:KCF", "static"]
        settings = run.mini.model_copy(update=MINI)
        rows: list[Comparison] = []
        with tempfile.TemporaryDirectory() as temporary:
            for benchmark in BENCHMARKS:
                root = small(benchmark, Path(temporary), settings)
                for number, tracker in enumerate(trackers):
                    rows += compare(
                        options.configfile, tracker, benchmark, root, Path(temporary, benchmark + str(number))
                    )
    except InputError as error:
        print(f"siamrcr: {error}", file=sys.stderr)
        return 2
    write_json(options.json, {"comparisons": [asdict(row) for row in rows], "provenance": provenance()})
    print(table(rows))
    print(options.json)
    return int(not all(row.equal for row in rows if row.expected))


def _reference(run: Run) -> list[str]:
    """The reference model's first seed, where it is trained."""
    names = [name for name, (model, _) in run.trained().items() if model == run.analysis.reference][:1]
    return [name for name in names if (run.folder / "models" / f"{name}.safetensors").is_file()]


if __name__ == "__main__":
    sys.exit(main())
