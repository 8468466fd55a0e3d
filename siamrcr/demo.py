"""Tracks a target through the user's own video, folder of images or camera."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from siamrcr.crops import Image
from siamrcr.datasets.names import natural
from siamrcr.datasets.sequence import read_image
from siamrcr.errors import InputError
from siamrcr.files import atomic, write_text
from siamrcr.geometry import Array
from siamrcr.progress import progress
from siamrcr.protocols import Tracker, initial_box

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Frames a second of a folder of images, which has no rate of its own.
RATE = 30.0
GREEN = (115, 158, 0)  # blue, green, red: readable on most scenes, also to the colour-blind


def demo(source: Path, box: ArrayLike, tracker: Tracker, out: Path | None = None, frames: int | None = None) -> Path:
    """Track a target, write its boxes, and give the path of their file.

    The file holds a line x,y,w,h a frame, in pixels from 0: `<stem>_boxes.txt` beside `out`, or in the current folder
    under the source's name.

    Args:
        source: a video file, a folder of images, taken in natural order, or a camera's number, as 0. What a camera saw
            until Ctrl-C is kept.
        box: x, y, w, h of the target in the first frame.
        tracker: what follows it.
        out: annotated video to write (MPEG-4, so `.mp4`); none where absent.
        frames: stop after so many; at the source's end where absent.

    Raises:
        InputError: the source cannot be read, the box is empty or outside the first frame, or `out` cannot be written.
    """
    film = _open(source)
    boxes: list[Array] = []
    with progress(f"track {film.name}", film.length, "frames") as bar, ExitStack() as stack:
        writer = None
        try:
            for image in islice(film.images, frames):
                if boxes:
                    boxes.append(tracker.update(image))
                else:
                    first = initial_box(image, box)
                    tracker.init(image, first)
                    boxes.append(first)
                    writer = video_writer(out, image, film.rate, stack) if out else None
                if writer is not None:
                    writer.write(annotated(image, boxes[-1], tracker.confidence))
                bar.advance()
        except KeyboardInterrupt:
            if not (film.live and boxes):
                raise
    path = out.with_name(f"{out.stem}_boxes.txt") if out else Path(f"{film.name}_boxes.txt")
    write_text(path, "".join(",".join(f"{value:.3f}" for value in each) + "\n" for each in boxes))
    return path


def annotated(image: Image, box: Array, confidence: float) -> Image:
    """A BGR copy of an RGB image (H, W, 3) with the box (4,) and, where it is known, the confidence."""
    frame = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if np.isfinite(box).all():
        x0, y0, x1, y1 = (int(value) for value in np.rint([*box[:2], *(box[:2] + box[2:])]))
        cv2.rectangle(frame, (x0, y0), (x1, y1), GREEN, 2)
        if np.isfinite(confidence):
            cv2.putText(frame, f"{confidence:.2f}", (x0, max(y0 - 6, 12)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, GREEN, 1)
    return np.asarray(frame, dtype=np.uint8)


class _Film(NamedTuple):
    name: str
    images: Iterator[Image]
    length: int  # as the file says: 0 where it does not
    rate: float
    live: bool = False  # a camera, which has no end of its own


def _open(source: Path) -> _Film:
    if source.is_dir():
        files = [path for path in source.iterdir() if path.suffix.lower() in IMAGES]
        if not files:
            raise InputError(f"{source}: holds no images ({', '.join(IMAGES)}): name the folder of the frames")
        files.sort(key=lambda path: natural(path.name))
        return _Film(source.resolve().name, _of_one_size(map(read_image, files), source), len(files), RATE)
    live = not source.exists() and str(source).isdecimal()
    if not source.is_file() and not live:
        raise InputError(f"{source}: no such video or folder of images")
    capture = cv2.VideoCapture(int(str(source)) if live else str(source))
    opened, first = capture.read()
    if not opened and live:
        raise InputError(f"{source}: no camera of this number gives an image: cameras count from 0")
    if not opened:
        raise InputError(f"{source}: not a readable video: convert it to MPEG-4 or to a folder of images")
    rate = capture.get(cv2.CAP_PROP_FPS)
    count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    name = f"camera-{source}" if live else source.stem
    return _Film(name, _decoded(capture, first), 0 if live else count, rate if 0 < rate < 1000 else RATE, live)


def _decoded(capture: cv2.VideoCapture, first: Any) -> Iterator[Image]:
    there, frame = True, first
    while there:
        yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        there, frame = capture.read()
    capture.release()


def _of_one_size(images: Iterator[Image], source: Path) -> Iterator[Image]:
    shape = None
    for number, image in enumerate(images, start=1):
        shape = shape or image.shape
        if image.shape != shape:
            raise InputError(f"{source}: image {number} differs in size from the first: give the frames of one video")
        yield image


def video_writer(out: Path, image: Image, rate: float, stack: ExitStack) -> cv2.VideoWriter:
    """A writer for a video that takes its name when the stack is left."""
    temporary = stack.enter_context(atomic(out))
    height, width = image.shape[:2]
    writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    stack.callback(writer.release)
    if not writer.isOpened():
        raise InputError(f"{out}: cannot write a video of this kind: end the name in .mp4")
    return writer
