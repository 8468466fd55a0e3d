"""A picture of a training batch: what the network sees, what it should answer, and what it does."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamrcr import losses
from siamrcr.config import Model
from siamrcr.files import atomic
from siamrcr.model import Maps, tracking_score
from siamrcr.training.loader import Batch

ROWS = 8  # pairs shown
TRUTH, PICKED = (0, 200, 0), (0, 60, 255)  # BGR


def draw(batch: Batch, maps: Maps, settings: Model) -> NDArray[np.uint8]:
    """BGR image, a row a pair: exemplar; search image with truth (green) and picked box (red); score map with labels.

    The score map goes from dark (0) to bright (1); a ring marks each positive location, a cross each ignored one.
    """
    label = losses.labels(batch.boxes, settings.network, settings.loss, batch.positive).cpu().numpy()
    # A network that diverges is shown, too.
    scores, boxes = (np.nan_to_num(values.float().cpu().numpy()) for values in (tracking_score(maps), maps.boxes))
    rows = []
    for number in range(min(ROWS, len(label))):
        search = cv2.cvtColor(batch.search[number].cpu().numpy(), cv2.COLOR_RGB2BGR)
        side = search.shape[0]
        exemplar = cv2.cvtColor(batch.exemplar[number].cpu().numpy(), cv2.COLOR_RGB2BGR)
        heat = _map(scores[number], label[number], side)
        picked = boxes[number].reshape(-1, 4)[scores[number].argmax()]
        truth = batch.boxes[number].cpu().numpy()
        for box, color in ((picked, PICKED), *(((truth, TRUTH),) if batch.positive[number] else ())):
            x0, y0, x1, y1 = (int(value) for value in np.clip(np.rint(box), -side, 2 * side))
            cv2.rectangle(search, (x0, y0), (x1, y1), color, 1)
        missing = side - exemplar.shape[0]
        exemplar = cv2.copyMakeBorder(exemplar, 0, missing, 0, 0, cv2.BORDER_CONSTANT)
        rows.append(np.hstack([exemplar, search, heat]))
    return np.vstack(rows).astype(np.uint8, copy=False)


def head(batch: Batch) -> Batch:
    """The pairs of a batch that a picture shows."""
    return Batch(*(tensor[:ROWS] for tensor in batch))


def write(path: Path, image: NDArray[np.uint8]) -> None:
    """Store a picture whole or not at all."""
    _, encoded = cv2.imencode(path.suffix, image)
    with atomic(path) as temporary:
        # OpenCV's own writer says nothing of a full disk.
        temporary.write_bytes(encoded.tobytes())


def _map(score: NDArray[np.float32], label: NDArray[np.int8], side: int) -> NDArray[np.uint8]:
    shades = np.clip(np.rint(score * 255), 0, 255).astype(np.uint8)
    enlarged = cv2.resize(shades, (side, side), interpolation=cv2.INTER_NEAREST)
    heat = cv2.applyColorMap(enlarged, cv2.COLORMAP_VIRIDIS)
    cell = side / len(score)
    for y, x in np.argwhere(label != losses.NEGATIVE):
        center = (int((x + 0.5) * cell), int((y + 0.5) * cell))
        if label[y, x] == losses.POSITIVE:
            cv2.circle(heat, center, max(1, int(cell / 3)), (255, 255, 255), 1)
        else:
            cv2.drawMarker(heat, center, (90, 90, 90), cv2.MARKER_TILTED_CROSS, max(2, int(cell / 2)))
    return np.asarray(heat, dtype=np.uint8)
