"""SiamFC++'s offline tracking pipeline (Section 4.1, Testing Phase): the exemplar is cut once and never updated.

What follows the network is NumPy on plain arrays with a leading lane axis, so that one call serves many targets.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from siamrcr.config import Network, Tracking
from siamrcr.crops import Image, crop_matrix
from siamrcr.cutting import Color, Cutter, cutter
from siamrcr.errors import InputError
from siamrcr.geometry import Array, centers, context_side, from_corners
from siamrcr.model import tracking_score
from siamrcr.protocols import initial_box
from siamrcr.runtime import Runtime

# A predicted side counts as at least this many pixels: one that underflowed to zero has no aspect ratio.
SMALLEST_SIDE = 1e-6


class SiamTracker:
    """Follows one target with a trained network.

    Attributes:
        confidence: the winning location's score, penalised and windowed, in [0, 1]; NaN before the first update.
        deterministic: the same frames and first box give the same boxes.
    """

    deterministic = True

    def __init__(self, runtime: Runtime, settings: Tracking) -> None:
        self.targets = Targets(runtime, settings, 1)
        self.confidence = float("nan")

    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a target.

        Args:
            image: (H, W, 3) uint8 RGB; an RGB PIL image will do.
            box: x, y, w, h of the target in the image's pixels.

        Raises:
            InputError: the box is empty or outside the image.
        """
        self.targets.init(0, self.targets.frame(image), box)
        self.confidence = float("nan")

    def update(self, image: Image) -> Array:
        """Box (4,) as x, y, w, h of the target in the next frame, (H, W, 3) uint8 RGB; it may reach over the border.

        Raises InputError where the network's output is not finite.
        """
        boxes, confidence = self.targets.update({0: self.targets.frame(image)})
        self.confidence = float(confidence[0])
        return boxes[0]


class Targets:
    """Follows one target a lane with one batch of the network a step.

    The batch has a row a lane, whether or not the lane is in use: what a lane finds does not depend on the others.

    Attributes:
        boxes: (L, 4) where each target was found last.
    """

    def __init__(self, runtime: Runtime, settings: Tracking, lanes: int) -> None:
        self.runtime, self.network, self.settings, self.lanes = runtime, runtime.network, settings, lanes
        self._cutter = cutter(runtime.device)
        self.boxes = np.ones((lanes, 4))
        self._fills: list[Color] = [None] * lanes
        self._kernels: tuple[Tensor, ...] = ()
        size = self.network.search_size
        empty = torch.zeros(lanes, 3, size, size, device=runtime.device)
        self._images = empty.contiguous(memory_format=torch.channels_last)

    def frame(self, image: Image) -> Any:
        """An image as `init` and `update` take it; several threads may ask at once."""
        return self._cutter.frame(image)

    @torch.inference_mode()
    def init(self, lane: int, frame: Any, box: ArrayLike) -> None:
        """Start a lane on a box (4,) of a `frame`. Raises InputError as `SiamTracker.init` does."""
        self.boxes[lane] = initial_box(frame, box)
        self._fills[lane] = self._cutter.mean(frame)
        # A batch of its own: not even how many lanes start at once may show.
        kernels = _kernels(self.runtime, self._cutter, frame, self.boxes[lane], self.settings)
        if not self._kernels:
            self._kernels = tuple(kernel.new_zeros(self.lanes, *kernel.shape[1:]) for kernel in kernels)
        for own, kernel in zip(self._kernels, kernels, strict=True):
            own[lane] = kernel[0]

    @torch.inference_mode()
    def update(self, frames: Mapping[int, Any]) -> tuple[Array, Array]:
        """Boxes (L, 4) and confidences (L,) after the next `frame` of some lanes.

        The rows of other lanes mean nothing. Raises InputError where the network's output is not finite.
        """
        lanes, size = sorted(frames), self.network.search_size
        matrices = np.stack([search_matrix(box, self.network, self.settings) for box in self.boxes])
        images = self._cutter.cut(
            [frames[lane] for lane in lanes], matrices[lanes], size, [self._fills[lane] for lane in lanes]
        )
        if self.lanes > 1:
            # Numbers of rows would be sent to the device.
            self._images[lanes if len(lanes) < self.lanes else slice(None)] = images
            images = self._images
        maps = self.runtime.search(self._kernels, images)
        # One transfer for all.
        found = torch.cat([maps.boxes, tracking_score(maps, self.settings.score)[..., None]], dim=-1).cpu().numpy()
        if not np.isfinite(found[lanes]).all():
            cause = "its training diverged; train again with a lower rate"
            if self.settings.precision == "fp16":
                cause = "fp16 may lack the range; set tracking.precision to bf16 or fp32"
            raise InputError(f"the network's output is not finite: {cause}")
        before = self.boxes[:, 2:] * matrices[:, 0, :1]
        choice = choose(found[..., 4], found[..., :4], before, self.settings)
        limits = np.ones((self.lanes, 2))
        limits[lanes] = [frames[lane].shape[1::-1] for lane in lanes]
        boxes = follow(to_frame(choice.corners, matrices), self.boxes, choice.rates, limits, self.settings.min_side)
        self.boxes[lanes] = boxes[lanes]
        return boxes, choice.confidence


class Choice(NamedTuple):
    """The winning location of each lane."""

    corners: Array  # (L, 4) x0, y0, x1, y1 in pixels of the search image
    rates: Array  # (L,) how far the size moves towards the prediction, in [0, 1]
    confidence: Array  # (L,) the score that won


