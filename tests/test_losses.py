"""Equations 1-6 by hand, labels, and where gradients may flow."""

import math

import pytest
import torch
from pydantic import ValidationError
from torchvision.ops import box_iou, generalized_box_iou

from siamrcr.config import Loss, Network
from siamrcr.losses import (
    centerness,
    classification_loss,
    count_positives,
    focal_loss,
    iou,
    iou_loss,
    labels,
    localization_loss,
    regression_loss,
    regression_target,
    total,
)
from siamrcr.model import Maps, decode

# A 5 x 5 map whose locations are 15, 23, 31, 39, 47.
TINY = Network(weights="random", exemplar_size=31, search_size=63, exemplar_cells=4)
TRUTH = torch.tensor([[23.0, 27.0, 43.0, 43.0]])
YES = torch.tensor([True])
LN2 = math.log(2)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def focal(logit: float, positive: bool, alpha: float = 0.75, gamma: float = 2) -> float:
    p = sigmoid(logit)
    return -alpha * (1 - p) ** gamma * math.log(p) if positive else -(1 - alpha) * p**gamma * math.log(1 - p)


def some_maps(batch: int, network: Network = TINY, seed: int = 0) -> Maps:
    """Random leaf maps whose boxes have positive sides."""
    random = torch.Generator().manual_seed(seed)
    size = network.score_size
    logits = torch.randn(2, batch, size, size, generator=random)
    corner = torch.rand(batch, size, size, 4, generator=random) * 20
    boxes = torch.cat([corner[..., :2] + 10, corner[..., 2:] + 35], dim=-1)
    return Maps(logits[0].requires_grad_(), boxes.requires_grad_(), logits[1].requires_grad_())


def test_equation_1_at_two_locations():
    target = regression_target(TRUTH, TINY)
    assert target.shape == (1, 5, 5, 4)
    assert target[0, 2, 2].tolist() == [20, 16, 2, 4]
    assert target[0, 1, 4].tolist() == [20, 16, 33 - 47, 35 - 23]


@pytest.mark.parametrize(
    ("metric", "cells"),
    [
        ("euclidean", {(2, 2), (3, 2), (2, 3), (3, 3)}),
        ("chebyshev", {(2, 2), (3, 2), (2, 3), (3, 3)}),
        ("manhattan", {(2, 2), (3, 2)}),
    ],
)
def test_positives_by_hand(metric, cells):
    label = labels(TRUTH, TINY, Loss(radius=1, radius_metric=metric), YES)
    assert label.dtype == torch.int8
    assert {(int(row), int(column)) for row, column in (label[0] == 1).nonzero()} == cells
    assert (label == 0).sum() == 25 - len(cells)


def test_radius_is_inclusive_and_scales_with_the_stride():
    on_cell = torch.tensor([[21.0, 21.0, 41.0, 41.0]])
    assert (labels(on_cell, TINY, Loss(radius=1), YES) == 1).sum() == 5
    assert (labels(on_cell, TINY, Loss(radius=0.999), YES) == 1).sum() == 1


