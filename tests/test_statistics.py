"""The bootstrap re-applies each benchmark's aggregation; the score file holds what it should."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import benchmarks, evaluation, vot
from analysis.conventions import CONVENTIONS
from analysis.statistics import Curve, Metric, mean_weights, paired, resamples, stderr
from siamrcr import config
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result


def sequences(count: int, seed: int = 0, **more: object) -> list[Sequence]:
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        frames = int(generator.integers(20, 60))
        boxes = np.column_stack([generator.uniform(20, 120, (frames, 2)), np.tile([30.0, 25.0], (frames, 1))])
        tags = {"fast": np.array([number % 2 == 0]), "rare": np.array([number == 1])}
        fields = {"size": (200, 160), "attributes": tags} | more
        found.append(Sequence(f"clip-{number}", (), boxes, np.ones(frames, dtype=bool), **fields))
    return found


def tracked(known: list[Sequence], seed: int, noise: float = 6.0) -> dict[str, list[Result]]:
    generator = np.random.default_rng(seed)
    runs = {}
    for sequence in known:
        boxes = sequence.boxes + generator.normal(0, noise, sequence.boxes.shape) * generator.uniform(0.2, 2)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
        unknown = np.full(len(boxes), np.nan)
        runs[sequence.name] = [Result(boxes, np.zeros(len(boxes), dtype=np.int8), unknown, unknown)]
    return runs


def with_resets(known: list[Sequence], seed: int) -> dict[str, list[Result]]:
    generator, runs = np.random.default_rng(seed), tracked(known, seed)
    for several in runs.values():
        boxes, codes = several[0].boxes, several[0].codes
        codes[0] = INIT
        at = int(generator.integers(3, 15))
        codes[at : at + 5] = SKIPPED
        codes[at], codes[at + 5] = FAILURE, INIT
        boxes[codes != REGION] = np.nan
    return runs


def score(benchmark: str, known: list[Sequence], runs: dict[str, list[Result]], **more: object) -> dict:
    settings = {"convention": None, "bootstrap": 100, "seed": 0, "eao_interval": (5, 30)} | more
    return evaluation.evaluate(benchmark, "some", known, runs, **settings)


BOX_BENCHMARKS = sorted(CONVENTIONS)


@settings(deadline=None)
@given(st.floats(-3, 3), st.integers(2, 30), st.integers(0, 5))
def test_the_bootstrap_of_constant_values_has_no_spread(value: float, count: int, seed: int) -> None:
    metric = Metric(Curve(np.zeros(1), np.full((count, 1), value), np.ones((count, 1))), mean_weights(1))
    replicates = metric.values(resamples(count, 50, seed))
    np.testing.assert_allclose(replicates, value, atol=1e-12)
    assert stderr(replicates) == pytest.approx(0, abs=1e-12)


def test_the_standard_error_of_a_mean_is_the_known_one() -> None:
    values = np.random.default_rng(1).normal(0, 1, (200, 1))
    metric = Metric(Curve(np.zeros(1), values, np.ones((200, 1))), mean_weights(1))
    expected = values.std() / np.sqrt(200)
    assert stderr(metric.values(resamples(200, 4000, 0))) == pytest.approx(expected, rel=0.05)


def test_resamples_are_seeded_and_draw_as_many_sequences_as_there_are() -> None:
    counts = resamples(7, 100, 3)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(counts, resamples(7, 100, 3))
    assert (counts != resamples(7, 100, 4)).any()


@pytest.mark.parametrize("benchmark", [*BOX_BENCHMARKS, "vot2018"])
def test_a_replicate_is_the_benchmark_on_the_sequences_drawn(benchmark: str) -> None:
    known = sequences(6)
    runs = with_resets(known, 2) if benchmark == "vot2018" else tracked(known, 2)

    def scores(chosen: list[Sequence]) -> dict:
        several = [runs[sequence.name] for sequence in chosen]
        if benchmark == "vot2018":
            return vot.Measured(chosen, several, "published").scores((5, 30)).metrics
        return CONVENTIONS[benchmark]["official"](chosen, several).metrics

    counts = resamples(6, 8, 5)
    whole = {name: metric.values(counts) for name, metric in scores(known).items()}
    for replicate, row in enumerate(counts.astype(int)):
        drawn = [sequence for sequence, times in zip(known, row, strict=True) for _ in range(times)]
        for name, metric in scores(drawn).items():
            assert whole[name][replicate] == pytest.approx(metric.values(np.ones((1, 6)))[0], abs=1e-12)


@pytest.mark.parametrize("benchmark", config.BENCHMARKS)
def test_the_score_file(benchmark: str) -> None:
    known = sequences(6)
    runs = with_resets(known, 2) if benchmark.startswith("vot") else tracked(known, 2)
    found = json.loads(json.dumps(score(benchmark, known, runs), allow_nan=False))
    names = evaluation.METRICS[benchmark]
    assert (found["benchmark"], found["tracker"], found["repetitions"]) == (benchmark, "some", 1)
    assert found["convention"] == evaluation.conventions(benchmark)[0]
    assert tuple(found["metrics"]) == tuple(found["replicates"]) == names
    for name in names:
        value, error = found["metrics"][name]["value"], found["metrics"][name]["stderr"]
        assert value >= 0
        assert error > 0
        assert len(found["replicates"][name]) == 100
        assert np.std(found["replicates"][name], ddof=1) == pytest.approx(error, rel=1e-4)
        assert found["attributes"]["fast"][name]["sequences"] == 3
        # A bootstrap of one sequence says nothing.
        assert found["attributes"]["rare"][name]["stderr"] is None
        assert found["attributes"]["rare"][name]["value"] == pytest.approx(found["sequences"]["clip-1"][name])
    curves = {"expected_overlap"} if benchmark.startswith("vot") else {"success"}
    curves |= {"precision"} if benchmark in ("otb2015", "lasot", "trackingnet") else set()
    curves |= {"normalized_precision"} if benchmark in ("lasot", "trackingnet") else set()
    assert set(found["curves"]) == curves
    for curve in found["curves"].values():
        assert len(curve["x"]) == len(curve["y"]) == len(curve["stderr"])
    assert list(found["sequences"]) == [sequence.name for sequence in known]
    assert found["sequences"]["clip-0"]["frames"] == len(known[0])


def test_attributes_that_change_within_a_sequence_count_frames() -> None:
    known = [
        replace(sequence, attributes={"occlusion": np.arange(len(sequence)) < (15 if number < 3 else 0)})
        for number, sequence in enumerate(sequences(4))
    ]
    found = score("vot2018", known, with_resets(known, 1))["attributes"]["occlusion"]["robustness"]
    assert found["sequences"] == 3
    assert found["value"] == pytest.approx(100 * 3 / 45)


def test_the_same_seed_gives_the_same_file() -> None:
    known = sequences(5)
    runs = tracked(known, 1)
    first, again, other = (score("otb2015", known, runs, seed=seed) for seed in (0, 0, 1))
    assert first["replicates"] == again["replicates"] != other["replicates"]
    assert first["metrics"]["success"]["value"] == other["metrics"]["success"]["value"]


def test_a_tracker_does_not_differ_from_itself() -> None:
    known = sequences(5)
    one = score("otb2015", known, tracked(known, 1))
    difference = paired(one, one, "success")
    assert (difference.value, difference.stderr, difference.low, difference.high) == (0, 0, 0, 0)


def test_a_paired_difference_is_tighter_than_its_parts() -> None:
    known = sequences(30)
    noisy = tracked(known, 1)
    # The same errors and four pixels more.
    worse = {
        name: [Result(r.boxes + np.array([4, 0, 0, 0]), r.codes, r.times, r.confidence) for r in several]
        for name, several in noisy.items()
    }
    a, b = (score("otb2015", known, runs, bootstrap=500) for runs in (noisy, worse))
    difference = paired(a, b, "success")
    parts = [each["metrics"]["success"] for each in (a, b)]
    assert difference.value == pytest.approx(parts[0]["value"] - parts[1]["value"])
    assert 0 < difference.low < difference.value < difference.high
    assert difference.stderr < min(part["stderr"] for part in parts)
    mirrored = paired(b, a, "success")
    assert (mirrored.low, mirrored.high) == pytest.approx((-difference.high, -difference.low))


def test_scores_that_do_not_pair_are_refused() -> None:
    known = sequences(5)
    a, other_seed = (score("otb2015", known, tracked(known, 1), seed=seed) for seed in (0, 1))
    fewer = score("otb2015", known[:4], tracked(known[:4], 1))
    for b in (other_seed, fewer):
        with pytest.raises(InputError, match="other sequences, or with another seed"):
            paired(a, b, "success")
    with pytest.raises(InputError, match="no bootstrap replicates of AO"):
        paired(a, a, "AO")


def test_hidden_ground_truth_is_left_to_the_server() -> None:
    known = sequences(3)
    hidden = [
        Sequence(s.name, (), np.concatenate([s.boxes[:1], np.full((len(s) - 1, 4), np.nan)]), s.visible) for s in known
    ]
    found = score("got10k-test", hidden, tracked(known, 1))
    assert (found["metrics"], found["status"]) == ({}, "server")


def test_sequences_without_results_are_counted() -> None:
    known = sequences(5)
    runs = tracked(known, 1)
    del runs["clip-2"]
    found = score("otb2015", known, runs)
    assert found["missing"] == 1
    assert "clip-2" not in found["sequences"]
    with pytest.raises(InputError, match="no results of any sequence of otb2015"):
        score("otb2015", known, {})


def test_unknown_conventions_are_refused() -> None:
    known = sequences(2)
    with pytest.raises(InputError, match="otb2015 is scored by official, got10k, pysot, pytracking"):
        score("otb2015", known, tracked(known, 1), convention="published")


def test_no_rule_is_shared_between_benchmarks_whose_words_differ() -> None:
    rules = [benchmarks.got10k, benchmarks.otb, benchmarks.lasot, benchmarks.trackingnet]
    assert len({CONVENTIONS[name]["official"] for name in CONVENTIONS}) == len(set(rules)) == 4
