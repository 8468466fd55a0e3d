"""Claims: each verdict from intervals that are known, every number of the file in the paper's tables, every reason."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import configuration, fill

from analysis import claims, evidence, reported, tables
from analysis.claims import ELSEWHERE, Claim, Judgement, judge
from analysis.differences import Side
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json

SPREAD = np.linspace(-0.01, 0.01, 1001)  # an interval of ±0.0095 about the value
TABLES = {claim.table for claim in claims.read()}


def claim(**more: Any) -> Claim:
    keys = {"id": "x", "says": "x", "where": "x", "table": "table-1", "a": "a", "b": ("b",), "metric": "AO"}
    return Claim(**(keys | {"direction": "higher"} | more))


def side(value: float, seeds: int | None = 3, spread: np.ndarray = SPREAD) -> Side:
    """Replicates that vary by `spread`; the other side's are constant, so a difference has that very interval."""
    return Side(value, value + spread, ("benchmark", 0), seeds)


def still(value: float, seeds: int | None = 3) -> Side:
    return side(value, seeds, np.zeros(len(SPREAD)))


def verdict(asked: Claim, **sides: Side | str) -> Judgement:
    return judge(asked, sides, own_benchmark=True)


@pytest.mark.parametrize(
    ("value", "direction", "expected"),
    [
        (0.52, "higher", "holds"),
        (0.505, "higher", "within noise"),
        (0.48, "higher", "does not hold"),
        (0.48, "lower", "holds"),
        (0.495, "lower", "within noise"),
        (0.52, "lower", "does not hold"),
    ],
)
def test_an_order_follows_from_the_interval_of_the_difference(value: float, direction: str, expected: str) -> None:
    found = verdict(claim(direction=direction), a=side(value), b=still(0.5))
    assert found.verdict == expected
    assert found.difference is not None
    assert found.difference.value == pytest.approx(value - 0.5)
    assert (found.difference.low, found.difference.high) == pytest.approx((value - 0.5095, value - 0.4905))
    assert (found.a_value, found.b_value, found.against) == (value, 0.5, "b")


@pytest.mark.parametrize("value", [0.52, 0.48])
def test_one_seed_settles_nothing(value: float) -> None:
    for a, b in ((side(value, seeds=1), still(0.5)), (side(value), still(0.5, seeds=1))):
        found = verdict(claim(), a=a, b=b)
        assert found.verdict == "cannot be judged"
        assert found.reason.startswith(
            f"one seed: over sequences alone it would {'hold' if value > 0.5 else 'not hold'}"
        )
        assert found.difference is not None
    assert verdict(claim(), a=side(0.505, seeds=1), b=still(0.5)).verdict == "within noise"


def test_what_is_not_trained_here_needs_no_seeds() -> None:
    assert verdict(claim(), a=side(0.52, seeds=None), b=still(0.5, seeds=None)).verdict == "holds"


@pytest.mark.parametrize(
    ("others", "expected", "against"),
    [
        ([0.3, 0.45, 0.4], "holds", "1"),
        ([0.3, 0.497, 0.4], "within noise", "1"),
        ([0.3, 0.497, 0.6], "does not hold", "2"),
    ],
)
def test_a_claim_against_several_is_as_good_as_its_worst(others: Sequence[float], expected: str, against: str) -> None:
    sides = {"a": side(0.5), **{str(place): still(value) for place, value in enumerate(others)}}
    for b in ("others", ("0", "1", "2")):
        found = judge(claim(b=b), sides, own_benchmark=True)
        assert (found.verdict, found.against) == (expected, against)


def test_a_missing_side_leaves_a_claim_open_unless_another_refutes_it() -> None:
    sides = {"a": side(0.5), "b": still(0.3), "c": "not run"}
    found = judge(claim(b="others"), sides, own_benchmark=True)
    assert found.verdict == "cannot be judged"
    assert found.reason == "1 of 2 compared rows have no score: c"
    assert judge(claim(b="others"), sides | {"b": still(0.7)}, own_benchmark=True).verdict == "does not hold"
    assert verdict(claim(), a=side(0.5), b="not run").reason == "b: not run"
    assert verdict(claim(), a="needs server", b=still(0.5)).reason == "a: needs server"
    assert judge(claim(b="others"), {"a": side(0.5)}, own_benchmark=True).reason == "no compared tracker is known"


def test_without_replicates_there_is_no_interval() -> None:
    answered = Side(0.6, np.empty(0), ("server",), 3)
    found = verdict(claim(), a=answered, b=Side.constant(0.5))
    assert (found.verdict, found.difference) == ("cannot be judged", None)
    assert "no interval" in found.reason


def test_a_reported_number_is_a_side_without_an_error() -> None:
    assert verdict(claim(), a=side(0.52), b=Side.constant(0.5)).verdict == "holds"


