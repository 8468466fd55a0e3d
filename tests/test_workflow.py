"""The whole line on a tiny run: every rule, a second call, a changed setting, a kill, the report."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from workspace import REPOSITORY, command, environment, snakemake, workspace

from siamrcr import config
from siamrcr.results import digest

TINY = ["--configfile", "tests/tiny.yaml"]
RUN = config.load(REPOSITORY / "tests" / "tiny.yaml")
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run."""
    folder = workspace(tmp_path_factory.mktemp("tiny"))
    printed = snakemake(folder, *TINY)
    assert "report/index.html" in printed
    assert "--configfile workflow/config/paper.yaml" in printed
    return folder


def test_every_file_of_the_contract_is_there(finished: Path) -> None:
    folder = finished / RUN.folder
    expected = [f"models/{tracker}{suffix}" for tracker in RUN.trained() for suffix in (".safetensors", ".json")]
    expected += [f"tracks/{t}/{b}/manifest.json" for t, b in RUN.jobs()]
    expected += [f"scores/{t}/{b}.json" for t, b in RUN.jobs()]
    expected += [f"tables/table-{n}{suffix}" for n in range(1, 6) for suffix in (".md", ".csv", ".tex")]
    expected += [f"figures/figure-{n}{suffix}" for n in (1, 4, 5) for suffix in (".svg", ".pdf", ".png")]
    expected += ["report/index.html", "config.yaml"]
    assert [name for name in expected if not (folder / name).stat().st_size] == []
    assert not list(folder.rglob("*.checkpoint*")), "a finished training keeps no checkpoint"
    for dataset in ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019"):
        assert json.loads((finished / "data" / "mini" / f"{dataset}.json").read_text())["dataset"] == dataset


def test_scores_are_complete_and_have_errors(finished: Path) -> None:
    for path in (finished / RUN.folder / "scores").rglob("*.json"):
        score = json.loads(path.read_text())
        assert score["metrics"], path
        assert all(metric["stderr"] is not None for metric in score["metrics"].values()), path
        assert score["provenance"]["packages"]["numpy"]


def test_generated_benchmarks_are_never_shown_as_comparable(finished: Path) -> None:
    words = "generated benchmark, not comparable with reported numbers"
    folder = finished / RUN.folder
    for path in [*(folder / "tables").glob("*.md"), *(folder / "tables").glob("*.tex"), folder / "report/index.html"]:
        assert words in path.read_text(), path


def test_a_second_call_has_nothing_to_do(finished: Path) -> None:
    assert "Nothing to be done" in snakemake(finished, *TINY)


def test_a_changed_setting_runs_that_variant_alone(finished: Path) -> None:
    planned = snakemake(finished, "--dry-run", *TINY, "--config", "models={radius-3: {loss: {radius: 2.5}}}")
    assert re.findall(r"train (\S+), seed", planned) == ["radius-3"]
    assert re.findall(r"track (\S+) with (\S+)", planned) == [("got10k-val", "radius-3-s0")]
    assert re.findall(r"evaluate (\S+) on", planned) == ["radius-3-s0"]
    assert "Nothing to be done" in snakemake(finished, "--dry-run", *TINY)


def test_edited_analysis_code_trains_and_tracks_nothing(finished: Path) -> None:
    code = finished / "analysis" / "vot.py"
    text = code.read_text()
    code.write_text(text + "\n# edited\n")
    try:
        planned = snakemake(finished, "--dry-run", *TINY)
    finally:
        code.write_text(text)
    assert "evaluate siamrcr-s0 on vot2018" in planned
    assert "seed 0" not in planned
    assert "track " not in planned


def test_snakemakes_own_report_is_made(finished: Path) -> None:
    snakemake(finished, *TINY, "--report", "workflow.html")
    assert "figure-5" in (finished / "workflow.html").read_text()


def test_a_killed_run_continues_to_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    running = subprocess.Popen(
        command(*TINY, "scores"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    results = folder / RUN.folder
    deadline = time.monotonic() + 300
    while not list(results.glob("tracks/*/*/manifest.json")):
        assert running.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(3)  # the guard ends the orphaned jobs
    kept = {path: path.stat().st_mtime_ns for path in results.glob("models/*.safetensors")}
    snakemake(folder, *TINY, "--unlock")
    snakemake(folder, *TINY, "scores")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "finished work was done again"
    assert digest(results / "scores") == digest(finished / RUN.folder / "scores")
    assert digest(results / "tracks") == digest(finished / RUN.folder / "tracks")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which nothing has run and no dataset is present."""
    return workspace(tmp_path_factory.mktemp("bare"))


def test_the_papers_whole_graph_is_planned_without_any_dataset(bare: Path) -> None:
    planned = snakemake(bare, "--dry-run", "--configfile", "workflow/config/paper.yaml")
    run = config.load(REPOSITORY / "workflow/config/paper.yaml")
    assert planned.count("rule train:") == len(run.trained()) == 12
    assert planned.count("rule evaluate:") == len(run.jobs())
    assert not (bare / "results").exists(), "a dry run writes nothing"


def test_mini_does_not_leak_into_the_papers_run(bare: Path) -> None:
    planned = snakemake(bare, "--dry-run", "--configfile", "workflow/config/paper.yaml")
    assert "mini" not in planned


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "models={siamrcr: {loss: {raduis: 3}}}"], ["models.siamrcr.loss", "'raduis'", "'radius'"]),
        (["--config", "trackers={Ocean: {results: {lasot: absent.zip}}}"], ["absent.zip", "trackers.Ocean"]),
        (["results/mini/scores/siamrcr-s0/lasott.json"], ["lasott"]),
    ],
)
def test_mistakes_stop_the_run_before_it_starts(bare: Path, arguments: list[str], words: list[str]) -> None:
    done = subprocess.run(command("--dry-run", *arguments), cwd=bare, capture_output=True, text=True)
    assert done.returncode != 0
    assert all(word in done.stdout + done.stderr for word in words), done.stderr


def test_one_gpu_job_at_a_time_by_default(bare: Path) -> None:
    profile = yaml.safe_load((bare / "profiles" / "default" / "config.yaml").read_text())
    assert profile["resources"] == ["gpu=1"]
    planned = snakemake(bare, "--dry-run", "--configfile", "workflow/config/paper.yaml")
    trainings = re.findall(r"rule train:.*?resources: ([^\n]*)", planned, re.DOTALL)
    assert len(trainings) == 12
    assert all("gpu=1" in resources for resources in trainings)
