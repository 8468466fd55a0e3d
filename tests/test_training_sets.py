"""The readers of the training sets, on their official layouts."""

import json
import pickle
import re

import cv2
import layouts
import numpy as np
import pytest

from siamrcr.datasets import coco, ilsvrc, load
from siamrcr.errors import InputError


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return layouts.clips(tmp_path_factory.mktemp("clips"), count=2, frames=3)


@pytest.mark.parametrize("images", ["train2017", "images/train2017"])
def test_coco_gives_every_object_that_is_no_crowd(tmp_path, videos, images):
    layouts.coco(tmp_path, videos, images)
    sequences = coco.read(tmp_path)
    truth = np.concatenate([clip.boxes for clip in videos])
    assert len(sequences) == len(truth) + 1  # the crowd is left out, the degenerate object is not
    np.testing.assert_array_equal(np.concatenate([s.boxes for s in sequences[:-1]]), truth)
    np.testing.assert_array_equal(sequences[-1].boxes, [[3.5, 2.25, 10.5, 0]])
    assert len({s.name for s in sequences}) == len(sequences)
    assert all(len(s) == 1 and s.visible.all() and s.boxes.dtype == np.float64 for s in sequences)
    assert sequences[0].frame_size() == videos[0].size == sequences[0].image(0).shape[1::-1]
    assert sequences[-1].frames == sequences[0].frames


def test_coco_names_what_is_missing_and_the_remedy(tmp_path, videos):
    path = tmp_path / "annotations" / "instances_train2017.json"
    with pytest.raises(InputError, match=re.escape(str(path)) + r": no such file\. Run: `siamrcr download coco`"):
        coco.read(tmp_path)
    layouts.coco(tmp_path, videos)
    (tmp_path / "train2017").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="train2017: the images of COCO are missing"):
        coco.read(tmp_path)
    (tmp_path / "elsewhere").rename(tmp_path / "train2017")
    content = json.loads(path.read_text())
    del content["annotations"][0]["bbox"]
    for text in (json.dumps(content), path.read_text()[:-10], "[]"):
        path.write_text(text)
        with pytest.raises(InputError, match="not COCO's list of objects"):
            coco.read(tmp_path)


def test_vid_gives_a_sequence_a_track(tmp_path, videos):
    layouts.vid(tmp_path, videos)
    sequences = ilsvrc.read_vid(tmp_path)
    snippets = [f"ILSVRC2015_train_{number:08d}" for number in range(2)]
    assert [s.name for s in sequences] == [f"{name}-{track}" for name in snippets for track in (0, 1)]
    for clip, first, second in zip(videos, sequences[::2], sequences[1::2], strict=True):
        np.testing.assert_array_equal(first.boxes, clip.boxes)
        np.testing.assert_array_equal(second.boxes, np.add(clip.boxes[1:], (2, 3, 0, 0)))
        assert tuple(second.frames) == first.frames[1:]
        assert second.frame_size() == clip.size
        bright = cv2.imread(str(clip.frames[2]))[..., ::-1]
        np.testing.assert_array_equal(first.image(2), bright)


def test_vid_keeps_the_time_where_a_track_pauses(tmp_path):
    clip = layouts.clips(tmp_path / "clips", count=1, frames=5)[0]
    layouts.vid(tmp_path, [clip])
    for frame in (0, 2, 3):
        path = next(tmp_path.rglob(f"{frame:06d}.xml"))
        path.write_text(path.read_text().replace("<trackid>0<", "<trackid>2<"))
    sequence = next(s for s in ilsvrc.read_vid(tmp_path) if s.name == "ILSVRC2015_train_00000000-0")
    assert [path.name for path in sequence.frames] == [f"{frame:06d}.JPEG" for frame in range(1, 5)]
    assert sequence.visible.tolist() == [True, False, False, True]
    np.testing.assert_array_equal(sequence.boxes[[0, 3]], clip.boxes[[1, 4]])
    assert np.isnan(sequence.boxes[1:3]).all()
    next(tmp_path.rglob("000003.JPEG")).unlink()
    with pytest.raises(InputError, match=r"000003\.JPEG: frame missing"):
        ilsvrc.read_vid(tmp_path)


