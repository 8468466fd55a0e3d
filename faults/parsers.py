"""Every parser that reads files of strangers: each gives a value, or an error of one line, and nothing else."""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from analysis import answers
from siamrcr import config, datasets, formats, layouts, results, tuned
from siamrcr.datasets import archives
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError

BOXES = b"10,20,30,40\n11,21,31,41\n12,22,32,42\n"
POLYGONS = b"1.5,2,11.5,3,10.5,13,0.5,12\n5,6,7,8\n1,1,9,1,9,9,1,9\n"
COCO = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 9, "height": 8}],
    "annotations": [{"image_id": 1, "id": 2, "iscrowd": 0, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2]]}],
}
XML = (
    b"<annotation><size><width>9</width><height>8</height></size><object><trackid>0</trackid><bndbox><xmax>5</xmax>"
    b"<xmin>1</xmin><ymax>6</ymax><ymin>2</ymin></bndbox></object></annotation>"
)
ENTRY = {"gt_rect": [[1, 2, 3, 4], [2, 3, 4, 5]], "attr": ["SV"], "width": 64, "height": 48, "absent": [1, 0]}
TRAJECTORY = bytes.fromhex("0100020000000001000000010000c03f000000400000f24100002042")
REPORT = {"kcf": {"overall": {"ao": 0.4, "sr": 0.5, "succ_curve": [0.5] * 101}}}
YAML = (
    b"run: a\nmodels: {siamrcr: {loss: {radius: 3}, benchmarks: [lasot]}}\ntrackers: {kcf: {command: 'opencv:KCF'}}\n"
)


@dataclass(frozen=True)
class Parser:
    """A parser of one file.

    Attributes:
        file: its path below a folder that is made for it; errors name it, or the folder's own name.
        seeds: whole files.
        read: parses it, given the folder and the content.
        beside: other files of the folder.
        named: what a line of an error must hold one of, beside the file's own name.
    """

    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path, bytes], object]
    beside: Mapping[str, bytes]
    named: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        """Lay out the files beside."""
        for name, content in {**self.beside, self.file: b""}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def survives(self, folder: Path, data: bytes) -> None:
        """Parse a file. Raises what is neither a value nor an error of one line that names the file."""
        (folder / self.file).write_bytes(data)
        try:
            self.read(folder, data)
        except InputError as error:
            names = (Path(self.file).name, *self.named)
            if not any(name in str(error) for name in names) or len(str(error).splitlines()) > 1:
                raise ValueError(f"not one line that names any of {names}: {error!r}") from error


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    """A tar file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def matlab(compressed: bool) -> bytes:
    """A file of OTB's MATLAB toolkit."""
    runs = np.empty((1, 1), dtype=object)
    runs[0, 0] = {"res": np.ones((3, 4)), "type": "rect", "len": 3}
    stream = io.BytesIO()
    savemat(stream, {"results": runs}, do_compression=compressed)
    return stream.getvalue()


def _load(benchmark: str) -> Callable[[Path, bytes], object]:
    return lambda folder, _: datasets.load(benchmark, folder)


def _frames(folder: str, numbers: range, digits: int, suffix: str = ".jpg") -> dict[str, bytes]:
    return {f"{folder}/{number:0{digits}d}{suffix}": b"" for number in numbers}


def _results(benchmark: str, file: str) -> Callable[[Path, bytes], object]:
    names = {"otb2015": "Basketball", "vot2018": "ants1", "got10k-val": "GOT-10k_Val_000001"}
    sequence = Sequence(names[benchmark], (), np.ones((3, 4)), np.ones(3, dtype=bool))
    return lambda folder, _: results.read(folder / file, benchmark, [sequence])


def _extract(name: str, folder: Path, _: bytes) -> None:
    with tempfile.TemporaryDirectory() as target:
        archives.extract(archives.of(folder / name), Path(target))


def _named(folder: Path, data: bytes) -> object:
    """Names of files in an archive of results, one a line."""
    names = [name for name in data.decode(errors="replace").split("\n") if name]
    return [layouts.index(names, benchmark, ["Basketball"], folder / "names") for benchmark in config.BENCHMARKS]


