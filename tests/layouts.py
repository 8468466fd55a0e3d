"""Tiny datasets in the official on-disk layouts, from a handful of frames: what the mini run does not generate.

`real_tree` turns generated benchmarks into a data folder as a whole paper run would have it.
"""

import io
import json
import shutil
import zipfile
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamrcr import integrity

BENCHMARKS = ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019")
# Names of LaSOT's training sequences.
LASOT_TRAIN = ("airplane-2", "airplane-3", "bear-1", "bear-3", "cat-2", "cat-4", "dog-2", "dog-3")


@dataclass(frozen=True)
class Clip:
    """A video of one target: JPEG files and (N, 4) boxes x, y, w, h, 0-based."""

    name: str
    frames: tuple[Path, ...]
    boxes: NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int]:
        height, width = cv2.imread(str(self.frames[0])).shape[:2]
        return width, height


def clips(folder: Path, count: int = 2, frames: int = 3, size: tuple[int, int] = (64, 48)) -> list[Clip]:
    """Clips of noise with a bright moving box."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        paths, boxes = [], []
        for frame in range(frames):
            image = rng.integers(0, 80, (size[1], size[0], 3), dtype=np.uint8)
            x, y, w, h = 5 + 4 * frame, 6 + number, 20 + number, 12
            image[y : y + h, x : x + w] = 240
            path = folder / f"clip{number}" / f"{frame + 1:08d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)
            paths.append(path)
            boxes.append((x, y, w, h))
        made.append(Clip(f"clip{number}", tuple(paths), np.array(boxes, dtype=np.float64)))
    return made


def got10k_clips(split: Path) -> list[Clip]:
    """The sequences of a folder laid out as GOT-10k's train or val."""
    made = []
    for folder in sorted(path.parent for path in split.glob("*/groundtruth.txt")):
        frames = tuple(sorted(folder.glob("*.jpg")))
        made.append(Clip(folder.name, frames, np.loadtxt(folder / "groundtruth.txt", delimiter=",", ndmin=2)))
    return made


def otb_clips(folder: Path, names: Items[str], frames: int) -> list[Clip]:
    """The first frames of real sequences that OTB lays out; its boxes count from 1."""
    made = []
    for name in names:
        lines = (folder / name / "groundtruth_rect.txt").read_text().replace("\t", ",").splitlines()[:frames]
        boxes = np.loadtxt(lines, delimiter=",", ndmin=2) - (1, 1, 0, 0)
        made.append(Clip(name, tuple(sorted((folder / name / "img").glob("*.jpg"))[:frames]), boxes))
    return made


def coco128_clips(folder: Path, count: int) -> list[Clip]:
    """Real images, each with its largest object; labels are class, centre and size as shares of the image."""
    made = []
    for label in sorted((folder / "labels").rglob("*.txt"))[:count]:
        path = next((folder / "images").rglob(f"{label.stem}.jpg"))
        height, width = cv2.imread(str(path)).shape[:2]
        _, x, y, w, h = max(np.loadtxt(label, ndmin=2).tolist(), key=lambda row: row[3] * row[4])
        box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
        made.append(Clip(label.stem, (path,), np.array([box])))
    return made


def fill(split: Path, videos: Items[Clip]) -> None:
    """Put other frames and boxes into the sequences of a folder laid out as GOT-10k's train or val."""
    for old, new in zip(got10k_clips(split), videos, strict=True):
        for number, path in enumerate(new.frames, start=1):
            shutil.copyfile(path, split / old.name / f"{number:08d}.jpg")
        np.savetxt(split / old.name / "groundtruth.txt", new.boxes, fmt="%.4f", delimiter=",")
    integrity.record(split.parent)


def coco(root: Path, videos: Items[Clip], images: str = "train2017") -> None:
    """Every frame an image with its object, and a crowd and a second object on the first."""
    (root / images).mkdir(parents=True)
    entries: list[dict[str, object]] = []
    objects: list[dict[str, object]] = []
    for clip in videos:
        for path, box in zip(clip.frames, clip.boxes, strict=True):
            key = len(entries) + 1
            # 9 is the first image of the real train2017.
            name = f"{key + 8:012d}.jpg"
            shutil.copyfile(path, root / images / name)
            entries.append({"id": key, "file_name": name, "width": clip.size[0], "height": clip.size[1]})
            objects.append(_coco_object(len(objects) + 1, key, box.tolist(), 0))
    objects.append(_coco_object(len(objects) + 1, 1, [0, 0, 60, 40], 1))
    objects.append(_coco_object(len(objects) + 1, 1, [3.5, 2.25, 10.5, 0], 0))
    path = root / "annotations" / "instances_train2017.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"images": entries, "annotations": objects, "categories": [{"id": 1, "name": "blob"}]}))


def vid(root: Path, videos: Items[Clip]) -> None:
    """Every clip a snippet; its object has track id 0, and a second one appears from the second frame on."""
    for number, clip in enumerate(videos):
        snippet = f"train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_{number:08d}"
        for frame, (path, box) in enumerate(zip(clip.frames, clip.boxes, strict=True)):
            objects = [("0", box)] + ([("1", np.add(box, (2, 3, 0, 0)))] if frame else [])
            _ilsvrc(root, "VID", f"{snippet}/{frame:06d}", path, clip.size, objects)


