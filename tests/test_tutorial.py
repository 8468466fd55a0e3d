"""The commands of docs/tutorial.md: they parse, and run in their order on the tiny workflow."""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import REPOSITORY, environment, snakemake, workspace

from siamrcr.arguments import parser
from siamrcr.cli import VERBS
from siamrcr.config import merge, resolve

TEXT = (REPOSITORY / "docs" / "tutorial.md").read_text()
# In miniature of the miniature.
SMALLER = {"workflow/config/mini.yaml": "tests/tiny.yaml", "results/mini": "results/tiny"}


def steps(text: str) -> list[tuple[str, str]]:
    """("sh", a command) or ("yaml", entries of my.yaml), in the page's order."""
    found: list[tuple[str, str]] = []
    for language, body in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        found += [("sh", line) for line in body.splitlines()] if language == "sh" else [(language, body)]
    return found


def entries() -> dict[str, Any]:
    """All that the page adds to my.yaml."""
    found: dict[str, Any] = {}
    for language, body in steps(TEXT):
        if language == "yaml":
            found = merge(found, yaml.safe_load(body))
    return found


def test_its_commands_parse() -> None:
    verbs = parser({verb.__name__: verb for verb in VERBS}, "")
    commands = [shlex.split(body) for language, body in steps(TEXT) if language == "sh"]
    ours = [words[1:] for words in commands if words[0] == "siamrcr"]
    assert {words[0] for words in ours} == {"compare", "evaluate", "compare-rules"}
    for words in ours:
        verbs.parse_args(words)
    assert {words[0] for words in commands} == {"cp", "snakemake", "siamrcr", "mkdir", "python", "cat"}
    assert {language for language, _ in steps(TEXT)} == {"sh", "yaml"}


@pytest.mark.parametrize("name", ["workflow/config/mini.yaml", "tests/tiny.yaml"])
def test_its_entries_are_settings(name: str) -> None:
    run = resolve(merge(yaml.safe_load((REPOSITORY / name).read_text()), entries()))
    assert ("chebyshev-s0", "got10k-val") in run.jobs()
    assert ("theirs", "otb2015") in run.jobs()
    assert run.models["chebyshev"].loss != run.models["siamrcr"].loss


def test_the_report_is_shown_in_pictures_that_are_there() -> None:
    for page in (REPOSITORY / "docs" / "tutorial.md", REPOSITORY / "README.md"):
        shown = [page.parent / name for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())]
        assert shown
        assert all(path.stat().st_size < 200 * 1024 for path in shown if path.name.startswith("report-"))
        assert all(path.is_file() for path in shown)


@pytest.mark.slow
@pytest.mark.workflow
def test_its_commands_run(tmp_path: Path) -> None:
    folder = workspace(tmp_path / "hour")
    snakemake(folder, "--configfile", "tests/tiny.yaml")
    follow(folder)


def follow(folder: Path) -> None:
    """Every step of the page beside a finished tiny run; prints the seconds of each."""
    binaries = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    weights = (folder / "results/tiny/models/siamrcr-s0.safetensors").stat().st_mtime_ns
    for language, body in steps(TEXT):
        if language == "yaml":
            path = folder / "my.yaml"
            path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), yaml.safe_load(body))))
            continue
        for large, small in SMALLER.items():
            body = body.replace(large, small)
        start = time.perf_counter()
        done = subprocess.run(
            shlex.split(body), cwd=folder, capture_output=True, text=True, env=environment() | {"PATH": binaries}
        )
        print(f"{time.perf_counter() - start:7.1f} s  {body}", flush=True)
        assert done.returncode == 0, f"{body}\n{done.stdout}{done.stderr}"
    assert (folder / "results/tiny/models/chebyshev-s0.safetensors").exists()
    assert (folder / "results/tiny/models/siamrcr-s0.safetensors").stat().st_mtime_ns == weights, "trained again"
    assert "Theirs" in done.stdout
    assert "tabular" in done.stdout
    page = (folder / "results/tiny/report/index.html").read_text()
    assert "square radius" in page
    assert "Theirs" in page
