"""A small run of the paper's kind, to be filled with what the bench simulates."""

from pathlib import Path
from typing import Any

from bench.simulation import PROVENANCE, card, fill, maps
from siamrcr.config import Run, resolve

__all__ = ["PROVENANCE", "card", "configuration", "fill", "maps"]


def configuration(folder: Path, **more: Any) -> Run:
    """Four ablation models, three radii, one outside tracker and one model of its own for LaSOT."""
    got10k = ["got10k-val", "got10k-test"]
    raw: dict[str, Any] = {
        "run": "fake",
        "source": "real",
        "data": str(folder / "data"),
        "results": str(folder),
        "models": {
            "baseline": {"network": {"localization": False}, "loss": {"reciprocal": False}, "benchmarks": got10k},
            "localization": {"loss": {"reciprocal": False}, "benchmarks": got10k},
            "reciprocal": {"network": {"localization": False}, "benchmarks": got10k},
            "siamrcr": {"label": "SiamRCR", "benchmarks": [*got10k, "otb2015", "vot2018", "vot2019", "trackingnet"]},
            "radius-3": {"loss": {"radius": 3}, "benchmarks": got10k},
            "siamrcr-lasot": {"label": "SiamRCR", "benchmarks": ["lasot"]},
        },
        "trackers": {
            "kcf": {"label": "KCF", "command": "opencv:KCF", "benchmarks": ["got10k-val", "lasot", "vot2019"]},
            "ATOM": {"results": {"lasot": "atom.zip"}},
        },
        "analysis": {
            "bootstrap": 200,
            "components": {"I": "baseline", "II": "localization", "III": "reciprocal", "IV": "siamrcr"},
            "radius": {"2": "siamrcr", "3": "radius-3"},
            "correlation": {"a": "baseline", "c": "localization", "d": "siamrcr"},
            "correlation_frames": 30,
        },
    }
    return resolve(raw | more)
