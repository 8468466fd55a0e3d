"""The readers of the benchmarks: official layouts and their oddities."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from official import (
    BOXES,
    got10k_sequence,
    images,
    lasot_sequence,
    lines,
    otb_sequence,
    trackingnet_sequence,
    vot_sequence,
    write,
)

from siamrcr.datasets import lasot, load, otb
from siamrcr.datasets.names import OTB
from siamrcr.errors import InputError

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
