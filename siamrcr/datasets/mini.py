"""The miniature benchmarks: generated videos in the official layout of each of the six.

Ground truth that a server would keep is written apart: to root/server/got10k-test in GOT-10k's layout, and to
root/server/trackingnet/<id>.txt.
"""

import shutil
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamrcr import integrity
from siamrcr.config import Mini
from siamrcr.datasets.lasot import official
from siamrcr.datasets.scene import Events, render
from siamrcr.errors import InputError
from siamrcr.files import read_json, writable, write_json
from siamrcr.geometry import Array, bounding_box, corners, from_corners
from siamrcr.progress import Progress, progress

SETTINGS = "mini.json"  # what the folder was made with
GENERATOR = 3  # raised when the same settings give other files
QUALITY = 90  # of the JPEG images
SURPLUS = 5  # images beyond the last box, in the sequence that has some
HIDDEN = {"got10k": ("got10k-test",), "trackingnet": ("trackingnet",)}  # folders of what a server keeps
HIDDEN_EVERY = 5  # one sequence in so many has its target covered wholly


@dataclass(frozen=True, eq=False)
class Track:
    """One target's truth.

    Attributes:
        boxes: (F, 4) around the whole target, also where it is covered or outside the image.
        rectangles: (F, 8) corners of the smallest rotated rectangle.
        visible: (F,) share in [0, 1] of the target's area that is seen.
        size: width, height of the images.
    """

    boxes: Array
    rectangles: Array
    visible: Array
    size: tuple[int, int]

    @property
    def clipped(self) -> Array:
        """(F, 4) the boxes' parts inside the image; no area where there is none."""
        return from_corners(np.clip(corners(self.boxes), 0, np.tile(self.size, 2)))


def generate(dataset: str, root: Path, settings: Mini) -> None:
    """Write root/{dataset}, whole or not at all; a whole one made with the same settings is left alone.

    Args:
        dataset: got10k (train, val and test), trackingnet, lasot, otb2015, vot2018 or vot2019.
        root: folder of the miniatures.
        settings: the seed, the images' size, and how many frames and sequences.

    Raises:
        InputError: for an unknown dataset, or a folder of that name that was not generated.
    """
    if dataset not in WRITERS:
        raise InputError(f"{dataset!r} has no miniature: choose one of {', '.join(WRITERS)}")
    folder = root / dataset
    record = {"generator": GENERATOR, "dataset": dataset, **settings.model_dump(mode="json")}
    if folder.exists():
        if not (folder / SETTINGS).exists():
            raise InputError(f"{folder}: exists and was not generated: move it away or choose another folder")
        hidden = [root / "server" / name for name in HIDDEN.get(dataset, ())]
        made = read_json(folder / SETTINGS, "delete the folder") == record
        if made and all(integrity.whole(place) for place in (folder, *hidden)):
            return
    total, write = WRITERS[dataset]
    with writable(folder):
        root.mkdir(parents=True, exist_ok=True)
    with writable(folder), tempfile.TemporaryDirectory(dir=root, prefix=f".{dataset}-") as temporary:
        work = Path(temporary)
        (work / dataset).mkdir()
        with progress(f"mini {dataset}", total(settings), "sequences") as bar:
            write(Studio(work, dataset, settings, bar))
        write_json(work / dataset / SETTINGS, record)
        # The dataset's own folder comes last: it is the mark that everything is there.
        for place in (*work.glob("server/*"), work / dataset):
            integrity.record(place)
        for name in HIDDEN.get(dataset, ()):
            _replace(work / "server" / name, root / "server" / name)
        _replace(work / dataset, folder)


