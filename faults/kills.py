"""SIGKILL and SIGTERM at random moments of a step, or of Snakemake, and the same command again."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.ground import RUN, Round, members, words


@dataclass(frozen=True)
class Step:
    """A step of the workflow that can be done again alone.

    Attributes:
        verb: the command line's words.
        target: what Snakemake makes by it.
        outputs: patterns of what is taken away first.
    """

    verb: tuple[str, ...]
    target: str
    outputs: tuple[str, ...]


def _under(*names: str) -> tuple[str, ...]:
    return tuple(f"{RUN}/{name}" for name in names)


SUBMISSION = f"{RUN}/submissions/siamrcr-s0/trackingnet.zip"
STEPS = {
    "data": Step(("mini", "otb2015"), "data/mini/otb2015.json", ("data/mini/otb2015", "data/mini/otb2015.json")),
    "train": Step(("train", "radius-3"), f"{RUN}/models/radius-3-s0.json", _under("models/radius-3-s0.*")),
    "track": Step(("track", "kcf", "vot2018"), f"{RUN}/tracks/kcf/vot2018/manifest.json", _under("tracks/kcf/vot2018")),
    "track a network": Step(
        ("track", "siamrcr-s0", "got10k-val"),
        f"{RUN}/tracks/siamrcr-s0/got10k-val/manifest.json",
        _under("tracks/siamrcr-s0/got10k-val"),
    ),
    "maps": Step(("maps", "siamrcr"), f"{RUN}/maps/siamrcr-s0.npz", _under("maps/siamrcr-s0.npz")),
    "submit": Step(
        (
            "submit",
            "trackingnet",
            f"{RUN}/tracks/siamrcr-s0/trackingnet",
            f"{RUN}/submissions/siamrcr-s0/trackingnet.zip",
        ),
        f"{RUN}/submissions/siamrcr-s0/trackingnet.zip",
        _under("submissions/siamrcr-s0/trackingnet.zip"),
    ),
    "evaluate": Step(
        (
            *("evaluate", "otb2015", f"{RUN}/tracks/kcf/otb2015", "--tracker", "kcf"),
            *("--json", f"{RUN}/scores/kcf/otb2015.json"),
        ),
        f"{RUN}/scores/kcf/otb2015.json",
        _under("scores/kcf/otb2015.json"),
    ),
    "table": Step(("table", "table-1"), f"{RUN}/tables/table-1.csv", _under("tables/table-1.*")),
    "figure": Step(("figure", "figure-4"), f"{RUN}/figures/figure-4.svg", _under("figures/figure-4.*")),
    "report": Step(("report",), f"{RUN}/report/index.html", _under("report/index.html")),
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
# Seconds that each undisturbed command took, once it is known.
_durations: dict[str, float] = {}


def command_killed(name: str) -> Callable[[Round], str]:
    """A step's command alone, killed; then the same command."""

    def fault(given: Round) -> str:
        step = STEPS[name]
        command = given.siamrcr(*step.verb)
        given.remove(*step.outputs)
        sent = _disturbed(given, name, command, lambda process: [process])
        given.notes.append(sent)
        given.continues(command)
        return "continued"

    return fault


def workflow_killed(name: str, whom: str) -> Callable[[Round], str]:
    """A step under Snakemake; the job, Snakemake or all of them are killed; then the same command."""

    def fault(given: Round) -> str:
        step = STEPS[name]
        command = given.workflow(step.target)
        given.remove(*step.outputs)
        sent = _disturbed(given, f"{name} by Snakemake", command, lambda session: _chosen(session, whom))
        given.notes.append(f"{sent} to {whom}")
        given.continues(command)
        return "continued"

    return fault


def _chosen(session: int, whom: str) -> list[int]:
    living = members(session)
    if whom == "the job":
        return [process for process in living if any(Path(word).name == "siamrcr" for word in words(process)[:2])]
    return [session] if whom == "Snakemake" else living


def _disturbed(given: Round, key: str, command: list[str], victims: Callable[[int], list[int]]) -> str:
    """Run a command and send a signal at a moment drawn from its whole duration; a job is waited for."""
    if key not in _durations:
        start = time.monotonic()
        done = given.run(command)
        _durations[key] = time.monotonic() - start
        if done.status:
            return f"not killed: it failed by itself with status {done.status}"
        given.remove(*STEPS[key.removesuffix(" by Snakemake")].outputs)
    number = given.rng.choice(SIGNALS)
    moment = given.rng.uniform(0, _durations[key])
    process = given.start(command)
    time.sleep(moment)
    sent: list[int] = []
    limit = time.monotonic() + _durations[key]
    while not sent and process.poll() is None and time.monotonic() < limit:
        for victim in victims(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, number)
                sent.append(victim)
        time.sleep(0.02)
    try:
        process.wait(30)
    finally:
        if number == signal.SIGKILL or process.poll() is None:
            process.kill()
            process.wait()
    if not sent:
        return f"too late after {moment:.1f} s"
    return f"{number.name} after {moment:.1f} s"
