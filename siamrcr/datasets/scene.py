"""One generated video: textured polygons that move, turn, scale and deform before a photograph.

The targets are analytic, so their outlines are exact; the photographs ship inside scikit-image. Coordinates are
continuous: pixel (i, j) covers [j, j + 1] x [i, i + 1].
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamrcr.errors import InputError

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

# No photograph, and no second view of the same objects, is on both sides.
PHOTOGRAPHS = {
    "train": ("astronaut", "coffee", "motorcycle_left", "motorcycle_right", "retina", "camera", "brick", "gravel"),
    "test": ("chelsea", "rocket", "hubble_deep_field", "ihc", "coins", "moon", "grass", "clock_motion"),
}
LONGEST = 560  # photographs are reduced to this side, pixels
CLIP = 40  # frames in which a wave of one cycle repeats
FINE = 4  # masks are drawn this much larger: OpenCV fills every pixel that an outline touches
FRACTION = 4  # binary digits after the point in OpenCV's drawing calls
MARGIN = 8  # pixels around a drawn blob, room for its motion blur
CORNERS = 40  # of a blob's body


@dataclass(frozen=True)
class Events:
    """What happens in a video, beyond chance."""

    targets: int = 1
    hidden: bool = False  # something passes that covers the first target wholly
    leaves: bool = False  # the first target leaves the image and comes back


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        outlines: (P, 2) x, y vertices of every target; parts may lie outside the image.
        visible: share in [0, 1] of every target's area that is inside the image and not covered.
    """

    image: Image
    outlines: tuple[Array, ...]
    visible: tuple[float, ...]


def render(rng: np.random.Generator, side: str, size: tuple[int, int], frames: int, events: Events) -> Iterator[Frame]:
    """The frames of one video in order; `side` ("train" or "test") says which photographs, `size` is width, height."""
    names = [str(name) for name in rng.permutation(PHOTOGRAPHS[side])]
    scenery, texture, other, cover = (photograph(name) for name in names[:4])
    camera = _Camera(rng, size, frames, scenery)
    target = Blob(rng, size, frames, texture, leaves=events.leaves)
    # A look-alike has the target's own texture, and a shape and a path of its own.
    alike = [Blob(rng, size, frames, texture, like=target) for _ in range(int(rng.integers(1, 3)))]
    targets = [target, *(Blob(rng, size, frames, other) for _ in range(events.targets - 1))]
    occluders = [_occluder(rng, size, frames, cover, target, events.hidden)]
    exposure = float(rng.choice([0.0, 0.4, 0.8]))
    light = 1 + rng.uniform(0.05, 0.3) * wave(rng, frames, 1.2)
    tint = 1 + 0.06 * np.stack([wave(rng, frames, 0.8) for _ in range(3)], axis=1)
    layers = [*alike, *targets, *occluders]
    for index in range(frames):
        image = camera.view(index)
        for blob in layers:
            blob.draw(image, index, exposure)
        image = np.asarray(cv2.transform(image, np.diag(light[index] * tint[index])), np.uint8)
        visible = [_visible(blob, layers[len(alike) + rank + 1 :], index, size) for rank, blob in enumerate(targets)]
        yield Frame(image, tuple(blob.outlines[index] for blob in targets), tuple(visible))


@cache
def photograph(name: str) -> Image:
    """A photograph of scikit-image, (H, W, 3) uint8 BGR, at most 560 pixels a side. Raises InputError where missing."""
    package = importlib.util.find_spec("skimage")
    folder = Path(package.origin).parent / "data" if package and package.origin else Path("skimage", "data")
    path = next((p for p in (folder / f"{name}.png", folder / f"{name}.jpg") if p.exists()), None)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path else None
    if image is None:
        raise InputError(f"{folder / name}: photograph not found: install scikit-image 0.24 or newer")
    scale = min(1.0, LONGEST / max(image.shape[:2]))
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def wave(rng: np.random.Generator, frames: int, cycles: float) -> Array:
    """(frames,) smooth values in [-1, 1] with about `cycles` periods in 40 frames, whatever the length."""
    time = 2 * np.pi * cycles * np.arange(frames) / CLIP
    first, second = rng.uniform(0, 2 * np.pi, 2)
    return 0.6 * np.sin(time + first) + 0.4 * np.sin(1.7 * time + second)


