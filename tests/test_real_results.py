"""Published raw results, written anew as every toolkit would: read, they are the same to the last bit."""

import codecs
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from siamrcr import datasets, results
from siamrcr.results import Result


def matlab(boxes: np.ndarray) -> bytes:
    stream, cell = io.BytesIO(), np.empty((1, 1), dtype=object)
    cell[0, 0] = {"res": boxes, "type": "rect", "len": len(boxes), "annoBegin": 1, "startFrame": 1}
    savemat(stream, {"results": cell}, do_compression=True)
    return stream.getvalue()


def python(boxes: np.ndarray) -> bytes:
    return json.dumps([{"resType": "rect", "evalType": "OPE", "res": boxes.tolist()}]).encode()


def tabs(boxes: np.ndarray) -> bytes:
    stream = io.StringIO()
    np.savetxt(stream, boxes, delimiter="\t", fmt="%d")
    return stream.getvalue().encode()


def exponents(boxes: np.ndarray) -> bytes:
    return "\r\n".join(" ; ".join(f"{value:.17e}" for value in box) for box in boxes).encode("utf-16") + b"\n\0"


def marked(boxes: np.ndarray) -> bytes:
    return codecs.BOM_UTF8 + "".join(",\t".join(map(repr, box)) + ", \r\n" for box in boxes.tolist()).encode() + b"\r\n"


def trajectory(text: str) -> bytes:
    """As vot-toolkit's write_trajectory_binary, whose numbers are float32."""
    data = struct.pack("<hI", 1, len(text.split()))
    for line in text.split():
        values = [float(number) for number in line.split(",")]
        if len(values) == 1:
            data += struct.pack("<BI", 0, int(values[0]))
        elif len(values) == 4:
            data += struct.pack("<B4f", 1, *values)
        else:
            data += struct.pack(f"<BH{len(values)}f", 2, len(values) // 2, *values)
    return data


def assert_same(ours: dict[str, list[Result]], theirs: dict[str, list[Result]], tolerance: float = 0) -> None:
    assert ours.keys() == theirs.keys()
    for name, runs in ours.items():
        for one, other in zip(runs, theirs[name], strict=True):
            np.testing.assert_allclose(one.boxes, other.boxes, rtol=tolerance, atol=0)
            np.testing.assert_array_equal(one.codes, other.codes)
            if one.regions is not None and other.regions is not None:
                np.testing.assert_allclose(one.regions.values, other.regions.values, rtol=tolerance, atol=0)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (matlab, "OPE/{lower}_MDNet.mat"),
        (python, "OPE/MDNet/{name}.json"),
        (tabs, "mdnet/default_000/{underscore}.txt"),
        (exponents, "OTB100/MDNet/{lower}.txt"),
        (marked, "results/OTB/2015/MDNet/{dot}.txt"),
    ],
)
def test_otb_results_in_every_toolkits_form(
    real_data: Path, tmp_path: Path, write: Callable[[np.ndarray], bytes], name: str
) -> None:
    official = real_data / "official" / "otb2015"
    sequences = datasets.load("otb2015", None, official / "groundtruth_100.zip")
    given = official / "raw_results" / "MDNet.zip"
    with zipfile.ZipFile(given) as source, zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        for member in source.namelist():
            stem = Path(member).stem
            forms = {"lower": stem[0].lower() + stem[1:], "underscore": stem.replace("-", "_")}
            place = name.format(name=stem, dot=stem.replace("-", "."), **forms)
            target.writestr(place, write(np.loadtxt(io.BytesIO(source.read(member)), delimiter=",")))
    with zipfile.ZipFile(tmp_path / "x.zip") as written:
        written.extractall(tmp_path / "folder")
    expected = results.read(given, "otb2015", sequences)
    assert len(expected) == 100
    for source_of in (tmp_path / "x.zip", tmp_path / "folder"):
        assert_same(results.read(source_of, "otb2015", sequences), expected)
    assert results.digest(tmp_path / "x.zip") == results.digest(tmp_path / "folder")


@pytest.mark.parametrize("tracker", ["KCF", "SiamRPN", "ECO"])
def test_vot_results_in_the_python_toolkits_binary_form(real_data: Path, tmp_path: Path, tracker: str) -> None:
    official = real_data / "official" / "vot2018"
    sequences = datasets.load("vot2018", None, official / "groundtruth_vot2018.json")
    given = official / "raw_results" / f"challenge_{tracker}.zip"
    with zipfile.ZipFile(given) as source, zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        for member in source.namelist():
            place = f"results/{member.removesuffix('.txt')}"
            target.writestr(f"{place}.bin", trajectory(source.read(member).decode()))
            target.writestr(f"{place}_time.value", "\n0.5\n")
    found = results.read(tmp_path / "x.zip", "vot2018", sequences)
    assert_same(found, results.read(given, "vot2018", sequences), tolerance=2.0**-20)
    assert [found["ants1"][0].times[frame] for frame in (1,)] == [0.5]
    assert np.isnan(found["ants1"][0].times[0])
