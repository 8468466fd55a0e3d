"""Arrows go one way: workflow -> command line -> {siamrcr, analysis} and analysis -> what of siamrcr is torch-free."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = [path for folder in ("siamrcr", "analysis") for path in sorted(Path(folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, at whatever depth of the code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_imports_snakemake(path: Path) -> None:
    assert "snakemake" not in roots(path)


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "siamrcr" and p.name != "cli.py"], ids=str)
def test_siamrcr_never_imports_analysis(path: Path) -> None:
    assert "analysis" not in roots(path)


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "analysis"], ids=str)
def test_analysis_names_neither_torch_nor_opencv(path: Path) -> None:
    assert not roots(path) & {"torch", "torchvision", "timm", "cv2"}


def loads(statement: str) -> set[str]:
    """Top-level modules in memory after a statement, in a fresh interpreter."""
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_analysis_does_not_load_torch_or_opencv() -> None:
    paths = sorted(Path("analysis").rglob("*.py"))
    names = ", ".join(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths)
    assert not loads(f"import {names}") & {"torch", "cv2", "timm"}


def test_the_workflow_does_not_load_torch_or_opencv() -> None:
    sources = [Path("Snakefile"), *Path("workflow").rglob("*.smk")]
    lines = {
        line.strip()
        for source in sources
        for line in source.read_text().splitlines()
        if line.startswith(("from siamrcr", "import siamrcr", "from analysis", "import analysis"))
    }
    assert lines
    assert not loads("; ".join(sorted(lines))) & {"torch", "cv2", "timm", "matplotlib"}


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    assert not loads("from siamrcr.cli import main") & {"torch", "cv2", "timm", "pandas", "matplotlib"}
