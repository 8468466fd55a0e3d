"""Figures: drawn from their inputs alone, byte for byte, and Pearson's R with its interval."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fake_run import configuration, fill, maps
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from analysis import figures, needs, plots
from analysis.pearson import Correlation, correlate
from analysis.scores import GENERATED
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json

# One figure of each way to draw, in place of one a benchmark.
KINDS = [name for name in figures.NAMES if not name.startswith(("lasot", "trackingnet", "vot2018"))]


def words(path: Path) -> list[str]:
    """Every text that an SVG file draws, in drawing order: Matplotlib keeps it beside the glyphs."""
    return [match.strip() for match in re.findall(r"<!--(.*?)-->", path.read_text(), re.S)]


def description(path: Path) -> str:
    found = re.search(r"<dc:description>(.*?)</dc:description>", path.read_text(), re.S)
    assert found
    return found.group(1)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """The three formats draw the same figure, and SVG is the fastest; the test of formats asks for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "SUFFIXES", ("svg",))
        yield


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return drawn(configuration(tmp_path_factory.mktemp("real")))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return drawn(configuration(tmp_path_factory.mktemp("generated"), source="mini"))


def drawn(run: Run) -> Run:
    fill(run)
    for name in figures.NAMES:
        figures.write(run, name)
    return run


def svg(run: Run, name: str) -> Path:
    return run.folder / "figures" / f"{name}.svg"


def test_every_figure_has_one_way_to_be_drawn() -> None:
    assert set(figures.DRAW) == set(figures.NAMES)
    assert set(plots.CURVES) == set(needs.CURVES)


@pytest.mark.parametrize("name", ["figure-1", "figure-4", "otb2015-success"])
def test_a_figure_is_written_in_three_formats_byte_for_byte(
    generated: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "SUFFIXES", ("svg", "pdf", "png"))
    paths = figures.write(generated, name)
    assert [path.name for path in paths] == [f"{name}.svg", f"{name}.pdf", f"{name}.png"]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in figures.write(generated, name)] == first
    assert b"<dc:date>" not in first[0]
    assert b"CreationDate" not in first[1]
    assert b"/Subject" in first[1]
    assert b"Description" in first[2]


@pytest.mark.parametrize("name", figures.NAMES)
def test_a_caption_is_stored_inside(real: Run, name: str) -> None:
    assert description(svg(real, name)).endswith(".")


