"""`siamrcr compare` and the figures of rankings, attributes and sequences: what they say follows from the scores."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from fake_run import configuration, fill

from analysis import breakdown, challenge, figures, tables
from analysis.pairing import EXTREMES, compare, named, table
from analysis.scores import GENERATED
from siamrcr.cli import main
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("real"), seeds=[0, 1])
    fill(run)
    return run


def score(run: Run, tracker: str, benchmark: str) -> dict:
    return read_json(run.folder / "scores" / tracker / f"{benchmark}.json", "")


# compare


def test_the_difference_is_the_tables(real: Run) -> None:
    """A variant's row in the table of its benchmark and the comparison with the reference say the same."""
    found = compare(real, "radius-3", "siamrcr")["benchmarks"]["got10k-val"]["metrics"]["AO"]
    records = tables.build(real, "got10k-val").records
    (record,) = [r for r in records if r["row"] == "radius-3" and r["metric"] == "AO difference to SiamRCR"]
    assert [found["difference"], found["stderr"], found["low"], found["high"]] == [
        record[key] for key in ("value", "stderr", "low", "high")
    ]
    assert found["resolved"] is (found["low"] > 0 or found["high"] < 0)


def test_a_comparison_is_antisymmetric_and_a_tracker_equals_itself(real: Run) -> None:
    one, other = (compare(real, *pair)["benchmarks"]["vot2019"] for pair in (("siamrcr", "kcf"), ("kcf", "siamrcr")))
    for metric, each in one["metrics"].items():
        assert each["difference"] == pytest.approx(-other["metrics"][metric]["difference"])
        assert each["low"] == pytest.approx(-other["metrics"][metric]["high"])
    assert set(one["sequences"]) == set(other["sequences"])
    itself = compare(real, "kcf", "kcf")["benchmarks"]["lasot"]
    assert {each["difference"] for each in itself["metrics"].values()} == {0}
    assert "280 equal" in table(compare(real, "kcf", "kcf"))


def test_one_seed_of_a_model_can_be_compared(real: Run) -> None:
    entry = named(real, "siamrcr-s1")
    assert entry.ids == ("siamrcr-s1",)
    found = compare(real, "siamrcr-s1", "kcf")["benchmarks"]["vot2019"]["metrics"]["EAO"]
    assert found["a"]["value"] == score(real, "siamrcr-s1", "vot2019")["metrics"]["EAO"]["value"]
    assert "one seed" in found["note"]
    assert not found["resolved"]


def test_a_sequences_difference_is_a_mean_over_seeds(real: Run) -> None:
    found = compare(real, "siamrcr", "kcf")["benchmarks"]["vot2019"]["sequences"]
    name = next(iter(found))
    ours = [score(real, f"siamrcr-s{seed}", "vot2019")["sequences"][name]["EAO"] for seed in (0, 1)]
    theirs = score(real, "kcf", "vot2019")["sequences"][name]["EAO"]
    assert found[name] == pytest.approx(np.mean(ours) - theirs)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_the_terminal_shows_scores_extremes_and_cost(real: Run) -> None:
    compared = compare(real, "siamrcr", "kcf")
    text = table(compared)
    each = compared["benchmarks"]["got10k-val"]["metrics"]["AO"]
    (line,) = [line for line in text.splitlines() if line.startswith("GOT-10k val   AO ↑")]
    assert f"{each['a']['value']:.3f} ± {each['a']['stderr']:.3f}" in line
    assert f"{abs(each['difference']):.3f} [" in line
    sequences = list(compared["benchmarks"]["got10k-val"]["sequences"])
    assert all(f"  {name} " in text for name in (*sequences[:EXTREMES], *sequences[-EXTREMES:]))
    assert re.search(r"Parameters \(M\) +9\.700 +not measured", text)
    assert "siamrcr speed TRACKER" in text