def test_sides_that_do_not_pair_are_not_compared() -> None:
    other = Side(0.5, 0.5 + SPREAD, ("another benchmark", 0), 3)
    found = verdict(claim(), a=side(0.6), b=other)
    assert found.verdict == "cannot be judged"
    assert "scored on other sequences" in found.reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.525, "holds"),  # 5 %, interval 3.1 to 6.9
        (0.6, "holds"),  # more than claimed
        (0.508, "does not hold"),  # at most 3.5
        (0.5, "does not hold"),
    ],
)
def test_a_gain_asserts_an_amount(value: float, expected: str) -> None:
    asked = claim(quantity="gain", reported=0.05)
    found = verdict(asked, a=side(value), b=still(0.5))
    assert found.verdict == expected
    assert found.difference is not None
    assert found.difference.value == pytest.approx(value / 0.5 - 1)
    elsewhere = judge(asked, {"a": side(value), "b": still(0.5)}, own_benchmark=False)
    assert (elsewhere.verdict, elsewhere.reason) == ("cannot be judged", ELSEWHERE)
    assert elsewhere.difference == found.difference


def test_a_gain_that_may_be_nothing_or_all_is_noise() -> None:
    found = verdict(claim(quantity="gain", reported=0.01), a=side(0.503), b=still(0.5))
    assert found.verdict == "within noise"


@pytest.mark.parametrize(
    ("both", "expected"), [(0.53, "holds"), (0.549, "within noise"), (0.58, "does not hold"), (0.47, "does not hold")]
)
def test_gains_that_add_up(both: float, expected: str) -> None:
    asked = claim(b=("b", "c"), base="base", quantity="additivity", direction="equal", margin=0.03)
    sides = {"a": side(both), "b": still(0.51), "c": still(0.52), "base": still(0.5)}
    found = judge(asked, sides, own_benchmark=False)
    assert found.verdict == expected
    assert found.difference is not None
    assert found.difference.value == pytest.approx((both / 0.5 - 1) - 0.02 - 0.04)
    assert judge(asked, sides | {"c": "not run"}, own_benchmark=False).reason == "c: not run"


@pytest.mark.parametrize(("value", "expected"), [(0.36, "holds"), (0.385, "within noise"), (0.4, "does not hold")])
def test_a_value_alone(value: float, expected: str) -> None:
    asked = claim(b=(), quantity="value", direction="lower", reported=0.38)
    assert verdict(asked, a=side(value)).verdict == expected
    assert judge(asked, {"a": side(value)}, own_benchmark=False).reason == ELSEWHERE
    exact = claim(b=(), quantity="value", direction="lower", reported=6)
    assert verdict(exact, a=Side.exact(6)).verdict == "holds"
    assert verdict(exact, a=Side.exact(7)).verdict == "does not hold"


# The file


def value(table: str, row: str, metric: str) -> float:
    number = reported.find(table, row, metric)
    assert number is not None
    assert number.value is not None
    return number.value


@pytest.mark.parametrize("asked", [c for c in claims.read() if c.table.startswith("table-")], ids=lambda c: c.id)
def test_a_reported_magnitude_is_the_tables(asked: Claim) -> None:
    """As the paper prints it: what the text exaggerates or the table contradicts has a note."""
    rows = reported.trackers(asked.table)
    others = [row for row in rows if row != asked.a] if asked.b == "others" else asked.b
    assert {asked.a, *others} <= set(rows)
    a = value(asked.table, asked.a, asked.metric)
    differences = [a - value(asked.table, row, asked.metric) for row in others]
    if asked.quantity == "difference":
        sign = 1 if asked.direction == "higher" else -1
        assert all(sign * difference > 0 for difference in differences) or asked.note
        assert asked.reported is None or asked.reported == pytest.approx(differences[0], abs=1e-9)
    elif asked.quantity == "gain":
        gain = a / value(asked.table, others[0], asked.metric) - 1
        assert asked.reported == pytest.approx(gain, abs=5e-4) or asked.note
    else:
        base = value(asked.table, asked.base, asked.metric)
        excess = a / base - 1 - sum(value(asked.table, row, asked.metric) / base - 1 for row in others)
        assert asked.reported == pytest.approx(excess, abs=5e-5)
        assert asked.margin == pytest.approx(abs(excess), abs=5e-5)


def test_every_relative_number_of_the_text_is_claimed() -> None:
    said = {n.value for n in reported.read() if n.table == "text" and n.metric.startswith("relative_gain")}
    assert said == {c.reported for c in claims.read() if c.quantity == "gain"}
    speed = next(c for c in claims.read() if c.id == "speed")
    assert speed.reported == value("text", "SiamRCR", "fps")
    r = next(c for c in claims.read() if c.id == "baseline-r")
    assert r.reported == value("figure-4", "I", "pearson_r")