@pytest.mark.parametrize("radius", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("metric", ["euclidean", "chebyshev", "manhattan"])
def test_mean_number_of_positives_is_the_area_of_the_ball(radius, metric):
    network = Network(weights="random")
    # One stride's square of centres, at fractions that put no location on the boundary itself.
    x, y = (127 + (torch.arange(40) + part) / 40 * network.stride for part in (0.5, 0.25))
    centers = torch.cartesian_prod(x, y)
    truth = torch.cat([centers - 30, centers + 30], dim=1)
    label = labels(truth, network, Loss(radius=radius, radius_metric=metric), torch.ones(len(truth), dtype=torch.bool))
    area = {"euclidean": math.pi, "chebyshev": 4, "manhattan": 2}[metric] * radius**2
    assert (label == 1).sum(dim=(1, 2)).double().mean().item() == pytest.approx(area, rel=0.01)


def test_inside_box_asks_that_the_location_lies_strictly_inside():
    slim = torch.tensor([[30.0, 15.0, 32.0, 47.0]])
    free = labels(slim, TINY, Loss(radius=2), YES) == 1
    kept = labels(slim, TINY, Loss(radius=2, inside_box=True), YES) == 1
    assert free.sum() == 13
    assert {(int(row), int(column)) for _, row, column in kept.nonzero()} == {(1, 2), (2, 2), (3, 2)}


def test_negative_pairs_have_no_positive():
    truth, positive = TRUTH.repeat(2, 1), torch.tensor([True, False])
    some = labels(truth, TINY, Loss(radius=1), positive)
    every = labels(truth, TINY, Loss(radius=1, negative_pairs="all"), positive)
    assert [(some[1] == value).sum().item() for value in (1, 0, -1)] == [0, 4, 21]
    assert torch.equal(some[1] == 0, some[0] == 1)
    assert (every[1] == 0).all()
    assert count_positives(some) == 4
    assert count_positives(some[1:]) == 0


def test_focal_loss_by_hand():
    logits, label = torch.tensor([[[1.5, -0.5, 3.0]]]), torch.tensor([[[1, 0, -1]]])
    for alpha, gamma in [(0.75, 2), (0.25, 2), (0.5, 0)]:
        value = focal_loss(logits, label, Loss(focal_alpha=alpha, focal_gamma=gamma))
        expected = [focal(1.5, True, alpha, gamma), focal(-0.5, False, alpha, gamma), 0]
        assert value.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_iou_equals_torchvision():
    random = torch.Generator().manual_seed(1)
    low = torch.rand(2, 200, 2, generator=random, dtype=torch.float64) * 10
    a, b = torch.cat([low, low + torch.rand(2, 200, 2, generator=random, dtype=torch.float64) * 10 + 0.1], dim=2)
    assert torch.allclose(iou(a, b), box_iou(a, b).diagonal(), rtol=1e-12)
    assert (iou(a, b) == 0).any()
    linear, giou = Loss(iou_loss="linear"), Loss(iou_loss="giou")
    assert torch.allclose(iou_loss(a, b, linear), 1 - box_iou(a, b).diagonal(), rtol=1e-12)
    assert torch.allclose(iou_loss(a, b, giou), 1 - generalized_box_iou(a, b).diagonal(), atol=1e-6)


def test_log_iou_loss_and_its_floor():
    truth = torch.tensor([0.0, 0.0, 4.0, 4.0])
    boxes = torch.tensor([[0.0, 0.0, 4.0, 2.0], [5.0, 5.0, 6.0, 6.0], [0.0, 0.0, 4.0, 4.0]])
    assert iou_loss(boxes, truth, Loss(iou_floor=1e-3)).tolist() == pytest.approx([LN2, math.log(1000), 0], rel=1e-6)


# One positive, one negative and one ignored location; the IoU of their boxes.
LOGITS = torch.tensor([[[1.0, -2.0, 0.5]]])
LABEL = torch.tensor([[[1, 0, -1]]], dtype=torch.int8)
OVERLAP = torch.tensor([[[0.5, 0.25, 0.9]]])


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({}, (0.5, 1)),
        ({"classification_weight": "all"}, (0.5, 0.25)),
        ({"reciprocal": "regression"}, (0.5, 1)),
        ({"reciprocal": "classification"}, (1, 1)),
        ({"reciprocal": False}, (1, 1)),
        ({"normalization": "sum_weight"}, (1, 2)),
    ],
)
def test_equation_2_by_hand(settings, weights):
    value = classification_loss(LOGITS, LABEL, OVERLAP, YES, Loss(**settings), torch.tensor(4.0))
    expected = (focal(1, True) * weights[0] + focal(-2, False) * weights[1]) / 4
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_equation_2_without_a_truth_weighs_one():
    label, no = torch.zeros_like(LABEL), torch.tensor([False])
    for settings in ({}, {"classification_weight": "all"}, {"normalization": "sum_weight"}):
        value = classification_loss(LOGITS, label, OVERLAP, no, Loss(**settings), torch.tensor(1.0))
        assert value.item() == pytest.approx(sum(focal(x, False) for x in (1, -2, 0.5)), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "weight"),
    [
        ({}, sigmoid(1)),
        ({"reciprocal": "classification"}, sigmoid(1)),
        ({"reciprocal": "regression"}, 1),
        ({"reciprocal": False}, 1),
        ({"normalization": "sum_weight"}, 1),
    ],
)
def test_equation_4_by_hand(settings, weight):
    truth = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    boxes = torch.tensor([[[[0.0, 0.0, 4.0, 2.0], [0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]]]])
    value = regression_loss(Maps(LOGITS, boxes, None), truth, LABEL, Loss(**settings), torch.tensor(4.0))
    assert value.item() == pytest.approx(LN2 * weight / 4, rel=1e-5)


