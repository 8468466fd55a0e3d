"""The tracking pipeline: crops and their inverse, window, penalty, smoothing, limits, on stub and small networks."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor, nn

from siamrcr.config import Network, Tracking
from siamrcr.crops import crop_matrix, cut, mean_color
from siamrcr.errors import InputError
from siamrcr.geometry import centers, context_side, iou, score_grid
from siamrcr.model import Maps, SiamRCR
from siamrcr.tracker import (
    SiamTracker,
    apply_window,
    change,
    choose,
    cosine_window,
    follow,
    penalty,
    search_matrix,
    to_frame,
)

Array = NDArray[np.float64]
NETWORK = Network(backbone="resnet10t", weights="random", stage=2, exemplar_size=63, search_size=127)
SMALL = NETWORK.model_copy(update={"channels": 8, "tower_depth": 1})
# The prediction as it is: no penalty, no window, no smoothing.
PLAIN = Tracking(penalty=0, window=0, size_rate=1, min_side=1)
SURE = 40.0  # a logit whose sigmoid is 1 in float32


class Stub(nn.Module):
    """A network that sees the images, and predicts the corners (4,) that `see` finds in the search image."""

    def __init__(
        self, see: Callable[[Array], Array], network: Network = NETWORK, cell: tuple[int, int] = (3, 5)
    ) -> None:
        super().__init__()
        self.network, self.see, self.cell = network, see, cell
        self.device = torch.device("cpu")
        self.seen: list[Array] = []
        self.exemplars: list[Array] = []

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        self.exemplars.append(images.permute(0, 2, 3, 1).numpy())
        return (images[:, :, ::2, : images.shape[-1] // 2], images.mean(dim=(2, 3), keepdim=True))

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        self.kernels = kernels
        self.seen.append(images[0].permute(1, 2, 0).numpy())
        size = self.network.score_size
        logits = torch.full((1, size, size), -SURE)
        logits[0][self.cell] = SURE
        corner = torch.as_tensor(self.see(self.seen[-1]), dtype=torch.float32)
        return Maps(logits, corner.expand(1, size, size, 4).clone(), None)


def picture(width: int = 160, height: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def started(box: tuple[float, ...], see: Callable[[Array], Array], rule: Tracking = PLAIN) -> tuple[SiamTracker, Stub]:
    stub = Stub(see)
    tracker = SiamTracker(stub, rule)
    tracker.init(picture(), box)
    return tracker, stub


@settings(max_examples=40, deadline=None)
@given(
    box=st.tuples(st.floats(0, 90), st.floats(0, 60), st.floats(12, 60), st.floats(12, 50)),
    target=st.tuples(st.floats(20, 70), st.floats(20, 50), st.floats(11, 80), st.floats(11, 60)),
)
def test_a_prediction_returns_through_the_inverse_of_the_crop(
    box: tuple[float, ...], target: tuple[float, ...]
) -> None:
    side = float(context_side(box[2:], 0.5)) * NETWORK.search_size / NETWORK.exemplar_size
    middle = centers(box)
    matrix = crop_matrix((middle[0], middle[1]), side, NETWORK.search_size)
    x, y, w, h = target
    corners = np.array([[x, y, 1], [x + w, y + h, 1]]) @ matrix.T
    tracker, _ = started(box, lambda _: corners.reshape(4))
    assert tracker.update(picture()) == pytest.approx(target, abs=2e-4)


def test_the_target_lies_under_the_centre_cell_and_fills_its_share_of_the_search_image() -> None:
    box = np.array([31.5, 20.0, 40.0, 10.0])
    matrix = search_matrix(box, NETWORK, Tracking())
    cells = score_grid(NETWORK.search_size, NETWORK.score_size, NETWORK.stride)
    assert matrix @ [51.5, 25, 1] == pytest.approx(cells[NETWORK.score_size // 2, NETWORK.score_size // 2])
    assert matrix[0, 0] * math.sqrt((40 + 25) * (10 + 25)) == pytest.approx(NETWORK.exemplar_size)


def test_the_content_of_the_frame_is_found_where_it_lies() -> None:
    """The stub measures a bright rectangle in the crop it is given: the crop and its inverse agree with the pixels."""
    image = np.zeros((240, 320, 3), dtype=np.uint8)
    image[100:130, 150:190] = 255
    image = cv2.GaussianBlur(image, (0, 0), 3)  # edges that survive sampling

    def see(crop: Array) -> Array:
        bright = crop[..., 0] / 255
        y, x = np.mgrid[: len(bright), : len(bright)]
        middle = np.array([(bright * x).sum(), (bright * y).sum()]) / bright.sum()
        half = np.array([bright.sum(axis=1).max(), bright.sum(axis=0).max()]) / 2
        return np.concatenate([middle - half, middle + half])

    tracker = SiamTracker(Stub(see), PLAIN)
    tracker.init(image, (140, 98, 44, 30))
    x, y, w, h = tracker.update(image)
    # The middle of pixels 150..189 is 169.5, of 100..129 is 114.5.
    assert (x + w / 2, y + h / 2) == pytest.approx((169.5, 114.5), abs=0.02)
    assert (w, h) == pytest.approx((40, 30), abs=0.02)


def test_the_network_sees_rgb_from_0_to_255_around_the_last_box_padded_with_the_first_frames_mean() -> None:
    first, second = picture(seed=1), picture(seed=2) // 2
    stub = Stub(lambda _: np.array([40.0, 40.0, 90.0, 90.0]))
    tracker = SiamTracker(stub, PLAIN)
    box = (2.0, 3.0, 30.0, 20.0)
    tracker.init(first, box)
    found = tracker.update(second)
    tracker.update(second)
    side = float(context_side(np.array(box[2:]), 0.5))
    exemplar = cut(first, crop_matrix((17.0, 13.0), side, 63), 63, mean_color(first))
    assert np.array_equal(stub.exemplars[0][0], exemplar)
    search = cut(second, crop_matrix((17.0, 13.0), side * 127 / 63, 127), 127, mean_color(first))
    assert np.array_equal(stub.seen[0], search)
    assert tuple(stub.seen[0][0, 0]) == mean_color(first)
    middle = centers(found)
    side = float(context_side(found[2:], 0.5)) * 127 / 63
    again = cut(second, crop_matrix((middle[0], middle[1]), side, 127), 127, mean_color(first))
    assert np.array_equal(stub.seen[1], again)
    assert len(stub.exemplars) == 1


def test_a_pil_image_is_an_image() -> None:
    boxes = []
    for convert in (np.asarray, Pillow.fromarray):
        stub = Stub(lambda crop: np.concatenate([crop.mean(axis=(0, 1))[:2] / 4, [100, 110]]))
        tracker = SiamTracker(stub, PLAIN)
        tracker.init(convert(picture()), (40, 30, 30, 30))
        boxes.append(tracker.update(convert(picture(seed=3))))
    assert np.array_equal(*boxes)


def test_exemplar_flip_averages_the_kernels_of_the_mirrored_exemplar() -> None:
    kernels = []
    for flip in (False, True):
        tracker, stub = started((50, 40, 30, 20), lambda _: np.array([1.0, 1, 9, 9]), Tracking(exemplar_flip=flip))
        tracker.update(picture())
        kernels.append(stub.kernels)
        patch = torch.from_numpy(stub.exemplars[0][0]).permute(2, 0, 1)[None]
    left, right = patch[..., ::2, :31], patch.flip(-1)[..., ::2, :31]
    assert torch.equal(kernels[0][0], left)
    assert torch.allclose(kernels[1][0], (left + right) / 2)
    assert kernels[1][1].shape == kernels[0][1].shape == (1, 3, 1, 1)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 0, 5), (0, 0, 5, -1), (160, 5, 5, 5), (5, -9, 5, 9), (math.nan, 0, 5, 5), (0, 0, math.inf, 5), (1, 2, 3)],
)
def test_a_box_that_is_empty_or_outside_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="160 x 120"):
        started(box, lambda _: np.zeros(4))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_output_that_is_not_finite_is_an_error(value: float) -> None:
    tracker, _ = started((50, 40, 30, 20), lambda _: np.array([0, 0, value, 10.0]))
    with pytest.raises(InputError, match="not finite"):
        tracker.update(picture())


def test_the_score_setting_reaches_the_network() -> None:
    with pytest.raises(InputError, match="localization"):
        started((50, 40, 30, 20), lambda _: np.ones(4), Tracking(score="localization"))[0].update(picture())


def test_a_small_network_gives_the_same_track_twice() -> None:
    torch.manual_seed(0)
    model = SiamRCR(SMALL, pretrained=False).eval()
    frames = [picture(seed=seed) for seed in range(4)]
    tracks = []
    for _ in range(2):
        tracker = SiamTracker(model, Tracking())
        tracker.init(frames[0], (50, 40, 30, 20))
        tracks.append([(*tracker.update(frame), tracker.confidence) for frame in frames[1:]])
    assert tracks[0] == tracks[1]
    assert np.isfinite(tracks[0]).all()
    assert len({row[0] for row in tracks[0]}) > 1


# What follows the network.


def score_maps(lanes: int, size: int, seed: int) -> tuple[Array, Array, Array]:
    """Scores (L, S, S), corners (L, S, S, 4) and previous sizes (L, 2)."""
    rng = np.random.default_rng(seed)
    middle, side = rng.uniform(0, 127, (lanes, size, size, 2)), rng.uniform(5, 90, (lanes, size, size, 2))
    corners = np.concatenate([middle - side / 2, middle + side / 2], axis=-1)
    return rng.random((lanes, size, size)), corners, rng.uniform(10, 60, (lanes, 2))


def siamfcpp(scores: Array, corners: Array, previous: Array, rule: Tracking) -> tuple[Array, float, float]:
    """SiamFC++'s post-processing of one lane, location by location: corners, rate, confidence."""

    def size(w: float, h: float) -> float:
        pad = (w + h) / 2
        return math.sqrt((w + pad) * (h + pad))

    best: tuple[Array, float, float] = (np.zeros(4), 0.0, -1.0)
    count = len(scores)
    for row in range(count):
        for column in range(count):
            x0, y0, x1, y1 = corners[row, column]
            w, h = x1 - x0, y1 - y0
            s = size(w, h) / size(*previous)
            r = (previous[0] / previous[1]) / (w / h)
            pen = math.exp(-(max(r, 1 / r) * max(s, 1 / s) - 1) * rule.penalty)
            hann = math.prod(0.5 - 0.5 * math.cos(2 * math.pi * i / (count - 1)) for i in (row, column))
            score = pen * scores[row, column]
            if rule.rule == "siamfcpp" and rule.window_form == "add":
                value, rate = score * (1 - rule.window) + hann * rule.window, score * rule.size_rate
            else:
                value = score * (1 - rule.window + hann * rule.window)
                rate = score * rule.size_rate if rule.rule == "siamfcpp" else rule.size_rate
            if value > best[2]:
                best = (corners[row, column], rate, value)
    return best