def test_every_table_and_figure_with_scores_is_claimed() -> None:
    assert {f"table-{n}" for n in range(1, 6)} | {"figure-4", "figure-5", "otb2015", "vot2018", "cost"} == TABLES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b": "[]"}, "b: names no row"),
        ({"quantity": "gain"}, "a gain needs `reported`"),
        ({"margin": "0.1"}, "additivity, and nothing else"),
        ({"reported": "many"}, "reported"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_claim_that_is_not_whole_is_refused(tmp_path: Path, change: dict[str, str], words: str) -> None:
    keys = {"id": "x", "says": "x", "where": "x", "table": "table-1", "a": "IV", "b": "[I]", "metric": "AO"}
    path = tmp_path / "claims.yaml"
    lines = [f"{key}: {text}" for key, text in (keys | {"direction": "higher"} | change).items()]
    path.write_text("- " + "\n  ".join(lines) + "\n")
    with pytest.raises(InputError, match=words):
        claims.read(path)


def test_a_claim_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(2 * "- {id: x, says: x, where: x, table: table-1, a: IV, b: [I], metric: AO, direction: higher}\n")
    with pytest.raises(InputError, match="'x' is given twice"):
        claims.read(path)
    with pytest.raises(InputError, match="cannot read the claims"):
        claims.read(tmp_path / "none.yaml")


# A run


def judgements(run: Run, name: str) -> list[dict[str, Any]]:
    return [record for record in tables.build(run, "claims").records if record["row"] == name]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("real"), seeds=[0, 1])
    fill(run)
    return run


def test_an_interval_is_that_of_table_1(real: Run) -> None:
    records = tables.build(real, "table-1").records
    (table,) = [r for r in records if r["metric"] == "AO difference to I" and r["row"] == "IV"]
    server, val = judgements(real, "both")
    assert [val[key] for key in ("value", "stderr", "low", "high", "seeds")] == [
        table[key] for key in ("value", "stderr", "low", "high", "seeds")
    ]
    assert (val["benchmark"], val["seeds"], val["verdict"]) == ("got10k-val", 2, expected(val))
    assert (server["benchmark"], server["verdict"]) == ("got10k-test", "cannot be judged")
    assert "needs server" in server["reason"]


def expected(record: dict[str, Any]) -> str:
    return "holds" if record["low"] > 0 else "does not hold" if record["high"] < 0 else "within noise"


def test_a_tracker_without_raw_results_is_compared_as_reported(real: Run) -> None:
    (ocean,) = judgements(real, "lasot-ocean-success")
    assert ocean["b_value"] == 0.526
    assert ocean["remark"] == "as reported, without an error of its own: Ocean"
    (aware,) = judgements(real, "lasot-localization-aware-success")
    assert aware["remark"] == "as reported, without an error of its own: SiamFC++"
    assert aware["verdict"] != "cannot be judged"
    (vot,) = judgements(real, "vot2019-ocean-robustness")
    assert vot["a_value"] == 0.376


def test_a_part_of_a_benchmark_is_not_set_against_reported_numbers(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run, sequences=12, whole=False)
    (ocean,) = judgements(run, "lasot-ocean-success")
    assert (ocean["verdict"], ocean["b_value"]) == ("cannot be judged", None)


def test_generated_benchmarks_are_judged_by_orders_alone(tmp_path: Path) -> None:
    run = configuration(tmp_path, source="mini", seeds=[0, 1])
    fill(run)
    found = tables.build(run, "claims").records
    assert not [
        r for r in found if r["quantity"] in ("gain", "value") and r["benchmark"] and r["verdict"] != "cannot be judged"
    ]
    assert [r["verdict"] for r in judgements(run, "both")] == [expected(r) for r in judgements(run, "both")]
    assert "as reported" not in "".join(r["remark"] for r in found)


def test_figure_4_is_judged_on_both_samples(real: Run) -> None:
    found = judgements(real, "both-r")
    assert [record["sample"] for record in found] == ["positive locations", "winners of the frames"]
    assert all(record["seeds"] == 2 and record["verdict"] == expected(record) for record in found)
    (missing, _) = judgements(real, "iou-not-centerness")
    assert missing["reason"] == "b: the configuration names no model for it"


def test_a_rate_counts_on_the_papers_machine_alone(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    path = run.folder / "speed/siamrcr-s0.json"
    rates = {"frames_per_second": 70.0, "frames_per_second_with_decoding": 60.0}
    for machine, expected in (("Tesla P40", "holds"), ("H100", "cannot be judged")):
        write_json(path, rates | {"provenance": {"accelerator": machine}})
        (record,) = judgements(run, "speed")
        assert record["verdict"] == expected
        assert record["a_value"] is None, "rates differ from run to run; the records must not"


def test_the_verdicts_are_in_every_format(real: Run) -> None:
    markdown, rows, latex, whole = (path.read_text() for path in tables.write(real, "claims"))
    records = read_json(real.folder / "tables/claims.json", "")["records"]
    assert {record["row"] for record in records} == {c.id for c in claims.read()}
    assert rows.count("\n") == len(records) + 1
    for text in (markdown, rows, latex, whole):
        assert "cannot be judged" in text
    assert f"{len(claims.read())} claims, {len(records)} judgements" in markdown


def test_files_are_read_once(real: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    original = evidence.Scores.of.__func__  # type: ignore[attr-defined]

    def counted(cls: type, run: Run, chosen: Any, benchmark: str) -> Any:
        calls.append((chosen.name, benchmark))
        return original(cls, run, chosen, benchmark)

    monkeypatch.setattr(evidence.Scores, "of", classmethod(counted))
    evidence.Evidence(real).judged()
    assert len(calls) == len(set(calls)) > 0
