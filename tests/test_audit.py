"""`siamrcr verify`: what is whole, missing, damaged and extra, sequence by sequence and frame by frame."""

import json
import shutil
from pathlib import Path

import layouts
import pytest
from downloads import run_in

from siamrcr import cli
from siamrcr.config import Mini
from siamrcr.datasets import audit, verification
from siamrcr.datasets.mini import generate
from siamrcr.errors import InputError

EVERY = {split.name: split for split in verification.SPLITS}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[layouts.Clip]:
    return layouts.clips(tmp_path_factory.mktemp("clips"), count=4, frames=3)


def look(folder: Path, split: str, deep: bool = False, **expected: int) -> audit.Audit:
    """The audit of a split below `folder`/real."""
    run = run_in(folder, expected={name.replace("_", "-"): count for name, count in expected.items()})
    return audit.audit(run, EVERY[split], deep=deep)


def test_otb_of_which_little_is_there(tmp_path, videos):
    root = tmp_path / "real" / "otb2015"
    for name, clip in zip(("Biker", "Bird1", "Bolt", "Mine"), videos, strict=True):
        layouts.otb(root, name, clip)
    (root / "Bird1" / "img" / "0002.jpg").unlink()
    (root / "Bolt" / "groundtruth_rect.txt").write_text("1,1,five,5\n" * 3)
    (root / "archives").mkdir()
    (root / "archives" / "Boy.zip.part").touch()
    (root / "notes.txt").touch()
    found = look(tmp_path, "otb2015")
    assert (found.wanted, found.whole, found.frames) == (100, 2, 6)
    assert set(found.damaged) == {"Bird1", "Bolt"}
    assert "0002.jpg: frame missing" in found.damaged["Bird1"]
    assert "groundtruth_rect.txt: line 1" in found.damaged["Bolt"]
    assert len(found.missing) == 97
    assert {"Basketball", "Jogging-1", "Jogging-2", "Human4-2"} <= set(found.missing)
    assert found.extra == ["Mine", "notes.txt", "archives/Boy.zip.part"]
    assert not found.complete


def test_deep_decodes_every_frame(tmp_path, videos):
    root = tmp_path / "real" / "otb2015"
    for name, clip in zip(("Biker", "Bird1", "Bolt", "Boy"), videos, strict=True):
        layouts.otb(root, name, clip)
    assert look(tmp_path, "otb2015", deep=True).damaged == {}
    truncated, garbage, empty = (root / name / "img" / "0002.jpg" for name in ("Bird1", "Bolt", "Boy"))
    truncated.write_bytes(truncated.read_bytes()[:-200])
    garbage.write_bytes(b"<html>quota exceeded</html>")
    empty.write_bytes(b"")
    (root / "Boy" / "img" / "0003.jpg").write_bytes(b"")
    assert look(tmp_path, "otb2015").damaged == {}
    found = look(tmp_path, "otb2015", deep=True)
    assert (found.whole, found.frames) == (1, 3)
    assert "0002.jpg: image file is truncated" in found.damaged["Bird1"]
    assert "0002.jpg: cannot identify image file" in found.damaged["Bolt"]
    assert found.damaged["Boy"].endswith(", and 1 more frames")


def test_got10k_and_what_does_not_belong_there(tmp_path, videos):
    root = tmp_path / "real" / "got10k"
    names = ["GOT-10k_Val_000001", "GOT-10k_Val_000003", "GOT-10k_Val_000999"]
    layouts.got10k(root, "val", names, videos[0])
    found = look(tmp_path, "got10k-val")
    assert (found.wanted, found.whole, len(found.missing)) == (180, 3, 178)
    assert found.missing[:2] == ["GOT-10k_Val_000002", "GOT-10k_Val_000004"]
    assert found.extra == ["GOT-10k_Val_000999"]
    # A subset that the configuration means is whole with as many as it says.
    assert look(tmp_path, "got10k-val", got10k_val=3).complete
    assert look(tmp_path, "got10k-val", got10k_val=5).missing == ["2 of 5"]
    test = layouts.got10k(root, "test", ["GOT-10k_Test_000001"], videos[1]) / "GOT-10k_Test_000001"
    (test / "groundtruth.txt").write_text("1,1,5,5\n")  # the first box alone is public
    assert look(tmp_path, "got10k-test", got10k_test=1).frames == 3
    shutil.rmtree(root)
    assert look(tmp_path, "got10k-val").missing[:1] == ["GOT-10k_Val_000001"]


def test_trackingnet_of_which_frames_are_not_unpacked(tmp_path, videos):
    root = tmp_path / "real" / "trackingnet"
    layouts.trackingnet_train(root, videos)
    lost = sorted((root / "TRAIN_0" / "frames").iterdir())[1]
    shutil.rmtree(lost)
    found = look(tmp_path, "trackingnet-train")
    assert (found.whole, found.frames) == (3, 9)
    assert found.missing == [lost.name, f"{2512 + 11 * 2511 - 4} more"]