GOT10K = "val/GOT-10k_Val_000001"
OF_GOT10K = {
    f"{GOT10K}/groundtruth.txt": BOXES,
    f"{GOT10K}/meta_info.ini": b"[METAINFO]\nresolution: (640, 360)\n",
    **_frames(GOT10K, range(1, 4), 8),
}
OF_LASOT = {"airplane/airplane-1/groundtruth.txt": BOXES, **_frames("airplane/airplane-1/img", range(1, 4), 8)}
OF_VOT = {"book/groundtruth.txt": POLYGONS, **_frames("book/color", range(1, 4), 8), "list.txt": b"book\n"}
OF_OTB = {"Basketball/groundtruth_rect.txt": BOXES, **_frames("Basketball/img", range(1, 4), 4)}
OF_TRACKINGNET = {"TEST/anno/a_0.txt": BOXES[:12], **_frames("TEST/frames/a_0", range(3), 1)}
VID = "Annotations/VID/train/s/000000.xml"
DET = "Annotations/DET/train/s/1.xml"
TREES = {
    "VID": {VID: XML, "Data/VID/train/s/000000.JPEG": b""},
    "DET": {DET: XML, "Data/DET/train/s/1.JPEG": b""},
}
MEMBERS = {"KCF/Basketball.txt": BOXES, "KCF/Basketball_time.txt": b"0.1\n0.1\n0.1\n"}
TRUTH = {
    "annos/airplane-1.txt": BOXES,
    "annos/absent/airplane-1.txt": b"0\n1\n0\n",
    "annos/att/airplane-1.txt": ",".join("10" * 7).encode(),
}
FLAGS = (b"0\n1\n0\n", b"0,1,0")
VALUES = (json.dumps({"a": ENTRY, "ants1": ENTRY}).encode(),)


def _truth(benchmark: str, file: str) -> Callable[[Path, bytes], object]:
    return lambda folder, _: datasets.load(benchmark, None, folder / file)


def _annotation(file: str, benchmark: str, beside: Mapping[str, bytes], *seeds: bytes) -> Parser:
    """A file of a dataset's own; what does not fit may be blamed on the sequence, whose frames are counted."""
    return Parser(file, seeds or (beside[file],), _load(benchmark), beside, tuple(Path(file).parts[:-1]))


