"""Labels and losses: Equations 1, 2, 4, 5 and 6 (Equation 3, the box itself, is in `siamrcr.model`).

Truth boxes are corners x0, y0, x1, y1 (B, 4) in pixels of the search image; (B, S, S) is the score map.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from siamrcr.config import Loss, Network
from siamrcr.geometry import score_grid
from siamrcr.model import Maps

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1
# Divisor of `sum_weight` when confidence or IoU vanish, so that the loss stays finite.
SMALLEST_MEAN_WEIGHT = 1e-3


class Losses(NamedTuple):
    """Terms of Equation 6, before their factors, and the number of positives they were divided by (0-d tensors)."""

    total: Tensor
    classification: Tensor
    regression: Tensor
    localization: Tensor
    n_pos: Tensor


def total(
    maps: Maps, truth: Tensor, positive: Tensor, network: Network, loss: Loss, n_pos: Tensor | float | None = None
) -> Losses:
    """Equation 6: L = L_cls + lambda_1 L_reg + lambda_2 L_loc.

    `truth` (B, 4) is each search image's target; `positive` (B,) is False where the exemplar shows another one. `n_pos`
    stands for the batch's own number of positives where the batch is a part of a larger one (accumulated
    gradients): the parts' losses then add up to the whole's, but under `normalization: sum_weight`, whose divisor takes
    the weights of all.
    """
    label = labels(truth, network, loss, positive)
    if n_pos is None:
        n_pos = count_positives(label).clamp(min=1)
    n_pos = torch.as_tensor(n_pos, dtype=torch.float32, device=label.device)
    overlap = iou(maps.boxes, truth[:, None, None])
    classification = classification_loss(maps.classification, label, overlap, positive, loss, n_pos)
    regression = regression_loss(maps, truth, label, loss, n_pos)
    localization = torch.zeros_like(regression)
    if maps.localization is not None:
        quality = overlap if network.localization is True else centerness(truth, network)
        localization = localization_loss(maps.localization, quality, label, loss, n_pos)
    value = classification + loss.lambda_regression * regression + loss.lambda_localization * localization
    return Losses(value, classification, regression, localization, n_pos)


def labels(truth: Tensor, network: Network, loss: Loss, positive: Tensor) -> Tensor:
    """Section 3.2: c* (B, S, S) as int8, 1 where the location falls into the radius at the truth's centre, else 0.

    R = radius x stride pixels. In a negative pair no location is positive, and under `would_be_positives` the locations
    that could have been stand against the target alone: all others are -1, ignored.
    """
    target = regression_target(truth, network)
    reach = loss.radius * network.stride
    inside = _distance(target[..., 2:], loss.radius_metric) <= reach
    if loss.inside_box:
        inside &= (target[..., 2:].abs() < target[..., :2] / 2).all(dim=-1)
    outside = torch.full_like(inside, NEGATIVE, dtype=torch.int8)
    of_positive = outside.masked_fill(inside, POSITIVE)
    of_negative = outside if loss.negative_pairs == "all" else outside.masked_fill(~inside, IGNORED)
    return torch.where(positive[:, None, None], of_positive, of_negative)


def count_positives(label: Tensor) -> Tensor:
    """N_pos of Equations 2, 4 and 5: positive locations of the batch."""
    return (label == POSITIVE).sum()


def regression_target(truth: Tensor, network: Network) -> Tensor:
    """Equation 1: t* = (w*, h*, dx*, dy*) in pixels, (B, S, S, 4), where x, y are the location's pixel coordinates."""
    x0, y0, x1, y1 = (side[:, None, None] for side in truth.unbind(dim=1))
    x, y = _grid(truth, network).unbind(dim=-1)
    return torch.stack(torch.broadcast_tensors(x1 - x0, y1 - y0, (x0 + x1) / 2 - x, (y0 + y1) / 2 - y), dim=-1)


def classification_loss(
    logits: Tensor, label: Tensor, overlap: Tensor, positive: Tensor, loss: Loss, n_pos: Tensor
) -> Tensor:
    """Equation 2: focal loss weighted by the IoU of the box predicted at the location (regression assistance link).

    Negatives weigh 1 under `positives` and their IoU under `all`; in a negative pair, which has no truth, always 1.
    """
    weight = torch.ones_like(overlap)
    if loss.reciprocal in (True, "regression"):
        linked = label == POSITIVE if loss.classification_weight == "positives" else positive[:, None, None]
        weight = torch.where(linked, overlap.detach() if loss.detach_iou_weight else overlap, weight)
    return (focal_loss(logits, label, loss) * weight).sum() / _divisor(weight, label, loss, n_pos)


