"""Both container recipes install what the lock holds, from files that are there; building them needs a network."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from workspace import command, workspace

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
RECIPES = {name: Path(name).read_text() for name in ("Dockerfile", "apptainer.def")}
# The Python that each base image brings, or that its distribution installs.
PYTHON = {"python:3.11-slim": "3.11", "nvidia/cuda:13.0.0-base-ubuntu24.04": "3.12"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_installs_from_the_lock_by_its_hashes_and_nothing_else(recipe: str) -> None:
    # pyproject.toml's requirements are in the lock, so the package itself brings none.
    installs = re.findall(r"pip install (.*)", RECIPES[recipe])
    assert installs == [
        "--no-cache-dir --no-deps --require-hashes -r requirements.lock",
        "--no-cache-dir --no-deps --editable .",
    ]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_copies_files_that_exist(recipe: str) -> None:
    copied = re.findall(r"^(?:COPY|   ) (\S+) (?:\./|\.|/opt/siamrcr/\S*)$", RECIPES[recipe], re.MULTILINE)
    assert {"Dockerfile": "requirements.lock", "apptainer.def": "siamrcr"}[recipe] in copied
    assert [path for path in copied if not Path(path).exists()] == []


def test_the_image_of_apptainer_holds_all_that_its_siamrcr_reads(tmp_path: Path) -> None:
    for name in re.findall(r"^    (\S+) /opt/siamrcr/", RECIPES["apptainer.def"], re.MULTILINE):
        place = tmp_path / name
        shutil.copytree(name, place) if Path(name).is_dir() else shutil.copy(name, place)
    for verb in (["datasets"], ["table", "claims"]):
        done = subprocess.run(
            [sys.executable, "-m", "siamrcr", *verb], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_bases_have_a_python_that_the_project_takes_and_the_cuda_of_the_lock(recipe: str) -> None:
    bases = re.findall(r"BASE=(\S+)", RECIPES[recipe])
    assert set(bases) == set(PYTHON)
    assert all(PYTHON[base] in SpecifierSet(PROJECT["requires-python"]) for base in bases)
    (toolkit,) = re.findall(r"^cuda-toolkit==(\d+)\.", Path("requirements.lock").read_text(), re.MULTILINE)
    assert all(re.search(r"cuda:(\d+)", base).group(1) == toolkit for base in bases if "cuda" in base)  # type: ignore[union-attr]


def test_the_image_that_the_workflow_names_is_the_one_that_is_built() -> None:
    name = f"siamrcr:{PROJECT['version']}"
    assert f"docker build --tag {name} ." in RECIPES["Dockerfile"]
    assert f'"docker-daemon://{name}"' in Path("Snakefile").read_text()


@pytest.mark.workflow
def test_a_container_runs_its_own_siamrcr(tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    rules = folder / "workflow" / "rules" / "common.smk"
    rules.write_text(rules.read_text() + "\nprint('PREFIX', *PREFIX)\n")
    printed = subprocess.run(
        command("--list-rules", "--configfile", "tests/tiny.yaml", "--sdm", "apptainer"),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert "PREFIX SIAMRCR_GUARD" in printed.stdout, printed.stderr