def test_equation_5_by_hand():
    logits = torch.tensor([[[2.0, 5.0, -5.0]]])
    value = localization_loss(logits, OVERLAP, LABEL, Loss(), torch.tensor(4.0))
    p = sigmoid(2)
    assert value.item() == pytest.approx(-(0.5 * math.log(p) + 0.5 * math.log(1 - p)) / 4, rel=1e-5)


def test_equation_6_adds_the_weighted_terms():
    maps, loss = some_maps(2), Loss(lambda_regression=3, lambda_localization=0.5)
    truth, positive = TRUTH.repeat(2, 1), torch.tensor([True, False])
    whole = total(maps, truth, positive, TINY, loss)
    label = labels(truth, TINY, loss, positive)
    overlap = iou(maps.boxes, truth[:, None, None])
    n_pos = count_positives(label)
    assert whole.n_pos == n_pos == (label[0] == 1).sum()
    assert whole.classification == classification_loss(maps.classification, label, overlap, positive, loss, n_pos)
    assert whole.regression == regression_loss(maps, truth, label, loss, n_pos)
    assert whole.localization == localization_loss(maps.localization, overlap, label, loss, n_pos)
    expected = whole.classification + 3 * whole.regression + 0.5 * whole.localization
    assert whole.total.item() == pytest.approx(expected.item(), rel=1e-6)
    without = total(maps._replace(localization=None), truth, positive, TINY, loss)
    assert without.localization == 0


def test_centerness_by_hand_and_as_the_localization_target():
    quality = centerness(TRUTH, TINY)
    # At (31, 31): left 8, right 12, top 4, bottom 12.
    assert quality[0, 2, 2].item() == pytest.approx(math.sqrt(8 / 12 * 4 / 12), rel=1e-6)
    assert quality[0, 0, 0] == 0
    network = TINY.model_copy(update={"localization": "centerness"})
    maps, loss = some_maps(1), Loss()
    label = labels(TRUTH, network, loss, YES)
    expected = localization_loss(maps.localization, quality, label, loss, count_positives(label))
    assert total(maps, TRUTH, YES, network, loss).localization == expected
    assert total(maps, TRUTH, YES, TINY, loss).localization != expected


def test_parts_of_a_batch_add_up_under_the_whole_number_of_positives():
    truth = torch.tensor([[23.0, 27.0, 43.0, 43.0], [20.0, 20.0, 44.0, 40.0], [15.0, 25.0, 35.0, 45.0]])
    positive = torch.tensor([True, True, False])
    maps = some_maps(3)
    whole = total(maps, truth, positive, TINY, Loss())
    parts = [
        total(Maps(*(m[i : i + 1] for m in maps)), truth[i : i + 1], positive[i : i + 1], TINY, Loss(), whole.n_pos)
        for i in range(3)
    ]
    assert sum(part.total.item() for part in parts) == pytest.approx(whole.total.item(), rel=1e-5)


def has_gradient(value, leaf):
    (gradient,) = torch.autograd.grad(value, leaf, retain_graph=True, allow_unused=True)
    return gradient is not None and bool(gradient.any())


