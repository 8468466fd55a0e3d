"""Equations 1-6 in plain NumPy, one location after the other: labels, values and gradients at every setting."""

import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from siamrcr import losses
from siamrcr.config import Loss, Network
from siamrcr.model import LARGEST_EXPONENT, Maps, decode

Array = NDArray[np.float64]
# Sides of 31 and 63 at a stride of 8 with 4 exemplar cells: a 5 x 5 map whose locations are 15, 23, 31, 39, 47.
SIZES = {"weights": "random", "exemplar_size": 31, "search_size": 63, "exemplar_cells": 4}
PLACES, STRIDE = (15, 23, 31, 39, 47), 8
# Two positive pairs and a negative one; no location lies at exactly two strides of a centre.
TRUTH = np.array([[22.0, 26.0, 43.0, 44.0], [15.5, 12.0, 35.0, 47.0], [24.0, 20.0, 49.0, 41.0]])
POSITIVE = np.array([True, True, False])
# Differences of sums of some hundred terms, over twice the step.
STEP = 1e-6

LOSSES: list[dict[str, Any]] = [
    {},
    *({"radius": radius} for radius in (0.7, 1, 3.3)),
    *({"radius_metric": metric} for metric in ("chebyshev", "manhattan")),
    *({"radius_metric": metric, "radius": 3, "inside_box": True} for metric in ("euclidean", "chebyshev", "manhattan")),
    *({"reciprocal": link} for link in (False, "regression", "classification")),
    {"classification_weight": "all"},
    {"classification_weight": "all", "reciprocal": "classification"},
    {"classification_weight": "all", "negative_pairs": "all"},
    {"classification_weight": "all", "detach_iou_weight": False},
    {"detach_iou_weight": False},
    {"detach_classification_weight": False},
    {"detach_classification_weight": False, "reciprocal": "classification"},
    {"detach_localization_target": False},
    {"normalization": "sum_weight"},
    {"normalization": "sum_weight", "reciprocal": "regression", "detach_iou_weight": False},
    {"normalization": "sum_weight", "detach_classification_weight": False},
    {"normalization": "sum_weight", "reciprocal": False},
    {"lambda_regression": 3},
    {"lambda_localization": 0.5},
    {"focal_alpha": 0.25},
    {"focal_gamma": 0},
    {"focal_gamma": 3.5, "focal_alpha": 1},
    *({"iou_loss": kind} for kind in ("linear", "giou")),
    {"iou_floor": 0.3},
    {"negative_pairs": "all"},
]
NETWORKS: list[dict[str, Any]] = [
    {},
    {"box_form": "ltrb"},
    {"size_transform": "softplus"},
    {"box_form": "ltrb", "size_transform": "softplus"},
    {"localization": False},
    {"localization": "centerness"},
]


class Outputs:
    """What the head gives for B search images before it is read: logits (B, 5, 5) twice, and offsets (B, 5, 5, 4)."""

    def __init__(self, network: Network) -> None:
        random = np.random.default_rng(3)
        self.classification, self.localization = random.normal(-0.5, 1.2, (2, len(TRUTH), 5, 5))
        sides = math.log(2) if network.size_transform == "exp" else 2
        self.offsets = np.empty((len(TRUTH), 5, 5, 4))
        self.offsets[..., :2] = random.normal(sides, 0.3, (len(TRUTH), 5, 5, 2))
        last = 0.0 if network.box_form == "center" else sides
        self.offsets[..., 2:] = random.normal(last, 0.3, (len(TRUTH), 5, 5, 2))
        self.scale = 1.1
        if network.size_transform == "exp":
            self.offsets[0, 0, 0, 0] = 5.9  # beyond the largest side


# --- the equations, slowly ------------------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def box(offsets: Array, scale: float, x: int, y: int, network: Network) -> tuple[float, float, float, float]:
    """Equation 3, or SiamFC++'s four distances."""

    def side(raw: float) -> float:
        raw *= scale
        size = math.exp(min(raw, LARGEST_EXPONENT)) if network.size_transform == "exp" else math.log1p(math.exp(raw))
        return size * STRIDE

    a, b, c, d = offsets
    if network.box_form == "ltrb":
        return x - side(a), y - side(b), x + side(c), y + side(d)
    w, h, center_x, center_y = side(a), side(b), x + c * STRIDE, y + d * STRIDE
    return center_x - w / 2, center_y - h / 2, center_x + w / 2, center_y + h / 2


def area(corners: Any) -> float:
    x0, y0, x1, y1 = corners
    return max(x1 - x0, 0.0) * max(y1 - y0, 0.0)


def intersection(a: Any, b: Any) -> float:
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def overlap(a: Any, b: Any) -> float:
    both = intersection(a, b)
    return both / (area(a) + area(b) - both)


