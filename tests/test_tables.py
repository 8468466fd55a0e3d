"""Tables: what stands beside what, why a cell is empty, and that everything follows from the score files."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import configuration, fill

from analysis import needs, reported, tables
from analysis.scores import GENERATED, Scores, entry, manifests
from analysis.statistics import paired
from analysis.typesetting import Cell, Table, number, signed
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json


def column(table: Table, heading: str, grid: int = 0) -> dict[str, Cell]:
    """A column by the text of the first one."""
    columns = table.grids[grid].columns
    chosen = next(column for column in columns if column.heading == heading)
    return {key.text: cell for key, cell in zip(columns[0].cells, chosen.cells, strict=True)}


def records(table: Table, **wanted: Any) -> list[dict[str, Any]]:
    return [record for record in table.records if all(record.get(key) == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("real"))
    fill(run)
    return run


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("generated"), source="mini")
    fill(run)
    return run


# What a table reads and writes


@pytest.mark.parametrize("name", tables.NAMES)
def test_a_table_is_written_in_four_formats(real: Run, name: str) -> None:
    paths = tables.write(real, name)
    assert [path.name for path in paths] == [f"{name}.md", f"{name}.csv", f"{name}.tex", f"{name}.json"]
    assert all(path.parent == real.folder / "tables" and path.stat().st_size > 0 for path in paths)


@pytest.mark.parametrize("name", tables.NAMES)
def test_a_table_depends_on_its_inputs_alone(tmp_path: Path, name: str) -> None:
    run = configuration(tmp_path, source="mini")
    fill(run)
    before = tables.build(run, name)
    wanted = set(needs.table(run, name))
    assert all(path.exists() for path in wanted)
    for path in [*run.folder.rglob("scores/*/*.json"), *run.folder.rglob("maps/*"), *run.folder.rglob("manifest.json")]:
        if path not in wanted:
            path.unlink()
    assert tables.build(run, name) == before


@pytest.mark.parametrize("name", tables.NAMES)
def test_every_input_matters(tmp_path: Path, name: str) -> None:
    run = configuration(tmp_path, source="mini")
    fill(run)
    before = tables.build(run, name)
    for path in needs.table(run, name):
        held = path.read_bytes()
        path.unlink()
        assert tables.build(run, name) != before, path
        path.write_bytes(held)


def test_inputs_need_no_file(tmp_path: Path) -> None:
    run = configuration(tmp_path / "nowhere")
    assert all(isinstance(needs.table(run, name), list) for name in tables.NAMES)
    assert not (tmp_path / "nowhere").exists()


def test_a_given_checkpoint_has_no_card(tmp_path: Path) -> None:
    run = configuration(
        tmp_path, models={"siamrcr": {"checkpoint": "mine.safetensors", "benchmarks": ["lasot"]}}, analysis={}
    )
    assert needs.table(run, "cost") == [
        run.folder / "tracks/siamrcr-s0/lasot/manifest.json",
        *manifests(run)[1:],
    ]


@pytest.mark.parametrize("name", tables.NAMES)
def test_the_same_scores_give_the_same_bytes(real: Run, name: str) -> None:
    first = [path.read_bytes() for path in tables.write(real, name)]
    assert [path.read_bytes() for path in tables.write(real, name)] == first


@pytest.mark.parametrize("name", tables.NAMES)
def test_a_run_without_a_single_score_says_why(tmp_path: Path, name: str) -> None:
    text = tables.write(configuration(tmp_path), name)[0].read_text()
    assert "dataset absent" in text or "not recorded" in text


def test_an_unknown_table_is_refused_with_the_nearest(real: Run) -> None:
    with pytest.raises(InputError, match="did you mean 'table-1'"):
        tables.write(real, "tabel-1")


def test_a_damaged_score_names_its_file(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    (run.folder / "scores/kcf/lasot.json").write_text("{")
    with pytest.raises(InputError, match=r"kcf/lasot\.json: not valid JSON"):
        tables.build(run, "table-4")


# Reported beside reproduced


def test_a_difference_is_reproduced_minus_reported(real: Run) -> None:
    table = tables.build(real, "table-4")
    (record,) = records(table, row="SiamRCR", metric="success")
    score = read_json(real.folder / "scores/siamrcr-lasot-s0/lasot.json", "")["metrics"]["success"]["value"]
    assert record["value"] == score
    assert record["reported"] == 0.575
    assert record["difference"] == score - 0.575
    assert column(table, "Succ. ↑ Δ")["SiamRCR"].text == signed(score - 0.575)


def test_rows_are_the_papers_then_ours(real: Run) -> None:
    rows = [cell.text for cell in tables.build(real, "table-4").grids[0].columns[0].cells]
    assert rows == [*reported.trackers("table-4"), "KCF"]


def test_a_tracker_of_the_papers_name_takes_its_row(real: Run) -> None:
    (record,) = records(tables.build(real, "table-4"), row="ATOM", metric="precision")
    assert record["value"] is not None
    assert record["reported"] == 0.514
    assert "exchanged" in record["note"]


def test_the_reference_goes_before_another_model_of_that_label(tmp_path: Path) -> None:
    models = {name: {"label": "SiamRCR", "benchmarks": ["lasot"]} for name in ("other", "siamrcr")}
    run = configuration(tmp_path, models=models, analysis={})
    fill(run)
    rows = [cell.text for cell in tables.build(run, "table-4").grids[0].columns[0].cells]
    assert rows[-2:] == ["KCF", "SiamRCR [other]"]
    (record,) = records(tables.build(run, "table-4"), row="SiamRCR", metric="success")
    assert record["value"] == read_json(run.folder / "scores/siamrcr-s0/lasot.json", "")["metrics"]["success"]["value"]


def test_a_part_of_a_benchmark_is_not_compared(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run, sequences=12, whole=False)
    table = tables.build(run, "table-4")
    assert all(record.get("difference") is None for record in table.records)
    assert column(table, "Succ. ↑ reproduced")["SiamRCR"].notes == (
        "Scored on 12 of 280 sequences: no difference to a reported number is taken.",
    )


def test_generated_benchmarks_stand_apart_from_reported_numbers(generated: Run) -> None:
    for name in ("table-1", "table-2", "table-3", "table-4", "table-5"):
        table = tables.build(generated, name)
        ours, theirs = table.grids
        assert not [c for c in ours.columns if "reported" in c.heading or "Δ" in c.heading]
        assert theirs.heading.startswith("Reported in the paper, on the real ")
        assert all(record.get("difference") is None for record in table.records)
        assert all((record["data"] == "real") is ("reported" in record) for record in table.records)


@pytest.mark.parametrize("name", tables.NAMES)
def test_generated_benchmarks_are_named_in_every_file(generated: Run, name: str) -> None:
    assert all(GENERATED in path.read_text() for path in tables.write(generated, name))


@pytest.mark.parametrize("name", tables.NAMES)
def test_real_benchmarks_are_not_called_generated(real: Run, name: str) -> None:
    assert not any("generated" in path.read_text() for path in tables.write(real, name))


def test_the_papers_settings_stand_beside_its_numbers(generated: Run) -> None:
    _, theirs = tables.build(generated, "table-2").grids
    assert [[cell.text for cell in row[:2]] for row in theirs.rows] == [[str(r), str(8 * r)] for r in range(1, 6)]


def test_val_is_not_test(real: Run) -> None:
    for name in ("table-1", "table-2"):
        table = tables.build(real, name)
        assert all(record.get("difference") is None for record in table.records)
        assert {r["benchmark"] for r in table.records if r.get("value") is not None} == {"got10k-val"}
        assert {r["benchmark"] for r in table.records if "reported" in r} == {"got10k-test"}
        (remark,) = table.remarks
        assert "Reproduced on GOT-10k val, reported on GOT-10k test" in remark
        assert "needs server" in remark


def answer(run: Run, tracker: str, value: float) -> None:
    metrics = {metric: {"value": value, "stderr": None} for metric in ("AO", "SR0.5", "SR0.75")}
    empty: dict[str, Any] = {"sequences": {}, "curves": {}, "replicates": {}}
    score = {"benchmark": "got10k-test", "tracker": tracker, "metrics": metrics, **empty, "convention": "server"}
    write_json(run.folder / "scores" / tracker / "got10k-test.json", score)


def test_a_servers_answer_is_compared(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    answer(run, "siamrcr-s0", 0.6)
    answer(run, "baseline-s0", 0.55)
    table = tables.build(run, "table-1")
    assert column(table, "GOT-10k test: AO ↑ reproduced")["IV"].text == "0.600"
    assert column(table, "GOT-10k test: AO ↑ Δ")["IV"].text == "−0.024"
    assert column(table, "GOT-10k test: AO ↑ reproduced")["II"].text == "needs server"
    difference = column(table, "GOT-10k test difference to I [95 % interval]")["IV"]
    assert difference.text == "+0.050 no interval"
    assert difference.notes


# Why a cell is empty


def test_reasons(real: Run) -> None:
    succ = column(tables.build(real, "table-3"), "Succ. ↑ reproduced")
    assert succ["SiamRCR"].text == "needs server"
    assert succ["SiamFC"].text == "not run"
    table = tables.build(real, "otb2015")
    assert column(table, "Succ. ↑ reported")["SiamRCR"].text == "not reported"
    assert any("supplementary" in note for note in table.notes)
    (note,) = [reason for reason in tables.build(real, "table-3").reasons if reason.startswith("needs server")]
    assert "server scores the submission" in note


def test_a_missing_score_is_told_from_one_that_nobody_asked_for(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    (run.folder / "scores/kcf/lasot.json").unlink()
    for expected in ("dataset absent", "no score yet"):
        table = tables.build(run, "table-4")
        succ = column(table, "Succ. ↑ reproduced")
        assert (succ["KCF"].text, succ["SiamFC"].text) == (expected, "not run")
        assert any(reason.startswith(f"{expected}: ") for reason in table.reasons)
        run.root("lasot").mkdir(parents=True, exist_ok=True)


def test_an_undefined_metric_is_not_a_number(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    path = run.folder / "scores/kcf/vot2019.json"
    score = read_json(path, "")
    score["metrics"]["accuracy"] = {"value": None, "stderr": None}
    write_json(path, score)
    assert column(tables.build(run, "table-5"), "Accuracy ↑ reproduced")["KCF"].text == "not given"


def test_no_cell_is_silent(real: Run) -> None:
    for name in tables.NAMES:
        for grid in tables.build(real, name).grids:
            for shown in grid.columns:
                if shown.numeric:
                    assert all(cell.text for cell in shown.cells), (name, shown.heading)


# Uncertainty


def several_seeds(folder: Path) -> Run:
    run = configuration(folder, seeds=[0, 1, 2])
    fill(run)
    return run


def test_seeds_are_averaged_and_their_deviation_stands_apart(tmp_path: Path) -> None:
    run = several_seeds(tmp_path)
    files = [read_json(run.folder / f"scores/siamrcr-s{seed}/got10k-val.json", "") for seed in range(3)]
    values = [file["metrics"]["AO"]["value"] for file in files]
    estimate = Scores.of(run, entry(run, "siamrcr"), "got10k-val").estimate("AO")
    assert estimate.value == pytest.approx(np.mean(values), rel=1e-12)
    assert estimate.seed_deviation == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    mean = np.mean([file["replicates"]["AO"] for file in files], axis=0)
    assert estimate.stderr == pytest.approx(np.std(mean, ddof=1), rel=1e-12)
    assert column(tables.build(run, "table-1"), "GOT-10k val: AO ↑ seed SD")["IV"].text == number(
        np.std(values, ddof=1)
    )


def test_one_seed_shows_no_deviation(real: Run) -> None:
    assert not [c for c in tables.build(real, "table-1").grids[0].columns if "seed" in c.heading]


def test_the_paired_difference_is_that_of_the_score_files(real: Run) -> None:
    a, b = (read_json(real.folder / f"scores/{t}-s0/got10k-val.json", "") for t in ("siamrcr", "baseline"))
    expected = paired(a, b, "AO")
    (record,) = records(tables.build(real, "table-1"), row="IV", metric="AO difference to I")
    assert (record["value"], record["low"], record["high"]) == (expected.value, expected.low, expected.high)


def test_an_interval_that_holds_zero_is_not_resolved(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    base = read_json(run.folder / "scores/baseline-s0/got10k-val.json", "")
    write_json(run.folder / "scores/siamrcr-s0/got10k-val.json", base | {"tracker": "siamrcr-s0"})
    shown = column(tables.build(run, "table-1"), "GOT-10k val difference to I [95 % interval]")
    assert shown["IV"].text == "0.000 [0.000, 0.000] not resolved, one seed"
    assert "not resolved" not in shown["II"].text


def differences(run: Run, *, skip: tuple[str, ...] = ()) -> dict[str, Cell]:
    """Differences to row I, every other row being 0.1 better on each sequence."""
    for seed in run.seeds:
        base = read_json(run.folder / f"scores/baseline-s{seed}/got10k-val.json", "")
        base["metrics"]["AO"]["value"] += 0.1
        base["replicates"]["AO"] = [value + 0.1 for value in base["replicates"]["AO"]]
        for model in ("localization", "reciprocal", "siamrcr"):
            path = run.folder / f"scores/{model}-s{seed}/got10k-val.json"
            write_json(path, base | {"tracker": path.parent.name})
            if path.parent.name in skip:
                path.unlink()
    return column(tables.build(run, "table-1"), "GOT-10k val difference to I [95 % interval]")


def test_one_seed_resolves_no_difference(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    shown = differences(run)
    for row in ("II", "III", "IV"):
        assert shown[row].text == "+0.100 [+0.100, +0.100] one seed"
        assert any("between trainings is not in the interval" in note for note in shown[row].notes)
    (record,) = records(tables.build(run, "table-1"), row="IV", metric="AO difference to I")
    assert record["seeds"] == 1
    assert "not resolved" in record["note"]
    for path in tables.write(run, "table-1")[::2]:
        assert "between trainings is not in the interval" in path.read_text()


def test_several_seeds_on_both_sides_resolve_a_difference(tmp_path: Path) -> None:
    run = several_seeds(tmp_path)
    shown = differences(run, skip=("siamrcr-s1", "siamrcr-s2"))
    for row in ("II", "III"):
        assert re.fullmatch(r"\+0\.100 \[\S+, \S+\]", shown[row].text)
        assert not shown[row].notes
    assert shown["IV"].text.endswith(" one seed")


def test_the_interval_covers_seeds(tmp_path: Path) -> None:
    """Seeds that differ widen the interval of a difference beyond that of their mean."""
    run = several_seeds(tmp_path)
    for seed, shift in enumerate((-0.1, 0.0, 0.1)):
        path = run.folder / f"scores/siamrcr-s{seed}/got10k-val.json"
        score = read_json(run.folder / "scores/siamrcr-s0/got10k-val.json" if seed else path, "")
        score["metrics"]["AO"]["value"] += shift + (0.1 if seed else 0)
        score["replicates"]["AO"] = [value + shift + (0.1 if seed else 0) for value in score["replicates"]["AO"]]
        write_json(path, score | {"tracker": path.parent.name})
    (record,) = records(tables.build(run, "table-1"), row="IV", metric="AO difference to I")
    assert record["high"] - record["low"] > 0.1
    assert record["seeds"] == 3
