"""Real frames through the paper's own network, and real sequences through readers, trackers and rules."""

from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.scoring import evaluate_tracks
from siamrcr import config, datasets, engine
from siamrcr.losses import iou
from siamrcr.model import SiamRCR, parameters_by_part, tracking_score
from siamrcr.tracker import SiamTracker
from siamrcr.training import sources
from siamrcr.training.loader import Examples, batches
from siamrcr.training.step import Step

CONFIGURATIONS = Path(__file__).resolve().parents[1] / "workflow" / "config"
PAPER, MINI = CONFIGURATIONS / "paper.yaml", CONFIGURATIONS / "mini.yaml"


def test_the_papers_network_takes_a_step_and_tracks_on_real_frames(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "got10k").mkdir()
    (tmp_path / "got10k" / "train").symlink_to(real_data / "sequences" / "got10k" / "val")
    # The first step of the warm-up moves nothing that float32 can show; the batch fits this machine.
    overrides = {
        "data": str(tmp_path),
        "training_roots": {"got10k": tmp_path / "got10k"},
        "network": {"weights": "random"},
        "training": {"batch_size": 4, "warmup_epochs": 0, "frozen_epochs": 0, "workers": 0},
    }
    run = config.load(PAPER, overrides)
    settings = run.models["siamrcr"]
    torch.manual_seed(0)
    step = Step(settings, torch.device("cpu"))
    assert parameters_by_part(step.model)["backbone"] == 8_543_296
    examples = Examples(sources.pools(run, settings.training), settings, seed=0)
    batch, _ = next(iter(batches(examples, 0, False)))
    assert batch.exemplar.shape == (4, 127, 127, 3)
    assert batch.search.shape == (4, 255, 255, 3)
    before = {name: value.clone() for name, value in step.model.named_parameters()}
    losses = step(batch, 0)
    assert losses.isfinite().all()
    assert losses[0] > 0
    moved = {
        name.split(".")[0] for name, value in step.model.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved == {"backbone", "neck", "classification", "regression", "localization"}

    model: SiamRCR = step.model.eval()
    sequence = next(s for s in datasets.load("otb2015", real_data / "sequences" / "otb") if s.name == "Crossing")
    tracker = SiamTracker(model, settings.tracking)
    tracker.init(sequence.image(0), sequence.boxes[0])
    boxes = np.array([tracker.update(sequence.image(index)) for index in range(1, 21)])
    assert boxes.shape == (20, 4)
    assert np.isfinite(boxes).all()
    assert (boxes[:, 2:] > 0).all()


def test_the_small_network_learns_eight_real_pairs_by_heart(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "got10k").mkdir()
    (tmp_path / "got10k" / "train").symlink_to(real_data / "sequences" / "got10k" / "val")
    schedule = {"pairs_per_epoch": 8, "batch_size": 8, "epochs": 60, "warmup_epochs": 0, "frozen_epochs": 0}
    overrides = {
        "data": str(tmp_path),
        "training_roots": {"got10k": tmp_path / "got10k"},
        "training": {**schedule, "lr_peak": 3e-3, "negative_share": 0},
    }
    run = config.load(MINI, overrides)
    settings = run.models["siamrcr"]
    torch.manual_seed(0)
    step = Step(settings, torch.device("cpu"))
    batch, _ = next(iter(batches(Examples(sources.pools(run, settings.training), settings, seed=0), 0, False)))
    losses = torch.stack([step(batch, iteration) for iteration in range(60)])
    _, classification, regression, _ = losses[-1].tolist()
    assert classification < 0.02
    assert regression < 0.1
    # In evaluation mode, as a tracker sees it.
    maps = step.predict(batch)
    picked = maps.boxes.flatten(1, 2)[torch.arange(8), tracking_score(maps).flatten(1).argmax(dim=1)]
    assert iou(picked, batch.boxes).mean() > 0.9


@pytest.mark.parametrize(
    ("benchmark", "folder", "sequences", "metric"),
    [("otb2015", "otb", 10, "success"), ("vot2018", "vot", 3, "EAO"), ("lasot", "lasot", 1, "success")],
)
def test_real_sequences_run_through_the_same_line(
    real_data: Path, tmp_path: Path, benchmark: str, folder: str, sequences: int, metric: str
) -> None:
    run = config.resolve({"results": str(tmp_path), "device": "cpu"})
    root = real_data / "sequences" / folder
    scores = {}
    for tracker in ("static", "opencv:KCF"):
        tracks = engine.track(run, tracker, benchmark, root=root, out=tmp_path / tracker.replace(":", "-"))
        scores[tracker] = evaluate_tracks(run, benchmark, tracks, tracker=tracker, annotations=root)
    assert len(scores["static"]["sequences"]) == sequences
    for score in scores.values():
        assert 0 <= score["metrics"][metric]["value"] <= 1
    if benchmark != "vot2018":
        # Three short sequences say little of an expected overlap.
        assert scores["opencv:KCF"]["metrics"][metric]["value"] > scores["static"]["metrics"][metric]["value"]