def box_loss(a: Any, b: Any, loss: Loss) -> float:
    if loss.iou_loss == "log":
        return -math.log(max(overlap(a, b), loss.iou_floor))
    if loss.iou_loss == "linear":
        return 1 - overlap(a, b)
    hull = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    union = area(a) + area(b) - intersection(a, b)
    return 1 - (overlap(a, b) - (hull - union) / hull)


def label(truth: Array, positive: bool, x: int, y: int, loss: Loss) -> int:
    """Section 3.2 with Equation 1's centre offsets: 1, 0, or -1 for a location that no loss counts."""
    dx, dy = abs((truth[0] + truth[2]) / 2 - x), abs((truth[1] + truth[3]) / 2 - y)
    length = {"euclidean": math.hypot(dx, dy), "chebyshev": max(dx, dy), "manhattan": dx + dy}[loss.radius_metric]
    near = length <= loss.radius * STRIDE
    if loss.inside_box:
        near = near and truth[0] < x < truth[2] and truth[1] < y < truth[3]
    if positive:
        return 1 if near else 0
    return 0 if near or loss.negative_pairs == "all" else -1


def focal(logit: float, target: int, loss: Loss) -> float:
    p = sigmoid(logit)
    if target == 1:
        return -loss.focal_alpha * (1 - p) ** loss.focal_gamma * math.log(p)
    return -(1 - loss.focal_alpha) * p**loss.focal_gamma * math.log(1 - p)


def centerness(truth: Array, x: int, y: int) -> float:
    left, top, right, bottom = x - truth[0], y - truth[1], truth[2] - x, truth[3] - y
    if min(left, top, right, bottom) <= 0:
        return 0.0
    return math.sqrt(min(left, right) / max(left, right) * min(top, bottom) / max(top, bottom))


def slow(out: Outputs, frozen: Outputs, network: Network, loss: Loss) -> tuple[float, float, float, float]:
    """Total and the three terms of Equation 6.

    What is a constant to the gradient is computed from `frozen`, which stays when `out` is varied.
    """
    everywhere = [(n, i, j) for n in range(len(TRUTH)) for i in range(5) for j in range(5)]
    target = {(n, i, j): label(TRUTH[n], POSITIVE[n], PLACES[j], PLACES[i], loss) for n, i, j in everywhere}
    positives = [place for place in everywhere if target[place] == 1]

    def quality(which: Outputs, place: tuple[int, int, int]) -> float:
        n, i, j = place
        return overlap(box(which.offsets[place], which.scale, PLACES[j], PLACES[i], network), TRUTH[n])

    def weight_of_classification(which: Outputs, place: tuple[int, int, int]) -> float:
        if loss.reciprocal not in (True, "regression"):
            return 1.0
        linked = target[place] == 1 if loss.classification_weight == "positives" else POSITIVE[place[0]]
        return quality(which, place) if linked else 1.0

    def weight_of_regression(which: Outputs, place: tuple[int, int, int]) -> float:
        return sigmoid(which.classification[place]) if loss.reciprocal in (True, "classification") else 1.0

    def divisor(weight: Callable[[Outputs, tuple[int, int, int]], float]) -> float:
        if loss.normalization == "n_pos":
            return len(positives)
        return sum(weight(frozen, place) for place in positives)

    classification = regression = localization = 0.0
    for place in everywhere:
        n, i, j = place
        if target[place] == -1:
            continue
        weight = weight_of_classification(frozen if loss.detach_iou_weight else out, place)
        classification += weight * focal(out.classification[place], target[place], loss)
        if target[place] != 1:
            continue
        weight = weight_of_regression(frozen if loss.detach_classification_weight else out, place)
        predicted = box(out.offsets[place], out.scale, PLACES[j], PLACES[i], network)
        regression += weight * box_loss(predicted, TRUTH[n], loss)
        if network.localization:
            wanted = quality(frozen if loss.detach_localization_target else out, place)
            if network.localization == "centerness":
                wanted = centerness(TRUTH[n], PLACES[j], PLACES[i])
            p = sigmoid(out.localization[place])
            localization -= wanted * math.log(p) + (1 - wanted) * math.log(1 - p)
    classification /= divisor(weight_of_classification)
    regression /= divisor(weight_of_regression)
    localization /= len(positives)
    value = classification + loss.lambda_regression * regression + loss.lambda_localization * localization
    return value, classification, regression, localization


# --- against the code -----------------------------------------------------------------------------------------------


