"""What counts as a whole dataset, and the table of where they come from."""

import json
import os
import shutil

import layouts
import pytest
from downloads import run_in

from siamrcr.config import BENCHMARKS, DATASET, TRAINING_SETS, Mini
from siamrcr.datasets import load, verification
from siamrcr.datasets.download import download
from siamrcr.datasets.mini import generate
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json

LASOT_TEST = next(split for split in verification.SPLITS if split.name == "lasot-test")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[layouts.Clip]:
    return layouts.clips(tmp_path_factory.mktemp("clips"), count=3, frames=3)


def test_the_marker_follows_the_ground_truth(tmp_path, videos):
    root = tmp_path / "real" / "otb2015"
    sequence = layouts.otb(root, "Biker", videos[0])
    run = run_in(tmp_path, expected={"otb2015": 1})
    (root / "archives").mkdir()
    (root / "archives" / "Bird1.zip").write_bytes(b"not counted")
    record = json.loads(verification.mark(run, "otb2015", root).read_text())
    files = [path for path in sequence.rglob("*") if path.is_file()]
    assert (record["files"], record["bytes"]) == (len(files), sum(path.stat().st_size for path in files))
    first = record["splits"]["otb2015"]
    (sequence / "groundtruth_rect.txt").write_text("1,1,5,6\n" * 3)
    second = json.loads(verification.mark(run, "otb2015", root).read_text())["splits"]["otb2015"]
    assert first["checksum"] != second["checksum"]
    assert first | {"checksum": ""} == second | {"checksum": ""}


def test_a_marker_that_says_the_same_stays_as_it_is(tmp_path, videos):
    root = tmp_path / "real" / "otb2015"
    sequence = layouts.otb(root, "Biker", videos[0])
    run = run_in(tmp_path, expected={"otb2015": 1})
    marker = verification.mark(run, "otb2015", root)
    record = read_json(marker, "mark it again")
    write_json(marker, record | {"date": "2001-02-03T04:05:06+00:00"})
    text = marker.read_text()
    os.utime(marker, (1, 1))
    verification.mark(run, "otb2015", root)
    assert (marker.read_text(), marker.stat().st_mtime) == (text, 1)
    (sequence / "groundtruth_rect.txt").write_text("1,1,5,6\n" * 3)
    changed = json.loads(verification.mark(run, "otb2015", root).read_text())
    assert changed["date"] >= record["date"]
    assert changed["splits"] != record["splits"]
    marker.write_text("half a fi")
    assert json.loads(verification.mark(run, "otb2015", root).read_text())["splits"] == changed["splits"]


def test_missing_sequences_are_named_with_the_remedy(tmp_path):
    official = verification.missing(LASOT_TEST, tmp_path)
    assert (len(official), official[0]) == (280, "airplane-1")
    root = tmp_path / "real" / "lasot"
    layouts.lasot(root, [*official[3:], "airplane-2"])
    run = run_in(tmp_path, models={"siamrcr": {"benchmarks": ["lasot"]}})
    with pytest.raises(InputError) as error:
        verification.verify(run, "lasot")
    assert str(error.value) == (
        f"{root} is missing 3 of 280 test sequences (airplane-1 ...). Run: `siamrcr download lasot`"
    )
    layouts.lasot(root, official[:3])
    assert verification.verify(run, "lasot") == {"lasot-test": {"sequences": 280, "frames": 280}}
    with pytest.raises(InputError, match="is missing 1119 of 1120 train sequences"):
        verification.verify(run_in(tmp_path), "lasot")
    subset = run_in(tmp_path, expected={"lasot-train": 1, "lasot-test": 280})
    assert verification.verify(subset, "lasot")["lasot-train"]["sequences"] == 1
    more = run_in(tmp_path, expected={"lasot-train": 2})
    with pytest.raises(InputError, match=r"is missing 1 of 2 train sequences\. Run"):
        verification.verify(more, "lasot")


def test_a_sequence_without_frames_or_ground_truth_does_not_count(tmp_path, videos):
    root = tmp_path / "real"
    layouts.otb(root / "otb2015", "Biker", videos[0])
    shutil.rmtree(layouts.otb(root / "otb2015", "Bird1", videos[0]) / "img")
    (layouts.otb(root / "otb2015", "Bolt", videos[0]) / "groundtruth_rect.txt").unlink()
    jogging = layouts.otb(root / "otb2015", "Jogging", videos[0])
    for number in (1, 2):
        (jogging / f"groundtruth_rect.{number}.txt").write_text("1,1,5,5\n")
    human = layouts.otb(root / "otb2015", "Human4", videos[0])
    (human / "groundtruth_rect.txt").rename(human / "groundtruth_rect.2.txt")
    (human / "groundtruth_rect.1.txt").touch()
    run = run_in(tmp_path, expected={"otb2015": 4})
    assert verification.verify(run, "otb2015") == {"otb2015": {"sequences": 4, "frames": 12}}
    found = [name for name, _, _ in verification.of("otb2015")[0].find(root / "otb2015")]
    assert found == ["Biker", "Human4-2", "Jogging-1", "Jogging-2"]


