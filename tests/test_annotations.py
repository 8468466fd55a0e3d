"""Ground truth kept apart from the frames: folders, zip files and the toolkits' JSON."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from official import BOXES, POLYGON, archive, got10k_sequence, lines, trackingnet_sequence, write

from siamrcr.datasets import load, vot
from siamrcr.errors import InputError


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
    with pytest.raises(InputError, match=r"wrong.zip: neither a folder nor a readable zip file of ground truth"):
        load("otb2015", None, wrong)
    with pytest.raises(
        InputError, match=r"nothing: no such folder or zip file of ground truth: give the dataset's folder"
    ):
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


def test_first_boxes_alone_are_no_ground_truth(tmp_path: Path) -> None:
    for benchmark, name in (("trackingnet", "a_0"), ("got10k-test", "GOT-10k_Test_000001")):
        write(tmp_path / benchmark / f"{name}.txt", lines(BOXES[:1]))
        with pytest.raises(InputError, match=rf"{benchmark}: first boxes alone"):
            load(benchmark, None, tmp_path / benchmark)


def test_a_second_ground_truth_of_a_sequence_is_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder / "Car4.txt", lines(BOXES))
    with pytest.raises(InputError, match=r"two/Car4\.txt: a second ground truth of Car4"):
        load("otb2015", None, tmp_path)


def test_ground_truth_inside_archives_of_an_archive_is_named(tmp_path: Path) -> None:
    nested = archive(tmp_path / "all.zip", {"OTB/Car4.zip": "x"})
    with pytest.raises(InputError, match=r"all\.zip: no ground truth of otb2015 there: unpack OTB/Car4\.zip first"):
        load("otb2015", None, nested)
    out = archive(tmp_path / "out.zip", {"../Car4.txt": lines(BOXES)})
    with pytest.raises(InputError, match=r"out\.zip: .* leads out of the archive"):
        load("otb2015", None, out)


def test_what_an_operating_system_leaves_is_no_ground_truth(tmp_path: Path) -> None:
    members = {"Car4.txt": lines(BOXES), "__MACOSX/._Car4.txt": "\0\5", ".DS_Store.txt": "\0"}
    for name, text in members.items():
        write(tmp_path / "folder" / name, text)
    for source in (tmp_path / "folder", archive(tmp_path / "x.zip", members)):
        assert [s.name for s in load("otb2015", None, source)] == ["Car4"]


def test_tags_that_end_early_are_flags_and_not_frames(tmp_path: Path) -> None:
    entry = {"width": 64, "height": 48, "gt_rect": [[5, 6, 7, 8]] * 5, "occlusion": [0, 1, 1], "camera_motion": [0, 1]}
    (sequence,) = load("vot2019", None, write(tmp_path / "VOT2019.json", json.dumps({"graduate": entry})))
    assert sequence.attributes["occlusion"].tolist() == [False, True, True, False, False]
    assert sequence.attributes["camera_motion"].tolist() == [True, True, False, False, False]  # indices


def test_absent_flags_of_another_length_are_refused(tmp_path: Path) -> None:
    entry = {"gt_rect": BOXES.tolist(), "absent": [1, 0, 1]}
    with pytest.raises(InputError, match=r"LaSOT\.json: cat-1: absent: 3 values for 4 frames"):
        load("lasot", None, write(tmp_path / "LaSOT.json", json.dumps({"cat-1": entry})))
    entry["absent"] = [1, 0, 1, 1, 1]
    (sequence,) = load("lasot", None, write(tmp_path / "LaSOT.json", json.dumps({"cat-1": entry})))
    assert sequence.visible.tolist() == [True, False, True, True]


@pytest.mark.parametrize("year", ["vot2018", "vot2019"])
def test_pysots_form_of_the_official_ground_truth_says_the_same(real_data: Path, tmp_path: Path, year: str) -> None:
    source = real_data / "official" / year / f"groundtruth_{year}.json"
    form = {}
    for name, entry in json.loads(source.read_text()).items():
        tags = {tag: np.isin(range(len(entry["gt"])), entry[tag]).astype(int).tolist() for tag in vot.TAGS}
        frames = [f"{name}/color/{number:08d}.jpg" for number in range(1, len(entry["gt"]) + 1)]
        form[name] = tags | {
            "video_dir": name,
            "init_rect": entry["gt"][0],
            "img_names": frames,
            "gt_rect": entry["gt"],
        }
    pysot = load(year, None, write(tmp_path / f"{year.upper()}.json", json.dumps(form)))
    for one, other in zip(pysot, load(year, None, source), strict=True):
        assert (one.name, one.size) == (other.name, other.size)  # pysot's form does not say how large frames are
        assert one.regions is not None
        assert other.regions is not None
        assert all(map(np.array_equal, one.regions, other.regions))
        assert all(np.array_equal(one.attributes[tag], other.attributes[tag]) for tag in vot.TAGS)
