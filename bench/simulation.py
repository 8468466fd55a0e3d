"""A run's scores, cards, maps and manifests, drawn at random: all that the tables, figures and the report read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.scores import SEQUENCES, cards, map_files, metrics
from siamrcr.config import Run
from siamrcr.files import atomic, write_json

PROVENANCE = {
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "python": "3.11.9",
    "packages": {"numpy": "2.4.6", "torch": "2.14.1"},
    "platform": "Linux",
    "processor": "A processor",
    "accelerator": None,
    "command": "siamrcr evaluate",
    "date": "2030-01-02T03:04:05+00:00",
}
SERVED = ("got10k-test", "trackingnet")


def score(
    run: Run,
    tracker: str,
    benchmark: str,
    level: float,
    names: Sequence[str],
    tags: int = 0,
) -> dict[str, Any]:
    """A score file whose replicates pair with those of any other tracker on the same benchmark.

    `tags` is how many attributes have a curve of their own, beside two that have none.
    """
    generator = np.random.default_rng([ord(letter) for letter in tracker + benchmark])
    sequences = len(names)
    shared = np.random.default_rng(len(benchmark)).normal(0, 0.15, sequences)
    draws = np.random.default_rng(run.analysis.seed).integers(sequences, size=(run.analysis.bootstrap, sequences))
    values, replicates = {}, {}
    scores: dict[str, dict[str, Any]] = {name: {"frames": 100} for name in names}
    for place, metric in enumerate(metrics(benchmark)):
        each = np.clip(level - 0.08 * place + shared + generator.normal(0, 0.03, sequences), 0.02, 0.98)
        replicates[metric] = each[draws].mean(1).round(6).tolist()
        values[metric] = {"value": float(each.mean()), "stderr": float(np.std(replicates[metric], ddof=1))}
        for name, value in zip(names, each, strict=True):
            scores[name][metric] = float(value)
    drawn = curves(benchmark, values[metrics(benchmark)[0]]["value"])
    tagged = {f"tag-{number:02d}": attributes(values, sequences)["fast"] for number in range(tags)}
    return {
        "benchmark": benchmark,
        "tracker": tracker,
        "convention": "published",
        "metrics": values,
        "sequences": scores,
        "curves": drawn,
        "replicates": replicates,
        "attributes": attributes(values, sequences) | tagged,
        "attribute_curves": {tag: {name: curve["y"] for name, curve in drawn.items()} for tag in tagged},
        "repetitions": 1,
        "seed": run.analysis.seed,
        "provenance": provenance(),
    }


def attributes(values: dict[str, Any], sequences: int) -> dict[str, dict[str, Any]]:
    """Two tags, of which one is of a single sequence."""
    alone = {metric: entry | {"stderr": None, "sequences": 1} for metric, entry in values.items()}
    return {
        "fast": {metric: entry | {"sequences": sequences // 2} for metric, entry in values.items()},
        "rare": alone,
    }


def curves(benchmark: str, level: float) -> dict[str, dict[str, list[float]]]:
    """The benchmark's curves, of a plausible shape."""

    def curve(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
        return {"x": x.tolist(), "y": y.tolist(), "stderr": np.full(len(x), 0.02).tolist()}

    if benchmark.startswith("vot"):
        x = np.arange(1.0, 401)
        return {"expected_overlap": curve(x, level * np.exp(-x / 900) + (1 - level) * np.exp(-x / 20))}
    x = np.linspace(0, 1, 101 if benchmark.startswith("got10k") else 21)
    pixels = np.arange(51.0)
    found = {"success": curve(x, 1 - x ** (level / (1.001 - level)))}
    if not benchmark.startswith("got10k"):
        found["precision"] = curve(pixels, 1 - np.exp(-pixels * level / 12))
        found["normalized_precision"] = curve(pixels / 100, 1 - np.exp(-pixels * level / 12))
    return found


def server(benchmark: str, tracker: str) -> dict[str, Any]:
    """What is known of a benchmark whose ground truth is not public."""
    empty: dict[str, Any] = {"metrics": {}, "sequences": {"sequence-000": {"frames": 100}}}
    head = {"benchmark": benchmark, "tracker": tracker, "convention": "published", "status": "server", "repetitions": 1}
    return head | empty | {"provenance": provenance()}


def provenance() -> dict[str, Any]:
    """Where a score came from, with the manifest of the raw results."""
    manifest = {"weights_sha256": "ab" * 32, "provenance": PROVENANCE}
    return PROVENANCE | {"tracks_digest": "cd" * 32, "manifest": manifest}


def fill(
    run: Run,
    *,
    sequences: int = 12,
    whole: bool = True,
    served: Sequence[str] = SERVED,
    names: Mapping[str, Sequence[str]] | None = None,
    tags: Mapping[str, int] | None = None,
) -> None:
    """Write every score, card, map and manifest of a run.

    Args:
        run: its configuration.
        sequences: how many each benchmark has.
        whole: instead as many as it really has, where the run is comparable.
        served: benchmarks that a server scores and has not yet, where the run is comparable.
        names: benchmark -> names of its sequences, instead of either.
        tags: benchmark -> attributes that have a curve of their own.
    """
    for index, (tracker, benchmark) in enumerate(run.jobs()):
        count = (SEQUENCES[benchmark] or sequences) if whole and run.comparable else sequences
        called = (names or {}).get(benchmark) or [f"sequence-{number:03d}" for number in range(count)]
        level, more = 0.5 + 0.02 * (index % 7), (tags or {}).get(benchmark, 0)
        hidden = benchmark in served and run.comparable
        made = server(benchmark, tracker) if hidden else score(run, tracker, benchmark, level, called, more)
        write_json(run.folder / "scores" / tracker / f"{benchmark}.json", made)
        manifest = {
            "tracker": tracker,
            "benchmark": benchmark,
            "sequences": count,
            "frames": 500,
            "repetitions": 1,
            "seconds": 4.0,
            "fps": 100.0 + index**2,
            "weights_sha256": "ab" * 32,
            "digest": "cd" * 32,
            "provenance": PROVENANCE,
        }
        write_json(run.folder / "tracks" / tracker / benchmark / "manifest.json", manifest)
    trained = run.trained()
    for path in cards(run):
        model, seed = trained[path.stem]
        write_json(path, card(model, seed, has_branch=run.models[model].network.localization is not False))
    for model in {run.analysis.reference, *run.analysis.correlation.values()} & set(run.models):
        for path in map_files(run, model):
            maps(path, run.analysis.correlation_frames)


def card(model: str, seed: int, *, has_branch: bool) -> dict[str, Any]:
    """A trained model's card."""
    generator = np.random.default_rng(seed)
    steps = np.arange(10, 1001, 10)
    fall = np.exp(-steps / 300) + 0.2
    curve = [
        {
            "iteration": int(step),
            "classification": float(0.3 * f + generator.normal(0, 0.01)),
            "regression": float(0.9 * f + generator.normal(0, 0.02)),
            "localization": float(0.65 + 0.05 * f) if has_branch else 0.0,
            "loss": float(1.8 * f),
            "lr": 0.01,
        }
        for step, f in zip(steps, fall, strict=True)
    ]
    parameters = {"backbone": 8_500_000, "head": 1_200_000, "total": 9_700_000}
    return {
        "model": model,
        "label": model,
        "seed": seed,
        "settings": {"network": {"backbone": "resnet50"}},
        "data": {"got10k": {"share": 1.0, "sequences": 120, "frames": 4800, "left_out": {}}},
        "weights_sha256": "ef" * 32,
        "parameters": parameters,
        "curve": curve,
        "pairs": 8000,
        "seconds": 90.0,
        "provenance": PROVENANCE,
    }


def maps(path: Path, frames: int, cases: int = 6, side: int = 127) -> None:
    """Sampled score maps in which the tracking score follows the IoU."""
    generator = np.random.default_rng([ord(letter) for letter in path.stem])
    frame = np.repeat(np.arange(frames), 12)
    quality = generator.beta(5, 2, frames)
    iou = np.clip(quality[frame] + generator.normal(0, 0.1, len(frame)), 0, 1)
    scores = np.clip(0.6 * iou + generator.normal(0.2, 0.12, len(frame)), 0, 1)
    image = generator.integers(60, 190, (cases, side, side, 3)).astype(np.uint8)
    with atomic(path) as temporary:
        np.savez_compressed(
            temporary,
            iou=iou,
            classification=scores,
            score=scores,
            frame=frame,
            names=np.array([f"sequence-{index // 5:03d}/{index % 5}" for index in range(frames)]),
            winner_iou=quality,
            winner_score=np.clip(quality + generator.normal(0, 0.2, frames), 0, 1),
            cls_winner_iou=quality - 0.05,
            case_image=image,
            case_name=np.array([f"sequence-{index:03d}/7" for index in range(cases)]),
            case_truth=np.tile([40.0, 35.0, 45.0, 50.0], (cases, 1)),
            case_by_classification=np.tile([28.0, 25.0, 80.0, 40.0], (cases, 1)),
            case_by_score=np.tile([42.0, 37.0, 44.0, 46.0], (cases, 1)),
            case_iou_classification=np.full(cases, 0.41),
            case_iou_score=np.full(cases, 0.83),
            case_score_classification=np.full(cases, 0.93),
            case_score_tracking=np.full(cases, 0.71),
        )
