"""The command line: help with defaults, one line for each mistake, exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

from siamrcr import cli

VERBS = (
    "mini",
    "download",
    "train",
    "track",
    "maps",
    "submit",
    "evaluate",
    "compare-rules",
    "table",
    "figure",
    "report",
    "digest",
    "demo",
    "video",
    "speed",
    "tune",
    "export",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "siamrcr", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_defaults(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([verb, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--configfile" in text
    assert "default: workflow/config/mini.yaml" in " ".join(text.split())


def test_the_list_of_verbs_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert set(VERBS) <= {words[0] for words in shown}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "siamrrc"], ["siamrrc", "siamrcr"]),
        (["train", "siamrcr", "--set", "training.epoks=1"], ["epoks", "epochs"]),
        (["train", "siamrcr", "--set", "training"], ["--set training", "KEY=VALUE"]),
        (["track", "siamrcr-s0", "lasot", "--configfile", "absent.yaml"], ["absent.yaml"]),
        (["track", "opencv:KFC", "lasot"], ["KFC", "KCF"]),
        (["evaluate", "lasot", "absent.zip", "--annotations", "nowhere"], ["nowhere"]),
        (["demo", "absent.mp4", "--box", "1,2,3"], ["--box", "x,y,w,h"]),
        (["demo", "absent.mp4", "--box", "1,2,30,40", "--tracker", "static"], ["absent.mp4"]),
        (["video", "lasot", "airplane-1", "tracks.zip", "--out", "x.gif"], ["x.gif", ".mp4"]),
        (["speed", "opencv:KFC", "--root", "nowhere"], ["nowhere"]),
        (["tune", "siamrrc"], ["siamrrc", "siamrcr"]),
        (["export", "siamrcr-s7"], ["siamrcr-s7"]),
        (["table", "tabel-1"], ["tabel-1", "table-1"]),
        (["figure", "figure-6"], ["figure-6"]),
        (["digest", "nowhere"], ["nowhere"]),
        (["mini", "lasott"], ["lasott", "lasot"]),
        (["download", "lasott"], ["lasott", "lasot"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_mistakes_get_one_line_and_status_two(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("siamrcr: ")
    assert error.count("\n") == 1, error
    assert all(word in error for word in words), error
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_verb_or_benchmark_is_refused() -> None:
    assert run("trains").returncode == 2
    done = run("evaluate", "lasott", "tracks.zip")
    assert done.returncode == 2
    assert "lasott" in done.stderr


def test_overrides_reach_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("siamrcr.training.train.train", lambda *arguments: seen.append(arguments))
    arguments = ["train", "siamrcr", "--set", "training.epochs=3", "--set", "results=elsewhere", "--seed", "4"]
    assert cli.main(arguments) == 0
    run, model, seed = seen[0]
    assert run.models[model].training.epochs == 3
    assert run.results == Path("elsewhere")
    assert seed == 4
