"""Coverage-guided fuzzing of every parser of foreign files; an input that breaks one is kept as a test's case."""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from faults.ground import REPOSITORY, environment
from siamrcr.files import write_json
from siamrcr.provenance import provenance

CASES = REPOSITORY / "tests" / "fuzzed"
# Of one input, and of one process.
SECONDS, MEGABYTES = 20, 4096
LONGEST = 4096


@dataclass(frozen=True)
class Fuzzed:
    """What came of one parser: inputs tried, edges of the code that they reached, and the case that broke it."""

    parser: str
    inputs: int
    covered: int
    seconds: float
    case: str


def main() -> int:
    """Fuzz the parsers; 1 where an input broke one, 2 where atheris is not installed."""
    from faults.parsers import PARSERS

    parser = argparse.ArgumentParser(prog="python -m faults.fuzz", description=__doc__)
    parser.add_argument("only", nargs="*", help="words of parsers' names; all where absent")
    parser.add_argument("--runs", type=int, default=20000, metavar="N", help="inputs of each parser")
    parser.add_argument("--seed", type=int, default=1, help="decides the inputs")
    parser.add_argument("--cases", type=Path, default=CASES, metavar="DIR", help="where inputs that break one are kept")
    parser.add_argument("--out", type=Path, default=Path("results/faults"), metavar="DIR", help="where the JSON goes")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris is not installed here (it has wheels for Linux alone): make setup", file=sys.stderr)
        return 2
    found = []
    chosen = [name for name in PARSERS if not options.only or any(word in name for word in options.only)]
    for number, name in enumerate(chosen, start=1):
        found.append(fuzz(name, options.runs, options.seed, options.cases))
        one = found[-1]
        end = f"BROKEN, kept as {one.case}" if one.case else "no failure"
        print(f"[{number}/{len(chosen)}] {name}: {one.inputs} inputs, {one.covered} edges, {end}", flush=True)
    path = options.out / f"fuzz-{options.seed}.json"
    write_json(path, {"seed": options.seed, "parsers": [asdict(each) for each in found], "provenance": provenance()})
    broken = sum(bool(each.case) for each in found)
    print(f"{sum(each.inputs for each in found)} inputs of {len(found)} parsers, {broken} broken: {path}")
    return int(broken > 0)


def fuzz(name: str, runs: int, seed: int, cases: Path) -> Fuzzed:
    """Try so many inputs on one parser, in a process of its own: what libFuzzer finds ends it."""
    from faults.parsers import PARSERS

    with tempfile.TemporaryDirectory() as temporary:
        corpus, broken = Path(temporary, "corpus"), Path(temporary, "broken")
        corpus.mkdir()
        broken.mkdir()
        for number, content in enumerate(PARSERS[name].seeds):
            (corpus / f"seed-{number}").write_bytes(content)
        limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST}"]
        given = [f"-runs={runs}", f"-seed={seed}", *limits, f"-artifact_prefix={broken}/"]
        command = [sys.executable, "-m", "faults.target", name, *given, str(corpus)]
        start = time.monotonic()
        done = subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        printed = done.stdout + done.stderr
        case = ""
        for path in broken.iterdir():
            cases.mkdir(parents=True, exist_ok=True)
            kept = cases / f"{name.replace(' ', '_')}--{path.name.partition('-')[2][:12]}"
            kept.write_bytes(path.read_bytes())
            case = kept.name
        if done.returncode and not case:
            raise RuntimeError(f"{name}: the fuzzer itself failed: {printed[-1000:]}")
    covered = re.findall(r"cov: (\d+)", printed)
    inputs = [int(number) for number in re.findall(r"^#(\d+)", printed, re.MULTILINE)]
    return Fuzzed(name, max(inputs, default=0), int(covered[-1]) if covered else 0, seconds, case)


if __name__ == "__main__":
    sys.exit(main())