def test_training_sets_are_counted(tmp_path, videos):
    for dataset, expected in {"coco": 9, "vid": 3, "det": 9}.items():
        getattr(layouts, dataset)(tmp_path / "real" / dataset, videos)
        counts = verification.verify(run_in(tmp_path, expected={dataset: expected}), dataset)
        assert counts == {dataset: {"sequences": expected, "frames": 9}}
        with pytest.raises(InputError, match=f"is missing 1 of {expected + 1} sequences"):
            verification.verify(run_in(tmp_path, expected={dataset: expected + 1}), dataset)
        image = sorted(p for p in (tmp_path / "real" / dataset).rglob("*") if p.suffix in (".jpg", ".JPEG"))[0]
        image.unlink()
        assert verification.verify(run_in(tmp_path, expected={dataset: 1}), dataset)[dataset]["frames"] == 8
    layouts.trackingnet_train(tmp_path / "real" / "trackingnet", videos)
    layouts.trackingnet_train(tmp_path / "real" / "trackingnet", videos[:1], chunk=11)
    trained = run_in(
        tmp_path,
        models={"siamrcr": {"training": {"datasets": {"trackingnet": 1}}}},
        expected={"trackingnet-train": 4},
    )
    assert verification.verify(trained, "trackingnet")["trackingnet-train"] == {"sequences": 4, "frames": 12}


def test_only_what_the_run_needs_is_asked_for(tmp_path):
    def names(**keys: object) -> list[str]:
        return [split.name for split in verification.needed(run_in(tmp_path, **keys), "got10k")]

    assert names() == ["got10k-train", "got10k-val", "got10k-test"]
    assert names(models={"a": {"benchmarks": ["got10k-test"]}}) == ["got10k-train", "got10k-test"]
    assert names(models={"a": {"checkpoint": "a.st", "benchmarks": ["got10k-test"]}}) == ["got10k-test"]
    other = {"training": {"datasets": {"lasot": 1}}}
    assert names(models={"a": other}, trackers={"s": {"command": "static", "benchmarks": ["got10k-val"]}}) == [
        "got10k-val"
    ]
    assert names(models={"a": other}, analysis={"correlation": {"a": "a"}}) == ["got10k-val"]


def test_generated_datasets_have_no_official_counts(tmp_path, videos):
    root = tmp_path / "mini" / "otb2015"
    layouts.otb(root, "Mini1", videos[0])
    run = run_in(tmp_path, source="mini")
    assert verification.verify(run, "otb2015")["otb2015"]["sequences"] == 1
    assert verification.mark(run, "otb2015", root) == tmp_path / "mini" / "otb2015.json"
    # Never marked as real, whatever the run is.
    assert verification.mark(run_in(tmp_path), "otb2015", root) == tmp_path / "mini" / "otb2015.json"
    shutil.rmtree(root)
    with pytest.raises(InputError, match=r"is missing 1 of 1 sequences\. Run: `siamrcr mini"):
        verification.verify(run, "otb2015")
    with pytest.raises(InputError, match="no sequences of otb2015"):
        verification.mark(run, "otb2015", root)


def test_real_sequences_are_counted(real_data):
    base = real_data / "sequences"
    folders = {"got10k-val": "got10k", "trackingnet-test": "trackingnet", "lasot-test": "lasot"}
    folders |= {"otb2015": "otb", "vot2018": "vot"}
    counts = {}
    for split in (s for s in verification.SPLITS if s.name in folders):
        found = list(split.find(base / folders[split.name]))
        counts[split.name] = len(found)
        assert all(frames > 0 and annotations for _, frames, annotations in found)
    assert counts == {"got10k-val": 3, "trackingnet-test": 3, "lasot-test": 1, "otb2015": 10, "vot2018": 3}


def test_the_official_split_of_lasot(tmp_path, real_data):
    official = (real_data / "official" / "lasot" / "testing_set.txt").read_text().split()
    assert verification.missing(LASOT_TEST, tmp_path) == official


def test_a_whole_data_folder(tmp_path):
    """What the generator writes, as real data would lie there: nothing is downloaded, and every reader reads it."""
    settings = Mini(width=96, height=72, frames=5, train_sequences=4, val_sequences=2, sequences=3)
    for dataset in layouts.BENCHMARKS:
        generate(dataset, tmp_path / "mini", settings)
    layouts.real_tree(tmp_path / "mini", tmp_path / "real")
    expected = {"got10k-train": 4, "got10k-val": 2, "got10k-test": 3, "trackingnet-train": 4, "trackingnet-test": 3}
    expected |= {"lasot-train": 4, "lasot-test": 3, "otb2015": 3, "vot2018": 3, "vot2019": 3}
    expected |= {"coco": 10, "vid": 4, "det": 10}
    run = run_in(tmp_path, expected=expected)
    counted = {}
    for dataset in (*layouts.BENCHMARKS, "coco", "vid", "det"):
        splits = json.loads(download(run, dataset).read_text())["splits"]
        counted |= {name: count["sequences"] for name, count in splits.items()}
    assert counted == expected
    for name in (*BENCHMARKS, *(f"{name}-train" for name in TRAINING_SETS)):
        sequences = load(name, run.data / "real" / DATASET.get(name, name.removesuffix("-train")))
        split = {"lasot": "lasot-test", "trackingnet": "trackingnet-test"}.get(name, name)
        objects = {"coco-train": 11, "vid-train": 8, "det-train": 10}
        assert len(sequences) == objects.get(name, expected.get(split)), name
        assert all(sequence.image(len(sequence) - 1).shape == (72, 96, 3) for sequence in sequences)
    with pytest.raises(InputError, match="is missing 3 of 5 val sequences"):
        verification.verify(run_in(tmp_path, expected=expected | {"got10k-val": 3 + 2}), "got10k")
