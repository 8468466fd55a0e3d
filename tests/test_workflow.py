"""The whole line on a tiny run: every rule, a second call, a changed setting, a kill, the report."""

import html
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from workspace import REPOSITORY, command, environment, snakemake, workspace

from analysis import figures
from analysis.captions import Captions
from siamrcr import config
from siamrcr.results import digest

TINY = ["--configfile", "tests/tiny.yaml"]
RUN = config.load(REPOSITORY / "tests" / "tiny.yaml")
RUN_OF_PAPER = config.load(REPOSITORY / "workflow" / "config" / "paper.yaml")
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


def test_jobs_that_share_a_benchmark_leave_the_same_files(finished: Path) -> None:
    settings = "{got10k-val: 3, vot2018: 2}"
    names = ("kcf/got10k-val", "kcf/vot2018", "mil/got10k-val", "kcf/otb2015")
    folder = finished / "results" / "parts" / "tracks"
    arguments = ["--config", "run=parts", f"shards={settings}"]
    printed = snakemake(finished, *(f"results/parts/tracks/{name}/manifest.json" for name in names), *TINY, *arguments)
    assert len(re.findall(r": track \S+, part \d of \d, with", printed)) == 8
    assert not list(folder.rglob(".shard-*")), "Snakemake removes what was gathered"
    for name in names:
        assert digest(folder / name) == digest(finished / RUN.folder / "tracks" / name), name
    told = json.loads((folder / names[0] / "manifest.json").read_text())["provenance"]["shards"]
    assert [part["shard"] for part in told] == ["1/3", "2/3", "3/3"]


