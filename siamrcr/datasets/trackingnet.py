"""TrackingNet: TRAIN_0 .. TRAIN_11 and TEST, each with anno/<id>.txt and frames/<id>/0.jpg, 1.jpg, ...

Boxes are continuous and count from 0. The test split shows its first box only.
"""

from pathlib import Path

from siamrcr.datasets.images import FrameFiles, numbered, select
from siamrcr.datasets.names import natural
from siamrcr.datasets.truth import Truth, read_text, rows
from siamrcr.errors import InputError


def sequences(root: Path, split: str) -> dict[str, Path]:
    """Name -> folder of frames of a split's sequences, all chunks together. `root` may be one chunk itself."""
    pattern = "TRAIN_*" if split == "train" else "TEST"
    chunks = sorted(root.glob(pattern), key=lambda chunk: natural(chunk.name)) or [root]
    found = {path.stem: chunk / "frames" / path.stem for chunk in chunks for path in _annotations(chunk)}
    if not found:
        raise InputError(f"{root}: no sequence of TrackingNet there: expected {pattern}/anno/<id>.txt")
    unpacked = {chunk: {path.name for path in chunk.glob("frames/*")} for chunk in chunks}
    present = {name: folder for name, folder in found.items() if name in unpacked[folder.parent.parent]}
    # Annotations come in one piece, frames in an archive a sequence: what is unpacked counts, where anything is.
    return present or found


def truth(folder: Path, name: str) -> Truth:
    """Ground truth of the sequence whose frames a folder holds."""
    path = folder.parent.parent / "anno" / f"{name}.txt"
    return parse(read_text(path), path, name)


def images(folder: Path, name: str, count: int | None) -> FrameFiles:  # noqa: ARG001 (the layouts' common form)
    """The sequence's frames."""
    return select(folder, numbered(folder), 0, count)


def parse(text: str, origin: object, name: str) -> Truth:  # noqa: ARG001 (the layouts' common form)
    """Ground truth of a file of boxes."""
    return Truth(rows(text, origin))


def _annotations(chunk: Path) -> list[Path]:
    return sorted((chunk / "anno").glob("*.txt"), key=lambda path: natural(path.stem))
