"""SiamFC++'s offline tracking pipeline (Section 4.1, Testing Phase): the exemplar is cut once and never updated.

What follows the network is NumPy on plain arrays with a leading lane axis, so that one call serves many targets.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from siamrcr.config import Network, Tracking
from siamrcr.crops import Image, crop_matrix, cut, mean_color
from siamrcr.errors import InputError
from siamrcr.geometry import Array, centers, context_side, from_corners
from siamrcr.model import SiamRCR, tracking_score
from siamrcr.protocols import initial_box

# A predicted side counts as at least this many pixels: one that underflowed to zero has no aspect ratio.
SMALLEST_SIDE = 1e-6


class SiamTracker:
    """Follows one target with a trained network.

    Attributes:
        confidence: the winning location's score, penalised and windowed, in [0, 1]; NaN before the first update.
        deterministic: the same frames and first box give the same boxes.
    """

    deterministic = True

    def __init__(self, model: SiamRCR, settings: Tracking) -> None:
        self.model, self.network, self.settings = model.eval(), model.network, settings
        self.confidence = float("nan")

    @torch.inference_mode()
    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a target.

        Args:
            image: (H, W, 3) uint8 RGB; an RGB PIL image will do.
            box: x, y, w, h of the target in the image's pixels.

        Raises:
            InputError: the box is empty or outside the image.
        """
        image = np.asarray(image)
        self._box = initial_box(image, box)
        self._fill = mean_color(image)
        self._kernels = exemplar_kernels(self.model, image, self._box, self.settings)
        self.confidence = float("nan")

    @torch.inference_mode()
    def update(self, image: Image) -> Array:
        """Box (4,) as x, y, w, h of the target in the next frame, (H, W, 3) uint8 RGB; it may reach over the border.

        Raises InputError where the network's output is not finite.
        """
        image = np.asarray(image)
        matrix = search_matrix(self._box, self.network, self.settings)
        patch = cut(image, matrix, self.network.search_size, self._fill)
        maps = self.model.search(self._kernels, as_batch([patch], self.model))
        scores, corners = tracking_score(maps, self.settings.score).cpu().numpy(), maps.boxes.cpu().numpy()
        if not (np.isfinite(scores).all() and np.isfinite(corners).all()):
            raise InputError("the network's output is not finite: its training diverged; train again with a lower rate")
        choice = choose(scores, corners, self._box[None, 2:] * matrix[0, 0], self.settings)
        found = to_frame(choice.corners, matrix[None])
        limits = np.array([[image.shape[1], image.shape[0]]], dtype=np.float64)
        self._box = follow(found, self._box[None], choice.rates, limits, self.settings.min_side)[0]
        self.confidence = float(choice.confidence[0])
        return self._box.copy()


class Choice(NamedTuple):
    """The winning location of each lane."""

    corners: Array  # (L, 4) x0, y0, x1, y1 in pixels of the search image
    rates: Array  # (L,) how far the size moves towards the prediction, in [0, 1]
    confidence: Array  # (L,) the score that won


def exemplar_kernels(model: SiamRCR, image: Image, box: Array, settings: Tracking) -> tuple[Tensor, ...]:
    """Correlation kernels, each (1, C, k, k), of the target in a box (4,) of an image, with its context."""
    x, y = centers(box)
    size = model.network.exemplar_size
    matrix = crop_matrix((x, y), float(context_side(box[2:], settings.context)), size)
    patch = cut(image, matrix, size, mean_color(image))
    views = [patch, patch[:, ::-1]] if settings.exemplar_flip else [patch]
    return tuple(kernel.mean(dim=0, keepdim=True) for kernel in model.exemplar(as_batch(views, model)))


def search_matrix(box: Array, network: Network, settings: Tracking) -> Array:
    """(2, 3) matrix from frame pixels to the search image: around a box (4,), at the exemplar's scale."""
    x, y = centers(box)
    side = float(context_side(box[2:], settings.context)) * network.search_size / network.exemplar_size
    return crop_matrix((x, y), side, network.search_size)


def as_batch(patches: list[Image], model: SiamRCR) -> Tensor:
    """(B, 3, size, size) float32 in 0..255, on the model's device, of B crops (size, size, 3)."""
    batch = torch.from_numpy(np.stack(patches)).to(next(model.parameters()).device)
    return batch.permute(0, 3, 1, 2).float()


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