def det(root: Path, videos: Items[Clip]) -> None:
    """Every frame an image of one object, the first with two and the last of each clip with none."""
    for number, clip in enumerate(videos):
        folder = f"train/ILSVRC2013_train/n{number:08d}"
        for frame, (path, box) in enumerate(zip(clip.frames, clip.boxes, strict=True)):
            objects = [("", box)] * (2 if frame == 0 else 0 if frame == len(clip.frames) - 1 else 1)
            _ilsvrc(root, "DET", f"{folder}/n{number:08d}_{frame}", path, clip.size, objects)


def trackingnet_train(root: Path, videos: Items[Clip], chunk: int = 0) -> None:
    """Every clip a sequence of TRAIN_{chunk}."""
    base = root / f"TRAIN_{chunk}"
    (base / "anno").mkdir(parents=True)
    for number, clip in enumerate(videos):
        name = f"-train{chunk:02d}{number:03d}_0"
        _copy(clip.frames, base / "frames" / name, "{}.jpg", 0)
        np.savetxt(base / "anno" / f"{name}.txt", clip.boxes, fmt="%.2f", delimiter=",")


def lasot_train(root: Path, videos: Items[Clip]) -> None:
    """Every clip a training sequence: whole pixels, 1-based."""
    for name, clip in zip(LASOT_TRAIN, videos, strict=False):
        folder = root / name.split("-")[0] / name
        _copy(clip.frames, folder / "img", "{:08d}.jpg", 1)
        boxes = np.add(np.round(clip.boxes), (1, 1, 0, 0))
        np.savetxt(folder / "groundtruth.txt", boxes, fmt="%d", delimiter=",")
        for file in ("full_occlusion.txt", "out_of_view.txt"):
            (folder / file).write_text(",".join("0" * len(boxes)) + "\n")
        (folder / "nlp.txt").write_text("a blob\n")


def otb(folder: Path, name: str, clip: Clip) -> Path:
    """A sequence as OTB lays it out."""
    (folder / name / "img").mkdir(parents=True)
    for number, path in enumerate(clip.frames, start=1):
        shutil.copyfile(path, folder / name / "img" / f"{number:04d}.jpg")
    (folder / name / "groundtruth_rect.txt").write_text("1,1,5,5\n" * len(clip.frames))
    return folder / name


def got10k(folder: Path, part: str, names: list[str], clip: Clip) -> Path:
    """A split as GOT-10k lays it out."""
    for name in names:
        (folder / part / name).mkdir(parents=True)
        for number, path in enumerate(clip.frames, start=1):
            shutil.copyfile(path, folder / part / name / f"{number:08d}.jpg")
        (folder / part / name / "groundtruth.txt").write_text("1,1,5,5\n" * len(clip.frames))
    return folder / part


def lasot(root: Path, names: list[str]) -> None:
    for name in names:
        folder = root / name.rsplit("-", 1)[0] / name
        (folder / "img").mkdir(parents=True)
        (folder / "img" / "00000001.jpg").touch()
        (folder / "groundtruth.txt").write_text("1,1,5,5\n")


def real_tree(mini: Path, real: Path, images: Items[Clip] = ()) -> None:
    """A folder as data/real: the generated benchmarks, linked, and training sets made of GOT-10k's training clips.

    COCO and ImageNet DET take `images` where there are some.
    """
    for dataset in BENCHMARKS:
        (real / dataset).mkdir(parents=True)
        for entry in sorted((mini / dataset).iterdir()):
            (real / dataset / entry.name).symlink_to(entry.resolve())
    videos = got10k_clips(mini / "got10k" / "train")
    trackingnet_train(real / "trackingnet", videos[:4])
    lasot_train(real / "lasot", videos[:4])
    coco(real / "coco", images or videos[:2])
    vid(real / "vid", videos[:4])
    det(real / "det", images or videos[:2])


def zipped(content: dict[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return stream.getvalue()


def packed(folder: Path, prefix: str = "") -> bytes:
    """A zip of a folder's files."""
    return zipped({prefix + p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()})


def _coco_object(key: int, image: int, box: list[float], crowd: int) -> dict[str, object]:
    x, y, w, h = box
    outline = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    entry = {"id": key, "image_id": image, "category_id": 1, "bbox": box, "area": w * h, "iscrowd": crowd}
    return entry | {"segmentation": {"counts": "", "size": [1, 1]} if crowd else outline}


def _ilsvrc(
    root: Path,
    task: str,
    name: str,
    image: Path,
    size: tuple[int, int],
    objects: Items[tuple[str, NDArray[np.float64]]],
) -> None:
    annotation, target = root / "Annotations" / task / f"{name}.xml", root / "Data" / task / f"{name}.JPEG"
    for path in (annotation, target):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, target)
    lines = [f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"]
    for track, (x, y, w, h) in objects:
        corners = {"xmax": x + w - 1, "xmin": x, "ymax": y + h - 1, "ymin": y}
        box = "".join(f"<{key}>{round(value)}</{key}>" for key, value in corners.items())
        identity = f"<trackid>{track}</trackid>" if track else ""
        lines.append(f"<object>{identity}<name>n02510455</name><bndbox>{box}</bndbox></object>")
    annotation.write_text("\n".join([*lines, "</annotation>"]))


def _copy(frames: Items[Path], folder: Path, pattern: str, first: int) -> None:
    folder.mkdir(parents=True)
    for number, path in enumerate(frames, start=first):
        shutil.copyfile(path, folder / pattern.format(number))
