"""What holds of every rule, whatever the boxes: bounds, order, monotone curves, the truth as its own result."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import evaluation, rules, vot
from analysis.evaluation import METRICS, conventions, evaluate
from siamrcr import results
from siamrcr.datasets.sequence import Sequence
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result

SIZE = (160, 120)
EVERY = [(benchmark, rule) for benchmark in METRICS for rule in conventions(benchmark)]
BOXED = [(benchmark, rule) for benchmark, rule in EVERY if benchmark not in vot.INTERVALS]
# What a result that is the truth itself reaches: curves that need more than all of the overlap end one point early.
PERFECT = {"success": {"trackingnet": 1.0, "otb2015": 20 / 21, "lasot": 20 / 21}, "robustness": 0.0}

many = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = st.integers(1, 60)
true_boxes = st.lists(st.tuples(whole, whole, whole, whole), min_size=2, max_size=8)
lost = st.sampled_from([(np.nan,) * 4, (5.0, np.nan, 9.0, 9.0), (7.0, 7, 0, 5), (7.0, 7, -3, 5), (0.0, 0, 0, 0)])
number = st.floats(-40, 200, allow_nan=False, width=32)
tracked_boxes = st.one_of(st.tuples(number, number, number, number), lost)
clean_boxes = st.tuples(number, number, st.floats(0, 90, width=32), st.floats(0, 90, width=32))


@st.composite
def clips(draw: st.DrawFn, rule: str) -> list[tuple[Sequence, list[Result]]]:
    """Sequences of whole pixels that a target may leave, each with one to three runs of whatever boxes."""
    found = []
    for index in range(draw(st.integers(1, 4))):
        truth = np.array(draw(true_boxes), dtype=np.float64)
        frames = len(truth)
        visible = np.array([True, *draw(st.lists(st.booleans(), min_size=frames - 1, max_size=frames - 1))])
        truth[~visible] = draw(st.sampled_from([truth[0], np.array([-1.0, -1, 0, 0])]))
        cover = np.where(visible, 8, 0)
        cover[1] = 8  # GOT-10k's mean is of something
        clip = Sequence(f"clip-{index}", (), truth, visible, tuple(truth), cover, SIZE)
        boxes = clean_boxes if rule in ("pytracking", "got10k-val", "got10k-test") else tracked_boxes
        rows = st.lists(boxes, min_size=frames, max_size=frames)
        found.append((clip, [run(np.array(draw(rows))) for _ in range(draw(st.integers(1, 3)))]))
    return found


@st.composite
def reset_clips(draw: st.DrawFn) -> list[tuple[Sequence, list[Result]]]:
    """Sequences with runs that fail anywhere, be it in their second frame or last; the first run never does."""
    found = []
    for index in range(draw(st.integers(1, 4))):
        frames = draw(st.integers(12, 30))
        truth = np.tile(np.array(draw(st.tuples(*[st.integers(10, 40)] * 4)), dtype=np.float64), (frames, 1))
        clip = Sequence(f"clip-{index}", (), truth, np.ones(frames, dtype=bool), tuple(truth), size=SIZE)
        runs = []
        for _ in range(draw(st.integers(1, 3))):
            codes = np.full(frames, REGION, dtype=np.int8)
            codes[0] = INIT
            at = draw(st.integers(1, frames + 10)) if found or runs else frames
            while at < frames:
                codes[at : at + 5] = SKIPPED
                codes[at] = FAILURE
                codes[at + 5 : at + 6] = INIT
                at += draw(st.integers(6, 20))
            shifts = np.array(draw(st.lists(st.integers(-30, 30), min_size=frames, max_size=frames)))
            boxes = np.where((codes == REGION)[:, None], truth + np.outer(shifts, [1, 0, 0, 0]), np.nan)
            runs.append(replace(run(boxes), codes=codes))
        found.append((clip, runs))
    return found


@pytest.fixture(autouse=True, scope="module")
def no_provenance() -> Iterator[None]:
    """It asks git, which takes longer than a score."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "provenance", dict)
        yield


def run(boxes: np.ndarray) -> Result:
    unknown = np.full(len(boxes), np.nan)
    return Result(boxes.astype(np.float64), np.zeros(len(boxes), dtype=np.int8), unknown, unknown)


def drawn(benchmark: str, rule: str) -> st.SearchStrategy[list[tuple[Sequence, list[Result]]]]:
    if benchmark in vot.INTERVALS:
        return reset_clips()
    return clips(benchmark if benchmark.startswith("got10k") else rule)


