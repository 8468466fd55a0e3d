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


def test_every_folder_of_results_is_listed() -> None:
    code = [path for top in ("siamrcr", "analysis", "bench", "faults") for path in Path(top).rglob("*.py")]
    text = "\n".join(path.read_text() for path in [*code, *Path("workflow").rglob("*.smk")])
    made = {f"{{run}}/{name}" for name in re.findall(r'(?:run\.folder|RUN\.folder|FOLDER) / "([\w.]+)"', text)}
    made |= set(re.findall(r'default=Path\("results/([\w.]+)"\)', text))
    assert len(made) > 14, "the patterns no longer find what is written"
    rows = "\n".join(line for line in Path("results/README.md").read_text().splitlines() if line.startswith("| `"))
    assert sorted(name for name in made if f"`{name}" not in rows) == []
