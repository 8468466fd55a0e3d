"""One affine warp pads, cuts and resizes: the crop that training and tracking share."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def crop_matrix(center: tuple[float, float], side: float, size: int) -> NDArray[np.float64]:
    """(2, 3) matrix from frame pixels to the pixels of a `size` crop of `side` frame pixels around `center`.

    The crop's centre pixel (size - 1) / 2 falls on `center`, with no rounding to whole pixels.
    """
    scale = size / side
    middle = (size - 1) / 2
    return np.array([[scale, 0, middle - scale * center[0]], [0, scale, middle - scale * center[1]]], dtype=np.float64)


def cut(image: Image, matrix: NDArray[np.float64], size: int, fill: tuple[float, float, float]) -> Image:
    """The (size, size, 3) crop of an (H, W, 3) image; what lies outside the frame has the colour `fill`."""
    crop: Image = cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )  # type: ignore[assignment]
    return crop


def mean_color(image: Image) -> tuple[float, float, float]:
    """Mean of each channel, rounded down: the padding colour."""
    mean = cv2.mean(image)
    return float(int(mean[0])), float(int(mean[1])), float(int(mean[2]))
