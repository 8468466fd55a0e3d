"""Frames as they are decoded: the fast decoder's pixels are OpenCV's, and what a reduced decoding changes in a crop."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from siamrcr.config import Network, Training
from siamrcr.crops import cut
from siamrcr.datasets.sequence import decode
from siamrcr.errors import InputError
from siamrcr.training import augment, pairs

Pixels = NDArray[np.uint8]
SIZE, NOTHING = 255, (0.0, 0.0, 0.0)
FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    """Sides that no block of a JPEG divides."""
    return np.asarray(data.astronaut()[:301, :403])


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"quality": 90}),
        ("RGB", {"quality": 75, "subsampling": 0}),
        ("RGB", {"quality": 75, "subsampling": 1}),
        ("RGB", {"progressive": True}),
        ("L", {}),
        ("CMYK", {}),
        ("turned", {}),
    ],
)
def test_a_jpegs_pixels_are_opencvs(
    mode: str, options: dict[str, int], reduction: int, photograph: Pixels, tmp_path: Path
) -> None:
    path, image = tmp_path / "a.jpg", Image.fromarray(photograph)
    more = {}
    if mode == "turned":  # whose boxes are of the file's own pixels
        more["exif"] = Image.Exif()
        more["exif"][0x0112] = 6
    image.convert("RGB" if mode == "turned" else mode).save(path, **options, **more)
    found = decode(path, reduction)
    assert found.shape == (-(-301 // reduction), -(-403 // reduction), 3)
    expected = cv2.imread(str(path), FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("reduction", [1, 2])
def test_a_flaw_that_opencv_reads_past_is_read_past(reduction: int, photograph: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(photograph).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + b"surplus" * 9 + whole[-2:])
    expected = cv2.imread(str(path), FLAGS[reduction])
    assert expected is not None
    np.testing.assert_array_equal(decode(path, reduction), expected)


@pytest.mark.parametrize("reduction", [1, 2])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.67, 0.999])
def test_a_jpeg_cut_short_is_unreadable(share: float, reduction: int, photograph: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(photograph).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"a\.jpg: not a readable image"):
        decode(path, reduction)


def test_a_file_named_jpg_may_hold_a_png(photograph: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(cv2.imencode(".png", photograph)[1].tobytes())
    np.testing.assert_array_equal(decode(path), photograph)
    assert decode(path, 2).shape == (150, 201, 3)


# --- reduced decoding -----------------------------------------------------------------------------------------------


def difference(one: Pixels, other: Pixels, inside: NDArray[np.bool_]) -> float:
    return float(np.abs(one.astype(float) - other)[inside].mean())


def ideal(frame: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    """The crop whose pixels are means of all that they cover."""
    finer = 8 * matrix
    finer[:, 2] += 3.5
    return cv2.resize(cut(frame, finer, 8 * SIZE, NOTHING), (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.mark.parametrize(("side", "factor"), [(110, 1), (130, 2), (220, 2), (420, 2)])
def test_a_reduced_frame_gives_the_crop_at_its_place_and_nearer_to_what_it_shows(
    side: int, factor: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), data.astronaut()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    box = np.array([256.0 - side / 2, 256 - side / 2, side, side])
    away = []
    for number in range(8):
        settings = Training(scale_jitter=1.01)
        matrix = augment.search_matrix(box, Network(), settings, 0.5, pairs.generator(0, 0, number))
        assert augment.reduction(path, matrix) == factor
        full, less = decode(path), decode(path, factor)
        smaller = augment.reduced(matrix, factor)
        inside = cut(np.full_like(full, 255), matrix, SIZE, NOTHING)[..., 0] == 255
        inside &= cut(np.full_like(less, 255), smaller, SIZE, NOTHING)[..., 0] == 255
        whole, crop = cut(full, matrix, SIZE, NOTHING), cut(less, smaller, SIZE, NOTHING)
        moved = matrix.copy()
        moved[0, 2] += 0.5
        # The measure of what is noticed: a crop whose box is half a pixel off.
        assert difference(crop, whole, inside) < difference(cut(full, moved, SIZE, NOTHING), whole, inside)
        wanted = ideal(full, matrix)
        away.append([difference(crop, wanted, inside), difference(whole, wanted, inside)])
    nearer, farther = np.mean(away, axis=0)
    assert nearer < farther or factor == 1


def test_a_crop_never_has_more_pixels_than_the_reduced_frame() -> None:
    path = Path("a.JPG")
    for scale in np.geomspace(0.05, 3, 200):
        matrix = np.array([[-scale, 0, 5], [0, scale, 7]])
        factor = augment.reduction(path, matrix)
        assert factor == 1 or scale * factor <= 1
        assert factor == 2 or scale * 2 > 1
    assert augment.reduction(Path("a.png"), np.eye(2, 3) / 9) == 1