def test_snakemakes_own_report_has_the_figures_with_their_captions(finished: Path) -> None:
    snakemake(finished, *TINY, "--report", "workflow.html")
    made = (finished / "workflow.html").read_text()
    captions = Captions(finished / RUN.folder / "figures")
    for name in figures.NAMES:
        assert f"{name}.svg" in made
        # Snakemake wraps lines, and writes what is not ASCII as JSON does.
        expected = json.dumps(html.escape(captions[name], quote=False))
        assert re.sub(r"\W+", "", expected) in re.sub(r"\\n|\W+", "", made), name


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    reproduce = [sys.executable, "workflow/reproduce.py", "scores", *TINY]
    results = folder / RUN.folder
    with (tmp_path / "printed").open("w") as printed:
        running = subprocess.Popen(reproduce, cwd=folder, env=environment(), stdout=printed, stderr=printed)
        deadline = time.monotonic() + 300
        # Once a trained model is tracking, its training is finished in Snakemake's eyes too.
        while not list(results.glob("tracks/*-s0/*/.settings.json")):
            assert running.poll() is None, (tmp_path / "printed").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = subprocess.run(reproduce, cwd=folder, env=environment(), capture_output=True, text=True)
        assert second.returncode == 1
        assert "another `make reproduce` is running" in second.stderr
        running.send_signal(signal.SIGKILL)
        running.wait()
    tracking = {path.parts[-3] for path in results.glob("tracks/*-s0/*/.settings.json")}
    kept = {path: path.stat().st_mtime_ns for path in (results / "models" / f"{name}.json" for name in tracking)}
    # The same command takes over, while the guard is still ending what the killed one left.
    done = subprocess.run(reproduce, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "finished work was done again"
    assert digest(results / "scores") == digest(finished / RUN.folder / "scores")
    assert digest(results / "tracks") == digest(finished / RUN.folder / "tracks")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which nothing has run and no dataset is present."""
    return workspace(tmp_path_factory.mktemp("bare"))


def test_the_papers_whole_graph_is_planned_without_any_dataset(bare: Path) -> None:
    planned = snakemake(bare, "--dry-run", "--configfile", "workflow/config/paper.yaml")
    run = RUN_OF_PAPER
    trained = re.findall(r": train (\S+), seed (\d+)\n", planned)
    assert sorted(f"{model}-s{seed}" for model, seed in trained) == sorted(run.trained())
    assert len(trained) == 12
    assert sorted(re.findall(r": evaluate (\S+) on (\S+)\n", planned)) == sorted(run.jobs())
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


def test_what_a_download_needs_is_told_with_the_runs_own_configuration(tmp_path: Path) -> None:
    arguments = ("data/real/got10k.json", "--configfile", "workflow/config/paper.yaml")
    done = subprocess.run(command(*arguments), cwd=workspace(tmp_path), capture_output=True, text=True)
    assert done.returncode != 0
    told = "`siamrcr download got10k --from DIR --configfile results/paper/config.yaml`"
    assert told in done.stdout + done.stderr, done.stderr


def planned_jobs(folder: Path, *arguments: str) -> dict[str, list[str]]:
    """What a dry run says of each job of the paper's run, by rule; a job with a message of its own says less."""
    for path in folder.glob("workflow/rules/*.smk"):
        path.write_text(re.sub(r" *message:\n.*\n", "", path.read_text()))
    planned = snakemake(folder, "--dry-run", "--configfile", "workflow/config/paper.yaml", *arguments)
    found = re.findall(r"\n(?:local)?rule (\w+):\n(.*?)\n\[", planned, re.DOTALL)
    return {rule: [text for name, text in found if name == rule] for rule, _ in found}


def test_only_our_networks_ask_for_a_gpu_and_one_is_the_limit(tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    profile = yaml.safe_load((folder / "profiles" / "default" / "config.yaml").read_text())
    assert profile["resources"] == ["gpu=1"]
    jobs = planned_jobs(folder)
    assert all("gpu=1" in job for job in (*jobs["train"], *jobs["maps"]))
    ours = [re.search(r"tracker=(\S+),", job)[1] in RUN_OF_PAPER.trained() for job in jobs["track"]]
    assert ["gpu=1" in job for job in jobs["track"]] == ours
    assert ["threads: 2" in job for job in jobs["track"]] == ours
    assert not any("gpu=1" in job for rule in ("evaluate", "table", "figure", "report") for job in jobs[rule])


def test_the_cluster_profile_is_understood(tmp_path: Path) -> None:
    arguments = ("--executor", "dryrun", "--workflow-profile", "workflow/profiles/slurm")
    jobs = planned_jobs(workspace(tmp_path), *arguments)
    assert all("mem_mb=64000" in job and "runtime=2880" in job and "gpu=1" in job for job in jobs["train"])


def test_speed_settings_train_nothing_again_and_the_context_does(finished: Path) -> None:
    same = snakemake(finished, "--dry-run", *TINY, "--config", "training={workers: 1, checkpoint_every: 7}")
    assert "train " not in same
    other = snakemake(finished, "--dry-run", *TINY, "--config", "tracking={context: 0.4}")
    assert set(re.findall(r": train (\S+), seed", other)) == set(RUN.models)


def test_a_changed_answer_of_a_server_is_read_again(finished: Path) -> None:
    answer = finished / "answer.json"
    answer.write_text('{"AO": 0.5}')
    arguments = (*TINY, "--config", "benchmarks={got10k-test: {answers: {siamrcr-s0: answer.json}}}")
    score = finished / RUN.folder / "scores" / "siamrcr-s0" / "got10k-test.json"
    target = str(score.relative_to(finished))
    kept = score.read_bytes()
    snakemake(finished, target, *arguments)
    assert json.loads(score.read_text())["metrics"]["AO"]["value"] == 0.5
    answer.write_text('{"AO": 0.75}')
    snakemake(finished, target, *arguments)
    assert json.loads(score.read_text())["metrics"]["AO"]["value"] == 0.75
    snakemake(finished, target, *TINY)
    assert json.loads(score.read_text())["metrics"] == json.loads(kept)["metrics"]


def test_another_folder_of_a_benchmark_is_tracked_and_not_just_scored(finished: Path) -> None:
    other = finished / "other"
    shutil.copytree(finished / "data" / "mini" / "otb2015", other, dirs_exist_ok=True)
    planned = snakemake(finished, "--dry-run", *TINY, "--config", "benchmarks={otb2015: {root: other}}")
    assert set(re.findall(r": track otb2015 with (\S+)", planned)) == {"kcf", *(f"siamrcr-s{s}" for s in RUN.seeds)}
    assert not re.search(r": track (?!otb2015)", planned)


def test_raw_results_that_change_inside_their_folder_are_scored_again(finished: Path) -> None:
    theirs = finished / "theirs"
    theirs.mkdir()
    for path in (finished / RUN.folder / "tracks" / "kcf" / "otb2015").glob("[!.]*.txt"):
        shutil.copy2(path, theirs)
    arguments = (*TINY, "--config", "trackers={theirs: {results: {otb2015: theirs}}}")
    target = str(RUN.folder / "scores" / "theirs" / "otb2015.json")
    snakemake(finished, target, *arguments)
    assert "Nothing to be done" in snakemake(finished, target, *arguments)
    path = next(path for path in theirs.iterdir() if not path.stem.endswith("_time"))
    path.write_text(path.read_text().replace(",", " "))
    assert "evaluate theirs on otb2015" in snakemake(finished, "--dry-run", target, *arguments)
