"""Readers of the benchmarks: official layouts and their oddities, ground truth kept apart, errors that name files."""

import json
import pickle
import re
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamrcr.datasets import lasot, load, otb
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.names import OTB, canonical, natural
from siamrcr.datasets.truth import flags, ragged, rows
from siamrcr.errors import InputError

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


# GOT-10k


def test_got10k_reads_labels_in_the_order_of_its_list(tmp_path: Path) -> None:
    folder = [got10k_sequence(tmp_path, "val", number) for number in (1, 2, 3)][1]
    write(folder / "absence.label", "0\n0\n1\n0\n")
    write(folder / "cover.label", "8\n5\n0\n8\n")
    write(folder / "cut_by_image.label", "0\n0\n0\n0\n")
    write(tmp_path / "val" / "list.txt", "GOT-10k_Val_000002\nGOT-10k_Val_000004\nGOT-10k_Val_000001\n")
    for root in (tmp_path, tmp_path / "val"):
        sequences = load("got10k-val", root)
        assert [s.name for s in sequences] == ["GOT-10k_Val_000002", "GOT-10k_Val_000001"]
    second, first = sequences
    np.testing.assert_array_equal(second.boxes, BOXES)
    assert second.visible.tolist() == [True, True, False, True]
    assert second.cover is not None
    assert second.cover.tolist() == [8, 5, 0, 8]
    assert {tag: bool(value[0]) for tag, value in second.attributes.items()} == {
        "absence": True,
        "occlusion": True,
        "cut_by_image": False,
    }
    assert second.size == (640, 360)
    assert not second.hidden
    assert first.visible.all()
    assert first.cover is None


