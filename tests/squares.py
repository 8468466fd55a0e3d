"""A training in small: a tiny network and four short sequences of moving squares."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from siamrcr import config
from siamrcr.config import Run
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import Sequence
from siamrcr.training import sources

TINY = {
    "network": {
        "backbone": "tf_efficientnet_lite0",
        "weights": "random",
        "stage": 1,
        "stride": 4,
        "exemplar_size": 63,
        "search_size": 95,
        "exemplar_cells": 4,
        "channels": 8,
        "tower_depth": 1,
        "prior": 0.1,
    },
    "training": {
        "epochs": 3,
        "pairs_per_epoch": 8,
        "batch_size": 4,
        "warmup_epochs": 1,
        "lr_start": 1e-4,
        "lr_peak": 0.01,
        "frozen_epochs": 1,
        "checkpoint_every": 2,
    },
}


def squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """A run over four short sequences of moving squares, with any setting of training overridden."""
    random = np.random.default_rng(0)
    sequences = []
    (tmp_path / "data/mini/got10k").mkdir(parents=True)
    for number in range(4):
        folder = tmp_path / f"data/mini/got10k/{number}"
        folder.mkdir()
        frames, boxes = FrameFiles(folder, 1, 6, 8, ".png"), []
        for index in range(6):
            image = random.integers(0, 90, (60, 80, 3), dtype=np.uint8)
            x, y = 10 + 5 * index, 15 + 3 * number
            image[y : y + 14, x : x + 12] = random.integers(120, 255, 3)
            cv2.imwrite(str(frames[index]), image)
            boxes.append([x, y, 12, 14])
        visible = np.array([True] * 5 + [number > 0])
        sequences.append(Sequence(f"s{number}", frames, np.array(boxes, dtype=float), visible))
    monkeypatch.setattr(sources.datasets, "load", lambda *_: sequences)

    def run(name: str = "run", **training: Any) -> Run:
        places = {"run": name, "data": str(tmp_path / "data"), "results": str(tmp_path), "device": "cpu"}
        return config.resolve(config.merge(TINY, {**places, "training": training, "models": {"tiny": {}}}))

    return run
