"""Set-up files agree with one another, and the repository keeps to itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())


def locked() -> dict[str, set[str]]:
    """Name -> versions in the lock (one a Python version where they differ)."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", Path("requirements.lock").read_text(), re.MULTILINE):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


def test_every_requirement_is_locked_within_its_range() -> None:
    versions = locked()
    for line in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]:
        requirement = Requirement(line)
        found = versions.get(canonicalize_name(requirement.name))
        assert found, f"{requirement.name} is not locked: make lock"
        assert all(version in requirement.specifier for version in found), line


def test_every_locked_version_has_a_hash_and_no_address() -> None:
    text = Path("requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_conda_and_pip_users_get_the_same_packages() -> None:
    environment = yaml.safe_load(Path("environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["--no-deps", "--require-hashes", "-r requirements.lock"]
    python = next(entry for entry in conda if entry.startswith("python="))
    assert python.removeprefix("python=") in Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    assert {entry.split("=")[0] for entry in conda} == {"python", "pip"}, (
        "packages belong in pyproject.toml and the lock"
    )


def test_one_opencv_is_installed() -> None:
    opencv = {name for name, versions in locked().items() if name.startswith("opencv")}
    everywhere = {
        name
        for name in opencv
        if not re.search(
            rf"^{name}==\S+ ; sys_platform == 'never'", Path("requirements.lock").read_text(), re.MULTILINE
        )
    }
    assert everywhere == {"opencv-contrib-python-headless"}


def test_no_file_has_outgrown_one_subject() -> None:
    files = subprocess.run(
        ["git", "ls-files", "*.py", "*.smk", "*.js", "*.css", "*.html", "Snakefile"],
        capture_output=True,
        text=True,
        check=True,
    )
    long = {name: len(Path(name).read_text().splitlines()) for name in files.stdout.split() if Path(name).exists()}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}
