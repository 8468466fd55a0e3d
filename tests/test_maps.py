"""The sample of score maps behind Figures 1 and 4."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from moving_square import SMALL
from torch.nn.functional import interpolate

from siamrcr import config, maps
from siamrcr.config import Network, Run
from siamrcr.errors import InputError
from siamrcr.geometry import iou
from siamrcr.model import SiamRCR, load, save, tracking_score
from siamrcr.tracker import SiamTracker

FRAMES = 7
HIDDEN_BY_OCCLUSION = 3


def draw(
    folder: Path, names: tuple[str, ...] = ("GOT-10k_Val_000001", "GOT-10k_Val_000002", "GOT-10k_Val_000003")
) -> None:
    """Sequences in GOT-10k's layout; in each the target is absent in one frame."""
    for seed, name in enumerate(names):
        rng = np.random.default_rng(seed)
        (folder / name).mkdir(parents=True)
        lines = []
        for number in range(FRAMES):
            image = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (160, 120))
            cv2.imwrite(str(folder / name / f"{number + 1:08d}.png"), image)
            lines.append(f"{40 + 3 * number + seed}.0,{30 + 2 * number}.0,{24 + number}.0,30.0\n")
        (folder / name / "groundtruth.txt").write_text("".join(lines))
        absent = ["1" if number == HIDDEN_BY_OCCLUSION else "0" for number in range(FRAMES)]
        (folder / name / "absence.label").write_text("\n".join(absent) + "\n")
    (folder / "list.txt").write_text("\n".join(names) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "data" / "real" / "got10k" / "val")
    return tmp_path