class Blob:
    """A polygon of Fourier radii with swinging limbs, filled with a photograph.

    Attributes:
        outlines: (F, P, 2) vertices in every frame: the body's, then four a limb.
        path: (F, 2) centre in every frame.
        reach: largest distance of a vertex from the centre, pixels.
        anchor: the photograph's pixel at the centre.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        size: tuple[int, int],
        frames: int,
        texture: Image,
        like: "Blob | None" = None,
        leaves: bool = False,
    ) -> None:
        self.texture = texture
        self.anchor: Array = _anchor(rng, texture) if like is None else like.anchor + rng.uniform(-8, 8, 2)
        self.texels = rng.uniform(1.0, 1.6)
        radius = rng.uniform(0.06, 0.105) * min(size)
        self.scale = np.exp(rng.uniform(0.1, 0.45) * wave(rng, frames, rng.uniform(0.4, 0.9)))
        self.turn = rng.uniform(0.1, 1.2) * wave(rng, frames, rng.uniform(0.3, 0.8))
        local = radius * np.concatenate([_body(rng, frames), _limbs(rng, frames, int(rng.integers(1, 4)))], axis=1)
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        rotation = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
        shape = np.einsum("fij,fpj->fpi", rotation, local) * self.scale[:, None, None]
        self.reach = float(np.linalg.norm(shape, axis=2).max())
        paths = [_path(rng, size, frames, 1.6 * radius) for _ in range(1 if like is None else 3)]
        # A look-alike begins apart from the target: the first frame must say which is which.
        start = np.zeros(2) if like is None else like.path[0]
        self.path: Array = max(paths, key=lambda path: float(np.linalg.norm(path[0] - start)))
        if leaves:
            self.path[:, 0] += _excursion(rng, frames) * (size[0] + self.reach + 2 - self.path[:, 0])
        self.outlines = shape + self.path[:, None]

    def polygons(self, index: int) -> list[Array]:
        """The parts whose union is the blob in a frame: body, then limbs."""
        points = self.outlines[index]
        return [points[:CORNERS], *points[CORNERS:].reshape(-1, 4, 2)]

    def draw(self, image: Image, index: int, exposure: float) -> None:
        """Lay the blob over the image, smeared along its motion during `exposure` frames."""
        low = np.floor(self.outlines[index].min(axis=0)).astype(int) - MARGIN
        high = np.ceil(self.outlines[index].max(axis=0)).astype(int) + MARGIN
        (x0, y0), (x1, y1) = np.maximum(low, 0), np.minimum(high, image.shape[1::-1])
        if x0 >= x1 or y0 >= y1:
            return
        fine = np.zeros((FINE * (y1 - y0), FINE * (x1 - x0)), np.uint8)
        fill(fine, [FINE * (part - (x0, y0)) for part in self.polygons(index)], 255)
        mask = np.asarray(cv2.resize(fine, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA), np.uint8)
        fabric = self._fabric(index, x0, y0, (x1 - x0, y1 - y0))
        kernel = _smear((self.path[index] - self.path[max(index - 1, 0)]) * exposure)
        if kernel is not None:
            mask, fabric = (np.asarray(cv2.filter2D(layer, -1, kernel), np.uint8) for layer in (mask, fabric))
        alpha = (mask / np.float32(255))[..., None]
        window = image[y0:y1, x0:x1]
        window[:] = np.rint(window + alpha * (fabric - window.astype(np.float32)))

    def _fabric(self, index: int, x0: int, y0: int, size: tuple[int, int]) -> Image:
        """The photograph, turned and scaled with the blob, over the window of the frame that starts at x0, y0."""
        factor = self.texels / self.scale[index]
        cos, sin = factor * np.cos(self.turn[index]), factor * np.sin(self.turn[index])
        linear = np.array([[cos, sin], [-sin, cos]])
        shift = self.anchor - linear @ (self.path[index] - (x0 + 0.5, y0 + 0.5))
        return _look_up(self.texture, np.column_stack([linear, shift]), size)


class _Camera:
    """A window that wanders over a photograph and zooms."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], frames: int, scenery: Image) -> None:
        self.scenery, self.size = scenery, size
        height, width = scenery.shape[:2]
        fit = min(width / size[0], height / size[1])
        self.zoom = fit * rng.uniform(0.45, 0.7) * np.exp(rng.uniform(0, 0.25) * wave(rng, frames, 0.5))
        room = np.array([width, height]) / 2 - np.array(size) * fit * 0.35
        drift = np.stack([wave(rng, frames, rng.uniform(0.1, 0.4)) for _ in range(2)], axis=1)
        self.path = np.array([width, height]) / 2 + rng.uniform(0.3, 1) * room * drift

    def view(self, index: int) -> Image:
        """The background of a frame, (H, W, 3) uint8."""
        zoom = self.zoom[index]
        x, y = self.path[index] - zoom * np.array(self.size) / 2
        return _look_up(self.scenery, np.array([[zoom, 0, x], [0, zoom, y]]), self.size)