@pytest.mark.parametrize("iou_detached", [True, False])
@pytest.mark.parametrize("classification_detached", [True, False])
@pytest.mark.parametrize("target_detached", [True, False])
def test_gradients_stop_exactly_where_they_are_detached(iou_detached, classification_detached, target_detached):
    settings = {
        "detach_iou_weight": iou_detached,
        "detach_classification_weight": classification_detached,
        "detach_localization_target": target_detached,
    }
    if not iou_detached and not classification_detached:
        with pytest.raises(ValidationError, match="collapses"):
            Loss(**settings)
        return
    maps = some_maps(1)
    losses = total(maps, TRUTH, YES, TINY, Loss(**settings))
    assert has_gradient(losses.classification, maps.classification)
    assert has_gradient(losses.classification, maps.boxes) == (not iou_detached)
    assert has_gradient(losses.regression, maps.boxes)
    assert has_gradient(losses.regression, maps.classification) == (not classification_detached)
    assert has_gradient(losses.localization, maps.localization)
    assert has_gradient(losses.localization, maps.boxes) == (not target_detached)
    for other in (losses.classification, losses.regression):
        assert not has_gradient(other, maps.localization)


def test_gradient_through_the_links_lowers_what_they_weigh_by():
    maps = some_maps(1)
    open_iou = total(maps, TRUTH, YES, TINY, Loss(detach_iou_weight=False))
    (by_box,) = torch.autograd.grad(open_iou.classification, maps.boxes, retain_graph=True)
    moved = Maps(maps.classification, maps.boxes - 0.1 * by_box, maps.localization)
    label = labels(TRUTH, TINY, Loss(), YES) == 1
    assert iou(moved.boxes, TRUTH)[label].mean() < iou(maps.boxes, TRUTH)[label].mean()
    open_p = total(maps, TRUTH, YES, TINY, Loss(detach_classification_weight=False))
    (by_p,) = torch.autograd.grad(open_p.regression, maps.classification)
    assert (by_p[label] > 0).all()


@pytest.mark.parametrize("form", ["center", "ltrb"])
def test_decoding_the_exact_target_gives_the_truth_everywhere(form):
    network = TINY.model_copy(update={"box_form": form})
    target = regression_target(TRUTH, network)
    sides, offset = target[..., :2] / 2, target[..., 2:]
    grid = (TRUTH[0, :2] + TRUTH[0, 2:]) / 2 - offset[0]
    if form == "center":
        outputs = torch.cat([(2 * sides / 8).log(), offset / 8], dim=-1)
    else:
        outputs = torch.cat([sides - offset, sides + offset], dim=-1).clamp(min=1e-3).div(8).log()
    boxes = decode(outputs, torch.ones(()), grid, network)
    inside = (offset.abs() < sides).all(dim=-1) if form == "ltrb" else torch.ones(1, 5, 5, dtype=torch.bool)
    assert inside.any()
    assert iou(boxes, TRUTH)[inside].tolist() == pytest.approx([1] * int(inside.sum()), abs=1e-5)


def test_descending_the_loss_finds_the_box_and_its_score():
    outputs = torch.zeros(1, 5, 5, 6)
    # Boxes that overlap the truth to begin with: -ln IoU is flat where they do not.
    outputs[..., :2] = math.log(2)
    outputs.requires_grad_()
    grid = regression_target(torch.zeros(1, 4), TINY)[0, ..., 2:].neg()
    optimizer = torch.optim.Adam([outputs], lr=0.1)
    for _ in range(150):
        boxes = decode(outputs[..., :4], torch.ones(()), grid, TINY)
        losses = total(Maps(outputs[..., 4], boxes, outputs[..., 5]), TRUTH, YES, TINY, Loss())
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    label = labels(TRUTH, TINY, Loss(), YES) == 1
    assert iou(boxes, TRUTH)[label].min() > 0.9
    assert outputs[..., 4][label].min() > 0 > outputs[..., 4][~label].max()
    assert outputs[..., 5][label].sigmoid().min() > 0.8