def fast(out: Outputs, network: Network, loss: Loss) -> tuple[losses.Losses, dict[str, torch.Tensor]]:
    leaves = {
        name: torch.tensor(getattr(out, name), dtype=torch.float64, requires_grad=True)
        for name in ("classification", "localization", "offsets", "scale")
    }
    axis = torch.tensor(PLACES, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    boxes = decode(leaves["offsets"], leaves["scale"], grid, network)
    maps = Maps(leaves["classification"], boxes, leaves["localization"] if network.localization else None)
    return losses.total(maps, torch.tensor(TRUTH), torch.tensor(POSITIVE), network, loss), leaves


def slow_gradients(out: Outputs, network: Network, loss: Loss, name: str, some: list[Any]) -> list[float]:
    """Central differences of the total by some entries of an output."""
    found = []
    for place in some:
        ends = []
        for sign in (1, -1):
            moved = Outputs(network)
            if place is None:
                moved.scale += sign * STEP
            else:
                getattr(moved, name)[place] += sign * STEP
            ends.append(slow(moved, out, network, loss)[0])
        found.append((ends[0] - ends[1]) / (2 * STEP))
    return found


def check(network: Network, loss: Loss) -> None:
    """Values to 1e-5, and gradients by every output of some locations of each pair."""
    out = Outputs(network)
    found, leaves = fast(out, network, loss)
    expected = slow(out, out, network, loss)
    np.testing.assert_allclose(torch.stack(found[:4]).detach().numpy(), expected, rtol=1e-5)
    assert expected[1] > 0
    assert expected[2] > 0
    found.total.backward()
    # The centre, its neighbours and the border of each pair: positive, negative, ignored.
    places = [(n, i, j) for n in range(3) for i, j in ((2, 2), (1, 2), (2, 1), (3, 3), (0, 0), (4, 2))]
    some: dict[str, list[Any]] = {"classification": places, "localization": places, "scale": [None]}
    some["offsets"] = [(*place, k) for place in places for k in range(4)]
    for name, where in some.items():
        gradient = leaves[name].grad
        computed = np.zeros(np.shape(getattr(out, name))) if gradient is None else gradient.numpy()
        wanted = slow_gradients(out, network, loss, name, where)
        np.testing.assert_allclose(
            [computed if place is None else computed[place] for place in where], wanted, rtol=1e-5, atol=1e-8
        )


@pytest.mark.parametrize("settings", LOSSES, ids=str)
def test_every_setting_of_the_loss(settings: dict[str, Any]) -> None:
    check(Network(**SIZES), Loss(**settings))


@pytest.mark.parametrize("settings", [{}, {"detach_localization_target": False}], ids=str)
@pytest.mark.parametrize("network", NETWORKS[1:], ids=str)
def test_every_form_of_the_box_and_of_its_quality(network: dict[str, Any], settings: dict[str, Any]) -> None:
    check(Network(**SIZES, **network), Loss(**settings))


@pytest.mark.parametrize("settings", LOSSES, ids=str)
def test_labels_location_by_location(settings: dict[str, Any]) -> None:
    loss = Loss(**settings)
    found = losses.labels(torch.tensor(TRUTH), Network(**SIZES), loss, torch.tensor(POSITIVE)).numpy()
    expected = [[[label(TRUTH[n], POSITIVE[n], x, y, loss) for x in PLACES] for y in PLACES] for n in range(3)]
    np.testing.assert_array_equal(found, expected)


def test_equation_1_location_by_location() -> None:
    found = losses.regression_target(torch.tensor(TRUTH), Network(**SIZES)).numpy()
    for n, (x0, y0, x1, y1) in enumerate(TRUTH):
        for i, y in enumerate(PLACES):
            for j, x in enumerate(PLACES):
                expected = [x1 - x0, y1 - y0, (x0 + x1) / 2 - x, (y0 + y1) / 2 - y]
                np.testing.assert_allclose(found[n, i, j], expected, rtol=1e-12)


def test_every_key_and_word_has_a_case() -> None:
    for keys, section, cases in ((set(Loss.model_fields), Loss, LOSSES), (NETWORK_KEYS, Network, NETWORKS)):
        for key in keys:
            told = [case[key] for case in cases if key in case]
            assert told, f"{key} has no case"
            default = section.model_fields[key].default
            assert any(value != default for value in told), f"{key} is only ever {default}"
            for words in _words(section.model_fields[key].annotation):
                assert words in [*told, default], f"{key}: {words} has no case"


NETWORK_KEYS = {"box_form", "size_transform", "localization"}


def _words(annotation: Any) -> list[Any]:
    """What a key of a few values may be."""
    if annotation is bool:
        return [True, False]
    parts = get_args(annotation)
    if not parts:
        return [annotation] if isinstance(annotation, str) else []
    return [word for part in parts for word in _words(part)]