def _look_up(image: Image, matrix: Array, size: tuple[int, int]) -> Image:
    """An image of `size` whose pixel p shows the pixel matrix p of another, which is mirrored beyond its edges."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def fill(mask: Image, parts: list[Array], value: int) -> None:
    """Fill the union of polygons, given in continuous coordinates (OpenCV's have pixel centres at whole numbers)."""
    for part in parts:
        points = np.round((part - 0.5) * 2**FRACTION).astype(np.int32)
        cv2.fillPoly(mask, [points], value, cv2.LINE_8, FRACTION)


def _visible(blob: Blob, above: list[Blob], index: int, size: tuple[int, int]) -> float:
    """Share of a blob's area inside the image and not under the blobs drawn after it."""
    low = np.floor(blob.outlines[index].min(axis=0)).astype(int) - 1
    width, height = np.ceil(blob.outlines[index].max(axis=0)).astype(int) + 1 - low
    mask = np.zeros((height, width), np.uint8)
    fill(mask, [part - low for part in blob.polygons(index)], 1)
    area = cv2.countNonZero(mask)
    for other in above:
        fill(mask, [part - low for part in other.polygons(index)], 0)
    (x0, y0), (x1, y1) = np.clip(-low, 0, (width, height)), np.clip(size - low, 0, (width, height))
    inside = np.ascontiguousarray(mask[y0:y1, x0:x1])
    return cv2.countNonZero(inside) / area if inside.size else 0.0


def _anchor(rng: np.random.Generator, texture: Image) -> Array:
    """The busiest of a few random places of a photograph, (2,) x, y."""
    middle = np.array(texture.shape[1::-1]) / 2
    places = middle + rng.uniform(-0.7, 0.7, (8, 2)) * middle
    return max(places, key=lambda p: texture[int(p[1]) - 20 : int(p[1]) + 20, int(p[0]) - 20 : int(p[0]) + 20].std())


def _body(rng: np.random.Generator, frames: int) -> Array:
    """(F, 40, 2) closed outlines of about unit radius, whose Fourier terms change with time."""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = np.ones((frames, CORNERS))
    for order in (2, 3, 4, 5):
        amount = rng.uniform(0.04, 0.3) / order * (1 + 0.6 * wave(rng, frames, rng.uniform(0.5, 1.5)))
        phase = rng.uniform(0, 2 * np.pi) + 0.5 * wave(rng, frames, 0.7)
        radius += amount[:, None] * np.cos(order * angle + phase[:, None])
    aspect = np.exp(rng.uniform(-0.35, 0.35))
    return np.stack([aspect * radius * np.cos(angle), radius * np.sin(angle) / aspect], axis=2)


def _limbs(rng: np.random.Generator, frames: int, count: int) -> Array:
    """(F, 4 count, 2) tapering quadrilaterals from the centre outwards, swinging about it; unit: the body's radius."""
    limbs = []
    for start in rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count:
        angle = start + rng.uniform(0.2, 0.6) * wave(rng, frames, rng.uniform(1.5, 3))
        along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        tip = along * rng.uniform(1.3, 1.75)
        root, end = 0.35 * across, rng.uniform(0.12, 0.25) * across
        limbs.append(np.stack([root, tip + end, tip - end, -root], axis=1))
    return np.concatenate(limbs, axis=1)


def _path(rng: np.random.Generator, size: tuple[int, int], frames: int, margin: float) -> Array:
    """(F, 2) a smooth path of a centre that stays `margin` pixels inside the image."""
    half = np.array(size) / 2
    course = np.stack([wave(rng, frames, rng.uniform(0.2, 0.5)) for _ in range(2)], axis=1)
    home = rng.uniform(-0.3, 0.3, 2)
    return half + np.maximum(half - margin, 0) * np.clip(home + rng.uniform(0.25, 0.65) * course, -1, 1)


def _excursion(rng: np.random.Generator, frames: int) -> Array:
    """(F,) 0 at the start and the end, 1 for about a tenth of the frames between."""
    middle = int(rng.uniform(0.4, 0.65) * frames)
    return np.exp(-(((np.arange(frames) - middle) / (0.12 * frames + 1)) ** 4))


def _occluder(
    rng: np.random.Generator, size: tuple[int, int], frames: int, texture: Image, target: Blob, hides: bool
) -> Blob:
    """A blob that crosses the target's path, or one large enough to hide it that crosses the target itself."""
    blob = Blob(rng, size, frames, texture)
    meeting = max(1, int(rng.uniform(0.35, 0.8) * frames))
    angle = np.linspace(0, 2 * np.pi, blob.outlines.shape[1], endpoint=False)
    radius = target.reach * (1.2 if hides else rng.uniform(0.3, 0.6))
    disc = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + 0.04 * np.cos(5 * angle))[:, None]
    last = min(meeting, frames - 1)
    # It starts on the far side of the meeting point, so that the first frame shows the whole target.
    ahead = np.zeros(2) if hides else target.path[0] - target.path[last]
    direction = np.arctan2(ahead[1], ahead[0]) + rng.uniform(-0.7, 0.7) if ahead.any() else rng.uniform(0, 2 * np.pi)
    step = 1.7 * (radius + target.reach) / meeting * np.array([np.cos(direction), np.sin(direction)])
    away = (np.arange(frames) - meeting)[:, None] * step
    blob.path = away + (target.path if hides else target.path[last])
    blob.outlines = blob.path[:, None] + disc
    return blob


def _smear(motion: Array) -> NDArray[np.float32] | None:
    """Kernel that averages along a motion in pixels; None where it is too short to see."""
    length = min(float(np.hypot(*motion)), MARGIN - 1.0)
    if length < 1.5:
        return None
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    half = motion / np.hypot(*motion) * length / 2
    ends = [np.round((side // 2 + sign * half) * 2**FRACTION).astype(int) for sign in (-1, 1)]
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_8, FRACTION)
    return kernel / kernel.sum()
