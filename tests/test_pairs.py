"""Which pairs are drawn, and how they are cropped."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamrcr.config import Network, Training
from siamrcr.crops import crop_matrix, cut
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import context_side
from siamrcr.training import augment, index, pairs
from siamrcr.training.pairs import Pool

NETWORK = Network(exemplar_size=63, search_size=127, stride=4)
CONTEXT = 0.5
ROOT = Path("/data")


def sequence(name: str, boxes: np.ndarray, **more: np.ndarray) -> Sequence:
    visible = more.pop("visible", np.ones(len(boxes), dtype=bool))
    return Sequence(name, FrameFiles(ROOT / name, 1, len(boxes), 4, ".jpg"), boxes, visible, **more)


def steady(name: str, frames: int = 60) -> Sequence:
    return sequence(name, np.tile([50.0, 40.0, 20.0, 30.0], (frames, 1)))


def rectangle(box: tuple[int, int, int, int], width: int = 200, height: int = 150) -> np.ndarray:
    image = np.zeros((height, width, 3), dtype=np.uint8)
    x, y, w, h = box
    image[y : y + h, x : x + w] = 255
    return image


def pool(name: str, share: float, sequences: list[Sequence], settings: Training) -> Pool:
    """A training set whose index lies in a temporary file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.safetensors"
        index.build(path, ROOT, sequences, settings, name)
        found = index.load(path, ROOT, name)
    assert found is not None
    return Pool(name, share, found)


def test_a_pair_depends_on_seed_epoch_and_number_alone() -> None:
    pools = (pool("got10k", 1.0, [steady(f"s{i}") for i in range(9)], Training()),)

    def draw(*key: int) -> tuple[Path, Path, float]:
        rng = pairs.generator(*key)
        exemplar, search, _ = pairs.sample(pools, Training(), rng)
        return exemplar.path, search.path, rng.random()

    keys = [(seed, epoch, number) for seed in (0, 1) for epoch in (0, 1) for number in (0, 1, 7)]
    assert [draw(*key) for key in keys] == [draw(*key) for key in reversed(keys)][::-1]
    assert len({draw(*key) for key in keys}) == len(keys)
    assert draw(0, 0, 0, 1) != draw(0, 0, 0)


def test_the_pairs_of_a_seed_stay_what_they_were() -> None:
    """Drawn by rng.choice(p=shares) and searchsorted, when a checkpoint's pairs were first defined."""
    settings = Training()
    pools = tuple(pool(n, share, [steady(f"{n}{i}", 300) for i in range(5)], settings) for n, share in SHARES)
    for key, expected in DRAWN.items():
        exemplar, search, positive = pairs.sample(pools, settings, pairs.generator(*key))
        assert (exemplar.target, exemplar.number, search.target, search.number, positive) == expected


SHARES = (("a", 0.7), ("b", 0.3))
# Seed, epoch, number, attempt: target and frame of the exemplar and of the search image, and whether it is one target.
DRAWN = {
    (0, 0, 0, 0): ((0, 1), 33, (0, 2), 150, False),
    (0, 0, 1, 0): ((0, 3), 25, (0, 3), 98, True),
    (7, 3, 1234, 2): ((0, 4), 245, (0, 4), 257, True),
    (7, 19, 149_999, 0): ((0, 3), 168, (1, 4), 205, False),
}


def test_partners_lie_within_the_gap_on_both_sides() -> None:
    boxes = np.tile([0.0, 0.0, 20.0, 10.0], (60, 1))
    boxes[20:26] = np.nan
    settings = Training(max_gap=5, negative_share=0)
    pools = (pool("got10k", 1.0, [sequence("s", boxes)], settings),)
    drawn = [pairs.sample(pools, settings, pairs.generator(0, 0, n)) for n in range(3000)]
    gaps = [pair.search.number - pair.exemplar.number for pair in drawn]
    assert set(gaps) == set(range(-5, 6))
    assert all(pair.positive and not 20 <= pair.search.number < 26 for pair in drawn)
    assert {pair.exemplar.number for pair in drawn} == set(range(20)) | set(range(26, 60))


