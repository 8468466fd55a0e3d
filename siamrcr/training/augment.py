"""From a pair of frames to the network's two images and the truth box."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamrcr.config import Network, Training
from siamrcr.crops import Image, crop_matrix, cut, mean_color
from siamrcr.geometry import centers, context_side, corners

# From SiamFC++: after as many crops that cut the box, the search image is centred on the target.
TRIES = 50


class Example(NamedTuple):
    """What the network sees of a pair.

    Attributes:
        exemplar: (z, z, 3) uint8 RGB.
        search: (x, x, 3) uint8 RGB.
        box: (4,) float32 truth corners x0, y0, x1, y1 in pixels of the search image.
        positive: False where the exemplar shows another target than the box.
    """

    exemplar: Image
    search: Image
    box: NDArray[np.float32]
    positive: bool


def exemplar_matrix(box: NDArray[np.float64], size: int, context: float) -> NDArray[np.float64]:
    """(2, 3) matrix from frame pixels to the exemplar image: the target and its context, never augmented."""
    x, y = centers(box)
    return crop_matrix((x, y), float(context_side(box[2:], context)), size)


def search_matrix(
    box: NDArray[np.float64], network: Network, training: Training, context: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(2, 3) matrix from frame pixels to the search image, shifted and scaled at random.

    The crop's side is multiplied by U(1 / scale_jitter, scale_jitter) and its centre moved by up to shift_jitter of its
    half side on each axis, drawn again until the whole box lies inside (SiamFC++'s scheme; the paper is silent).
    """
    size = network.search_size
    nominal = float(context_side(box[2:], context)) * size / network.exemplar_size
    middle = centers(box)
    left, top, right, bottom = corners(box).tolist()
    for _ in range(TRIES):
        side = nominal * rng.uniform(1 / training.scale_jitter, training.scale_jitter)
        x, y = middle + rng.uniform(-training.shift_jitter, training.shift_jitter, 2) * side / 2
        matrix = crop_matrix((x, y), side, size)
        (scale, _, dx), (_, _, dy) = matrix.tolist()
        if min(scale * left + dx, scale * top + dy) >= 0 and max(scale * right + dx, scale * bottom + dy) <= size - 1:
            return matrix
    return crop_matrix((middle[0], middle[1]), nominal, size)


def transform(matrix: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners (4,) as x0, y0, x1, y1 of a frame's box in the pixels of a crop; a mirrored crop is allowed for."""
    points = corners(box).reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def mirrored(matrix: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The matrix of the same crop, mirrored left to right."""
    flip = np.array([[-1.0, 0.0], [0.0, 1.0]])
    result = flip @ matrix
    result[0, 2] += size - 1
    return result


def matrices(
    boxes: tuple[NDArray[np.float64], NDArray[np.float64]],
    network: Network,
    training: Training,
    context: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The (2, 3) matrices that cut exemplar and search image from their frames; mirroring befalls both or none."""
    exemplar = exemplar_matrix(boxes[0], network.exemplar_size, context)
    search = search_matrix(boxes[1], network, training, context, rng)
    if rng.random() < training.flip:
        return mirrored(exemplar, network.exemplar_size), mirrored(search, network.search_size)
    return exemplar, search


def crops(
    images: tuple[Image, Image], cuts: tuple[NDArray[np.float64], NDArray[np.float64]], network: Network
) -> tuple[Image, Image]:
    """Exemplar and search image (RGB), each by one warp of the raw frame (BGR).

    What lies outside a frame has the mean colour of the exemplar's frame in both, as in tracking (from SiamFC++).
    """
    sizes = (network.exemplar_size, network.search_size)
    inside = all(_inside(image, matrix, size) for image, matrix, size in zip(images, cuts, sizes, strict=True))
    fill = (0.0, 0.0, 0.0) if inside else mean_color(images[0])
    exemplar, search = (cut(image, matrix, size, fill) for image, matrix, size in zip(images, cuts, sizes, strict=True))
    return _rgb(exemplar), _rgb(search)


def reduction(path: Path, matrix: NDArray[np.float64]) -> int:
    """By how much a frame can be reduced while it is decoded, so that a crop still has no more pixels than it: 1 or 2.

    Only JPEG decoders save time by it. The decoder takes means where the warp would skip pixels: at a half that changes
    a crop less than one frame pixel of shift does, at a quarter more (docs/training.md).
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    return 2 if jpeg and scale * 2 <= 1 else 1


def reduced(matrix: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """The matrix of the same crop, from a frame whose pixels are the means of factor x factor pixels."""
    result = matrix.copy()
    result[:, 2] += matrix[:, :2].sum(axis=1) * (factor - 1) / 2
    result[:, :2] *= factor
    return result


def recolored(pair: tuple[Image, Image], training: Training, rng: np.random.Generator) -> tuple[Image, Image]:
    """The pair with its colours changed at random; all is off by default.

    Loss of colour changes what the target is, so it befalls both crops; blur, contrast and brightness change from frame
    to frame, so they befall the search image alone.
    """
    exemplar, search = pair
    if rng.random() < training.grayscale:
        exemplar, search = _gray(exemplar), _gray(search)
    if rng.random() < training.blur:
        search = _motion_blur(search, rng)
    if training.color_jitter:
        search = _recolor(search, training.color_jitter, rng)
    return exemplar, search


def _inside(image: Image, matrix: NDArray[np.float64], size: int) -> bool:
    """Whether a crop, upright or mirrored, shows nothing outside its frame."""
    (across, _, dx), (_, down, dy) = matrix.tolist()
    xs, ys = ([-shift / scale, (size - 1 - shift) / scale] for scale, shift in ((across, dx), (down, dy)))
    height, width = image.shape[:2]
    return min(*xs, *ys) >= 0 and max(xs) <= width - 1 and max(ys) <= height - 1


def _rgb(crop: Image) -> Image:
    converted: Image = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=crop)  # type: ignore[assignment]
    return converted


def _gray(crop: Image) -> Image:
    return np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)


def _motion_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blurred along one axis, over at most a sixteenth of the image."""
    length = int(rng.integers(3, max(4, image.shape[0] // 16 + 1)))
    blurred = cv2.blur(image, (length, 1) if rng.random() < 0.5 else (1, length))
    return blurred.astype(np.uint8, copy=False)


def _recolor(image: Image, amount: float, rng: np.random.Generator) -> Image:
    """Contrast, then brightness, each changed by a factor within 1 +- amount."""
    contrast, brightness = 1 + amount * rng.uniform(-1, 1, 2)
    mean = image.mean()
    table = ((np.arange(256) - mean) * contrast + mean) * brightness
    return np.clip(np.rint(table), 0, 255).astype(np.uint8)[image]