def prepared(network: dict[str, Any] | None = None, **analysis: Any) -> Run:
    """A run with a model of random weights whose scores vary."""
    run = config.resolve(
        {
            "run": "test",
            "source": "real",
            "device": "cpu",
            "network": {**SMALL, **(network or {})},
            "models": {"siamrcr": {}},
            "analysis": analysis,
        }
    )
    torch.manual_seed(0)
    model = SiamRCR(run.models["siamrcr"].network, pretrained=False)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # one batch then gives the features of every layer a spread
    model.train()
    with torch.no_grad():
        coarse = [255 * torch.rand(4, 3, side // 8, side // 8) for side in (63, 127)]
        model(*(interpolate(c, s, mode="bilinear") for c, s in zip(coarse, (63, 127), strict=True)))
    for output, spread in (
        (model.classification.output, 0.2),
        (model.localization, 0.2),
        (model.regression.output, 0.05),
    ):
        if output is not None:
            torch.nn.init.normal_(output.weight, std=spread)
    torch.nn.init.constant_(model.regression.output.bias[:2], 1.2)  # boxes so large that most meet the truth
    save(run.folder / "models" / "siamrcr-s0.safetensors", model, {})
    return run


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@pytest.mark.usefixtures("folder")
def test_the_file_holds_what_the_figures_need() -> None:
    run = prepared()
    path = maps.collect(run, "siamrcr", 0)
    assert path == run.folder / "maps" / "siamrcr-s0.npz"
    found = arrays(path)
    frames, positives, cases = len(found["names"]), len(found["iou"]), len(found["case_name"])
    assert frames == 3 * (FRAMES - 1 - 2)  # neither the absent frame nor the one after it
    assert set(found["names"]) >= {"GOT-10k_Val_000001/1", "GOT-10k_Val_000003/6"}
    assert not {f"GOT-10k_Val_000002/{n}" for n in (0, HIDDEN_BY_OCCLUSION, HIDDEN_BY_OCCLUSION + 1)} & set(
        found["names"]
    )
    per_frame = ("winner_iou", "winner_score", "cls_winner_iou", "names")
    per_positive = ("iou", "classification", "score", "frame")
    per_case = {"iou_classification", "iou_score", "score_classification", "score_tracking", "name"}
    shapes = {"tracker": ()} | dict.fromkeys(per_frame, (frames,)) | dict.fromkeys(per_positive, (positives,))
    shapes |= {f"case_{key}": (cases,) for key in per_case} | {"case_image": (cases, 127, 127, 3)}
    shapes |= {f"case_{key}": (cases, 4) for key in ("truth", "by_classification", "by_score")}
    assert {key: values.shape for key, values in found.items()} == shapes
    assert found["case_image"].dtype == np.uint8
    for key in ("iou", "classification", "score", "winner_iou", "winner_score", "cls_winner_iou"):
        assert found[key].min() >= 0
        assert found[key].max() <= 1
    assert found["iou"].std() > 0.01
    # 13 locations lie within 2 strides of a point on the grid; between its points, at least 9.
    counts = np.bincount(found["frame"], minlength=frames)
    assert counts.min() >= 9
    assert counts.max() <= 16


@pytest.mark.usefixtures("folder")
def test_a_frame_agrees_with_the_tracker_started_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame by hand: a tracker on the first frame, moved to the previous truth, without window or penalty."""
    run = prepared()
    found = arrays(maps.collect(run, "siamrcr", 0))
    model = load(run.folder / "models" / "siamrcr-s0.safetensors")
    frames = maps.sample(run)
    place = next(index for index, frame in enumerate(frames) if frame.name == "GOT-10k_Val_000002/5")
    sequence, number = frames[place].sequence, frames[place].number

    settings = config.Tracking(penalty=0, window=0, size_rate=1, min_side=0.001)
    tracker = SiamTracker(model, settings)
    tracker.init(sequence.image(0), sequence.boxes[0])
    seen = []
    search = model.search
    monkeypatch.setattr(model, "search", lambda *arguments: seen.append(search(*arguments)) or seen[-1])
    tracker.targets.boxes[0] = sequence.boxes[number - 1]
    tracker.update(sequence.image(number))
    score = tracking_score(seen[0])[0].numpy()
    assert found["winner_score"][place] == pytest.approx(tracker.confidence, rel=1e-5)
    assert found["winner_score"][place] == pytest.approx(score.max(), rel=1e-5)
    corners = seen[0].boxes[0].numpy()[np.unravel_index(score.argmax(), score.shape)]
    side = np.sqrt(np.prod(sequence.boxes[number - 1, 2:] + sequence.boxes[number - 1, 2:].sum() / 2)) * 127 / 63
    middle = sequence.boxes[number - 1, :2] + sequence.boxes[number - 1, 2:] / 2
    in_frame = (corners.reshape(2, 2) - 63) * side / 127 + middle
    box = np.concatenate([in_frame[0], in_frame[1] - in_frame[0]])
    assert found["winner_iou"][place] == pytest.approx(float(iou(box, sequence.boxes[number])), abs=1e-5)


@pytest.mark.usefixtures("folder")
def test_the_positives_are_where_the_truths_centre_is() -> None:
    """Far labels would have classification scores of other cells: the nearest ones are recomputed by distance."""
    run = prepared(correlation_frames=1)
    found = arrays(maps.collect(run, "siamrcr", 0))
    (frame,) = maps.sample(run)
    image, truth = maps._search(load(run.folder / "models" / "siamrcr-s0.safetensors"), frame, run.models["siamrcr"])
    assert image.shape == (127, 127, 3)
    size = Network(**SMALL).score_size
    grid = (127 - 1 - (size - 1) * 8) / 2 + 8 * np.arange(size)
    x, y = (truth[:2] + truth[2:]) / 2
    inside = np.hypot(grid[None] - x, grid[:, None] - y) <= 16
    assert len(found["iou"]) == inside.sum()


@pytest.mark.usefixtures("folder")
def test_cases_are_the_largest_gains_in_order() -> None:
    found = arrays(maps.collect(prepared(), "siamrcr", 0))
    gains = found["winner_iou"] - found["cls_winner_iou"]
    best = sorted((float(gain) for gain in gains if gain > 0), reverse=True)[: maps.CASES]
    assert best
    shown = found["case_iou_score"] - found["case_iou_classification"]
    assert shown.tolist() == best
    assert iou(found["case_by_score"], found["case_truth"]) == pytest.approx(found["case_iou_score"], abs=1e-5)
    assert iou(found["case_by_classification"], found["case_truth"]) == pytest.approx(
        found["case_iou_classification"], abs=1e-5
    )
    places = [list(found["names"]).index(name) for name in found["case_name"]]
    assert np.array_equal(found["winner_score"][places], found["case_score_tracking"])
    assert (found["case_score_classification"] > found["case_score_tracking"]).all()


@pytest.mark.usefixtures("folder")
def test_without_a_localization_branch_the_scores_are_one_and_there_is_no_case() -> None:
    found = arrays(maps.collect(prepared({"localization": False}), "siamrcr", 0))
    assert np.array_equal(found["score"], found["classification"])
    assert np.array_equal(found["winner_iou"], found["cls_winner_iou"])
    assert found["case_image"].shape == (0, 127, 127, 3)
    assert found["case_truth"].shape == (0, 4)


@pytest.mark.usefixtures("folder")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_sample() -> None:
    run = prepared(correlation_frames=5)
    first = maps.collect(run, "siamrcr", 0).read_bytes()
    assert maps.collect(run, "siamrcr", 0).read_bytes() == first
    names = [[frame.name for frame in maps.sample(prepared(correlation_frames=5, seed=seed))] for seed in (0, 1)]
    assert len(names[0]) == len(set(names[0])) == 5
    assert names[0] != names[1]
    assert names[0] == sorted(names[0])


@pytest.mark.usefixtures("folder")
def test_batches_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepared()
    whole = arrays(maps.collect(run, "siamrcr", 0))
    monkeypatch.setattr(maps, "BATCH", 2)
    parts = arrays(maps.collect(run, "siamrcr", 0))
    assert np.array_equal(whole["names"], parts["names"])
    assert np.array_equal(whole["frame"], parts["frame"])
    for key in ("iou", "classification", "score", "winner_score"):
        assert whole[key] == pytest.approx(parts[key], abs=1e-5)


def test_a_hidden_benchmark_and_an_untrained_model_are_refused(folder: Path) -> None:
    run = prepared(correlation_benchmark="got10k-test")
    test = folder / "data" / "real" / "got10k" / "test"
    draw(test, ("GOT-10k_Test_000001",))
    truth = test / "GOT-10k_Test_000001" / "groundtruth.txt"
    truth.write_text(truth.read_text().splitlines()[0] + "\n")
    (test / "GOT-10k_Test_000001" / "absence.label").unlink()
    with pytest.raises(InputError, match="got10k-test: no ground truth"):
        maps.collect(run, "siamrcr", 0)
    (run.folder / "models" / "siamrcr-s0.safetensors").unlink()
    with pytest.raises(InputError, match="siamrcr train siamrcr"):
        maps.collect(run, "siamrcr", 0)