def test_a_measured_speed_is_shown(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    for name, rate in (("siamrcr-s0", 65.0), ("kcf", 200.0)):
        rates = {"frames_per_second": rate, "frames_per_second_with_decoding": 50.0, "flops": {"frame": 2.5e9}}
        write_json(run.folder / f"speed/{name}.json", rates | {"provenance": {}})
    text = table(compare(run, "siamrcr", "kcf"))
    assert re.search(r"Alone \(frames/s\) +65\.0 +200\.0", text)
    assert re.search(r"GFLOP a frame +2\.50", text)
    assert "siamrcr speed TRACKER" not in text


def test_what_cannot_be_compared_is_said_in_one_line(real: Run) -> None:
    with pytest.raises(InputError, match=r"no model or tracker 'siamrrc' .* did you mean 'siamrcr'"):
        compare(real, "siamrrc", "kcf")
    with pytest.raises(InputError, match="baseline and ATOM have no benchmark with scores in common"):
        compare(real, "baseline", "ATOM")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(configuration(tmp_path, run="mini", source="mini"))
    there = ["--set", f"results={tmp_path}"]
    # The default configuration's own names: two of them are in the run above.
    out, picture = tmp_path / "found.json", tmp_path / "found.svg"
    command = ["compare", "siamrcr", "kcf", *there, "--set", "seeds=[0]", "--json", str(out), "--figure", str(picture)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "paired differences" in printed
    assert read_json(out, "")["benchmarks"]
    assert GENERATED in picture.read_text()
    assert main([*command[:-1], str(tmp_path / "found.doc")]) == 2
    assert "end the name in .svg, .pdf, .png" in capsys.readouterr().err


# Figures


def test_the_ranking_is_by_eao_with_reported_rows_apart(real: Run) -> None:
    figure, caption = challenge.ranking("vot2019")(real)
    (axes,) = figure.axes
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    values = [float(label.rpartition("  ")[2]) for label in labels]
    assert values == sorted(values)
    assert {"Ocean, reported  0.327", "SiamRCR, reported  0.336"} <= set(labels)
    assert any(label.startswith("KCF  ") for label in labels)
    assert "as reported in Table 5" in caption
    _, caption = challenge.ranking("vot2018")(real)
    assert "as reported" not in caption


def test_a_tracker_lies_where_its_accuracy_and_robustness_are(real: Run) -> None:
    figure, _ = challenge.accuracy_robustness("vot2019")(real)
    (axes,) = figure.axes
    points = {c.get_label(): c[0].get_xydata()[0] for c in axes.containers}
    kcf = score(real, "kcf", "vot2019")["metrics"]
    expected = [math.exp(-30 * kcf["robustness"]["value"] / 100), kcf["accuracy"]["value"]]
    assert points["KCF"] == pytest.approx(expected)
    assert points["Ocean, reported"] == pytest.approx([math.exp(-30 * 0.376 / 100), 0.590])
    assert challenge.reliability(0) == 1


def test_bars_by_attribute_are_the_score_files(real: Run) -> None:
    figure, caption = breakdown.attributes("vot2019")(real)
    (axes,) = figure.axes
    bars = {str(c.get_label()): [bar.get_height() for bar in c] for c in axes.containers if c.get_label()[0] != "_"}
    kcf = score(real, "kcf", "vot2019")["attributes"]
    assert bars["KCF"] == pytest.approx([kcf[tag]["EAO"]["value"] for tag in ("fast", "rare")])
    assert next(iter(bars)) == "SiamRCR"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["fast\n(30)", "rare\n(1)"]
    assert "frames that carry it" in caption


def test_sequences_are_sorted_and_the_line_is_the_benchmarks_own(real: Run) -> None:
    figure, _ = breakdown.sequences(real)
    titles = [axes.get_title() for axes in figure.axes if axes.axison]
    assert titles[0] == "GOT-10k val: SiamRCR − baseline"
    assert "VOT-2019: SiamRCR − KCF" in titles
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    assert heights == sorted(heights, reverse=True)
    each = compare(real, "siamrcr", "baseline")["benchmarks"]["got10k-val"]
    assert heights == pytest.approx(list(each["sequences"].values()))
    (text,) = [text.get_text() for text in figure.axes[0].texts]
    metric = each["metrics"]["AO"]
    assert [float(n.replace("−", "-")) for n in re.findall(r"[+−]?\d\.\d{3}", text)] == pytest.approx(
        [round(metric[key], 3) for key in ("difference", "low", "high")]
    )


def test_a_pair_is_drawn_on_every_benchmark_that_both_have(real: Run, tmp_path: Path) -> None:
    figures.draw_pair(real, "siamrcr-lasot", "kcf", tmp_path / "pair.svg")
    text = (tmp_path / "pair.svg").read_text()
    assert "LaSOT: SiamRCR − KCF" in text
    assert "GOT-10k" not in text
