"""Files of raw results that are no plain text: trajectories of vot-toolkit, MATLAB and JSON files of OTB's toolkits."""

import io
import json
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from siamrcr import formats
from siamrcr.errors import InputError
from siamrcr.formats import FAILURE, INIT, REGION, SKIPPED

# As vot.region.io of vot-toolkit 0.7.4 writes a start, a box, a polygon, a failure and a skipped frame.
TRAJECTORY = bytes.fromhex(
    "0100050000000001000000010000c03f000000400000f2410000204202040000000000000000000000"
    "20410000003f0000204100000041000000000000004100020000000000000000"
)
MASK = bytes.fromhex("0100020000000001000000030400050003000200020000000600")
BOXES = [[198.0, 214, 34, 81], [196.5, 215, 34, 80]]


def matlab(results: Any, compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    savemat(stream, {"results": results}, do_compression=compressed)
    return stream.getvalue()


def cells(*runs: dict[str, Any]) -> np.ndarray:
    array = np.empty((1, len(runs)), dtype=object)
    for number, run in enumerate(runs):
        array[0, number] = run
    return array


RUN = {"res": np.array(BOXES), "type": "rect", "len": 2, "annoBegin": 1, "startFrame": 1, "fps": 39.2}


def test_a_binary_trajectory_of_vot_toolkit() -> None:
    boxes, codes, regions = formats.read(TRAJECTORY, "ants1_001.bin", "vot2018")
    assert codes.tolist() == [INIT, REGION, REGION, FAILURE, SKIPPED]
    assert boxes[1:3].tolist() == [[1.5, 2, 30.25, 40], [0, 0, 10, 8]]
    assert np.isnan(boxes[[0, 3, 4]]).all()
    assert regions is not None
    assert regions[2].tolist() == [0, 0, 10, 0.5, 10, 8, 0, 8]
    assert [len(region) for region in regions] == regions.sizes.tolist() == [1, 4, 8, 1, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (MASK, "frame 2 is a mask"),
        (TRAJECTORY[:-1], "ends within a trajectory"),
        (TRAJECTORY[:3], "ends within a trajectory"),
        (TRAJECTORY + b"\0", "not a trajectory"),
        (b"\2" + TRAJECTORY[1:], "not a trajectory"),
        (TRAJECTORY[:6] + b"\7" + TRAJECTORY[7:], "frame 1 is no region"),
        (TRAJECTORY[:7] + b"\5" + TRAJECTORY[8:], "line 1 is 5: a code is 0, 1 or 2"),
        (b"\1\0\0\0\0\0", "is empty"),
    ],
)
def test_a_broken_binary_trajectory_is_named(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"^a/ants1_001\.bin: .*{message}"):
        formats.read(data, "a/ants1_001.bin", "vot2018")


def test_masks_in_text_are_refused() -> None:
    with pytest.raises(InputError, match="line 2 is a mask: only boxes and polygons"):
        formats.read(b"1\nm0,0,4,4,1,2\n", "a.txt", "vot2019")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("results", [cells(RUN), RUN])
def test_a_matlab_file_of_the_otb_toolkit(results: Any, compressed: bool) -> None:
    boxes, codes, regions = formats.read(matlab(results, compressed), "basketball_KCF.mat", "otb2015")
    assert boxes.tolist() == BOXES
    assert codes.tolist() == [REGION, REGION]
    assert regions is None


def test_a_matlab_file_of_whole_numbers_and_one_frame() -> None:
    boxes, _, _ = formats.read(
        matlab(cells(RUN | {"res": np.array([[1, 2, 3, 4]], dtype=np.uint8)})), "a.mat", "otb2015"
    )
    assert (boxes.tolist(), boxes.dtype) == ([[1, 2, 3, 4]], np.float64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (matlab(cells(RUN, RUN)), "holds 2 runs: give results of one-pass evaluation"),
        (matlab(cells(RUN | {"type": "ivtAff"})), "of type 'ivtAff': only 'rect'"),
        (matlab(cells(RUN | {"res": np.ones((3, 6))})), "not rows of 4 real numbers"),
        (matlab(cells(RUN | {"res": np.ones((3, 4)) * 1j})), "not rows of 4 real numbers"),
        (matlab(cells({"type": "rect"})), "holds no boxes `res`"),
        (matlab(3.0), "holds no boxes `res`"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400), "7.3"),
        (b"text", "not a MATLAB file"),
        (b"", "not a MATLAB file"),
        (matlab(cells(RUN))[:-40], "ends within an element"),
    ],
)
def test_what_a_matlab_file_must_not_hold_is_named(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.mat: .*{message}"):
        formats.read(data, "a.mat", "otb2015")


def test_a_json_file_of_the_python_otb_toolkit() -> None:
    run = {"tracker": "CT", "seqName": "Basketball", "startFrame": 1, "endFrame": 2, "evalType": "OPE", "fps": 3.1}
    run |= {"shiftType": None, "resType": "rect", "tmplsize": None, "res": BOXES}
    for content in ([run], run):
        assert formats.read(json.dumps(content).encode(), "a.json", "otb2015")[0].tolist() == BOXES
    wrong = {
        "[": "not valid JSON",
        "[" * 100_000: "not valid JSON",
        "[]": "holds 0 runs",
        "[1]": "holds no boxes",
        json.dumps([run | {"resType": "L1Aff"}]): "of type 'L1Aff'",
        json.dumps([run | {"res": [[1, 2, 3, 4], [1, 2]]}]): "not rows of 4 real numbers",
        json.dumps([run | {"res": [[1, 2, 3, "x"]]}]): "not rows of 4 real numbers",
        json.dumps([run | {"res": {}}]): "not rows of 4 real numbers",
    }
    for text, message in wrong.items():
        with pytest.raises(InputError, match=rf"^a\.json: .*{message}"):
            formats.read(text.encode(), "a.json", "otb2015")


def test_a_complex_box_is_unknown_to_lasot_and_no_box_elsewhere() -> None:
    text = b"1,2,3,4\n5,6,7+1i,8\n"
    boxes, _, _ = formats.read(text, "a.txt", "lasot")
    assert np.isnan(boxes).tolist() == [[False] * 4, [False, False, True, False]]
    with pytest.raises(InputError, match=r"a\.txt: line 2 is not numbers"):
        formats.read(text, "a.txt", "otb2015")
