"""The bench at a size of seconds: whole commands of ours and of the other toolkits on the same synthetic files."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench import evaluation, layout, peers, training
from bench.inputs import inputs
from bench.timing import seconds
from siamrcr import datasets, results
from siamrcr.errors import InputError

ROOT = Path(__file__).resolve().parents[1]

SHARE = 0.01


def scored(benchmark: str, runs: int, folder: Path) -> dict[str, float]:
    """Our scores of synthetic inputs, and the peer's folder beside them."""
    given = inputs(benchmark, runs, folder, SHARE)
    layout.lay_out(given, folder / "peer")
    command = [sys.executable, "-m", "siamrcr", "evaluate", benchmark, str(given.tracks)]
    command += [
        "--annotations",
        str(given.truth),
        "--set",
        "analysis.bootstrap=1",
        "--json",
        str(folder / "score.json"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {name: each["value"] for name, each in json.loads((folder / "score.json").read_text())["metrics"].items()}


@pytest.mark.parametrize(
    ("benchmark", "ours", "theirs"), [("otb2015", "success", "success_score"), ("got10k-val", "AO", "ao")]
)
def test_got10ks_report_scores_the_same_files(benchmark: str, ours: str, theirs: str, tmp_path: Path) -> None:
    found = scored(benchmark, 1, tmp_path)
    assert found[ours] == pytest.approx(peers.got10k(tmp_path / "peer")[theirs], abs=1e-9)
    assert 0.5 < found[ours] < 1


def test_vot_toolkit_scores_the_same_files(tmp_path: Path) -> None:
    found = scored("vot2018", 2, tmp_path)
    command = [sys.executable, peers.__file__, "vot-toolkit", str(tmp_path / "peer")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    accuracy = float(printed.split("'AverageAccuracyRobustness': [")[1].split(",")[0])
    assert found["accuracy"] == pytest.approx(accuracy, abs=0.05)  # it draws boxes smaller and pools otherwise


def test_synthetic_inputs_have_their_share_of_the_official_size(tmp_path: Path) -> None:
    given = inputs("lasot", 1, tmp_path, SHARE)
    sequences = datasets.load("lasot", None, given.truth)
    runs = results.read(given.tracks, "lasot", sequences)
    assert sum(len(runs[sequence.name][0]) for sequence in sequences) == round(SHARE * 685_360)
    again = inputs("lasot", 1, tmp_path / "again", SHARE)
    with zipfile.ZipFile(given.tracks) as first, zipfile.ZipFile(again.tracks) as second:
        assert [first.read(name) for name in first.namelist()] == [second.read(name) for name in second.namelist()]


def test_a_table_and_a_file_tell_the_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "TASKS", (("otb2015", 1),))
    evaluation.measure(tmp_path / "evaluation.json", 1, SHARE)
    first, second = json.loads((tmp_path / "evaluation.json").read_text())["rows"]
    assert (first["data"], first["peer"].split()[0]) == ("synthetic", "got10k")
    assert first["ratio"] == first["theirs"]["wall"] / first["ours"]["wall"]
    assert first["theirs"] == second["theirs"]
    assert "| otb2015, 1 run, no bootstrap | synthetic |" in capsys.readouterr().out


def test_a_command_that_fails_is_not_timed() -> None:
    with pytest.raises(InputError, match="no such thing"):
        seconds([sys.executable, "-c", "import sys; sys.exit('no such thing')"], 1)


@pytest.mark.slow
def test_the_costs_of_a_training_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training.measure(tmp_path / "training.json", runs=1, share=0.01)
    found = json.loads((tmp_path / "training.json").read_text())
    kinds = {"naive", "full decoding", "reduced decoding", "reduced, large targets alone"}
    assert set(found["loader"]["rows"]) == kinds
    assert {1, 2} == set(found["loader"]["reductions"])
    assert found["index"]["boxes"] == 140_000
    assert 0 < found["step"]["outside_share"] < 1
    assert "Index of 140,000 boxes" in capsys.readouterr().out