@dataclass(frozen=True)
class Studio:
    """Where the videos of one dataset are made."""

    work: Path
    dataset: str
    settings: Mini
    bar: Progress

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self.work / self.dataset

    @property
    def server(self) -> Path:
        """What a server keeps."""
        return self.work / "server"

    def film(
        self,
        key: str,
        images: Path,
        pattern: str,
        events: Events,
        side: str = "test",
        surplus: int = 0,
        first: int = 1,
    ) -> list[Track]:
        """Render the video of name `key`, write its images, and give the truth of its targets.

        Args:
            key: seeds the video together with the run's seed; equal keys give equal videos.
            images: folder of the images.
            pattern: of their names, for the number of the image.
            events: what happens in it.
            side: whose photographs are shown, "train" or "test".
            surplus: images after the last frame that has a box.
            first: number of the first image.
        """
        images.mkdir(parents=True)
        size = (self.settings.width, self.settings.height)
        rng = np.random.default_rng([self.settings.seed, zlib.crc32(key.encode())])
        outlines: list[tuple[Array, ...]] = []
        visible = []
        for number, frame in enumerate(render(rng, side, size, self.settings.frames + surplus, events), start=first):
            path = images / pattern.format(number)
            path.write_bytes(cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
            outlines.append(frame.outlines)
            visible.append(frame.visible)
        self.bar.advance()
        return [
            Track(
                np.array([bounding_box(frame[target]) for frame in outlines[: self.settings.frames]]),
                np.array([_rectangle(frame[target]) for frame in outlines[: self.settings.frames]]),
                np.array(visible)[: self.settings.frames, target],
                size,
            )
            for target in range(events.targets)
        ]


def _got10k(studio: Studio) -> None:
    for split, count in _got10k_splits(studio.settings).items():
        names = [f"GOT-10k_{split.title()}_{number:06d}" for number in range(1, count + 1)]
        for rank, name in enumerate(names):
            folder = studio.folder / split / name
            events = Events(hidden=rank % HIDDEN_EVERY == 1)
            side = "train" if split == "train" else "test"
            track = studio.film(f"got10k/{name}", folder, "{:08d}.jpg", events, side)[0]
            boxes = track.clipped
            # Eighths of the target that are seen, rounded up: any visible part is more than none.
            cover = np.ceil(8 * track.visible).astype(int)
            if split == "test":
                _save(folder / "groundtruth.txt", boxes[:1], "%.4f")
            told = studio.server / "got10k-test" / name if split == "test" else folder
            _save(told / "groundtruth.txt", boxes, "%.4f")
            _save(told / "cover.label", cover, "%d")
            _save(told / "absence.label", cover == 0, "%d")
            _save(told / "cut_by_image.label", (boxes != track.boxes).any(axis=1), "%d")
            for place in {folder, told}:
                _write(place / "meta_info.ini", _meta(track))
        _write(studio.folder / split / "list.txt", names)


def _meta(track: Track) -> list[str]:
    """GOT-10k's description of a sequence."""
    known = {"url": "none", "begin": "00:00:00", "end": f"00:00:{len(track.boxes) // 10:02d}", "anno_fps": "10Hz"}
    known |= {"object_class": "blob", "motion_class": "swimming", "major_class": "generated", "root_class": "generated"}
    known |= {"motion_adverb": "smoothly", "resolution": f"({track.size[0]}, {track.size[1]})"}
    return ["[METAINFO]", *(f"{key}: {value}" for key, value in known.items())]


def _trackingnet(studio: Studio) -> None:
    for number in range(studio.settings.sequences):
        name = f"mini{number:07d}_{number % 2}"  # as long as a video's identifier and the target's number
        folder = studio.folder / "TEST"
        events = Events(hidden=number % HIDDEN_EVERY == 1)
        track = studio.film(f"trackingnet/{name}", folder / "frames" / name, "{}.jpg", events, first=0)[0]
        _save(folder / "anno" / f"{name}.txt", track.clipped[:1], "%.2f")
        _save(studio.server / "trackingnet" / f"{name}.txt", track.clipped, "%.4f")


def _lasot(studio: Studio) -> None:
    # The benchmark is a list of names, so the miniature has the first ones of it.
    names = official("test")[: studio.settings.sequences]
    for number, name in enumerate(names):
        folder = studio.folder / name.rpartition("-")[0] / name
        events = Events(hidden=number % HIDDEN_EVERY == 1, leaves=number % HIDDEN_EVERY == 2)
        track = studio.film(f"lasot/{name}", folder / "img", "{:08d}.jpg", events)[0]
        boxes = _integers(track.clipped)
        outside = np.any(boxes[:, 2:] <= 0, axis=1)
        occluded = (track.visible == 0) & ~outside
        boxes[outside] = 0
        _save(folder / "groundtruth.txt", boxes, "%d")
        _write(folder / "full_occlusion.txt", [",".join(f"{flag:d}" for flag in occluded)])
        _write(folder / "out_of_view.txt", [",".join(f"{flag:d}" for flag in outside)])
        _write(folder / "nlp.txt", ["a deforming polygon with swinging limbs"])
    _write(studio.folder / "testing_set.txt", list(names))


def _otb(studio: Studio) -> None:
    entries = studio.settings.sequences
    folders = entries - 1 if entries > 2 else entries  # the last folder then holds two targets
    for number in range(folders):
        name = f"Mini{number + 1}"
        folder = studio.folder / name
        two = number == folders - 1 and folders < entries
        events = Events(targets=2 if two else 1, hidden=number % HIDDEN_EVERY == 1)
        surplus = SURPLUS if number == 1 else 0
        tracks = studio.film(f"otb2015/{name}", folder / "img", "{:04d}.jpg", events, surplus=surplus)
        files = ["groundtruth_rect.1.txt", "groundtruth_rect.2.txt"] if two else ["groundtruth_rect.txt"]
        for file, track in zip(files, tracks, strict=True):
            _save(folder / file, _integers(track.boxes), "%d", "\t" if number % 2 else ",")
        covered = any((track.visible < 0.9).any() for track in tracks)
        _write(folder / "attrs.txt", [", ".join(["SV", "OCC", "DEF", "BC"] if covered else ["SV", "DEF", "BC"])])


def _vot(studio: Studio) -> None:
    # Two years share three quarters of their sequences, with the same video and ground truth.
    count = studio.settings.sequences
    first = count // 4 if studio.dataset == "vot2019" else 0
    names = [f"mini{number + 1}" for number in range(first, first + count)]
    for name in names:
        folder = studio.folder / name
        track = studio.film(f"vot/{name}", folder / "color", "{:08d}.jpg", Events())[0]
        _save(folder / "groundtruth.txt", track.rectangles, "%.2f")
        for tag, flags in _tags(track).items():
            _save(folder / f"{tag}.tag", flags, "%d")
        properties = {"name": name, "fps": 30, "format": "default", "channels.color": "color/%08d.jpg"}
        properties |= {"width": track.size[0], "height": track.size[1], "length": len(track.boxes)}
        _write(folder / "sequence", [f"{key}={value}" for key, value in properties.items()])
    _write(studio.folder / "list.txt", names)


def _tags(track: Track) -> dict[str, NDArray[np.bool_]]:
    """VOT's five per-frame attributes."""
    boxes = track.boxes
    motion = np.linalg.norm(np.diff(boxes[:, :2] + boxes[:, 2:] / 2, axis=0, prepend=np.nan), axis=1)
    area = boxes[:, 2] * boxes[:, 3]
    growth = np.abs(np.log(area / area[np.maximum(np.arange(len(area)) - 5, 0)]))
    return {
        "camera_motion": np.ones(len(boxes), bool),
        "illum_change": np.zeros(len(boxes), bool),
        "motion_change": motion > 4,
        "occlusion": track.visible < 0.9,
        "size_change": growth > 0.25,
    }


def _got10k_splits(settings: Mini) -> dict[str, int]:
    return {"train": settings.train_sequences, "val": settings.val_sequences, "test": settings.sequences}


WRITERS: dict[str, tuple[Callable[[Mini], int], Callable[[Studio], None]]] = {
    "got10k": (lambda settings: sum(_got10k_splits(settings).values()), _got10k),
    "trackingnet": (lambda settings: settings.sequences, _trackingnet),
    "lasot": (lambda settings: settings.sequences, _lasot),
    "otb2015": (lambda settings: settings.sequences, _otb),
    "vot2018": (lambda settings: settings.sequences, _vot),
    "vot2019": (lambda settings: settings.sequences, _vot),
}


def _rectangle(outline: Array) -> Array:
    """(8,) corners of the smallest rotated rectangle around (P, 2) points."""
    return cv2.boxPoints(cv2.minAreaRect(outline.astype(np.float32))).astype(np.float64).ravel()


def _integers(boxes: Array) -> NDArray[np.int64]:
    """Boxes as OTB and LaSOT store them: whole pixels, 1-based."""
    whole = from_corners(np.round(corners(boxes))).astype(np.int64)
    whole[:, :2] += 1
    return whole


def _save(path: Path, rows: ArrayLike, form: str, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.asarray(rows), fmt=form, delimiter=delimiter)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n")


def _replace(source: Path, target: Path) -> None:
    """Move a folder to a name, in place of a folder that has it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    source.rename(target)