def test_got10k_without_a_list_is_in_natural_order(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        got10k_sequence(tmp_path, "train", number)
    assert [s.name[-1] for s in load("got10k-train", tmp_path)] == ["1", "2", "3"]


def test_got10k_test_hides_all_but_the_first_box(tmp_path: Path) -> None:
    got10k_sequence(tmp_path, "test", 1, BOXES[:1])
    sequence = load("got10k-test", tmp_path)[0]
    assert sequence.hidden
    assert len(sequence) == len(sequence.frames) == 4
    np.testing.assert_array_equal(sequence.boxes[0], BOXES[0])
    assert np.isnan(sequence.boxes[1:]).all()


def test_got10k_val_with_one_box_is_not_a_hidden_sequence(tmp_path: Path) -> None:
    got10k_sequence(tmp_path, "val", 1, BOXES[:1])
    with pytest.raises(InputError, match="4 images for 1 ground-truth boxes"):
        load("got10k-val", tmp_path)


def test_a_short_label_file_is_named(tmp_path: Path) -> None:
    write(got10k_sequence(tmp_path, "val", 1) / "cover.label", "8\n8\n")
    with pytest.raises(InputError, match=r"cover.label: 2 values for 4 frames"):
        load("got10k-val", tmp_path)


# OTB


@pytest.mark.parametrize("delimiter", [",", "\t", " ", "   "])
def test_otb_counts_from_one_and_takes_any_delimiter(tmp_path: Path, delimiter: str) -> None:
    otb_sequence(tmp_path, "Car4", delimiter=delimiter)
    np.testing.assert_array_equal(load("otb2015", tmp_path)[0].boxes, BOXES - [1, 1, 0, 0])


@pytest.mark.parametrize(
    ("name", "annotated", "there", "first", "last", "frames"),
    [
        ("David", 471, (1, 770), "0300.jpg", "0770.jpg", 471),
        ("David", 471, (300, 770), "0300.jpg", "0770.jpg", 471),
        ("BlurCar1", 742, (1, 988), "0247.jpg", "0988.jpg", 742),
        ("BlurCar3", 357, (1, 359), "0003.jpg", "0359.jpg", 357),
        ("BlurCar3", 357, (1, 357), "0001.jpg", "0357.jpg", 357),
        ("BlurCar4", 380, (18, 397), "0018.jpg", "0397.jpg", 380),
        ("Football1", 74, (1, 81), "0001.jpg", "0074.jpg", 74),
        ("Freeman3", 460, (1, 475), "0001.jpg", "0460.jpg", 460),
        ("Freeman4", 283, (1, 297), "0001.jpg", "0283.jpg", 283),
        ("Diving", 215, (1, 231), "0001.jpg", "0215.jpg", 215),
        ("Diving", 231, (1, 231), "0001.jpg", "0215.jpg", 215),
        ("Tiger1", 354, (1, 354), "0006.jpg", "0354.jpg", 349),
        ("Tiger1", 349, (1, 354), "0006.jpg", "0354.jpg", 349),
    ],
)
def test_otb_pairs_boxes_with_the_official_frames(
    tmp_path: Path, name: str, annotated: int, there: tuple[int, int], first: str, last: str, frames: int
) -> None:
    boxes = np.tile([1.0, 1, 9, 9], (annotated, 1))
    boxes[:, 0] += np.arange(annotated)  # 0-based, x is the number of the line
    write(tmp_path / name / "groundtruth_rect.txt", lines(boxes))
    images(tmp_path / name / "img", *there, 4)
    sequence = load("otb2015", tmp_path)[0]
    assert (sequence.frames[0].name, sequence.frames[-1].name, len(sequence)) == (first, last, frames)
    assert sequence.boxes[0, 0] == (5 if annotated == 354 else 0)


def test_board_has_five_digits(tmp_path: Path) -> None:
    write(tmp_path / "Board" / "groundtruth_rect.txt", lines(BOXES))
    images(tmp_path / "Board" / "img", 1, 4, 5)
    assert load("otb2015", tmp_path)[0].frames[3].name == "00004.jpg"


def test_a_folder_with_two_targets_stands_for_two_sequences(tmp_path: Path) -> None:
    folder = otb_sequence(tmp_path, "Jogging")  # a copy of the first target's file comes with the real ones
    write(folder / "groundtruth_rect.1.txt", lines(BOXES, "\t"))
    write(folder / "groundtruth_rect.2.txt", lines(BOXES + 5, "\t"))
    otb_sequence(tmp_path, "Human4").joinpath("groundtruth_rect.1.txt").touch()
    (tmp_path / "Human4" / "groundtruth_rect.txt").rename(tmp_path / "Human4" / "groundtruth_rect.2.txt")
    sequences = load("otb2015", tmp_path)
    assert [s.name for s in sequences] == ["Human4-2", "Jogging-1", "Jogging-2"]
    assert sequences[2].boxes[0, 0] - sequences[1].boxes[0, 0] == 5
    folder.rename(tmp_path / "Jogging-2")
    assert [s.name for s in load("otb2015", tmp_path)] == ["Human4-2", "Jogging-2"]
    np.testing.assert_array_equal(load("otb2015", tmp_path)[1].boxes, sequences[2].boxes)


def test_otb_reads_attributes_where_they_are(tmp_path: Path) -> None:
    write(otb_sequence(tmp_path, "Car4") / "attrs.txt", "SV, DEF, FM")
    assert list(load("otb2015", tmp_path)[0].attributes) == ["SV", "DEF", "FM"]


def test_every_special_range_belongs_to_a_member() -> None:
    assert set(otb.RANGES) <= set(OTB)
    assert set(otb.OMITTED) <= set(otb.RANGES)


# LaSOT


def test_lasot_takes_the_test_split_with_or_without_class_folders(tmp_path: Path) -> None:
    for name, classes in (("monkey-17", True), ("airplane-9", True), ("airplane-13", False), ("airplane-2", True)):
        lasot_sequence(tmp_path, name, 5, classes)  # a frame more than boxes, as monkey-17 has
    sequences = load("lasot", tmp_path)
    assert [s.name for s in sequences] == ["airplane-9", "airplane-13", "monkey-17"]
    assert all(len(s.frames) == 4 for s in sequences)
    np.testing.assert_array_equal(sequences[0].boxes, BOXES - [1, 1, 0, 0])
    assert [s.name for s in load("lasot-train", tmp_path)] == ["airplane-2"]
    write(tmp_path / "testing_set.txt", "airplane-2\nbear-1\n")
    assert [s.name for s in load("lasot", tmp_path)] == ["airplane-2"]


def test_lasot_is_absent_where_occluded_or_out_of_view(tmp_path: Path) -> None:
    folder = lasot_sequence(tmp_path, "cat-1")
    assert load("lasot", tmp_path)[0].visible.all()
    write(folder / "full_occlusion.txt", "0,1,0,0")
    write(folder / "out_of_view.txt", "0,0,0,1,1")
    sequence = load("lasot", tmp_path)[0]
    assert sequence.visible.tolist() == [True, False, True, False]
    assert {tag: bool(value[0]) for tag, value in sequence.attributes.items()} == {"FOC": True, "OV": True}


def test_lasot_has_280_test_and_1120_training_names() -> None:
    test, train = lasot.official("test"), lasot.official("train")
    assert (len(set(test)), len(set(train))) == (280, 1120)
    assert not set(test) & set(train)


# TrackingNet


def test_trackingnet_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    trackingnet_sequence(tmp_path / "TEST", "b_0")
    trackingnet_sequence(tmp_path / "TEST", "-a_0")
    for root in (tmp_path, tmp_path / "TEST"):
        sequences = load("trackingnet", root)
        assert [s.name for s in sequences] == ["-a_0", "b_0"]
        assert [path.name for path in sequences[0].frames] == [f"{number}.jpg" for number in range(12)]
        assert sequences[0].hidden


def test_trackingnet_trains_on_every_chunk_that_is_unpacked(tmp_path: Path) -> None:
    for chunk, name in (("TRAIN_10", "z_0"), ("TRAIN_2", "y_0"), ("TEST", "x_0")):
        trackingnet_sequence(tmp_path / chunk, name, BOXES, 4)
    write(tmp_path / "TRAIN_2" / "anno" / "packed_0.txt", lines(BOXES))
    assert [s.name for s in load("trackingnet-train", tmp_path)] == ["y_0", "z_0"]


def test_trackingnet_with_no_frames_unpacked_says_so(tmp_path: Path) -> None:
    write(tmp_path / "TEST" / "anno" / "a_0.txt", lines(BOXES[:1]))
    with pytest.raises(InputError, match=r"TEST/frames/a_0: no frames there: unpack"):
        load("trackingnet", tmp_path)


# VOT


def test_vot_reads_polygons_and_boxes_with_or_without_a_color_folder(tmp_path: Path) -> None:
    vot_sequence(tmp_path, "book")
    vot_sequence(tmp_path, "bag", color=False)
    write(tmp_path / "list.txt", "book\nbag\nants1\n")
    for sequence, folder in zip(load("vot2018", tmp_path), ("book/color", "bag"), strict=True):
        assert sequence.frames[0] == tmp_path / folder / "00000001.jpg"
        assert sequence.regions is not None
        assert [len(region) for region in sequence.regions] == [8, 4, 8]
        np.testing.assert_array_equal(sequence.boxes[:2], [[0.5, 2, 11, 11], [5, 6, 7, 8]])


def test_vot_fills_a_tag_file_that_ends_early(tmp_path: Path) -> None:
    folder = vot_sequence(tmp_path, "graduate")
    write(folder / "camera_motion.tag", "1\n1\n")
    write(folder / "occlusion.label", "0\n0\n1\n")
    attributes = load("vot2019", tmp_path)[0].attributes
    assert attributes["camera_motion"].tolist() == [True, True, False]
    assert attributes["occlusion"].tolist() == [False, False, True]
    assert set(attributes) == {"camera_motion", "occlusion"}


def test_vot_knows_the_size_from_its_properties_or_an_image_header(tmp_path: Path) -> None:
    folder = vot_sequence(tmp_path, "book")
    write(folder / "sequence", "name=book\nwidth=320\nheight = 240\n")
    assert load("vot2018", tmp_path)[0].size == (320, 240)
    write(folder / "sequence", "name=book\n")
    assert load("vot2018", tmp_path)[0].size is None  # the image is no image
    cv2.imwrite(str(folder / "color" / "00000001.jpg"), np.zeros((24, 32, 3), np.uint8))
    assert load("vot2018", tmp_path)[0].size == (32, 24)


# Ground truth kept apart


def test_a_folder_and_a_zip_of_texts_say_the_same(tmp_path: Path) -> None:
    members = {"Jogging.1.txt": lines(BOXES), "Car4.txt": lines(BOXES + 1), "Car24.txt": lines(BOXES + 2, "\t")}
    for name, text in members.items():
        write(tmp_path / "truth" / name, text)
    zipped = archive(tmp_path / "truth.zip", {f"deep/er/{name}": text for name, text in members.items()})
    for source in (tmp_path / "truth", zipped):
        sequences = load("otb2015", None, source)
        assert [s.name for s in sequences] == ["Car4", "Car24", "Jogging-1"]
        assert all(s.frames == () for s in sequences)
        np.testing.assert_array_equal(sequences[0].boxes, BOXES + np.array([0, 0, 1, 1]))


@pytest.mark.parametrize("wrapped", ["", "LaSOT/", "a/b/"])
def test_a_zip_may_hold_the_datasets_own_layout(tmp_path: Path, wrapped: str) -> None:
    folder = f"{wrapped}cat/cat-1"
    members = {f"{folder}/groundtruth.txt": lines(BOXES), f"{folder}/full_occlusion.txt": "0,1,0,0"}
    members[f"{folder}/img/00000001.jpg"] = "not needed"
    sequence = load("lasot", None, archive(tmp_path / "lasot.zip", members))[0]
    assert (sequence.name, sequence.frames) == ("cat-1", ())
    assert sequence.visible.tolist() == [True, False, True, True]


def test_the_toolkits_own_folder_of_annotations_is_read(tmp_path: Path) -> None:
    write(tmp_path / "annos" / "cat-1.txt", lines(BOXES))
    write(tmp_path / "annos" / "cat-2.txt", lines(BOXES))  # a training sequence
    write(tmp_path / "annos" / "absent" / "cat-1.txt", "0\n0\n1\n0\n")
    write(tmp_path / "annos" / "att" / "cat-1.txt", "1,0,0,0,0,0,0,0,0,0,0,0,0,1\n")
    write(tmp_path / "sequence_evaluation_config" / "testing_set.txt", "cat-1\n")
    write(tmp_path / "tracking_results" / "KCF" / "cat-1.txt", lines(BOXES + 9))
    for source in (tmp_path, tmp_path / "annos"):
        (sequence,) = load("lasot", None, source)
        np.testing.assert_array_equal(sequence.boxes, BOXES - [1, 1, 0, 0])
        assert sequence.visible.tolist() == [True, True, False, True]
        assert set(sequence.attributes) == {"IV", "ARC"}


def test_annotations_replace_the_boxes_and_keep_what_only_the_frames_folder_says(tmp_path: Path) -> None:
    folder = got10k_sequence(tmp_path, "val", 1)
    write(folder / "cover.label", "8\n8\n0\n8\n")
    write(tmp_path / "other" / f"{folder.name}.txt", lines(BOXES + 3))
    sequence = load("got10k-val", tmp_path, tmp_path / "other")[0]
    np.testing.assert_array_equal(sequence.boxes, BOXES + 3)
    assert sequence.size == (640, 360)
    assert sequence.cover is not None
    assert len(sequence.frames) == 4


def test_annotations_uncover_a_hidden_split(tmp_path: Path) -> None:
    trackingnet_sequence(tmp_path / "TEST", "a_0", count=4)
    write(tmp_path / "kept" / "a_0.txt", lines(BOXES))
    write(tmp_path / "kept" / "b_0.txt", lines(BOXES))  # frames of b_0 are not there
    (sequence,) = load("trackingnet", tmp_path, tmp_path / "kept")
    np.testing.assert_array_equal(sequence.boxes, BOXES)
    assert not sequence.hidden
    write(tmp_path / "kept" / "a_0.txt", lines(BOXES[:3]))
    with pytest.raises(InputError, match="a_0: 4 images for 3 ground-truth boxes"):
        load("trackingnet", tmp_path, tmp_path / "kept")
    (tmp_path / "kept" / "a_0.txt").unlink()
    with pytest.raises(InputError, match="kept: no ground truth of a_0"):
        load("trackingnet", tmp_path, tmp_path / "kept")


def test_both_forms_of_vots_json_say_the_same(tmp_path: Path) -> None:
    polygon = [float(number) for number in POLYGON.split(",")]
    regions = [polygon, [5, 6, 7, 8], polygon]
    entry = {"width": 64, "height": 48}
    forms = {
        "ours.json": entry | {"gt": regions, "occlusion": [1], "camera_motion": [], "size_change": [0, 2]},
        "pysot.json": entry
        | {"gt_rect": regions, "occlusion": [0, 1, 0], "camera_motion": [0] * 3, "size_change": [1, 0, 1]},
    }
    for name, form in forms.items():
        write(tmp_path / name, json.dumps({"book": form}))
        (sequence,) = load("vot2018", None, tmp_path / name)
        assert sequence.size == (64, 48)
        assert sequence.attributes["occlusion"].tolist() == [False, True, False]
        assert sequence.attributes["size_change"].tolist() == [True, False, True]
        assert not sequence.attributes["camera_motion"].any()
        np.testing.assert_array_equal(sequence.boxes[0], [0.5, 2, 11, 11])


def test_pysots_json_of_box_benchmarks_counts_as_the_files_do(tmp_path: Path) -> None:
    entry = {"gt_rect": BOXES.tolist(), "attr": ["Occlusion"]}
    (sequence,) = load("otb2015", None, write(tmp_path / "OTB100.json", json.dumps({"Jogging-1": entry})))
    np.testing.assert_array_equal(sequence.boxes, BOXES - [1, 1, 0, 0])
    assert list(sequence.attributes) == ["Occlusion"]
    entry = {"gt_rect": BOXES.tolist(), "absent": [1, 0, 1, 1]}  # 1 is where the target is there
    (sequence,) = load("lasot", None, write(tmp_path / "LaSOT.json", json.dumps({"cat-1": entry})))
    assert sequence.visible.tolist() == [True, False, True, True]


def test_wrong_annotations_are_named(tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.zip", "no zip")
    with pytest.raises(InputError, match=r"wrong.zip: not a folder, zip or JSON file"):
        load("otb2015", None, wrong)
    with pytest.raises(InputError, match=r"nothing: not a folder, zip or JSON file"):
        load("otb2015", None, tmp_path / "nothing")
    broken = archive(tmp_path / "broken.zip", {"Car4.txt": "1,2,3,4\n1,2,3\n"})
    with pytest.raises(InputError, match=re.escape(f"{broken}/Car4.txt: line 2 is not 4 numbers: '1,2,3'")):
        load("otb2015", None, broken)
    with pytest.raises(InputError, match=r"empty.zip: no ground truth of otb2015"):
        load("otb2015", None, archive(tmp_path / "empty.zip", {"readme.txt": "hello"}))
    cases = {
        "[]": "not a mapping of sequences",
        '{"a": {"boxes": []}}': "a: has no list `gt`",
        '{"a": {"gt": [[1, 2, 3]]}}': "a: line 1 is not 4 or 8 numbers",
        '{"a": {"gt": [[1, 2, 3, 4]], "occlusion": [7]}}': "a: occlusion: frame 7 of 1",
        "{": "not valid JSON",
    }
    for text, message in cases.items():
        with pytest.raises(InputError, match=f"a.json: {message}"):
            load("vot2018", None, write(tmp_path / "a.json", text))


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