@pytest.mark.parametrize(
    "rule",
    [
        Tracking(),
        Tracking(penalty=0.2, window=0.4),
        Tracking(window_form="multiply", window=0.6),
        Tracking(rule="scale_free", window=0.5, size_rate=0.25),
    ],
    ids=["default", "strong", "multiply", "scale_free"],
)
def test_every_lane_is_chosen_as_written_out_location_by_location(rule: Tracking) -> None:
    scores, corners, previous = score_maps(lanes=5, size=7, seed=3)
    choice = choose(scores, corners, previous, rule)
    for lane in range(5):
        box, rate, confidence = siamfcpp(scores[lane], corners[lane], previous[lane], rule)
        assert np.array_equal(choice.corners[lane], box)
        assert choice.rates[lane] == pytest.approx(rate, rel=1e-12)
        assert choice.confidence[lane] == pytest.approx(confidence, rel=1e-12)


@given(factor=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_scale_free_does_not_look_at_the_scores_scale(factor: float, seed: int) -> None:
    scores, corners, previous = score_maps(lanes=2, size=5, seed=seed)
    rule = Tracking(rule="scale_free", size_rate=0.25, window=0.5)
    whole, part = (choose(scores * f, corners, previous, rule) for f in (1.0, factor))
    assert np.array_equal(whole.corners, part.corners)
    assert np.array_equal(whole.rates, np.full(2, 0.25))
    assert np.array_equal(part.rates, whole.rates)


def test_siamfcpp_slows_the_size_by_the_score() -> None:
    scores, corners, previous = score_maps(lanes=1, size=5, seed=0)
    rates = [choose(scores * factor, corners, previous, Tracking(window=0)).rates for factor in (1.0, 0.5)]
    assert rates[1] == pytest.approx(rates[0] / 2)


def test_the_added_window_decides_between_equal_scores_and_cannot_when_off() -> None:
    _, corners, previous = score_maps(lanes=1, size=5, seed=0)
    corners[...] = corners[0, 0, 0]
    corners[..., 0] -= np.arange(25).reshape(5, 5) * 1e-6  # tells the locations apart
    equal = np.full((1, 5, 5), 0.3)
    rule = Tracking(penalty=0)
    assert choose(equal, corners, previous, rule).corners[0, 0] == corners[0, 2, 2, 0]
    off = choose(equal, corners, previous, Tracking(penalty=0, window=0))
    assert off.corners[0, 0] == corners[0, 0, 0, 0]
    assert off.confidence[0] == 0.3


def test_the_window_is_one_at_the_centre_and_zero_on_the_border() -> None:
    window = cosine_window(25)
    assert window[12, 12] == 1
    assert np.array_equal(window, window.T)
    assert not window[0].any()
    assert not window[:, -1].any()
    ones = np.ones((1, 25, 25))
    assert np.allclose(apply_window(ones, Tracking(window=1, window_form="multiply")), window)
    assert np.allclose(apply_window(0 * ones, Tracking(window=1)), window)


positive = st.floats(0.5, 500)


@given(w=positive, h=positive, pw=positive, ph=positive, k=st.floats(0.001, 1))
def test_penalty_is_one_for_the_same_size_alone_and_alike_for_growth_and_shrinkage(
    w: float, h: float, pw: float, ph: float, k: float
) -> None:
    rule = Tracking(penalty=k)
    there, back = penalty([w, h], [pw, ph], rule), penalty([pw, ph], [w, h], rule)
    assert 0 <= there <= 1
    assert there == pytest.approx(back, rel=1e-9, abs=1e-300)
    assert penalty([w, h], [w, h], rule) == pytest.approx(1)
    if abs(math.log(w / h * ph / pw)) > 0.1:
        assert there < 1


def test_a_size_that_underflowed_has_no_score() -> None:
    assert penalty([0.0, 0.0], [20, 30], Tracking()) == 0
    assert penalty([0.0, 5.0], [20, 30], Tracking()) == 0


@given(positive)
def test_change_is_the_ratio_or_its_inverse(ratio: float) -> None:
    assert change(ratio) >= 1
    assert change(ratio) == pytest.approx(float(change(1 / ratio)))


def test_position_is_taken_whole_and_size_in_part() -> None:
    found, previous = np.array([[100.0, 50, 40, 20]]), np.array([[0.0, 0, 20, 40]])
    limits = np.array([[400.0, 300]])
    for rate, size in ((0.0, (20, 40)), (0.25, (25, 35)), (1.0, (40, 20))):
        box = follow(found, previous, np.array([rate]), limits, 1)
        assert centers(box)[0] == pytest.approx((120, 60))
        assert box[0, 2:] == pytest.approx(size)


@given(
    box=st.tuples(*[st.floats(-1e4, 1e4)] * 2, *[st.floats(0, 1e4)] * 2),
    limits=st.tuples(st.floats(4, 500), st.floats(4, 500)),
    rate=st.floats(0, 1),
)
def test_the_centre_stays_in_the_frame_and_the_size_in_its_limits(
    box: tuple[float, ...], limits: tuple[float, float], rate: float
) -> None:
    result = follow(np.array([box]), np.array([[1.0, 2, 30, 30]]), np.array([rate]), np.array([limits]), 10)
    middle, size = centers(result)[0], result[0, 2:]
    assert (middle >= -1e-6).all()
    assert (middle <= np.array(limits) + 1e-6).all()
    assert (size >= np.minimum(10, limits)).all()
    assert (size <= limits).all()


def test_crops_of_several_lanes_go_back_by_their_own_matrices() -> None:
    matrices = np.stack([crop_matrix((50, 40), 80, 127), crop_matrix((10, 90), 33, 127)])
    boxes = np.array([[30.0, 20, 25, 35], [5.0, 80, 12, 9]])
    ends = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    corners = np.einsum("lij,lpj->lpi", matrices, np.concatenate([ends, np.ones((2, 2, 1))], axis=-1)).reshape(2, 4)
    assert np.allclose(to_frame(corners, matrices), boxes, atol=1e-10)
    assert iou(to_frame(corners, matrices), boxes) == pytest.approx([1, 1])