def test_coco_by_its_annotations(tmp_path, videos):
    root = tmp_path / "real" / "coco"
    layouts.coco(root, videos)
    images = sorted((root / "train2017").iterdir())
    images[0].unlink()
    images[1].write_bytes(images[1].read_bytes()[:-100])
    (root / "train2017" / "000000999999.jpg").write_bytes(images[2].read_bytes())
    found = look(tmp_path, "coco", deep=True, coco=12)
    assert (found.whole, found.missing, found.extra) == (10, [images[0].name], ["000000999999.jpg"])
    assert list(found.damaged) == [images[1].name]
    (root / "annotations" / "instances_train2017.json").write_text("{")
    assert "cannot be read" in look(tmp_path, "coco").damaged["annotations/instances_train2017.json"]
    (root / "annotations" / "instances_train2017.json").unlink()
    assert look(tmp_path, "coco").missing[0] == "annotations/instances_train2017.json"


def test_ilsvrc_by_its_annotations(tmp_path, videos):
    for task in ("vid", "det"):
        getattr(layouts, task)(tmp_path / "real" / task, videos)
    assert look(tmp_path, "vid", deep=True, vid=4).frames == 12
    snippets = sorted((tmp_path / "real" / "vid" / "Data").glob("VID/train/*/*"))
    shutil.rmtree(snippets[0])
    next(snippets[1].iterdir()).unlink()
    found = look(tmp_path, "vid")
    assert found.missing == [snippets[0].name, f"{3862 - 4} more"]
    assert "1 of 3 frames missing" in found.damaged[snippets[1].name]
    whole = look(tmp_path, "det")
    assert (whole.wanted, whole.complete) == (None, True)
    image = next((tmp_path / "real" / "det" / "Data").rglob("*_1.JPEG"))
    image.unlink()
    assert look(tmp_path, "det").missing == [image.stem]


def test_the_command_line(tmp_path, videos, capsys):
    root = tmp_path / "mine"
    layouts.otb(root, "Biker", videos[0])
    keys = ["--set", f"data={tmp_path}"]
    arguments = ["verify", "otb2015", "--root", str(root), "--json", str(tmp_path / "found.json"), *keys]
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert "| otb2015 | 100 | 1 | 3 | 99 | 0 | 0 |" in printed.out
    assert "otb2015: missing: Basketball, Bird1, Bird2, BlurBody, BlurCar1, and 94 more" in printed.out
    command = f"siamrcr download otb2015 {' '.join(keys)}"
    assert printed.err == f"siamrcr: {root}: otb2015: 99 missing, 0 damaged: run: `{command}`\n"
    assert len(json.loads((tmp_path / "found.json").read_text())[0]["missing"]) == 99
    assert cli.main([*arguments, "--set", "expected={otb2015: 1}"]) == 0
    assert cli.main(["verify", "got10k", "--parts", "vall", *keys]) == 2
    assert "got10k has no such split; known are train, val, test" in capsys.readouterr().err
    (root / "Biker" / "img" / "0001.jpg").write_bytes(b"")
    assert cli.main([*arguments, "--deep", "--set", "expected={otb2015: 1}"]) == 2
    assert "delete what is damaged, then run: `siamrcr download otb2015" in capsys.readouterr().err


def test_generated_datasets_and_weights(tmp_path, capsys):
    settings = Mini(width=96, height=72, frames=5, train_sequences=4, val_sequences=2, sequences=3)
    for dataset in layouts.BENCHMARKS:
        generate(dataset, tmp_path / "mini", settings)
        assert cli.main(["verify", dataset, "--generated", "--deep", "--set", f"data={tmp_path}"]) == 0
        line = capsys.readouterr().out.splitlines()[-1]
        assert line.startswith("| ")
        assert line.endswith("| 0 | 0 | 0 |")
    weights = tmp_path / "real" / "resnet50" / "model.safetensors"
    with pytest.raises(InputError, match=r"resnet50: 1 missing"):
        audit.must_be_complete(run_in(tmp_path), "resnet50", [look(tmp_path, "resnet50")])
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert look(tmp_path, "resnet50").complete


def test_real_frames_are_all_readable(real_data):
    run = run_in(real_data, expected={"got10k-val": 3, "otb2015": 10, "vot2018": 3, "lasot-test": 1})
    folders = {"got10k-val": "got10k", "otb2015": "otb", "vot2018": "vot", "lasot-test": "lasot"}
    for split, folder in folders.items():
        found = audit.audit(run, EVERY[split], real_data / "sequences" / folder, deep=True)
        assert found.whole == run.expected[split], split
        assert found.complete
