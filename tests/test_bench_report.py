"""The bench of the report at a size of seconds: the same files, jobs and goals."""

from pathlib import Path

import pytest

from analysis.scores import Scores, entry
from bench import loading, report
from siamrcr import datasets, results
from siamrcr.errors import InputError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "TARGETS", 1)
    monkeypatch.setattr(loading, "FRAMES", 2)
    monkeypatch.setattr(report, "PLAYED", 2)


@pytest.mark.usefixtures("small")
def test_it_simulates_what_the_report_reads(tmp_path: Path) -> None:
    run = report.simulated(tmp_path, 0.02)
    assert [name for name in run.trackers if name.startswith("tracker-")] == list(run.trackers)
    assert len(run.trackers) == 3
    for tracker, benchmark in run.jobs():
        assert (run.folder / "scores" / tracker / f"{benchmark}.json").is_file()
    score = Scores.of(run, entry(run, "tracker-00"), "lasot")
    clips = datasets.load("lasot", run.root("lasot"))
    assert len(clips) == 2
    assert {clip.name for clip in clips} <= set(score.scored[0]["sequences"])
    assert len(score.scored[0]["attribute_curves"]) == 14
    found = results.read(run.trackers["tracker-00"].results["lasot"], "lasot", clips)
    assert all(len(found[clip.name][0].boxes) == len(clip) for clip in clips)


def test_goals_are_shown_as_met_or_not() -> None:
    found = {"seconds": 200.0, "memory": 4096.0, "size": 29.9}
    shown = report.table(found, [report.Spent("report", 3.0, 2.5, 400.0)])
    rows = [[cell.strip() for cell in line.split("|")[2:-1]] for line in shown.splitlines()[2:5]]
    assert rows == [["180", "200.0", "not met"], ["4096", "4096.0", "met"], ["30", "29.9", "met"]]
    assert "| report | 3.0 | 2.5 | 400 |" in shown


def test_a_job_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("run: [\n")
    with pytest.raises(InputError, match="siamrcr table table-1 failed"):
        report._spent(tmp_path, "table", "table-1")