def scored(benchmark: str, rule: str, pairs: list[tuple[Sequence, list[Result]]]) -> dict[str, dict]:
    found = {clip.name: runs for clip, runs in pairs}
    interval = (3, 6) if benchmark in vot.INTERVALS else None
    known = [clip for clip, _ in pairs]
    return evaluate(benchmark, "t", known, found, convention=rule, bootstrap=5, seed=0, eao_interval=interval)


def values(score: dict[str, dict]) -> dict[str, float]:
    return {name: np.nan if each["value"] is None else each["value"] for name, each in score["metrics"].items()}


def test_every_rule_has_its_words() -> None:
    assert {name: list(words) for name, words in rules.WORDS.items()} == {
        name: list(conventions(name)) for name in METRICS
    }


@pytest.mark.parametrize(("benchmark", "rule"), EVERY)
@many
@given(data=st.data())
def test_bounds_and_order(benchmark: str, rule: str, data: st.DataObject) -> None:
    pairs = data.draw(drawn(benchmark, rule))
    score = scored(benchmark, rule, pairs)
    found = values(score)
    for name, value in found.items():
        limit = 1000 if name == "robustness" else 1 + 1e-12
        assert np.isnan(value) or 0 <= value <= limit, name
    assert values(scored(benchmark, rule, pairs[::-1])) == pytest.approx(found, nan_ok=True)
    # Each repetition twice is the same tracker, but for pysot, which takes the first run of VOT.
    twice = [(clip, [*runs, *runs]) for clip, runs in pairs]
    if (rule, benchmark in vot.INTERVALS) != ("pysot", True):
        assert values(scored(benchmark, rule, twice)) == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize(("benchmark", "rule"), BOXED)
@many
@given(data=st.data())
def test_success_falls_and_precision_rises(benchmark: str, rule: str, data: st.DataObject) -> None:
    curves = scored(benchmark, rule, data.draw(drawn(benchmark, rule)))["curves"]
    for name, curve in curves.items():
        steps = np.diff(np.array(curve["y"], dtype=np.float64))
        assert (steps[~np.isnan(steps)] * (-1 if name == "success" else 1) >= -1e-9).all(), name


@pytest.mark.parametrize(("benchmark", "rule"), EVERY)
@many
@given(data=st.data())
def test_no_result_beats_the_truth_itself(benchmark: str, rule: str, data: st.DataObject) -> None:
    pairs = data.draw(drawn(benchmark, rule))
    whole = [(replace(clip, visible=np.ones_like(clip.visible)), runs) for clip, runs in pairs]
    sized = [(clip, runs) for clip, runs in whole if (clip.boxes[:, 2:] > 0).all()]
    if not sized:
        return
    own = [(clip, [truth_as_result(benchmark, clip)]) for clip, _ in sized]
    best = values(scored(benchmark, rule, own))
    expected = {name: PERFECT.get(name, 1.0) for name in best}
    assert best == pytest.approx(
        {name: limit[benchmark] if isinstance(limit, dict) else limit for name, limit in expected.items()}
    )
    found = values(scored(benchmark, rule, sized))
    for name, value in found.items():
        assert np.isnan(value) or (value >= best[name] if name == "robustness" else value <= best[name] + 1e-12), name


def truth_as_result(benchmark: str, clip: Sequence) -> Result:
    whole = run(clip.boxes)
    if benchmark not in vot.INTERVALS:
        return whole
    codes = np.full(len(clip), REGION, dtype=np.int8)
    codes[0] = INIT
    # Accuracy needs a frame after the ten of burn-in.
    return replace(whole, codes=codes, boxes=np.where(codes[:, None] == INIT, np.nan, clip.boxes))


@pytest.mark.parametrize("benchmark", ["otb2015", "lasot", "trackingnet"])
@many
@given(data=st.data())
def test_frames_past_the_truth_do_not_count(
    benchmark: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    clip, runs = data.draw(clips("pytracking"))[0]
    more = run(np.concatenate([runs[0].boxes, np.tile([1.0, 2, 3, 4], (data.draw(st.integers(1, 3)), 1))]))
    scores = []
    for index, each in enumerate((runs[0], more)):
        folder = tmp_path_factory.mktemp(f"tracks-{index}")
        results.write(folder, benchmark, clip.name, 1, each)
        found = results.read(folder, benchmark, [clip])[clip.name]
        scores.append([values(scored(benchmark, rule, [(clip, found)])) for rule in conventions(benchmark)])
    assert str(scores[0]) == str(scores[1])
