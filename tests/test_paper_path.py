"""The paper's own configuration, every rule live, on tiny data in the official layouts."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from layouts import Clip, coco128_clips, fill, otb_clips, real_tree
from safetensors.torch import save_file
from workspace import REPOSITORY, siamrcr, snakemake, workspace

from siamrcr import config
from siamrcr.datasets import mini

PAPER = REPOSITORY / "workflow" / "config" / "paper.yaml"
OVERRIDES = REPOSITORY / "tests" / "paper_tiny.yaml"
BENCHMARKS = ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019")
# Counts, sizes, batch and the weights' file: nothing that chooses what is done.
ALLOWED = {
    "network.weights",  # which cannot be downloaded here: random ones under a name of their own
    "network.exemplar_size",
    "network.search_size",
    "network.exemplar_cells",
    "network.channels",
    "network.tower_depth",
    "training.epochs",
    "training.pairs_per_epoch",
    "training.batch_size",
    "training.warmup_epochs",
    "training.frozen_epochs",
    "training.workers",
    "expected",
    "benchmarks.vot2018.eao_interval",
    "benchmarks.vot2019.eao_interval",
    "analysis.bootstrap",
    "analysis.correlation_frames",
    "trackers.mil.repetitions",
}


def keys(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of a configuration's leaves."""
    for key, value in raw.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name != "expected":
            yield from keys(value, f"{name}.")
        else:
            yield name


def test_only_counts_sizes_and_batch_are_overridden() -> None:
    assert set(keys(yaml.safe_load(OVERRIDES.read_text()))) <= ALLOWED


def test_the_paper_names_its_own_values_for_all_that_is_overridden() -> None:
    paper = config.load(PAPER)
    tiny = config.load(PAPER, yaml.safe_load(OVERRIDES.read_text()))
    assert list(tiny.models) == list(paper.models)
    assert tiny.jobs() == paper.jobs()
    for name, model in paper.models.items():
        assert tiny.models[name].loss == model.loss
        assert tiny.models[name].tracking == model.tracking
        assert tiny.models[name].network.backbone == model.network.backbone == "resnet50.tv_in1k"
        assert tiny.models[name].training.datasets == model.training.datasets


@pytest.mark.workflow
def test_the_papers_path_runs(tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    settings = config.Mini(train_sequences=4, val_sequences=2, sequences=2, frames=8, width=160, height=120)
    for dataset in BENCHMARKS:
        mini.generate(dataset, tmp_path / "generated", settings)
    real = folder / "data" / "real"
    images: list[Clip] = []
    if given := os.environ.get("SIAMRCR_REAL_DATA"):  # all six training sets are then made of real frames
        videos = otb_clips(Path(given) / "sequences" / "otb", ("Bird2", "Couple", "Crossing", "Dog"), settings.frames)
        fill(tmp_path / "generated" / "got10k" / "train", videos)
        images = coco128_clips(Path(given) / "images" / "coco128", 16)
    real_tree(tmp_path / "generated", real, images)
    (real / "resnet50").mkdir()
    torch.manual_seed(0)
    # The published file's checksum would be asked of that name.
    save_file(timm.create_model("resnet50").state_dict(), real / "resnet50" / "model.safetensors")
    (real / "resnet50" / "own.safetensors").hardlink_to(real / "resnet50" / "model.safetensors")

    chosen = ("--configfile", str(PAPER), str(OVERRIDES))
    snakemake(folder, *chosen, "--omit-from", "figure")
    run = config.load(PAPER, yaml.safe_load(OVERRIDES.read_text()))
    results = folder / run.folder
    # Snakemake draws each figure in a process of its own, which the tiny run has shown; here one draws them all.
    for verb in ("figure", "report"):
        done = siamrcr(folder, verb, "--configfile", str(results / "config.yaml"))
    assert done.splitlines()[-1].endswith("report/index.html")
    for tracker, benchmark in run.jobs():
        score = json.loads((results / "scores" / tracker / f"{benchmark}.json").read_text())
        if benchmark in config.SERVED:
            assert score["status"] == "server"
            assert score["metrics"] == {}
        else:
            assert score["metrics"], (tracker, benchmark)
    packed = {path.relative_to(results / "submissions").as_posix() for path in results.glob("submissions/*/*.zip")}
    ours = run.trained()
    assert packed == {f"{t}/{b}.zip" for t, b in run.jobs() if b in config.SERVED and t in ours}
    card = json.loads((results / "models" / "siamrcr-all-s0.json").read_text())
    assert set(card["settings"]["training"]["datasets"]) == set(config.TRAINING_SETS)
    # The backbone is the real one, whatever the head's width.
    assert card["parameters"]["backbone"] == 8_543_296
    table = (results / "tables" / "table-3.md").read_text()
    assert "needs server" in table
    assert "generated benchmark" not in table
