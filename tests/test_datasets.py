"""Reading datasets: names, text, frames, errors that name files, and real sequences."""

import json
import pickle
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from official import BOXES, got10k_sequence, otb_sequence

from siamrcr.datasets import load, otb
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.names import OTB, canonical, natural
from siamrcr.datasets.truth import flags, ragged, rows
from siamrcr.errors import InputError

# Names


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("Jogging-1", "Jogging-1"),
        ("Jogging.1", "Jogging-1"),
        ("Jogging_2", "Jogging-2"),
        ("jogging-2", "Jogging-2"),
        ("Skating2_1", "Skating2-1"),
        ("Human4", "Human4-2"),
        ("Human4.2", "Human4-2"),
        ("Human4_2", "Human4-2"),
        ("Human4-2", "Human4-2"),
        ("faceocc1", "FaceOcc1"),
        ("carScale", "CarScale"),
        ("Mini7.1", "Mini7-1"),
        ("unknown", "unknown"),
    ],
)
def test_every_toolkit_form_of_a_name_of_otb_is_one_name(form: str, name: str) -> None:
    assert canonical("otb2015", form) == name


def test_names_of_otb_are_a_hundred_and_stay_as_they_are() -> None:
    assert len(set(OTB)) == 100
    assert [canonical("otb2015", name) for name in OTB] == list(OTB)


def test_names_of_other_benchmarks_stay_as_they_are() -> None:
    for benchmark, name in (("vot2018", "drone_1"), ("trackingnet", "0-6LB4FqxoE_0"), ("lasot", "jogging.1")):
        assert canonical(benchmark, name) == name


def test_natural_order_counts() -> None:
    assert sorted(["cat-13", "cat-9", "b", "cat-9a", "10", "9"], key=natural) == [
        "9",
        "10",
        "b",
        "cat-9",
        "cat-9a",
        "cat-13",
    ]


# Text


@given(
    boxes=st.lists(st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", "\t", " ", ", ", ";"]),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_numbers_survive_any_delimiter(boxes: list[list[float]], delimiter: str, end: str) -> None:
    text = end.join(delimiter.join(map(repr, box)) for box in boxes) + end
    np.testing.assert_array_equal(rows(text, "x"), boxes)
    np.testing.assert_array_equal(np.array(ragged(text, "x", (4, 8))), boxes)


@pytest.mark.parametrize(
    "wrong", ["1,2,3", "1,2,3,4,5", "1,2,three,4", "1,2,,4", "nan,nan,nan,nan,nan,nan,nan,nan,nan"]
)
def test_a_line_that_is_not_a_box_is_named(wrong: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"a.txt: line 3 is not 4 numbers: '{wrong}'")):
        rows(f"1,2,3,4\n\n{wrong}\n5,6,7,8\n", "a.txt")
    with pytest.raises(InputError, match=re.escape(f"a.txt: line 3 is not 4 or 8 numbers: '{wrong}'")):
        ragged(f"1,2,3,4\n\n{wrong}\n5,6,7,8\n", "a.txt", (4, 8))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_named(text: str) -> None:
    for parse in (lambda: rows(text, "a.txt"), lambda: ragged(text, "a.txt", (4, 8))):
        with pytest.raises(InputError, match=r"a.txt: holds no ground truth"):
            parse()


def test_flags_stand_in_one_line_or_one_a_line() -> None:
    for text in ("0,1,1", "0\n1\n1\n", "0 1 1 0"):
        assert flags(text, "a", 3).tolist() == [False, True, True]
    assert flags("1", "a", 3, short=True).tolist() == [True, False, False]
    with pytest.raises(InputError, match="a: 1 values for 3 frames"):
        flags("1", "a", 3)
    with pytest.raises(InputError, match="a: holds something other than whole numbers"):
        flags("yes", "a", 1)


# Frames


def test_frames_are_a_sequence_of_paths_made_on_demand() -> None:
    files = FrameFiles(Path("a"), 8, 4, 2, ".jpg")
    names = [path.name for path in files]
    assert names == ["08.jpg", "09.jpg", "10.jpg", "11.jpg"]
    assert files[-1] == Path("a/11.jpg")
    assert files[1:3] == (Path("a/09.jpg"), Path("a/10.jpg"))
    assert pickle.loads(pickle.dumps(files)) == files
    assert len(pickle.dumps(FrameFiles(Path("a"), 0, 10**9, 8, ".jpg"))) < 300
    with pytest.raises(IndexError):
        files[4]


def test_a_missing_frame_is_named_and_counted(tmp_path: Path) -> None:
    folder = otb_sequence(tmp_path, "Car4", np.repeat(BOXES, 3, axis=0), 12)
    for number in (10, 4):
        (folder / "img" / f"{number:04d}.jpg").unlink()
    with pytest.raises(InputError, match=r"Car4/img/0004.jpg: frame missing \(2 of 12 frames are\)"):
        load("otb2015", tmp_path)
    for path in (folder / "img").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"Car4/img: no frames there"):
        load("otb2015", tmp_path)


def test_a_frame_of_another_kind_does_not_count(tmp_path: Path) -> None:
    folder = otb_sequence(tmp_path, "Car4")
    (folder / "img" / "0002.jpg").rename(folder / "img" / "2.jpg")
    with pytest.raises(InputError, match=r"0002.jpg: frame missing \(1 of 4"):
        load("otb2015", tmp_path)


def test_more_images_than_boxes_are_an_error_where_the_benchmark_has_none(tmp_path: Path) -> None:
    folder = got10k_sequence(tmp_path, "val", 1)
    (folder / "00000005.jpg").touch()
    with pytest.raises(InputError, match="GOT-10k_Val_000001: 5 images for 4 ground-truth boxes"):
        load("got10k-val", tmp_path)


