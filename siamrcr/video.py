"""Tracks drawn into their frames: a video, or a contact sheet in one picture."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamrcr import datasets, results
from siamrcr.config import Run
from siamrcr.crops import Image
from siamrcr.datasets.sequence import Sequence as Clip
from siamrcr.demo import IMAGES, RATE, video_writer
from siamrcr.errors import InputError
from siamrcr.files import atomic
from siamrcr.geometry import Array, corners
from siamrcr.progress import progress
from siamrcr.results import FAILURE, INIT, SKIPPED, Result

TRUTH = "ground truth"
# Okabe and Ito's palette as blue, green, red: colour-blind safe; the truth's white stands on every scene.
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
COLORS = ((0, 94, 213), (233, 180, 86), (115, 158, 0), (167, 121, 204), (66, 228, 240), (178, 114, 0), (0, 159, 230))
# Smaller frames are enlarged to about this height, so that the legend can be read.
HEIGHT = 480
# A contact sheet's tile and a line of text, in pixels.
TILE, COLUMNS, LINE = 400, 4, 18
EVENTS = {INIT: "start", FAILURE: "failure", SKIPPED: "skipped"}


class Track(NamedTuple):
    """What is drawn in one colour: N regions, each (4,) x, y, w, h or (2k,) corners, NaN or one number where none."""

    name: str
    color: tuple[int, int, int]
    regions: Array | Sequence[Array]
    events: Sequence[str]  # a word a frame, empty where there is nothing to say


def video(
    run: Run,
    benchmark: str,
    sequence: str,
    tracks: Mapping[str, Path],
    out: Path,
    root: Path | None = None,
    tiles: int = 12,
) -> Path:
    """Draw trackers and the ground truth into the frames of a sequence and give the path of what was written.

    Of a tracker that ran several times the first run is drawn.

    Args:
        run: the configuration, which says where the frames are.
        benchmark: one of config.BENCHMARKS.
        sequence: a name in it.
        tracks: name in the legend -> folder or zip of raw results, in any toolkit's layout.
        out: `.mp4` for a video at 30 frames a second; the suffix of an image for a contact sheet.
        root: the benchmark's folder; the configuration's where absent.
        tiles: frames of the contact sheet, evenly spread from the first to the last.

    Raises:
        InputError: there is no such sequence, a tracker has no results for it, a frame cannot be read, there are more
            trackers than colours, or `out` cannot be written.
    """
    if len(tracks) > len(COLORS):
        raise InputError(f"{len(tracks)} trackers: the eye tells {len(COLORS)} colours apart: name fewer")
    sheet = out.suffix.lower() in IMAGES
    if not sheet and out.suffix.lower() != ".mp4":
        raise InputError(f"{out}: end the name in .mp4 for a video, in .jpg or .png for a contact sheet")
    clip = _find(datasets.there(run, benchmark, root), benchmark, sequence)
    truth = clip.regions if clip.regions is not None else clip.boxes
    layers = [Track(TRUTH, WHITE, truth, [""] * len(clip))]
    for (name, path), color in zip(tracks.items(), COLORS, strict=False):
        layers.append(_track(name, color, results.read(path, benchmark, [clip])[clip.name][0]))
    if sheet:
        numbers = np.unique(np.linspace(0, len(clip) - 1, min(tiles, len(clip))).round().astype(int)).tolist()
        _save(out, contact_sheet(list(_frames(clip, layers, numbers, tile=True)), layers))
    else:
        with ExitStack() as stack:
            writer = None
            for image in _frames(clip, layers, range(len(clip))):
                writer = writer or video_writer(out, image, RATE, stack)
                writer.write(image)
    return out


def drawn(image: Image, number: int, tracks: Sequence[Track], tile: bool = False) -> Image:
    """A BGR copy of an RGB frame (H, W, 3) with the tracks' regions, its number and what happened in it.

    A small frame is enlarged, and the tracks' names stand on it; a `tile` of a contact sheet is TILE pixels wide and
    has the names of those alone that have something to say.
    """
    scale = TILE / image.shape[1] if tile else max(1, round(HEIGHT / image.shape[0]))
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    frame = np.asarray(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), size, interpolation=how), dtype=np.uint8)
    width = max(1, round(min(size) / 320))
    outlines = [(_outline(track, number, scale), track.color) for track in tracks]
    # All the dark edges first: no track's edge hides another's colour.
    for thickness, edge in ((width + 2, True), (width, False)):
        for outline, color in outlines:
            cv2.polylines(frame, outline, True, BLACK if edge else color, thickness, cv2.LINE_AA)
    said = [(f"frame {number + 1}", WHITE)]
    for track in tracks:
        event = track.events[number] if number < len(track.events) else "no result"
        if event or not tile:
            said.append((f"{track.name}: {event}" if event else track.name, track.color))
    return _labelled(frame, said)


def contact_sheet(tiles: Sequence[Image], tracks: Sequence[Track], columns: int = COLUMNS) -> Image:
    """Tiles (h, w, 3) of one size side by side, row by row, under the names of the tracks."""
    columns = min(columns, len(tiles))
    height, width = tiles[0].shape[:2]
    legend = _labelled(np.zeros((LINE * len(tracks) + 6, columns * width, 3), dtype=np.uint8), [t[:2] for t in tracks])
    sheet = np.zeros((math.ceil(len(tiles) / columns) * height, columns * width, 3), dtype=np.uint8)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return np.concatenate([legend, sheet])


def _find(clips: Sequence[Clip], benchmark: str, name: str) -> Clip:
    found = {clip.name: clip for clip in clips}
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"its first is {clips[0].name!r}"
        raise InputError(f"{benchmark} has no sequence {name!r} among {len(clips)}; {hint}")
    return found[name]


def _track(name: str, color: tuple[int, int, int], result: Result) -> Track:
    regions = result.boxes if result.regions is None else result.regions
    return Track(name, color, regions, [EVENTS.get(int(code), "") for code in result.codes])


def _frames(clip: Clip, tracks: Sequence[Track], numbers: Sequence[int], tile: bool = False) -> Iterator[Image]:
    """The drawn frames of these numbers, all of the first one's size."""
    size = None
    with progress(f"draw {clip.name}", len(numbers), "frames") as bar:
        for number in numbers:
            image = drawn(clip.image(number), number, tracks, tile)
            size = size or (image.shape[1], image.shape[0])
            yield image if image.shape[1::-1] == size else np.asarray(cv2.resize(image, size), dtype=np.uint8)
            bar.advance()