def test_negative_pairs_show_two_targets_and_come_at_their_share() -> None:
    settings = Training(negative_share=0.25)
    pools = tuple(pool(name, 0.5, [steady(f"{name}{i}") for i in range(2)], settings) for name in ("a", "b"))
    drawn = [pairs.sample(pools, settings, pairs.generator(3, 0, n)) for n in range(4000)]
    assert all(pair.positive == (pair.exemplar.target == pair.search.target) for pair in drawn)
    # Five standard deviations of a binomial.
    assert abs(sum(not pair.positive for pair in drawn) - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5


def test_sets_are_drawn_by_share_and_targets_uniformly() -> None:
    settings = Training(negative_share=0)
    pools = (
        pool("a", 0.8, [steady("a0", 5), steady("a1", 50)], settings),
        pool("b", 0.2, [steady("b0")], settings),
    )
    drawn = [pairs.sample(pools, settings, pairs.generator(0, 2, n)) for n in range(4000)]
    names = [pair.exemplar.path.parent.name for pair in drawn]
    for name, share in {"a0": 0.4, "a1": 0.4, "b0": 0.2}.items():
        assert abs(names.count(name) - 4000 * share) < 5 * (4000 * share * (1 - share)) ** 0.5


def test_negative_pairs_need_two_targets() -> None:
    pools = (pool("got10k", 1.0, [steady("s")], Training()),)
    pairs.check(pools, Training(negative_share=0))
    with pytest.raises(InputError, match="negative_share"):
        pairs.check(pools, Training(negative_share=0.1))


def test_the_exemplar_is_the_context_crop_centred_on_the_target() -> None:
    box = np.array([50.0, 40.0, 20.0, 30.0])
    x0, y0, x1, y1 = augment.transform(augment.exemplar_matrix(box, 63, CONTEXT), box)
    scale = 63 / context_side(box[2:], CONTEXT)
    np.testing.assert_allclose([x0 + x1, y0 + y1], [62, 62])
    np.testing.assert_allclose([x1 - x0, y1 - y0], [20 * scale, 30 * scale])


def test_without_jitter_the_search_image_has_the_exemplars_scale() -> None:
    box = np.array([50.0, 40.0, 20.0, 30.0])
    still = Training(scale_jitter=1, shift_jitter=0)
    matrix = augment.search_matrix(box, NETWORK, still, CONTEXT, pairs.generator(0, 0, 0))
    exemplar = augment.exemplar_matrix(box, 63, CONTEXT)
    np.testing.assert_allclose(matrix[:, :2], exemplar[:, :2])
    np.testing.assert_allclose(augment.transform(matrix, box).reshape(2, 2).sum(axis=0), [126, 126])


def test_jitter_covers_its_range_and_keeps_the_box_inside() -> None:
    box = np.array([50.0, 40.0, 20.0, 30.0])
    settings = Training(scale_jitter=1.3, shift_jitter=0.4)
    nominal = 63 / context_side(box[2:], CONTEXT)
    scales, shifts = [], []
    for number in range(2000):
        matrix = augment.search_matrix(box, NETWORK, settings, CONTEXT, pairs.generator(0, 0, number))
        corner = augment.transform(matrix, box)
        assert corner.min() >= 0
        assert corner.max() <= 126
        scales.append(nominal / matrix[0, 0])
        shifts.append(corner.reshape(2, 2).mean(axis=0) / 63.5 - 63 / 63.5)
    assert 1 / 1.3 <= min(scales) < 1 / 1.3 + 0.01
    assert 1.3 - 0.01 < max(scales) <= 1.3
    for axis in np.transpose(shifts):
        assert -0.4 <= axis.min() < -0.38
        assert 0.38 < axis.max() <= 0.4


def test_a_box_that_cannot_stay_inside_is_centred() -> None:
    box = np.array([0.0, 90.0, 400.0, 4.0])
    matrix = augment.search_matrix(
        box, NETWORK, Training(scale_jitter=1, shift_jitter=1), 0.0, pairs.generator(0, 0, 0)
    )
    np.testing.assert_allclose(augment.transform(matrix, box).reshape(2, 2).sum(axis=0), [126, 126])


@pytest.mark.parametrize("settings", [Training(), Training(flip=1)])
def test_the_truth_box_surrounds_the_target_in_the_search_image(settings: Training) -> None:
    box = (80, 60, 24, 36)
    image = rectangle(box)
    for number in range(50):
        pair = example((image, image), (np.array(box, float),) * 2, settings, number)
        rows, columns = np.nonzero(pair.search[..., 0] > 127)
        found = [columns.min(), rows.min(), columns.max(), rows.max()]
        # Half intensity ends half a source pixel off the outermost pixel's centre: less than two of these pixels.
        assert np.abs(found - pair.box).max() < 2
        assert pair.exemplar.shape == (63, 63, 3)
        assert pair.search.shape == (127, 127, 3)


def test_both_crops_are_padded_with_the_mean_of_the_exemplars_frame() -> None:
    frames = [np.full((60, 80, 3), color, dtype=np.uint8) for color in ((200, 30, 90), (0, 250, 10))]
    frames[0][:30] //= 2
    corner = (np.array([0.0, 0.0, 20.0, 20.0]),) * 2
    still = Training(scale_jitter=1, shift_jitter=0)
    pair = example((frames[0], frames[1]), corner, still, 0)
    for crop in (pair.exemplar, pair.search):
        assert crop[0, 0].tolist() == [150, 22, 67]
    assert pair.search[-1, -1].tolist() == [0, 250, 10]


def test_mirroring_turns_crop_and_box_together() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    matrix = crop_matrix((20.0, 18.0), 31, 31)
    mirrored = augment.mirrored(matrix, 31)
    fill = (1.0, 2.0, 3.0)
    np.testing.assert_array_equal(cut(image, mirrored, 31, fill), cut(image, matrix, 31, fill)[:, ::-1])
    box = np.array([12.0, 10.0, 7.0, 9.0])
    x0, y0, x1, y1 = augment.transform(matrix, box)
    np.testing.assert_allclose(augment.transform(mirrored, box), [30 - x1, y0, 30 - x0, y1])


def example(
    images: tuple[np.ndarray, np.ndarray], boxes: tuple[np.ndarray, np.ndarray], settings: Training, number: int
) -> augment.Example:
    """The loader's work on frames (RGB) that were read already, as a positive pair."""
    rng = pairs.generator(0, 0, number)
    cuts = augment.matrices(boxes, NETWORK, settings, CONTEXT, rng)
    crops = augment.crops((images[0][..., ::-1].copy(), images[1][..., ::-1].copy()), cuts, NETWORK)
    truth = augment.transform(cuts[1], boxes[1]).astype(np.float32)
    return augment.Example(*augment.recolored(crops, settings, rng), truth, True)


def _gray(pair: augment.Example) -> bool:
    return all((crop == crop[..., :1]).all() for crop in (pair.exemplar, pair.search))


def _smoother(pair: augment.Example) -> bool:
    return bool(cv2.Laplacian(pair.search, cv2.CV_64F).std() < 0.7 * cv2.Laplacian(PLAIN.search, cv2.CV_64F).std())


def _recolored(pair: augment.Example) -> bool:
    return abs(float(pair.search.mean()) - float(PLAIN.search.mean())) > 0.5


def _noise(settings: Training) -> augment.Example:
    image = np.random.default_rng(5).integers(60, 190, (150, 200, 3), dtype=np.uint8)
    boxes = (np.array([80.0, 60.0, 24.0, 36.0]),) * 2
    return example((image, image), boxes, settings, 4)


PLAIN = _noise(Training())


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        (Training(grayscale=1), _gray),
        (Training(blur=1), _smoother),
        (Training(color_jitter=0.4), _recolored),
    ],
)
def test_each_colour_change_does_its_work_and_is_off_by_default(
    settings: Training, changed: Callable[[augment.Example], bool]
) -> None:
    assert not changed(PLAIN)
    assert changed(_noise(settings))
    np.testing.assert_array_equal(_noise(settings).box, PLAIN.box)


def test_blur_and_colour_leave_the_exemplar_alone() -> None:
    np.testing.assert_array_equal(_noise(Training(blur=1, color_jitter=0.4)).exemplar, PLAIN.exemplar)
