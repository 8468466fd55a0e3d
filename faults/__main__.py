"""Disturb finished runs of the tiny workflow, a round a fault, and say what came of each."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from faults import damage, disks, kills, rivals
from faults.ground import BrokenError, Round, copy, digests, finished
from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.provenance import provenance

Fault = Callable[[Round], str]
INSIDE = "FAULTS_NAMESPACE"
VICTIMS = ("the job", "Snakemake", "all")


@dataclass
class Outcome:
    """What came of a round: "continued", "told" (a line, whose remedy helped), "broken" or "skipped", and why."""

    group: str
    fault: str
    verdict: str
    seconds: float
    notes: list[str]


def planned(rounds: int, rng: random.Random) -> Iterator[tuple[str, str, Fault]]:
    """Group, name and fault of every round; `rounds` of them are kills."""
    steps = list(kills.STEPS)
    for number, name in enumerate(islice(cycle(steps), rounds)):
        if number % 2:
            whom = rng.choice(VICTIMS)
            yield "killed", f"{name}: {whom}, under Snakemake", kills.workflow_killed(name, whom)
        else:
            yield "killed", f"{name}: its command", kills.command_killed(name)
    for name in steps:
        yield "full disk", f"{name}: its command", disks.full(name, by_snakemake=False)
        yield "read-only", f"{name}: its command", disks.read_only(name, by_snakemake=False)
    for name in ("train", "track", "table"):
        yield "full disk", f"{name}: under Snakemake", disks.full(name, by_snakemake=True)
        yield "read-only", f"{name}: under Snakemake", disks.read_only(name, by_snakemake=True)
    for years in (-rivals.YEARS, rivals.YEARS):
        for number in range(2):
            yield "clock", f"{'past' if years < 0 else 'future'}, draw {number + 1}", rivals.clock(years)
    for number in range(2):
        yield "two workflows", f"draw {number + 1}", rivals.two_workflows
        yield "loader killed", f"draw {number + 1}", rivals.loader_killed
    for kind in ("Hangs", "Forks", "Floods", "Exits", "Crashes", "Grows"):
        yield "foreign tracker", kind.lower(), rivals.stranger(kind)
    for kind in damage.KINDS:
        yield "damage", f"a training and its checkpoint: {kind}", damage.checkpoint(kind)
        for name in damage.LINKS:
            yield "damage", f"between {name}: {kind}", damage.damaged(name, kind)


def main() -> int:
    """Run the campaign; 1 where a round ended in neither of the two ways that are allowed."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("only", nargs="*", help="groups or words of faults' names; all where absent")
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="of kills; the other faults come once")
    parser.add_argument("--minutes", type=float, default=90, metavar="N", help="start no round after so many")
    parser.add_argument("--seed", type=int, default=1, help="decides moments, places and victims")
    parser.add_argument("--base", type=Path, metavar="DIR", help="keep the undisturbed run there, and take it again")
    parser.add_argument("--out", type=Path, default=Path("results/faults"), metavar="DIR", help="where the JSON goes")
    options = parser.parse_args()
    if not os.environ.get(INSIDE) and not disks.available():
        # Mounts in a namespace of its own end with this process, however that ends.
        words = ["unshare", *disks.NAMESPACE, sys.executable, "-m", "faults", *sys.argv[1:]]
        os.execvpe("unshare", words, os.environ | {INSIDE: "1"})
    try:
        return campaign(options)
    except InputError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2


def campaign(options: argparse.Namespace) -> int:
    """Make the undisturbed run, play every round, print the table and write it."""
    chosen = [
        entry
        for entry in planned(options.rounds, random.Random(options.seed))
        if not options.only or any(word in f"{entry[0]} {entry[1]}" for word in options.only)
    ]
    # Whatever bound ends the campaign, it has seen something of every group.
    random.Random(options.seed).shuffle(chosen)
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        base = options.base or Path(temporary, "base")
        if not base.is_dir():
            print("the undisturbed run ...", flush=True)
            finished(base)
        undisturbed = digests(base)
        found = []
        for number, (group, name, fault) in enumerate(chosen, start=1):
            if time.monotonic() > end:
                print(f"{options.minutes:g} minutes are over: {len(chosen) - number + 1} rounds are left out")
                break
            outcome = played(Path(temporary), base, undisturbed, f"{options.seed}/{group}/{name}", group, name, fault)
            found.append(outcome)
            line = f"[{number}/{len(chosen)}] {group}, {name}: {outcome.verdict} ({outcome.seconds:.0f} s)"
            print(f"{line} {'; '.join(outcome.notes)}", flush=True)
    print(table(found))
    path = options.out / f"seed-{options.seed}.json"
    write_json(path, {"seed": options.seed, "rounds": [asdict(each) for each in found], "provenance": provenance()})
    print(path)
    return int(any(each.verdict == "broken" for each in found))


def played(
    place: Path, base: Path, undisturbed: dict[str, str], seed: str, group: str, name: str, fault: Fault
) -> Outcome:
    """One round: a copy of the finished run, disturbed; the seed is the round's own, whichever others are played."""
    if group in ("full disk", "read-only") and not os.environ.get(INSIDE):
        return Outcome(group, name, "skipped", 0.0, [disks.available() or "not started by python -m faults"])
    folder = copy(base, place / "round")
    given = Round(folder, random.Random(seed), undisturbed)
    start = time.monotonic()
    try:
        verdict = fault(given)
    except BrokenError as error:
        verdict = "broken"
        given.notes.append(str(error))
    finally:
        given.close()
    seconds = time.monotonic() - start
    shutil.rmtree(folder, ignore_errors=True)
    return Outcome(group, name, verdict, seconds, given.notes)


def table(found: list[Outcome]) -> str:
    """Rounds by group and verdict, as Markdown."""
    verdicts = ("continued", "told", "broken", "skipped")
    lines = [f"| fault | rounds | {' | '.join(verdicts)} |", f"|:---|---:|{'---:|' * len(verdicts)}"]
    groups = dict.fromkeys(each.group for each in found)
    for group in (*groups, "all"):
        counts = Counter(each.verdict for each in found if group in (each.group, "all"))
        lines.append(f"| {group} | {sum(counts.values())} | {' | '.join(str(counts[v]) for v in verdicts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
