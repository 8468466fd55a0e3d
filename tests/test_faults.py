"""A few rounds of the fault campaign on part of the tiny run; `make faults` plays all of them."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import damage, disks, kills, rivals
from faults.__main__ import planned
from faults.ground import RUN, BrokenError, Done, Round, copy, digests, finished

TARGETS = [f"{RUN}/{name}" for name in ("scores/kcf/otb2015.json", "scores/kcf/vot2018.json")]
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracker that needs no training, on two benchmarks."""
    return finished(tmp_path_factory.mktemp("faults") / "base", *TARGETS)


@pytest.fixture
def given(base: Path, tmp_path: Path) -> Iterator[Round]:
    round_ = Round(copy(base, tmp_path / "round"), random.Random(1), digests(base))
    yield round_
    round_.close()


def test_a_step_killed_under_snakemake_continues(given: Round) -> None:
    assert kills.workflow_killed("track", "all")(given) == "continued"


@pytest.mark.parametrize("what", ["boxes", "times"])
@pytest.mark.parametrize("kind", ["truncated", "flipped", "exchanged"])
def test_damaged_raw_results_are_named_and_the_remedy_helps(given: Round, kind: str, what: str) -> None:
    # Tracking is what the line asks for, and evaluation follows.
    link = damage.LINKS["raw results and scores"]
    given.remove(*link.step.outputs)
    boxes, times = (given.results / "tracks" / "kcf" / "otb2015" / f"Mini1{end}.txt" for end in ("", "_time"))
    path, other = (boxes, times) if what == "boxes" else (times, boxes)
    damage._exchange(path, other) if kind == "exchanged" else damage._damage(given, path, kind)
    done = given.run(given.siamrcr(*link.step.verb))
    assert done.status == 2
    assert f"siamrcr: {RUN}/tracks/kcf/otb2015/" in done.line
    assert "manifest.json and track again" in done.line
    given._follow(done.line)
    given.run(given.siamrcr("track", "kcf", "otb2015"))
    assert given.run(given.siamrcr(*link.step.verb)).status == 0
    given.compare()


def test_a_full_disk_is_a_line(given: Round) -> None:
    if reason := disks.available():
        pytest.skip(reason)
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root here; `make faults` makes a namespace of its own")
    given.rng = random.Random(0)
    assert disks.full("evaluate", by_snakemake=False)(given) in ("told", "continued")


def test_a_tracker_that_ends_fails_its_sequences_only(given: Round) -> None:
    if not (given.folder / "data/mini/got10k").is_dir():
        assert given.run(given.siamrcr("mini", "got10k")).status == 0
    assert rivals.stranger("Exits")(given) == "told"


def test_other_bytes_and_silence_are_failures(given: Round) -> None:
    path = given.results / "scores" / "kcf" / "otb2015.json"
    path.write_text("{}")
    with pytest.raises(BrokenError, match="other bytes than an undisturbed run: scores"):
        given.compare()
    with pytest.raises(BrokenError, match="without a line"):
        given.settles(["python3", "-c", "raise SystemExit(3)"])
    with pytest.raises(BrokenError, match=r"names none of a\.txt"):
        given.settles(["python3", "-c", "import sys; sys.exit('siamrcr: b.txt: is wrong: mend it')"], ["a.txt"])
    line = "import sys; sys.exit('siamrcr: a.txt: is wrong: mend it')"
    with pytest.raises(BrokenError, match="the remedy does not help"):
        given.settles(["python3", "-c", line], ["a.txt"])


def test_the_line_that_matters_is_found() -> None:
    assert Done(1, "siamrcr: a: wrong\nWorkflowError:\nAt least one job").line == "siamrcr: a: wrong"
    assert Done(1, "x\nWorkflowError:\na.yaml: no such file").line == "WorkflowError: a.yaml: no such file"
    assert Done(-signal.SIGKILL, "nothing").line == ""


def test_the_plan_holds_every_step_link_and_kind() -> None:
    names = [f"{group} {name}" for group, name, _ in planned(40, random.Random(1))]
    assert sum(name.startswith("killed") for name in names) == 40
    for step in kills.STEPS:
        assert {f"full disk {step}: its command", f"read-only {step}: its command"} <= set(names)
        assert any(name.startswith(f"killed {step}: ") for name in names)
    assert {f"damage between {link}: {kind}" for link in damage.LINKS for kind in damage.KINDS} <= set(names)
