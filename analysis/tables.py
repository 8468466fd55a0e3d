"""The paper's tables and a few of our own, as Markdown, CSV, LaTeX and JSON."""

from collections.abc import Callable
from pathlib import Path

from analysis import ablation, comparison, cost, evidence, needs
from analysis.comparison import Record, Row, estimate_cells, footer, heading, load, record_of
from analysis.scores import BENCHMARK_LABELS, NOT_RUN, Estimate, arrow, distinct, entries, metrics
from analysis.typesetting import Column, Grid, Table, comma_separated, json_text, latex, markdown
from siamrcr.config import BENCHMARKS, Run
from siamrcr.files import write_text

TITLES = {
    "table-3": "Table 3. TrackingNet",
    "table-4": "Table 4. LaSOT",
    "table-5": "Table 5. VOT-2019",
    "got10k-val": "GOT-10k val",
    "otb2015": "OTB-2015",
    "vot2018": "VOT-2018",
}
WRITERS: dict[str, Callable[[Table], str]] = {"md": markdown, "csv": comma_separated, "tex": latex, "json": json_text}
NAMES = needs.TABLES


def build(run: Run, name: str) -> Table:
    """A table as data. Raises InputError for an unknown table or a damaged score file."""
    needs.known(name, NAMES, "table")
    if name in TITLES:
        return comparison.build(run, name, TITLES[name], needs.COMPARISONS[name])
    if name in needs.ABLATIONS:
        return ablation.build(run, name)
    return {"cost": cost.build, "claims": evidence.build, "summary": _summary}[name](run)


def write(run: Run, name: str) -> list[Path]:
    """Write results/{run}/tables/{name}.{md,csv,tex,json} and give their paths."""
    table = build(run, name)
    paths = []
    for suffix, text in WRITERS.items():
        path = run.folder / "tables" / f"{name}.{suffix}"
        write_text(path, text(table))
        paths.append(path)
    return paths


def _summary(run: Run) -> Table:
    """Every tracker's headline metric on every benchmark that the run scores."""
    benchmarks = [benchmark for benchmark in BENCHMARKS if entries(run, benchmark)]
    chosen = [entry for entry in entries(run) if entry.benchmarks]
    rows = [Row(label, e) for label, e in zip(distinct(chosen), chosen, strict=True)]
    columns = [heading("Tracker", [row.label for row in rows])]
    records: list[Record] = []
    held = []
    for benchmark in benchmarks:
        metric = metrics(benchmark)[0]
        scores = load(run, rows, benchmark)
        held += [score for score in scores if score is not None and benchmark in score.entry.benchmarks]
        estimates = [score.estimate(metric) if score else Estimate(reason=NOT_RUN) for score in scores]
        columns.append(Column(BENCHMARK_LABELS[benchmark], arrow(metric), estimate_cells(estimates, metric)))
        records += [record_of(run, r.label, benchmark, metric, e) for r, e in zip(rows, estimates, strict=True)]
    title = comparison.titled(run, "All trackers, headline metric of each benchmark")
    grids = (Grid(tuple(columns)),) if rows else ()
    return Table("summary", title, grids, tuple(records), (), footer(run, held))
