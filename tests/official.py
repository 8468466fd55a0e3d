"""Files in the benchmarks' official layouts, with ground truth as a test wants it and frames of no content."""

import zipfile
from pathlib import Path

import numpy as np

BOXES = np.array([[10.0, 20, 30, 40], [11, 21, 31, 41], [12, 22, 32, 42], [13, 23, 33, 43]])
POLYGON = "1.5,2,11.5,3,10.5,13,0.5,12"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def lines(boxes: np.ndarray, delimiter: str = ",") -> str:
    return "".join(delimiter.join(f"{number:g}" for number in box) + "\n" for box in boxes)


def images(folder: Path, first: int, last: int, digits: int, suffix: str = ".jpg") -> None:
    """Files of no content: whoever decodes one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, last + 1):
        (folder / f"{number:0{digits}d}{suffix}").touch()


def otb_sequence(root: Path, name: str, boxes: np.ndarray = BOXES, count: int = 4, delimiter: str = ",") -> Path:
    write(root / name / "groundtruth_rect.txt", lines(boxes, delimiter))
    images(root / name / "img", 1, count, 4)
    return root / name


def lasot_sequence(root: Path, name: str, count: int = 4, classes: bool = True) -> Path:
    folder = root / name.rpartition("-")[0] / name if classes else root / name
    write(folder / "groundtruth.txt", lines(BOXES))
    images(folder / "img", 1, count, 8)
    return folder


def got10k_sequence(root: Path, split: str, number: int, boxes: np.ndarray = BOXES) -> Path:
    folder = root / split / f"GOT-10k_{split.title()}_{number:06d}"
    write(folder / "groundtruth.txt", lines(boxes))
    write(folder / "meta_info.ini", "[METAINFO]\nobject_class: cat\nresolution: (640, 360)\n")
    images(folder, 1, 4, 8)
    return folder


def trackingnet_sequence(chunk: Path, name: str, boxes: np.ndarray = BOXES[:1], count: int = 12) -> None:
    write(chunk / "anno" / f"{name}.txt", lines(boxes))
    images(chunk / "frames" / name, 0, count - 1, 1)


def vot_sequence(root: Path, name: str, color: bool = True) -> Path:
    write(root / name / "groundtruth.txt", f"{POLYGON}\n5,6,7,8\n{POLYGON}\n")
    images(root / name / ("color" if color else ""), 1, 3, 8)
    return root / name


def archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path