def regression_loss(maps: Maps, truth: Tensor, label: Tensor, loss: Loss, n_pos: Tensor) -> Tensor:
    """Equation 4: IoU loss of the positives weighted by their confidence p^cls (classification assistance link)."""
    weight = torch.ones_like(maps.classification)
    if loss.reciprocal in (True, "classification"):
        weight = maps.classification.sigmoid()
        weight = weight.detach() if loss.detach_classification_weight else weight
    value = iou_loss(maps.boxes, truth[:, None, None], loss) * weight
    return torch.where(label == POSITIVE, value, 0).sum() / _divisor(weight, label, loss, n_pos)


def localization_loss(logits: Tensor, quality: Tensor, label: Tensor, loss: Loss, n_pos: Tensor) -> Tensor:
    """Equation 5: binary cross entropy of the positives against the IoU of their predicted boxes.

    `quality` (B, S, S) in 0..1 is that IoU, or the centerness in Figure 4(b).
    """
    quality = quality.detach() if loss.detach_localization_target else quality
    value = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return torch.where(label == POSITIVE, value, 0).sum() / n_pos


def focal_loss(logits: Tensor, label: Tensor, loss: Loss) -> Tensor:
    """L_Focal of Equation 2 (Lin et al. 2017) at each location (B, S, S), 0 where the label is ignored."""
    value = sigmoid_focal_loss(logits, (label == POSITIVE).to(logits), loss.focal_alpha, loss.focal_gamma)
    return torch.where(label == IGNORED, 0, value)


def iou_loss(boxes: Tensor, truth: Tensor, loss: Loss) -> Tensor:
    """L_IoU of Equation 4 between corners (..., 4): -ln IoU as in UnitBox, 1 - IoU, or 1 - GIoU."""
    if loss.iou_loss == "giou":
        return generalized_box_iou_loss(*torch.broadcast_tensors(boxes, truth))
    overlap = iou(boxes, truth)
    return 1 - overlap if loss.iou_loss == "linear" else -overlap.clamp(min=loss.iou_floor).log()


def iou(boxes: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union (...) in 0..1 of corners (..., 4), broadcast; sides of the boxes must be positive."""
    low, high = torch.maximum(boxes[..., :2], truth[..., :2]), torch.minimum(boxes[..., 2:], truth[..., 2:])
    intersection = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(corners[..., 2:] - corners[..., :2]).prod(dim=-1) for corners in (boxes, truth)]
    return intersection / (areas[0] + areas[1] - intersection)


def centerness(truth: Tensor, network: Network) -> Tensor:
    """Centerness (B, S, S) in 0..1 of each location in its truth box (FCOS), 0 outside: the target of Figure 4(b)."""
    target = regression_target(truth, network)
    half, offset = target[..., :2] / 2, target[..., 2:].abs()
    # Of left and right, the nearer side is half - |dx| away and the farther one half + |dx|; up and down alike.
    return ((half - offset).clamp(min=0) / (half + offset)).prod(dim=-1).sqrt()


def _divisor(weight: Tensor, label: Tensor, loss: Loss, n_pos: Tensor) -> Tensor:
    """N_pos as printed, or the positives' sum of weights: N_pos times their mean weight. A constant to the gradient."""
    if loss.normalization == "n_pos":
        return n_pos
    mean = torch.where(label == POSITIVE, weight.detach(), 0).sum() / count_positives(label).clamp(min=1)
    # Without positives the mean is 0, and the negatives' loss is divided by N_pos itself.
    return n_pos * torch.where((label == POSITIVE).any(), mean.clamp(min=SMALLEST_MEAN_WEIGHT), 1.0)


def _distance(offset: Tensor, metric: str) -> Tensor:
    """Length of offsets (..., 2): euclidean, chebyshev or manhattan."""
    order = {"euclidean": 2.0, "chebyshev": torch.inf, "manhattan": 1.0}[metric]
    return torch.linalg.vector_norm(offset, ord=order, dim=-1)


def _grid(truth: Tensor, network: Network) -> Tensor:
    grid = score_grid(network.search_size, network.score_size, network.stride)
    return torch.as_tensor(grid, dtype=truth.dtype, device=truth.device)
