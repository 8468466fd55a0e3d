"""The command line: help with defaults, one line for each mistake, exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

from siamrcr import cli
from siamrcr.arguments import completed

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
        (["train", "siamrcr", "--seed", "7"], ["mini.yaml: seeds: ", "has 0, and not 7"]),
        (["maps", "siamrcr", "--seed", "7"], ["mini.yaml: seeds: ", "has 0, and not 7"]),
        (["tune", "siamrcr", "--seed", "7"], ["mini.yaml: seeds: ", "has 0, and not 7"]),
        (
            ["maps", "siamrcr", "--seed", "7", "--set", "models.siamrcr.seeds=[1, 2]"],
            ["models.siamrcr.seeds: has 1, 2"],
        ),
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "siamrcr", "--seed", "-1"], "-1: give a whole number from 0 to 9223372036854775807"),
        (["maps", "siamrcr", "--seed", "9" * 23], f"{'9' * 23}: give a whole number from 0"),
        (["speed", "static", "--frames", "0"], "0: give a whole number of 1 or more"),
        (["tune", "siamrcr", "--trials", "x"], "x: give a whole number of 1 or more"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_remedy_is_for_the_run_that_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "my run.yaml"
    mine.write_text("{run: mine, source: real, models: {siamrcr: {}}}")
    place = f"results={tmp_path}"
    given = ["--configfile", str(mine), "--set", place]
    assert cli.main(["track", "siamrcr-s0", "otb2015", *given]) == 2
    words = f"run `siamrcr train siamrcr --seed 0 --configfile '{mine}' --set {place}`\n"
    assert capsys.readouterr().err.endswith(words)
    assert cli.main(["track", "siamrcr-s0", "otb2015", *given[2:]]) == 2
    assert capsys.readouterr().err.endswith(f"run `siamrcr train siamrcr --seed 0 --set {place}`\n")
    cli.main(["doctor", *given, "--set", "models.siamrcr.benchmarks=[otb2015]"])
    assert f"`siamrcr download otb2015 --configfile '{mine}' --set" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        "siamrcr train",
        "siamrcr trains a --seed 0",
        "siamrcr mini --configfile b.yaml",
        "siamrcr mini --set seed=1",
        "ls",
    ],
)
def test_what_is_no_command_or_has_options_is_left_alone(command: str) -> None:
    whole = cli.whole_parser()
    options = whole.parse_args(["doctor", "--configfile", "a.yaml"])
    assert completed(f"x: run `{command}`", whole, options) == f"x: run `{command}`"
    assert completed("run `siamrcr mini otb2015`, then", whole, options) == (
        "run `siamrcr mini otb2015 --configfile a.yaml`, then"
    )


def test_overrides_reach_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("siamrcr.training.train.train", lambda *arguments: seen.append(arguments))
    arguments = [
        "train",
        "siamrcr",
        "--set",
        "training.epochs=3",
        "--set",
        "seeds=[0, 4]",
        "--set",
        "results=elsewhere",
    ]
    assert cli.main([*arguments, "--seed", "4"]) == 0
    run, model, seed = seen[0]
    assert run.models[model].training.epochs == 3
    assert run.results == Path("elsewhere")
    assert seed == 4
