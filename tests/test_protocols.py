"""One-pass and reset-based protocols, asked by a scripted tracker; replayed on published raw results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamrcr import datasets, results
from siamrcr.datasets.sequence import Sequence
from siamrcr.geometry import Array
from siamrcr.protocols import Answer, Asking, Init, Update, one_pass, reset_based
from siamrcr.results import Result

TRUTH = np.array([20.0, 10.0, 30.0, 20.0])
ELSEWHERE = np.array([100.0, 80.0, 30.0, 20.0])
MARKS = "RIFS"  # by code: region, init, failure, skipped


def still(frames: int, polygon: Array | None = None) -> Sequence:
    """A target that never moves, in 160 x 120 frames that nobody opens."""
    regions = None if polygon is None else (polygon,) * frames
    return Sequence("still", (), np.tile(TRUTH, (frames, 1)), np.ones(frames, dtype=bool), regions, size=(160, 120))


def played(protocol: Asking, script: Callable[[int], Array]) -> tuple[Result, list[Init | Update]]:
    """The result of a protocol, and what it asked; frame i takes i + 1 seconds and has confidence i / 100."""
    asked = [next(protocol)]
    while True:
        request = asked[-1]
        box = request.box if isinstance(request, Init) else script(request.frame)
        try:
            asked.append(protocol.send(Answer(box, request.frame + 1.0, request.frame / 100)))
        except StopIteration as end:
            return end.value, asked


def codes(result: Result) -> str:
    return "".join(MARKS[code] for code in result.codes)


def test_one_pass_starts_on_the_first_truth_and_asks_every_frame_once() -> None:
    result, asked = played(one_pass(still(4)), lambda frame: ELSEWHERE + frame)
    assert isinstance(asked[0], Init)
    assert np.array_equal(asked[0].box, TRUTH)
    assert asked[1:] == [Update(1), Update(2), Update(3)]
    assert np.array_equal(result.boxes, [TRUTH, ELSEWHERE + 1, ELSEWHERE + 2, ELSEWHERE + 3])
    assert codes(result) == "RRRR"
    assert result.times.tolist() == [1, 2, 3, 4]
    assert result.confidence.tolist()[1:] == [0.01, 0.02, 0.03]
    assert np.isnan(result.confidence[0])


def test_one_pass_of_one_frame_and_of_a_hidden_truth() -> None:
    assert codes(played(one_pass(still(1)), lambda _: ELSEWHERE)[0]) == "R"
    boxes = np.full((3, 4), np.nan)
    boxes[0] = TRUTH
    hidden = Sequence("hidden", (), boxes, np.ones(3, dtype=bool))
    assert np.array_equal(played(one_pass(hidden), lambda _: ELSEWHERE)[0].boxes, [TRUTH, ELSEWHERE, ELSEWHERE])


@pytest.mark.parametrize(
    ("frames", "lost", "wanted"),
    [
        (6, [], "IRRRRR"),
        (14, [3], "IRRFSSSSIRRRRR"),
        (14, [1], "IFSSSSIRRRRRRR"),
        (14, [3, 9], "IRRFSSSSIFSSSS"),
        (15, [3, 9], "IRRFSSSSIFSSSSI"),
        (9, [3], "IRRFSSSSI"),
        (8, [3], "IRRFSSSS"),
        (6, [5], "IRRRRF"),
        (1, [], "I"),
        (14, [3, 4, 5, 8], "IRRFSSSSIRRRRR"),
    ],
)
def test_a_failure_restarts_five_frames_later(frames: int, lost: list[int], wanted: str) -> None:
    result, asked = played(reset_based(still(frames)), lambda frame: ELSEWHERE if frame in lost else TRUTH + 1)
    assert codes(result) == wanted
    starts = [place for place, code in enumerate(wanted) if code == "I"]
    assert [request.frame for request in asked if isinstance(request, Init)] == starts
    assert [request.frame for request in asked] == [place for place, code in enumerate(wanted) if code != "S"]
    for place, code in enumerate(wanted):
        assert np.array_equal(result.boxes[place], TRUTH + 1 if code == "R" else [np.nan] * 4, equal_nan=True)
        assert np.isnan(result.times[place]) == (code == "S")
        assert np.isnan(result.confidence[place]) == (code != "R")


@given(frames=st.integers(1, 60), lost=st.sets(st.integers(0, 60)), skip=st.integers(1, 8))
def test_codes_follow_from_the_lost_frames(frames: int, lost: set[int], skip: int) -> None:
    wanted: list[str] = []
    while len(wanted) < frames:
        wanted.append("I")
        while len(wanted) < frames and wanted[-1] != "F":
            wanted.append("F" if len(wanted) in lost else "R")
        if wanted[-1] == "F":
            wanted += ["S"] * (skip - 1)
    result, _ = played(reset_based(still(frames), skip), lambda frame: ELSEWHERE if frame in lost else TRUTH)
    assert codes(result) == "".join(wanted[:frames])


def test_a_failure_is_no_common_pixel_inside_the_image() -> None:
    """The truth's columns 20..50 and rows 10..30, as the toolkit draws them, both ends in."""

    def fails(box: list[float]) -> bool:
        return codes(played(reset_based(still(2)), lambda _: np.array(box))[0]) == "IF"

    assert not fails([49, 29, 30, 20])
    assert fails([51, 10, 30, 20])
    assert fails([20, 31, 30, 20])
    assert fails([np.nan, 10, 30, 20])

    edge = Sequence("edge", (), np.tile([150.0, 10, 30, 20], (2, 1)), np.ones(2, dtype=bool), size=(160, 120))
    outside = played(reset_based(edge), lambda _: np.array([165.0, 10, 30, 20]))[0]
    inside = played(reset_based(edge), lambda _: np.array([155.0, 10, 30, 20]))[0]
    assert (codes(outside), codes(inside)) == ("IF", "IR")


def test_the_start_is_the_upright_box_with_the_polygons_area_and_the_overlap_the_polygons_own() -> None:
    diamond = np.array([40.0, 10, 70, 40, 40, 70, 10, 40])
    sequence = still(7, diamond)
    corner = np.array([10.0, 10, 10, 10])  # inside the diamond's bounding box, outside the diamond
    result, asked = played(reset_based(sequence), lambda frame: corner if frame == 1 else np.array([35.0, 35, 10, 10]))
    assert codes(result) == "IFSSSSI"
    for request in (asked[0], asked[2]):
        assert isinstance(request, Init)
        assert request.box[2:].prod() == pytest.approx(1800)
        assert request.box[:2] + request.box[2:] / 2 == pytest.approx([40, 40])


@pytest.mark.parametrize("name", ["challenge_KCF", "challenge_SiamRPN"])
def test_published_runs_fail_and_restart_on_the_same_frames(real_data: Path, name: str) -> None:
    """Every box of a published run is kept, and every start is where the run had it, when its boxes are replayed."""
    folder = real_data / "official" / "vot2018"
    sequences = datasets.load("vot2018", None, folder / "groundtruth_vot2018.json")
    runs = results.read(folder / "raw_results" / f"{name}.zip", "vot2018", sequences)
    failures = 0
    for sequence in sequences[::6]:
        published = runs[sequence.name][0]
        lost = published.codes == results.FAILURE
        boxes = np.where(lost[:, None], -1e4, published.boxes)
        replayed, _ = played(reset_based(sequence), lambda frame, boxes=boxes: boxes[frame])  # type: ignore[misc]
        assert np.array_equal(replayed.codes, published.codes), sequence.name
        failures += int(lost.sum())
    assert failures > 3