# Whole calls


@pytest.mark.parametrize(
    ("benchmark", "expected"),
    [
        ("got10k-val", "no sequence of GOT-10k val there: expected val/<sequence>/groundtruth.txt"),
        ("got10k-test", "no sequence of GOT-10k test"),
        ("otb2015", "no sequence of OTB there"),
        ("lasot", "no test sequence of LaSOT there"),
        ("trackingnet", "no sequence of TrackingNet there"),
        ("vot2019", "no sequence of VOT there"),
        ("lasot-train", "no train sequence of LaSOT there"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_the_dataset_is_named(tmp_path: Path, benchmark: str, expected: str, exists: bool) -> None:
    root = tmp_path if exists else tmp_path / "nothing"
    with pytest.raises(InputError, match=f"^{re.escape(str(root))}.*{re.escape(expected)}"):
        load(benchmark, root)


def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown benchmark 'otb': choose one of got10k-val"):
        load("otb", tmp_path)
    with pytest.raises(InputError, match="otb2015: neither a folder nor annotations given"):
        load("otb2015", None)


# Real sequences and ground truth


@pytest.mark.parametrize(
    ("benchmark", "source", "sequences", "frames", "absent"),
    [
        ("otb2015", "otb2015/groundtruth_100.zip", 100, 59_035, 0),  # Tiger1 from frame 6
        ("lasot", "lasot/groundtruth_280.zip", 280, 685_360, 18_346),
        ("vot2018", "vot2018/groundtruth_vot2018.json", 60, 21_356, 0),
        ("vot2019", "vot2019/groundtruth_vot2019.json", 60, 19_935, 0),
        ("trackingnet", "trackingnet/dummy_GT.zip", 9, 4_500, 0),
    ],
)
def test_official_ground_truth_has_the_official_counts(
    real_data: Path, benchmark: str, source: str, sequences: int, frames: int, absent: int
) -> None:
    start = time.process_time()
    found = load(benchmark, None, real_data / "official" / source)
    assert time.process_time() - start < 5
    assert len(found) == sequences
    assert sum(map(len, found)) == frames
    assert sum(int((~s.visible).sum()) for s in found) == absent


def test_names_of_the_official_ground_truth_are_known(real_data: Path) -> None:
    found = load("otb2015", None, real_data / "official" / "otb2015" / "groundtruth_100.zip")
    assert sorted(s.name for s in found) == sorted(OTB)
    table = json.loads((real_data / "official" / "otb2015" / "sequences.json").read_text())
    assert {s.name: len(s) for s in found} == {name: entry["frames"] for name, entry in table.items()}
    for name, entry in table.items():
        first = int(entry["first_image"].partition(".")[0])
        assert otb.RANGES.get(name, (1, 0))[0] == first, name


def test_two_years_of_vot_share_ground_truth(real_data: Path) -> None:
    years = [
        {s.name: s for s in load(year, None, real_data / "official" / year / f"groundtruth_{year}.json")}
        for year in ("vot2018", "vot2019")
    ]
    shared = years[0].keys() & years[1].keys()
    assert len(shared) == 48
    assert all(np.array_equal(years[0][name].boxes, years[1][name].boxes) for name in shared)


@pytest.mark.parametrize(
    ("benchmark", "folder", "lengths"),
    [
        (
            "otb2015",
            "otb",
            {
                "Bird2": 99,
                "Couple": 140,
                "Crossing": 120,
                "Dog": 127,
                "Football1": 74,
                "Freeman1": 326,
                "Jogging-1": 307,
                "Jogging-2": 307,
                "MotorRolling": 164,
                "Skiing": 81,
            },
        ),
        ("lasot", "lasot", {"airplane-1": 300}),
        ("vot2018", "vot", {"bag": 196, "ball1": 105, "book": 175}),
        ("got10k-val", "got10k", {"GOT-10k_Val_900001": 60, "GOT-10k_Val_900002": 49, "GOT-10k_Val_900003": 50}),
        ("trackingnet", "trackingnet", {"car-shadow": 40, "drift-chicane": 52, "motocross-jump": 40}),
    ],
)
def test_real_sequences_are_read_whole(real_data: Path, benchmark: str, folder: str, lengths: dict[str, int]) -> None:
    sequences = load(benchmark, real_data / "sequences" / folder)
    assert {s.name: len(s) for s in sequences} == lengths
    for sequence in sequences:
        for index in (0, len(sequence) - 1):
            height, width = sequence.image(index).shape[:2]
            assert sequence.size in (None, (width, height))
        x, y, w, h = sequence.boxes[0]
        assert -1 < x < x + w < width + 1
        assert -1 < y < y + h < height + 1


@pytest.mark.parametrize(
    ("benchmark", "folder", "source", "names"),
    [
        ("otb2015", "otb", "otb2015/groundtruth_100.zip", 10),
        ("vot2018", "vot", "vot2018/groundtruth_vot2018.json", 3),
        ("vot2019", "vot", "vot2019/groundtruth_vot2019.json", 1),
    ],
)
def test_frames_and_official_ground_truth_agree(
    real_data: Path, benchmark: str, folder: str, source: str, names: int
) -> None:
    beside = {s.name: s for s in load(benchmark, real_data / "sequences" / folder)}
    apart = {s.name: s for s in load(benchmark, None, real_data / "official" / source)}
    shared = beside.keys() & apart.keys()
    assert len(shared) == names
    for name in shared:
        np.testing.assert_array_equal(beside[name].boxes, apart[name].boxes)
        for tag, values in beside[name].attributes.items():
            if tag in apart[name].attributes:
                np.testing.assert_array_equal(values, apart[name].attributes[tag])
        assert apart[name].size in (None, beside[name].size)