def test_det_gives_a_sequence_an_object(tmp_path, videos):
    layouts.det(tmp_path, videos)
    sequences = ilsvrc.read_det(tmp_path)
    assert [s.name for s in sequences[:3]] == ["n00000000_0-1", "n00000000_0-2", "n00000000_1-1"]
    assert len(sequences) == 6
    np.testing.assert_array_equal(sequences[5].boxes, videos[1].boxes[1:2])
    assert all(len(s) == 1 and s.image(0).shape[1::-1] == videos[0].size for s in sequences)


@pytest.mark.parametrize(("reader", "task"), [(ilsvrc.read_vid, "vid"), (ilsvrc.read_det, "det")])
def test_ilsvrc_names_what_is_missing_or_malformed(tmp_path, videos, reader, task):
    with pytest.raises(InputError, match=f"Annotations/{task.upper()}/train.*Run: `siamrcr download {task}`"):
        reader(tmp_path)
    getattr(layouts, task)(tmp_path, videos)
    path = sorted(tmp_path.rglob("*.xml"))[0]
    whole = path.read_text()
    for text in (whole[:-5], whole.replace("<xmin>5</xmin>", ""), whole.replace("<xmin>5<", "<xmin>five<")):
        path.write_text(text)
        with pytest.raises(InputError, match=re.escape(str(path))):
            reader(tmp_path)
    for path in tmp_path.rglob("*.xml"):
        path.unlink()
    with pytest.raises(InputError, match="no annotations"):
        reader(tmp_path)


@pytest.mark.parametrize("dataset", ["coco", "vid", "det", "trackingnet", "lasot"])
def test_load_gives_the_training_split(tmp_path, videos, dataset):
    writer = {"trackingnet": "trackingnet_train", "lasot": "lasot_train"}.get(dataset, dataset)
    getattr(layouts, writer)(tmp_path, videos)
    if dataset == "lasot":
        layouts.lasot(tmp_path, ["airplane-1"])  # of the test split
    sequences = load(f"{dataset}-train", tmp_path)
    assert len(sequences) == {"coco": 7, "vid": 4, "det": 6, "trackingnet": 2, "lasot": 2}[dataset]
    boxes = np.concatenate([clip.boxes for clip in videos])
    for sequence in sequences[: 2 if dataset == "vid" else None]:
        assert sequence.image(0).shape == (48, 64, 3)
        assert (sequence.boxes[0] == boxes).all(axis=1).any() or dataset in ("coco", "vid")


def test_sequences_go_to_loader_processes(tmp_path, videos):
    layouts.coco(tmp_path, videos)
    sequence = pickle.loads(pickle.dumps(coco.read(tmp_path)[1]))
    np.testing.assert_array_equal(sequence.boxes, videos[0].boxes[1:2])


def test_real_images_of_coco(tmp_path, real_data):
    source = real_data / "images" / "coco128"
    images, objects, expected = [], [], []
    for key, label in enumerate(sorted((source / "labels").rglob("*.txt")), start=1):
        path = next((source / "images").rglob(f"{label.stem}.jpg"))
        height, width = cv2.imread(str(path)).shape[:2]
        images.append({"id": key, "file_name": path.name, "width": width, "height": height})
        for _, x, y, w, h in np.loadtxt(label, ndmin=2):
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            objects.append({"id": len(objects), "image_id": key, "bbox": box, "iscrowd": 0})
            expected.append(box)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2017.json").write_text(
        json.dumps({"images": images, "annotations": objects})
    )
    (tmp_path / "train2017").symlink_to(path.parent)
    sequences = coco.read(tmp_path)
    np.testing.assert_array_equal(np.concatenate([s.boxes for s in sequences]), expected)
    for sequence in sequences[::40]:
        width, height = sequence.frame_size()
        assert sequence.image(0).shape == (height, width, 3)
        x, y, w, h = sequence.boxes[0]
        assert min(x, y) > -1
        assert x + w < width + 1
        assert y + h < height + 1