@pytest.mark.parametrize("name", KINDS)
def test_a_figure_depends_on_its_inputs_alone(generated: Run, tmp_path: Path, name: str) -> None:
    """What is drawn from all files equals what is drawn from the declared ones."""
    before = svg(generated, name).read_bytes()
    alone = configuration(tmp_path, source="mini")
    for path in needs.figure(generated, name):
        copy = alone.folder / path.relative_to(generated.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert figures.write(alone, name)[0].read_bytes() == before


@pytest.mark.parametrize("name", figures.NAMES)
def test_generated_benchmarks_are_named_in_every_figure(generated: Run, name: str) -> None:
    assert GENERATED in words(svg(generated, name))
    assert GENERATED.capitalize() in description(svg(generated, name))


@pytest.mark.parametrize("name", figures.NAMES)
def test_real_benchmarks_are_not_called_generated(real: Run, name: str) -> None:
    assert "generated" not in " ".join([*words(svg(real, name)), description(svg(real, name))])


@pytest.mark.parametrize("name", KINDS)
def test_a_run_without_any_file_is_drawn_with_the_reason(tmp_path: Path, name: str) -> None:
    run = configuration(tmp_path)
    text = " ".join(words(figures.write(run, name)[0]))
    assert re.search(r"dataset absent|no (score|training)|no tracker|names no model", text), text


def test_a_run_without_models_is_drawn(tmp_path: Path) -> None:
    run = configuration(tmp_path, models={}, trackers={}, analysis={})
    for name in KINDS:
        figures.write(run, name)


def test_inputs_need_no_file(tmp_path: Path) -> None:
    run = configuration(tmp_path / "nowhere")
    assert all(isinstance(needs.figure(run, name), list) for name in figures.NAMES)
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_figure_is_refused_with_the_nearest(real: Run) -> None:
    with pytest.raises(InputError, match="did you mean 'figure-5'"):
        figures.write(real, "figure5")


def test_a_damaged_maps_file_is_named(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    path = run.folder / "maps/siamrcr-s0.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"siamrcr-s0\.npz: not a maps file"):
        figures.write(run, "figure-4")


# Curves


def legend(path: Path) -> list[tuple[float, str]]:
    """Legend lines of a figure with one panel: value and the rest."""
    lines = [re.fullmatch(r"(\d\.\d{3})\*?(?: ± \d\.\d{3})?  (.*)", text) for text in words(path)]
    return [(float(line[1]), line[2]) for line in lines if line]


@pytest.mark.parametrize("name", ["figure-5", "lasot-success", "vot2019-expected-overlap", "otb2015-precision"])
def test_legends_are_sorted_by_score(real: Run, name: str) -> None:
    lines = legend(svg(real, name))
    assert lines
    assert all(a[0] >= b[0] for a, b in pairwise(lines))


def test_reported_trackers_without_a_curve_are_named(real: Run) -> None:
    names = [name for _, name in legend(svg(real, "lasot-success"))]
    assert {"Ocean, reported", "SiamRCR, reported", "SiamRCR", "KCF", "ATOM"} <= set(names)
    assert "ATOM, reported" not in names
    assert "0.564*  DiMP50, reported" in words(svg(real, "lasot-success"))
    assert "0.624  SiamRCR, reported on GOT-10k test" in words(svg(real, "figure-5"))


def test_generated_figures_quote_no_reported_curve(generated: Run) -> None:
    for name in plots.CURVES:
        assert not [text for text in words(svg(generated, name)) if "reported" in text and text != GENERATED]


def test_a_hidden_ground_truth_is_said(real: Run) -> None:
    assert "needs server" in " ".join(words(svg(real, "trackingnet-success")))


def test_ablation_variants_are_left_to_their_tables(real: Run) -> None:
    names = [name for _, name in legend(svg(real, "figure-5"))]
    assert "baseline" in names
    assert not {"localization", "reciprocal", "radius-3"} & set(names)


def test_the_shaded_interval_is_the_scores_own(tmp_path: Path) -> None:
    run = configuration(tmp_path, source="mini")
    fill(run)
    for path in needs.figure(run, "vot2019-expected-overlap"):
        write_json(path, read_json(path, "") | {"eao_interval": [10, 36]})
    assert "10 to 36" in description(figures.write(run, "vot2019-expected-overlap")[0])
    assert "100 to 356" in description(figures.write(run, "vot2018-expected-overlap")[0])


def test_undefined_points_of_a_curve_leave_a_gap(tmp_path: Path) -> None:
    run = configuration(tmp_path, source="mini")
    fill(run)
    path = run.folder / "scores/siamrcr-s0/vot2019.json"
    score = read_json(path, "")
    for key in ("y", "stderr"):
        score["curves"]["expected_overlap"][key][-5:] = [None] * 5
    write_json(path, score)
    assert "nan" not in figures.write(run, "vot2019-expected-overlap")[0].read_text().split("<defs>")[1].lower()


def test_forty_entries_look_different_and_neighbours_differ_in_grey() -> None:
    styles = [plots.look(index) for index in range(40)]
    assert len(set(styles)) == 40
    assert all(a[1] != b[1] for a, b in pairwise(styles))


def test_training_curves_omit_a_branch_that_is_not_there(tmp_path: Path) -> None:
    run = configuration(tmp_path, models={"baseline": {"network": {"localization": False}}}, analysis={})
    fill(run)
    assert "no training record yet" in words(figures.write(run, "training-curves")[0])


# Figure 4


samples = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@settings(max_examples=30, deadline=None)
@given(samples)
def test_r_is_pearsons(generator: np.random.Generator) -> None:
    frames = int(generator.integers(3, 12))
    clusters = np.sort(generator.integers(0, frames, 50))
    x = generator.normal(size=50)
    y = 0.5 * x + generator.normal(size=50) + 1e3
    assert correlate(x, y, clusters, frames, 5, 0).value == pytest.approx(pearsonr(x, y).statistic, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(samples)
def test_a_replicate_draws_whole_clusters(generator: np.random.Generator) -> None:
    """Each replicate equals R over the points of the clusters drawn, repeated as often as they were."""
    count, seed = 6, 3
    clusters = generator.integers(0, count, 40)
    x, y = generator.normal(size=(2, 40))
    found = correlate(x, y, clusters, count, 8, seed).replicates
    for draw, value in zip(
        np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), 8), found, strict=True
    ):
        kept = np.repeat(np.arange(40), draw[clusters])
        if len(kept) > 2 and np.ptp(x[kept]) > 0 and np.ptp(y[kept]) > 0:
            assert value == pytest.approx(np.corrcoef(x[kept], y[kept])[0, 1], abs=1e-9)


def test_dependent_points_widen_the_interval() -> None:
    """Copies of a cluster's points carry no information; a bootstrap over points would believe that they do."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=40)
    y = 0.5 * x + generator.normal(size=40)
    once = correlate(x, y, np.arange(40), 40, 500, 0)
    copies = correlate(np.repeat(x, 20), np.repeat(y, 20), np.repeat(np.arange(40), 20), 40, 500, 0)
    assert copies.interval == pytest.approx(once.interval, abs=1e-9)
    low, high = correlate(np.repeat(x, 20), np.repeat(y, 20), np.arange(800), 800, 500, 0).interval
    assert high - low < 0.5 * (once.interval[1] - once.interval[0])


def test_what_does_not_vary_has_no_correlation() -> None:
    found = correlate(np.full(30, 0.1), np.linspace(0, 1, 30), np.arange(30) % 5, 5, 20, 0)
    assert np.isnan([found.value, *found.interval]).all()


def test_a_single_cluster_allows_no_interval() -> None:
    x = np.arange(8.0)
    found = correlate(x, x, np.full(8, 2), 4, 20, 0)
    assert found.value == pytest.approx(1)
    assert np.isnan(found.interval).all()


def test_the_same_seed_gives_the_same_interval() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 60))
    arguments = (x, y, np.arange(60) % 10, 10, 100)
    assert correlate(*arguments, 5).interval == correlate(*arguments, 5).interval
    assert correlate(*arguments, 5).interval != correlate(*arguments, 6).interval


def over_sequences(run: Run, seed: int) -> list[Correlation]:
    """R of SiamRCR's positive locations and winners; five frames of the fake sample are one sequence."""
    with np.load(run.folder / f"maps/siamrcr-s{seed}.npz") as maps:
        sequences = np.arange(30) // 5
        return [
            correlate(maps["score"], maps["iou"], sequences[maps["frame"]], 6, 200, 0),
            correlate(maps["winner_score"], maps["winner_iou"], sequences, 6, 200, 0),
        ]


def test_figure_4_states_r_its_interval_and_the_sample(real: Run) -> None:
    expected, winners = over_sequences(real, 0)
    with np.load(real.folder / "maps/siamrcr-s0.npz") as maps:
        size = len(maps["iou"])
        by_frame = correlate(maps["score"], maps["iou"], maps["frame"], 30, 200, 0)
    low, high = expected.interval
    assert expected.interval != by_frame.interval
    texts = words(svg(real, "figure-4"))
    assert any(f"R = {expected.value:.2f} [{low:.2f}, {high:.2f}]" in text for text in texts)
    low, high = winners.interval
    assert any(f"winners of the frames: R = {winners.value:.2f} [{low:.2f}, {high:.2f}]" in text for text in texts)
    assert "bootstrap over the sequences" in description(svg(real, "figure-4"))
    assert "between trainings not included" in description(svg(real, "figure-4"))
    assert any("reported R = 0.38" in text for text in texts)
    assert f"(d) {size}" in description(svg(real, "figure-4"))
    assert "names no model for this panel" in " ".join(texts)


def test_several_seeds_are_summed_up(tmp_path: Path) -> None:
    run = configuration(tmp_path, seeds=[0, 1])
    fill(run)
    drawn = figures.write(run, "figure-4")[0]
    seeds = [over_sequences(run, seed)[0] for seed in (0, 1)]
    values = [seed.value for seed in seeds]
    low, high = np.percentile(np.mean([seed.replicates for seed in seeds], axis=0), (2.5, 97.5))
    expected = f"R = {np.mean(values):.2f} [{low:.2f}, {high:.2f}]; 2 seeds, SD {np.std(values, ddof=1):.2f}"
    assert expected in words(drawn)
    assert "(d) siamrcr-s0 and siamrcr-s1" in description(drawn)


def test_seeds_over_other_frames_are_refused(tmp_path: Path) -> None:
    run = configuration(tmp_path, seeds=[0, 1])
    fill(run)
    maps(run.folder / "maps/siamrcr-s1.npz", frames=20)
    with pytest.raises(InputError, match=r"siamrcr-s1\.npz: other frames than in"):
        figures.write(run, "figure-4")


def test_frames_of_a_single_sequence_allow_no_interval(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    for model in run.analysis.correlation.values():
        maps(run.folder / f"maps/{model}-s0.npz", frames=5)
    drawn = figures.write(run, "figure-4")[0]
    assert any(re.search(r"R = \S+ \(no interval\)", text) for text in words(drawn))
    assert re.search(r"R\(d\) − R\(a\) = \S+ \(no interval\)", description(drawn))


def test_figure_1_without_a_case_says_so(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    path = run.folder / "maps/siamrcr-s0.npz"
    with np.load(path) as arrays:
        held = {key: value[:0] if key.startswith("case_") else value for key, value in arrays.items()}
    np.savez(path, **held)
    assert "no case in the score maps" in words(figures.write(run, "figure-1")[0])