@torch.inference_mode()
def exemplar_kernels(runtime: Runtime, image: Image, box: Array, settings: Tracking) -> tuple[Tensor, ...]:
    """Correlation kernels, each (1, C, k, k), of the target in a box (4,) of an image, with its context."""
    own = cutter(runtime.device)
    return _kernels(runtime, own, own.frame(image), box, settings)


def _kernels(runtime: Runtime, own: Cutter, frame: Any, box: Array, settings: Tracking) -> tuple[Tensor, ...]:
    x, y = centers(box)
    size = runtime.network.exemplar_size
    matrix = crop_matrix((x, y), float(context_side(box[2:], settings.context)), size)
    views = own.cut([frame], matrix[None], size, [own.mean(frame)])
    if settings.exemplar_flip:
        views = torch.cat([views, views.flip(-1)])
    return tuple(kernel.mean(dim=0, keepdim=True) for kernel in runtime.exemplar(views))


def search_matrix(box: Array, network: Network, settings: Tracking) -> Array:
    """(2, 3) matrix from frame pixels to the search image: around a box (4,), at the exemplar's scale."""
    x, y = centers(box)
    side = float(context_side(box[2:], settings.context)) * network.search_size / network.exemplar_size
    return crop_matrix((x, y), side, network.search_size)


def choose(scores: ArrayLike, corners: ArrayLike, previous: ArrayLike, settings: Tracking) -> Choice:
    """Pick each lane's location.

    The rule `siamfcpp` slows the change of size by the score at the location; `scale_free` does not, and multiplies the
    window, so that scores of another scale pick the same location and change the size as much.

    Args:
        scores: (L, S, S) tracking scores.
        corners: (L, S, S, 4) predicted x0, y0, x1, y1 in pixels of the search image.
        previous: (L, 2) w, h of the target before, in the same pixels.
        settings: rule, penalty, window and rate.
    """
    score = np.asarray(scores, dtype=np.float64)
    box = np.asarray(corners, dtype=np.float64)
    before = np.asarray(previous, dtype=np.float64)[:, None, None]
    penalties = penalty(box[..., 2:] - box[..., :2], before, settings)
    windowed = apply_window(penalties * score, settings)
    lanes, best = np.arange(len(score)), windowed.reshape(len(score), -1).argmax(axis=1)
    rates = np.full(score.shape, settings.size_rate)
    if settings.rule == "siamfcpp":
        rates = penalties * score * settings.size_rate
    flat = [values.reshape(len(score), -1) for values in (rates, windowed)]
    return Choice(box.reshape(len(score), -1, 4)[lanes, best], flat[0][lanes, best], flat[1][lanes, best])


def penalty(sizes: ArrayLike, previous: ArrayLike, settings: Tracking) -> Array:
    """exp(-k (r s - 1)) in (0, 1] for predicted sizes (..., 2) after previous ones (..., 2), broadcast (SiamRPN).

    r and s are the changes of aspect ratio and of size with context, at least 1, and k is `penalty`.
    """
    now, before = np.maximum(sizes, SMALLEST_SIDE), np.asarray(previous, dtype=np.float64)
    ratio = change(now[..., 0] / now[..., 1] / (before[..., 0] / before[..., 1]))
    scale = change(context_side(now, settings.context) / context_side(before, settings.context))
    return np.exp(-settings.penalty * (ratio * scale - 1))


def change(ratio: ArrayLike) -> Array:
    """The ratio or its inverse, whichever is at least 1."""
    value = np.asarray(ratio, dtype=np.float64)
    return np.maximum(value, 1 / value)


def apply_window(scores: Array, settings: Tracking) -> Array:
    """Scores (L, S, S) with a share `window` of the cosine window added (SiamFC++) or multiplied."""
    hann, share = cosine_window(scores.shape[-1]), settings.window
    if settings.rule == "siamfcpp" and settings.window_form == "add":
        return scores * (1 - share) + hann * share
    return scores * (1 - share + hann * share)


@cache
def cosine_window(size: int) -> Array:
    """(S, S) in [0, 1]: 1 at the centre of an odd map, 0 on the border."""
    return np.outer(np.hanning(size), np.hanning(size))


def to_frame(corners: Array, matrices: Array) -> Array:
    """Boxes (L, 4) as x, y, w, h in frame pixels of corners (L, 4) in the crops that matrices (L, 2, 3) cut."""
    scale, shift = matrices[:, None, [0, 1], [0, 1]], matrices[:, None, :, 2]
    return from_corners(((corners.reshape(-1, 2, 2) - shift) / scale).reshape(-1, 4))


def follow(found: Array, previous: Array, rates: Array, limits: Array, min_side: float) -> Array:
    """Boxes (L, 4) after a step: the found centre, and the previous size moved towards the found one.

    Args:
        found: (L, 4) predicted boxes.
        previous: (L, 4) boxes before.
        rates: (L,) share of the found size in the new one.
        limits: (L, 2) width and height of the frame: the centre stays inside, and no side exceeds them.
        min_side: smallest side in pixels; a frame smaller than this sets its own.
    """
    center = np.clip(centers(found), 0, limits)
    size = previous[:, 2:] + rates[:, None] * (found[:, 2:] - previous[:, 2:])
    size = np.clip(size, np.minimum(min_side, limits), limits)
    return np.concatenate([center - size / 2, size], axis=-1)
