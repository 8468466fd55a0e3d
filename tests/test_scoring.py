"""Scoring from the command line: missing files, paired differences, all rules at once, a server's answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from official import BOXES, lines, trackingnet_sequence, write

from siamrcr.cli import main

FAR, NEAR = (BOXES + np.array([shift, 0, 0, 0]) for shift in (300, 10))


def files(folder: Path, **boxes: np.ndarray) -> Path:
    for name, rows in boxes.items():
        write(folder / f"{name}.txt", lines(rows))
    return folder


def evaluate(folder: Path, *arguments: object, verb: str = "evaluate") -> dict[str, Any]:
    assert main([verb, *map(str, arguments), "--json", str(folder / "out.json")]) == 0
    return json.loads((folder / "out.json").read_text())


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_missing_file_of_trackingnet_counts_as_zeros(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = files(tmp_path / "truth", a=BOXES, b=BOXES)
    tracks = files(tmp_path / "tracks", a=BOXES)
    command = ("trackingnet", tracks, "--annotations", truth)
    score = evaluate(tmp_path, *command)
    # Of b the first box counts as found, the others are boxes of zeros: 0.025 each, as the devkit's curve starts at 1.
    assert score["metrics"]["success"]["value"] == pytest.approx((1 + (1 + 3 * 0.025) / 4) / 2)
    assert score["zero_boxes"] == ["b"]
    assert score["missing"] == 0
    output = capsys.readouterr()
    assert output.err == "siamrcr: 1 of 2 sequences have no result and count as boxes of zeros: b\n"
    assert "b" not in output.out.replace("trackingnet", "").split()
    alone = evaluate(tmp_path, *command, "--subset")
    assert (alone["metrics"]["success"]["value"], alone["zero_boxes"], alone["missing"]) == (1, [], 1)
    (tmp_path / "empty").mkdir()
    error = refused(capsys, "evaluate", "trackingnet", tmp_path / "empty", "--annotations", truth)
    assert "no raw results of 2 of 2 sequences" in error


def test_a_missing_file_of_others_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = files(tmp_path / "truth", Basketball=BOXES, Biker=BOXES)
    tracks = files(tmp_path / "tracks", Biker=BOXES)
    error = refused(capsys, "evaluate", "otb2015", tracks, "--annotations", truth)
    assert "no raw results of 1 of 2 sequences of otb2015 (Basketball)" in error


def test_against_another_tracker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("Basketball", "Biker", "Bird1", "Bird2")
    truth = files(tmp_path / "truth", **dict.fromkeys(names, BOXES))
    ours = files(tmp_path / "ours", **dict.fromkeys(names, BOXES))
    theirs = files(tmp_path / "theirs", **dict.fromkeys(names, BOXES) | {"Biker": FAR})
    command = ("otb2015", ours, "--annotations", truth, "--set", "analysis.bootstrap=400")
    score = evaluate(tmp_path, *command, "--against", theirs)
    assert list(score)[:4] == ["benchmark", "tracker", "convention", "metrics"]
    assert {"sequences", "curves", "provenance"} <= set(score)
    assert (score["tracker"], score["against"]["tracker"]) == ("ours", "theirs")
    found = score["against"]["metrics"]["precision"]
    # Biker's first box is replaced by the true one, three of four are lost: 0.75 of one sequence of four.
    assert found["difference"] == pytest.approx(0.75 / 4)
    # Of four draws k hit Biker, binomially with 1/4: their standard deviation is the square root of 3/4.
    assert found["stderr"] == pytest.approx(0.75 / 4 * 0.75**0.5, rel=0.1)
    assert (found["low"], found["high"]) == pytest.approx((0, 0.75 * 3 / 4), abs=0.75 / 4 + 1e-9)
    assert set(score["against"]["metrics"]) == set(score["metrics"]) == {"success", "precision"}
    assert "ours - theirs (same resamples, 95 % interval)" in capsys.readouterr().out
    same = evaluate(tmp_path, *command, "--against", ours)["against"]["metrics"]["success"]
    assert same == {"difference": 0, "stderr": 0, "low": 0, "high": 0}
    assert "against" not in evaluate(tmp_path, *command)


def test_a_metric_that_is_undefined_for_one_has_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, ours, lost = tmp_path / "truth", tmp_path / "ours", tmp_path / "lost"
    boxes = np.tile(BOXES[:1], (400, 1))
    for name in ("ball1", "ants1"):
        write(truth / name / "groundtruth.txt", lines(boxes))
        write(ours / "baseline" / name / f"{name}_001.txt", "1\n" + lines(boxes[1:]))
        write(lost / "baseline" / name / f"{name}_001.txt", "1\n2\n" + "0\n" * 398)
    command = ("vot2018", ours, "--annotations", truth, "--set", "analysis.bootstrap=20", "--against", lost)
    found = evaluate(tmp_path, *command)["against"]["metrics"]
    assert found["accuracy"] == {"note": "undefined for lost"}
    assert found["robustness"]["difference"] == pytest.approx(-100 / 400)
    assert "  accuracy              undefined for lost\n" in capsys.readouterr().out


def test_an_output_that_is_a_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracks = files(tmp_path / "tracks", Basketball=BOXES)
    command = ("evaluate", "otb2015", tracks, "--annotations", tracks, "--json")
    assert f"{tracks}: is a folder, not a file: name another" in refused(capsys, *command, tracks)
    file = tracks / "Basketball.txt"
    assert f"{file}: is a file, not a folder: name another" in refused(capsys, *command, file / "x.json")


def test_every_rule_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = files(tmp_path / "truth", Basketball=BOXES, Biker=BOXES)
    late = BOXES.copy()
    late[0] = FAR[0]
    tracks = files(tmp_path / "tracks", Basketball=late, Biker=BOXES[:3])
    compared = evaluate(tmp_path, "otb2015", tracks, "--annotations", truth, verb="compare-rules")
    rows = {row["convention"]: row for row in compared["rules"]}
    assert list(rows) == ["official", "got10k", "pysot", "pytracking"]
    assert rows["official"]["metrics"]["precision"] == {"value": (1 + 3 / 4) / 2, "difference": 0}
    assert rows["got10k"]["metrics"]["precision"] == {"value": 1, "difference": 1 / 8}
    assert rows["pysot"]["metrics"] == {}
    assert rows["pysot"]["refused"].startswith("Biker: 3 lines for 4 frames")
    assert all(row["says"] for row in rows.values())
    output = capsys.readouterr().out
    assert all(name in output for name in rows)
    assert "refused: Biker: 3 lines for 4 frames" in output


def test_the_servers_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    for name in ("a", "b"):
        trackingnet_sequence(root / "TEST", name, count=4)
    tracks = files(tmp_path / "ours", a=BOXES, b=BOXES)
    settings = ("--set", f"benchmarks.trackingnet.root={root}", "--set", "benchmarks.trackingnet.annotations=null")
    command = ("trackingnet", tracks, *settings)
    assert evaluate(tmp_path, *command)["status"] == "server"
    answer = write(tmp_path / "answer.json", '[{"test": {"Success": 70.5, "Precision": 60.0, "Coverage": 100.0}}]')
    score = evaluate(tmp_path, *command, "--answer", answer)
    assert score["status"] == "answered"
    assert score["metrics"]["success"] == {"value": pytest.approx(0.705), "stderr": None}
    assert "the server's answer" in capsys.readouterr().out
    entry = f"trackers.ours.results.trackingnet={tracks}"
    configured = ("--set", entry, "--set", f"benchmarks.trackingnet.answers.ours={answer}")
    assert evaluate(tmp_path, *command, *configured)["metrics"] == score["metrics"]
    capsys.readouterr()
    assert "differences need the ground truth" in refused(capsys, "evaluate", *command, "--against", tracks)
    assert "the ground truth is the server's" in refused(capsys, "compare-rules", *command)
    # Ground truth that the user names is scored by; an answer that the user names counts before it.
    truth = files(tmp_path / "truth", a=BOXES, b=BOXES)
    assert evaluate(tmp_path, *command, *configured, "--annotations", truth)["metrics"]["success"]["value"] == 1
    both = evaluate(tmp_path, *command, "--annotations", truth, "--answer", answer)
    assert both["metrics"] == score["metrics"]
    assert both["curves"] == both["replicates"] == {}
    assert both["sequences"] == {"a": {"frames": 4}, "b": {"frames": 4}}
    capsys.readouterr()
    assert "no server scores lasot" in refused(capsys, "evaluate", "lasot", tracks, "--answer", answer)


def test_ground_truth_without_flags_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = files(tmp_path / "truth", **{"airplane-1": BOXES})
    tracks = files(tmp_path / "tracks", **{"airplane-1": NEAR})
    score = evaluate(tmp_path, "lasot", tracks, "--annotations", truth)
    assert "flags no frame as absent" in score["notes"][0]
    assert "flags no frame as absent" in capsys.readouterr().err
