"""What the report's player shows: frames and boxes as they are, and whatever is missing said instead of lost."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from fake_run import configuration
from PIL import Image

from siamrcr import datasets, results, strips
from siamrcr.config import Run
from siamrcr.datasets.mini import generate
from siamrcr.results import Result


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("strips")
    sizes = {"sequences": 3, "frames": 12, "width": 400, "height": 300}
    made = configuration(folder / "results", source="mini", data=str(folder / "data"), mini=sizes)
    generate("otb2015", made.data / "mini", made.mini)
    return made


def tracks(run: Run, folder: Path) -> dict[str, dict[str, Path]]:
    """Boxes three pixels beside the true ones; the last two frames of the first sequence are unknown."""
    for number, clip in enumerate(datasets.load("otb2015", run.root("otb2015"))):
        boxes, unknown = clip.boxes + np.array([3, 0, 0, 0]), np.full(len(clip), np.nan)
        if number == 0:
            boxes[-2:] = np.nan
        results.write(folder, "otb2015", clip.name, 1, Result(boxes, np.zeros(len(clip), np.int8), unknown, unknown))
    return {"otb2015": {"0": folder}}


def test_boxes_and_pictures_are_those_of_the_frames(run: Run, tmp_path: Path) -> None:
    clips = datasets.load("otb2015", run.root("otb2015"))
    names = [clip.name for clip in reversed(clips)]
    made, lacks = strips.make(run, {"otb2015": names}, tracks(run, tmp_path / "tracks"), tmp_path, 3)
    assert lacks == []
    assert list(made["otb2015"]) == names
    for clip in clips:
        strip = made["otb2015"][clip.name]
        assert (strip["length"], strip["size"]) == (12, [400, 300])
        assert (strip["frames"][0], strip["frames"][-1], len(strip["frames"])) == (0, 11, strips.FRAMES)
        assert np.allclose(strip["boxes"]["truth"], clip.boxes[strip["frames"]], atol=0.051)
        for number, box in zip(strip["frames"], strip["boxes"]["0"], strict=True):
            gone = clip is clips[0] and number >= 10
            assert (box is None) == gone
            assert gone or np.allclose(box, clip.boxes[number] + np.array([3, 0, 0, 0]), atol=0.051)
        for number, data in zip(strip["frames"], strip["images"], strict=True):
            picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
            assert picture.size == (320, 240)
            reduced = Image.fromarray(clip.image(number)).resize(picture.size, Image.Resampling.BOX)
            assert np.abs(np.asarray(picture, float) - np.asarray(reduced, float)).mean() < 6


def whole(path: Path) -> dict[str, object]:
    text = path.read_text()
    assert text.startswith("siamrcrSequence(")
    return json.loads(text.removeprefix("siamrcrSequence(").removesuffix(");\n"))  # type: ignore[no-any-return]


def test_whole_sequences_lie_beside_and_old_ones_go(run: Run, tmp_path: Path) -> None:
    clips = datasets.load("otb2015", run.root("otb2015"))
    given = tracks(run, tmp_path / "tracks")
    made, _ = strips.make(run, {"otb2015": [clip.name for clip in clips]}, given, tmp_path, 1)
    assert [("images" in strip) for strip in made["otb2015"].values()] == [True, False, False]
    for clip in clips:
        found = whole(tmp_path / made["otb2015"][clip.name]["beside"])
        assert (found["name"], found["length"], found["size"]) == (clip.name, 12, [400, 300])
        frames = [(tmp_path / str(found["folder"]) / name).resolve() for name in found["files"]]  # type: ignore[attr-defined]
        assert frames == [frame.resolve() for frame in clip.frames]
        assert np.allclose(found["boxes"]["truth"], clip.boxes, atol=0.051)  # type: ignore[index]
    again, _ = strips.make(run, {"otb2015": [clips[1].name]}, given, tmp_path, 1)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("sequences/*/*")] == [
        again["otb2015"][clips[1].name]["beside"]
    ]


def test_what_is_missing_is_said_and_the_rest_is_shown(run: Run, tmp_path: Path) -> None:
    clips = datasets.load("otb2015", run.root("otb2015"))
    given = tracks(run, tmp_path / "tracks")
    given["otb2015"] |= {"1": tmp_path / "absent.zip"}
    chosen = {"otb2015": [clips[0].name, "no such sequence"], "lasot": ["airplane-1"]}
    data = clips[0].frames[0].read_bytes()
    clips[0].frames[0].write_bytes(data[:20])
    try:
        made, lacks = strips.make(run, chosen, given, tmp_path, 1)
    finally:
        clips[0].frames[0].write_bytes(data)
    strip = made["otb2015"][clips[0].name]
    assert strip["images"] == []
    assert set(strip["boxes"]) == {"truth", "0"}
    assert "lasot" not in made
    assert len(lacks) == 3
    for words in ("the player lacks a tracker on otb2015", "no picture of", "no sequence of lasot"):
        assert any(words in line for line in lacks), lacks