PARSERS: dict[str, Parser] = {
    "got10k labels": _annotation(f"{GOT10K}/groundtruth.txt", "got10k-val", OF_GOT10K),
    "got10k cover": _annotation(f"{GOT10K}/cover.label", "got10k-val", OF_GOT10K, *FLAGS),
    "got10k description": _annotation(f"{GOT10K}/meta_info.ini", "got10k-val", OF_GOT10K),
    "trackingnet labels": _annotation("TEST/anno/a_0.txt", "trackingnet", OF_TRACKINGNET),
    "lasot labels": _annotation("airplane/airplane-1/groundtruth.txt", "lasot", OF_LASOT),
    "lasot flags": _annotation("airplane/airplane-1/full_occlusion.txt", "lasot", OF_LASOT, *FLAGS),
    "otb2015 labels": _annotation("Basketball/groundtruth_rect.txt", "otb2015", OF_OTB),
    "vot2018 labels": _annotation("book/groundtruth.txt", "vot2018", OF_VOT),
    "vot2018 tags": _annotation("book/occlusion.tag", "vot2018", OF_VOT, *FLAGS),
    "vot2019 description": _annotation("book/sequence", "vot2019", OF_VOT, b"name=book\nwidth=4\nheight=5\nlength=3\n"),
    "coco labels": Parser(
        "annotations/instances_train2017.json",
        (json.dumps(COCO).encode(),),
        _load("coco-train"),
        {"train2017/1.jpg": b""},
    ),
    "vid labels": Parser(VID, (XML,), _load("vid-train"), TREES["VID"], ("000000", "/s")),
    "det labels": Parser(DET, (XML,), _load("det-train"), TREES["DET"]),
    "labels in json, otb2015": Parser("truth.json", VALUES, _truth("otb2015", "truth.json"), {}),
    "labels in json, vot2018": Parser("truth.json", VALUES, _truth("vot2018", "truth.json"), {}),
    "labels in zip, lasot": Parser("truth.zip", (zipped(TRUTH),), _truth("lasot", "truth.zip"), {}),
    "labels in zip, vot2018": Parser(
        "truth.zip",
        (zipped({"book/groundtruth.txt": POLYGONS, "list.txt": b"book"}),),
        _truth("vot2018", "truth.zip"),
        {},
    ),
    "results as text": Parser("a.txt", (BOXES, b"1;2;3;4\n"), lambda _, data: formats.read(data, "a.txt", "lasot"), {}),
    "results of vot": Parser(
        "a.txt", (b"1\n" + POLYGONS + b"2\n0\n",), lambda _, data: formats.read(data, "a.txt", "vot2018"), {}
    ),
    "results in binary": Parser("a.bin", (TRAJECTORY,), lambda _, data: formats.read(data, "a.bin", "vot2018"), {}),
    "results of matlab": Parser(
        "a.mat", (matlab(True), matlab(False)), lambda _, data: formats.read(data, "a.mat", "otb2015"), {}
    ),
    "results in json": Parser(
        "a.json",
        (json.dumps([{"resType": "rect", "res": [[1, 2, 3, 4]]}]).encode(),),
        lambda _, data: formats.read(data, "a.json", "otb2015"),
        {},
    ),
    "results in zip": Parser("results.zip", (zipped(MEMBERS),), _results("otb2015", "results.zip"), {}),
    "times of results": Parser(
        "tracks/GOT-10k_Val_000001/GOT-10k_Val_000001_time.txt",
        (b"0.1,0.2\n0.1,0.2\n0.1,0.2\n",),
        _results("got10k-val", "tracks"),
        {"tracks/GOT-10k_Val_000001/GOT-10k_Val_000001_001.txt": BOXES},
        ("tracks",),
    ),
    "names of files": Parser(
        "names", (b"KCF/Basketball.txt\nKCF/Basketball_002.txt\nx/time/Basketball_time.txt",), _named, {}
    ),
    "manifests": Parser(
        "tracks/manifest.json",
        (b'{"tracker": "kcf", "failures": {}, "files": {"a.txt": "0"}}',),
        lambda folder, _: results.read_manifest(folder / "tracks"),
        {},
    ),
    "a server's answer": Parser(
        "answer.json",
        (b'{"AO": 0.5, "SR0.5": 0.6}', json.dumps(REPORT).encode(), b"AO,0.5\nSR0.5,0.6\n"),
        lambda folder, _: answers.read(folder / "answer.json", "got10k-test", "kcf"),
        {},
    ),
    "a challenge's answer": Parser(
        "answer.json",
        (b'[{"test": {"Success": 70.1, "Precision": 60.5, "Normalized Precision": 80, "Coverage": 100}}]',),
        lambda folder, _: answers.read(folder / "answer.json", "trackingnet", "kcf"),
        {},
    ),
    "configurations": Parser("run.yaml", (YAML,), lambda folder, _: config.load(folder / "run.yaml"), {}),
    "tuned parameters": Parser(
        "tuned.json",
        (b'{"split": "got10k-val", "trials": [], "tracking": {"penalty": 0.1, "window": 0.2, "size_rate": 0.3}}',),
        lambda folder, _: tuned.read(folder / "tuned.json"),
        {},
    ),
    "downloads in zip": Parser("d.zip", (zipped(MEMBERS),), partial(_extract, "d.zip"), {}),
    "downloads in tar": Parser("d.tar", (tarred(MEMBERS),), partial(_extract, "d.tar"), {}),
}


def case(path: Path) -> tuple[Parser, bytes]:
    """The parser and the content of a kept input, named `PARSER--HASH`, spaces as underscores."""
    name: Any = path.name.partition("--")[0].replace("_", " ")
    return PARSERS[name], path.read_bytes()
