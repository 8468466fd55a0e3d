"""Scores against overlaps on a sample of frames: what Figures 1 and 4 are drawn from."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from siamrcr import baselines, datasets, device
from siamrcr.config import Model, Run
from siamrcr.crops import Image, cut, mean_color
from siamrcr.cutting import as_batch
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import atomic
from siamrcr.geometry import Array, corners, from_corners
from siamrcr.losses import POSITIVE, iou, labels
from siamrcr.model import SiamRCR, load, tracking_score
from siamrcr.progress import progress
from siamrcr.tracker import exemplar_kernels, search_matrix

BATCH = 16
# Frames of the case study at most.
CASES = 6


class Frame(NamedTuple):
    """A sampled frame of a sequence: its number from 0, at least 1."""

    sequence: Sequence
    number: int

    @property
    def name(self) -> str:
        """What the file of maps calls it."""
        return f"{self.sequence.name}/{self.number}"


def collect(run: Run, model: str, seed: int) -> Path:
    """Store a trained model's scores and overlaps on a sample of frames, as an `.npz` file, and give its path.

    The benchmark is `analysis.correlation_benchmark`. The search image is centred on the previous frame's truth and
    scaled by its size, and the score is neither windowed nor penalised, so that the network alone is seen. Of F frames
    with P positive locations (c* of Section 3.2) in all, the file holds:

    - `iou`, `classification`, `score` (P,): the predicted box's overlap with the truth, p^cls and the tracking score;
      `frame` (P,) is the place in `names` (F,), "sequence/index".
    - `winner_iou`, `winner_score` (F,): of the location of highest tracking score; `cls_winner_iou` (F,): of the one
      of highest p^cls.
    - `case_*` (K, ...): the frames, CASES at most, where the tracking score betters the overlap most, the best first:
      `image` (K, x, x, 3) uint8, `name`, `truth`, `by_classification` and `by_score` (K, 4) as x, y, w, h in pixels of
      the image, `iou_classification`, `iou_score`, `score_classification` and `score_tracking` (K,).
    - `tracker`: `MODEL-sSEED`, by which a file that was exchanged with another is told.

    Raises InputError where the model is not trained, or the benchmark's ground truth is hidden.
    """
    settings = run.models[model]
    network = load(baselines.weights(run, f"{model}-s{seed}"), settings.network).to(device.select(run.device))
    frames = sample(run)
    parts: list[dict[str, Array]] = []
    with progress(f"maps of {model}-s{seed}", len(frames), "frames") as bar:
        for start in range(0, len(frames), BATCH):
            batch = frames[start : start + BATCH]
            parts.append(_measure(network, batch, start, settings))
            bar.advance(len(batch))
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    gain = found["winner_iou"] - found["cls_winner_iou"]
    best = [place for place in np.argsort(-gain, kind="stable")[:CASES] if gain[place] > 0]
    images = [_search(network, frames[place], settings)[0] for place in best]
    side = settings.network.search_size
    cases = {
        "image": np.stack(images) if images else np.empty((0, side, side, 3), dtype=np.uint8),
        "name": np.array([frames[place].name for place in best], dtype=str),
        "truth": found.pop("truth")[best],
        "by_classification": found.pop("cls_winner_box")[best],
        "by_score": found.pop("winner_box")[best],
        "iou_classification": found["cls_winner_iou"][best],
        "iou_score": found["winner_iou"][best],
        "score_classification": found.pop("cls_winner_score")[best],
        "score_tracking": found["winner_score"][best],
    }
    found |= {f"case_{key}": values for key, values in cases.items()}
    found["names"] = np.array([frame.name for frame in frames])
    found["tracker"] = np.array(f"{model}-s{seed}")
    path = run.folder / "maps" / f"{model}-s{seed}.npz"
    with atomic(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **found)
    return path


def sample(run: Run) -> list[Frame]:
    """The frames that the run's seed draws, in the benchmark's order.

    Drawn without replacement from those where the target is visible, as it is in the frame before. Raises InputError
    where the benchmark has none.
    """
    benchmark = run.analysis.correlation_benchmark
    frames = []
    for sequence in datasets.load(benchmark, run.root(benchmark)):
        known = np.isfinite(sequence.boxes).all(axis=1) & (sequence.boxes[:, 2:] > 0).all(axis=1) & sequence.visible
        frames += [Frame(sequence, int(index)) for index in np.flatnonzero(known[1:] & known[:-1]) + 1]
    if not frames:
        raise InputError(
            f"analysis.correlation_benchmark {benchmark}: no ground truth beyond the first frames: name a benchmark "
            f"whose ground truth is public, as got10k-val"
        )
    rng = np.random.default_rng(run.analysis.seed)
    drawn = rng.choice(len(frames), min(run.analysis.correlation_frames, len(frames)), replace=False)
    return [frames[place] for place in np.sort(drawn)]


def _search(network: SiamRCR, frame: Frame, settings: Model) -> tuple[Image, Array]:
    """The frame's search image, and the truth's corners (4,) in its pixels."""
    sequence, index = frame.sequence, frame.number
    matrix = search_matrix(sequence.boxes[index - 1], settings.network, settings.tracking)
    image = cut(sequence.image(index), matrix, network.network.search_size, mean_color(sequence.image(0)))
    truth = corners(sequence.boxes[index]).reshape(2, 2) * matrix[[0, 1], [0, 1]] + matrix[:, 2]
    return image, truth.reshape(4)


@torch.inference_mode()
def _measure(network: SiamRCR, batch: list[Frame], start: int, settings: Model) -> dict[str, Array]:
    """The arrays of a batch of frames, the first of which is number `start`; truth and winners' boxes among them."""
    firsts = {frame.sequence.name: frame.sequence for frame in batch}
    kernels = {
        name: exemplar_kernels(network, sequence.image(0), sequence.boxes[0], settings.tracking)
        for name, sequence in firsts.items()
    }
    stacked = tuple(torch.cat(each) for each in zip(*(kernels[frame.sequence.name] for frame in batch), strict=True))
    searches, truths = zip(*(_search(network, frame, settings) for frame in batch), strict=True)
    maps = network.search(stacked, as_batch(list(searches), network.device))

    truth = torch.as_tensor(np.stack(truths), dtype=torch.float32, device=maps.boxes.device)
    overlap = iou(maps.boxes, truth[:, None, None])
    classification = maps.classification.sigmoid()
    score = tracking_score(maps, settings.tracking.score)
    present = torch.ones(len(batch), dtype=torch.bool, device=truth.device)
    positive = labels(truth, settings.network, settings.loss, present) == POSITIVE

    def winner(ranks: Tensor) -> list[Array]:
        """Overlap (B,), score (B,) and corners (B, 4) at the location of highest score."""
        lanes, best = torch.arange(len(batch)), ranks.flatten(1).argmax(dim=1)
        values = (overlap.flatten(1), ranks.flatten(1), maps.boxes.flatten(1, 2))
        return [value[lanes, best].cpu().numpy() for value in values]

    by_score, by_classification = winner(score), winner(classification)
    return {
        "iou": overlap[positive].cpu().numpy(),
        "classification": classification[positive].cpu().numpy(),
        "score": score[positive].cpu().numpy(),
        "frame": positive.nonzero()[:, 0].cpu().numpy() + start,
        "winner_iou": by_score[0],
        "winner_score": by_score[1],
        "winner_box": from_corners(by_score[2]),
        "cls_winner_iou": by_classification[0],
        "cls_winner_score": by_classification[1],
        "cls_winner_box": from_corners(by_classification[2]),
        "truth": from_corners(truth.cpu().numpy()),
    }