def _outline(track: Track, number: int, scale: float) -> list[NDArray[np.int32]]:
    """The polygon (K, 1, 2) to draw; none where the region is a code, NaN, or a box without size (an absent target)."""
    region = np.asarray(track.regions[number], dtype=np.float64) if number < len(track.regions) else np.empty(0)
    if len(region) < 4 or not np.isfinite(region).all() or (len(region) == 4 and not (region[2:] > 0).all()):
        return []
    x0, y0, x1, y1 = corners(region[:4])
    points = region.reshape(-1, 2) if len(region) > 4 else np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    # A pixel's centre has whole coordinates in a frame and lies in the middle of its enlargement.
    return [np.rint(points * scale + (scale - 1) / 2).astype(np.int32).reshape(-1, 1, 2)]


def _labelled(image: Image, lines: Sequence[tuple[str, tuple[int, int, int]]]) -> Image:
    """The image with lines of text, each in its colour, on a darkened corner."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    width = max(cv2.getTextSize(text, font, size, 1)[0][0] for text, _ in lines) + 12
    image[: LINE * len(lines) + 6, :width] //= 3
    for place, (text, color) in enumerate(lines, start=1):
        cv2.putText(image, text, (6, LINE * place - 2), font, size, color, 1, cv2.LINE_AA)
    return image


def _save(out: Path, image: Image) -> None:
    with atomic(out) as temporary:
        cv2.imwrite(str(temporary), image)
