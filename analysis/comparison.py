"""Tables 3-5 and their like: trackers against a benchmark's metrics, reproduced beside reported."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis import reported
from analysis.differences import NO_INTERVAL, ONE_SEED, Side, combined, fewest_seeds, subtract
from analysis.scores import (
    BENCHMARK_LABELS,
    GENERATED,
    LOWER_IS_BETTER,
    NOT_RUN,
    REASONS,
    Entry,
    Estimate,
    Scores,
    arrow,
    commit_of,
    distinct,
    entries,
    machine_of,
    metrics,
    read_all,
)
from analysis.typesetting import Cell, Column, Grid, Table, number, rank, signed
from siamrcr.config import DATASET, Run
from siamrcr.tuned import read as read_tuned

NOT_REPORTED = "not reported"
NOTHING = Cell("–")

PROTOCOLS = {
    "got10k": "frames of all sequences pooled, first frames and hidden targets left out",
    "otb2015": "one-pass evaluation, mean over sequences; precision at 20 px",
    "lasot": "protocol II, one-pass evaluation, mean over sequences, absent frames count as misses; "
    "precision at 20 px, normalized precision at 0.2",
    "trackingnet": "one-pass evaluation on rounded boxes, mean over sequences; precision and normalized precision are "
    "areas over 0-50 px and 0-0.5",
    "vot2018": "reset-based evaluation; robustness is 100 x failures / frames",
    "vot2019": "reset-based evaluation; robustness is 100 x failures / frames",
}


@dataclass(frozen=True)
class Row:
    """One row: an entry of the run, a tracker of the paper, or both."""

    label: str
    entry: Entry | None
    reported: str = ""  # the paper's name for it; empty where the paper has no such row


Record = dict[str, Any]


def build(run: Run, name: str, title: str, benchmark: str) -> Table:
    """The table of one benchmark: the paper's rows in its order, then what the paper does not have."""
    rows = pair(run, name, benchmark)
    shown = metrics(benchmark)
    scores = load(run, rows, benchmark)
    compare = run.comparable and bool(reported.trackers(name))
    columns, records = score_columns(run, name, rows, scores, shown, compare=compare)
    base = reference(run, benchmark)
    place = next((place for place, row in enumerate(rows) if base is not None and row.entry == base), None)
    if place is not None and sum(score is not None and bool(score.scored) for score in scores) > 1:
        column, more = difference_column(run, rows, scores, scores[place], shown[0], rows[place].label)
        columns, records = [*columns, column], records + more
    grids = [Grid((heading("Tracker", [row.label for row in rows]), *columns))] if rows else []
    if not run.comparable:
        grid, more = reported_grid(name, shown, BENCHMARK_LABELS[benchmark])
        grids, records = grids + grid, records + more
    remarks = [] if rows else [f"{BENCHMARK_LABELS[benchmark]}: {NOT_RUN}, {REASONS[NOT_RUN]}."]
    return Table(name, titled(run, title), tuple(grids), tuple(records), tuple(remarks), footer(run, scores))


def titled(run: Run, title: str) -> str:
    """The title, with a warning where the benchmarks are generated."""
    return title if run.comparable else f"{title} ({GENERATED})"


def pair(run: Run, table: str, benchmark: str) -> list[Row]:
    """Rows of a table: a tracker of the run takes the paper's row of the same label, the reference model SiamRCR's."""
    unmatched = entries(run, benchmark)
    rows = []
    for tracker in reported.trackers(table) if run.comparable else ():
        found = match(run, unmatched, tracker)
        if found is not None:
            unmatched.remove(found)
        rows.append(Row(tracker, found, tracker))
    matched = [row.entry for row in rows if row.entry]
    labels = distinct([*matched, *unmatched])[len(matched) :]
    return rows + [Row(label, e) for label, e in zip(labels, unmatched, strict=True)]


def reference(run: Run, benchmark: str) -> Entry | None:
    """The entry that stands for SiamRCR on a benchmark: the reference model, else a model of that label."""
    return match(run, entries(run, benchmark), reported.OURS)


def match(run: Run, candidates: list[Entry], tracker: str) -> Entry | None:
    """The entry that takes a row of the paper's; the reference model takes SiamRCR's before others."""
    first = [e for e in candidates if e.model and e.name == run.analysis.reference and tracker == reported.OURS]
    same = [e for e in candidates if tracker.casefold() in (e.label.casefold(), e.name.casefold())]
    return next(iter(first + same), None)


def load(run: Run, rows: Iterable[Row], benchmark: str) -> list[Scores | None]:
    """The scores of every row; None where the run has no such tracker."""
    return [None if row.entry is None else Scores.of(run, row.entry, benchmark) for row in rows]


def heading(label: str, texts: Iterable[str]) -> Column:
    """A column of words."""
    return Column("", label, tuple(Cell(text) for text in texts), numeric=False)


def score_columns(
    run: Run,
    table: str,
    rows: Sequence[Row],
    scores: Sequence[Scores | None],
    shown: Sequence[str],
    *,
    compare: bool,
    prefix: str = "",
) -> tuple[list[Column], list[Record]]:
    """Columns `reproduced`, `seed SD`, `reported` and `Δ` of every metric, and a record for each row and metric.

    With `compare` false only the reproduced columns appear: the reported numbers belong to another benchmark or split.
    """
    columns: list[Column] = []
    records: list[Record] = []
    for metric in shown:
        estimates = [Estimate(reason=NOT_RUN) if s is None else s.estimate(metric) for s in scores]
        numbers = [reported.find(table, row.reported, metric) if compare else None for row in rows]
        known = any(numbers)
        parts = [s.partial if s is not None and run.comparable else "" for s in scores]
        differences = [None if p else _difference(e, n) for e, n, p in zip(estimates, numbers, parts, strict=True)]
        block = [("reproduced", estimate_cells(estimates, metric, parts))]
        if any(e.seeds > 1 for e in estimates):
            block.append(
                ("seed SD", tuple(NOTHING if e.seed_deviation is None else _plain(e.seed_deviation) for e in estimates))
            )
        if known:
            block.append(("reported", reported_cells(numbers, metric)))
            block.append(("Δ", tuple(NOTHING if d is None else Cell(signed(d)) for d in differences)))
        group = f"{prefix}: {arrow(metric)}" if prefix else arrow(metric)
        alone = f"{arrow(metric)} reproduced" if compare else arrow(metric)
        columns += [
            Column(group, label, cells) if len(block) > 1 else Column(prefix, alone, cells) for label, cells in block
        ]
        for row, score, estimate, report, difference in zip(rows, scores, estimates, numbers, differences, strict=True):
            benchmark = score.benchmark if score else (report.benchmark if report else "")
            record = record_of(run, row.label, benchmark, metric, estimate)
            if report is not None:
                record |= {"reported": report.value, "difference": difference, "note": report.note}
            records.append(record)
    return columns, records


def difference_column(
    run: Run,
    rows: Sequence[Row],
    scores: Sequence[Scores | None],
    base: Scores | None,
    metric: str,
    to: str,
    prefix: str = "",
) -> tuple[Column, list[Record]]:
    """A metric minus that of `base`, with its 95 % interval: over sequences, and over a side's seeds where several.

    A difference is resolved where the interval leaves out zero and every side that is trained here has several seeds.
    """
    cells, records = [], []
    for row, score in zip(rows, scores, strict=True):
        if base is None or score is None or score is base or base.missing(metric) or score.missing(metric):
            cells.append(NOTHING)
            continue
        a, b = (Side.of(side, metric) for side in (score, base))
        seeds = fewest_seeds(a, b)
        record = record_of(run, row.label, score.benchmark, f"{metric} difference to {to}", Estimate(seeds=seeds or 0))
        difference = combined(subtract, a, b)
        if difference is None:
            cells.append(Cell(f"{signed(a.value - b.value)} no interval", notes=(NO_INTERVAL,)))
            records.append({**record, "value": a.value - b.value})
            continue
        marks = [] if difference.low > 0 or difference.high < 0 else ["not resolved"]
        notes = (ONE_SEED,) if seeds == 1 else ()
        text = ", ".join([*marks, "one seed"] if notes else marks)
        interval = f"[{signed(difference.low)}, {signed(difference.high)}]"
        cells.append(Cell(f"{signed(difference.value)} {interval} {text}".rstrip(), notes=notes))
        records.append({**record, **asdict(difference), "note": "".join(notes)})
    label = f"difference to {to} [95 % interval]"
    return Column(prefix, label if prefix else f"{arrow(metric)} {label}", tuple(cells)), records


def record_of(run: Run, row: str, benchmark: str, metric: str, estimate: Estimate) -> Record:
    """An estimate for programs."""
    return {
        "row": row,
        "benchmark": benchmark,
        "data": "real" if run.comparable else GENERATED,
        "metric": metric,
        "value": estimate.value,
        "stderr": estimate.stderr,
        "seed_deviation": estimate.seed_deviation,
        "seeds": estimate.seeds,
        "reason": estimate.reason,
    }


def estimate_cells(estimates: Sequence[Estimate], metric: str, parts: Sequence[str] = ()) -> tuple[Cell, ...]:
    """`value ± standard error`, or the reason why there is none; `parts` say what is not the whole benchmark."""
    ranks = rank([e.value for e in estimates], metric in LOWER_IS_BETTER)
    return tuple(
        _estimate_cell(e, place, part)
        for e, place, part in zip(estimates, ranks, parts or [""] * len(estimates), strict=True)
    )


def _estimate_cell(estimate: Estimate, place: int, part: str) -> Cell:
    if estimate.value is None:
        return Cell(estimate.reason, reason=f"{estimate.reason}: {REASONS[estimate.reason]}.")
    deviation = "" if estimate.stderr is None else f" ± {number(estimate.stderr)}"
    notes = (f"Scored on {part}: no difference to a reported number is taken.",) if part else ()
    return Cell(number(estimate.value) + deviation, place, notes)


def reported_cells(numbers: Sequence[reported.Number | None], metric: str) -> tuple[Cell, ...]:
    """The paper's numbers as printed, with its contradictions as footnotes."""
    ranks = rank([None if n is None else n.value for n in numbers], metric in LOWER_IS_BETTER)
    cells = []
    for report, place in zip(numbers, ranks, strict=True):
        said = [] if report is None else [report] * bool(report.note) + list(reported.contradicted(report))
        notes = tuple(f"{_who(each)}: {each.note}." for each in said)
        value = None if report is None else report.value
        cells.append(
            Cell(NOT_REPORTED, notes=notes, reason=f"{NOT_REPORTED}: the paper has no such number.")
            if value is None
            else Cell(number(value), place, notes)
        )
    return tuple(cells)


def reported_grid(
    table: str, shown: Sequence[str], benchmark: str, first: Sequence[Column] = ()
) -> tuple[list[Grid], list[Record]]:
    """The paper's own table by itself, for runs whose benchmarks are generated."""
    trackers = reported.trackers(table)
    columns, records = [], []
    for metric in shown:
        numbers = [reported.find(table, tracker, metric) for tracker in trackers]
        if any(numbers):
            columns.append(Column("", arrow(metric), reported_cells(numbers, metric)))
            records += [reported_record(n) for n in numbers if n is not None]
    if not columns:
        return [], []
    title = f"Reported in the paper, on the real {benchmark}"
    return [Grid((*(first or [heading("Tracker", trackers)]), *columns), title)], records


def reported_record(report: reported.Number) -> Record:
    """A reported number that stands by itself."""
    keys = {"row": report.tracker, "benchmark": report.benchmark, "data": "real", "metric": report.metric}
    reason = "" if report.value is not None else NOT_REPORTED
    return {**keys, "reported": report.value, "reason": reason, "note": report.note}


def footer(run: Run, scores: Iterable[Scores | None]) -> tuple[str, ...]:
    """Protocol, epoch, test-time parameters, uncertainty, commit, hardware and date of what a table shows."""
    held = [score for score in scores if score is not None]
    lines = []
    protocols: dict[str, list[str]] = {}
    for benchmark in dict.fromkeys(score.benchmark for score in held if score.scored):
        files = [file for score in held if score.benchmark == benchmark for file in score.files]
        conventions = sorted({str(file["convention"]) for file in files if file.get("convention")})
        convention = f"; convention {', '.join(conventions)}" if conventions else ""
        protocols.setdefault(PROTOCOLS[DATASET[benchmark]] + convention, []).append(BENCHMARK_LABELS[benchmark])
    lines += [f"Protocol of {' and '.join(names)}: {text}." for text, names in protocols.items()]
    models = list(dict.fromkeys(score.entry.name for score in held if score.entry.model))
    if models:
        rules = dict.fromkeys(_test_time(run, name) for name in models)
        lines.append(
            f"Models: the last epoch; test-time parameters {'; '.join(rules)}; nothing was tuned on a test set. "
            f"Seeds: {_seeds(run, models)}."
        )
    lines.append(
        f"±: standard error over sequences (bootstrap, {run.analysis.bootstrap} replicates). "
        "Best in bold, second best in italics or underlined."
    )
    return (*lines, *_made(run, held))


def _test_time(run: Run, model: str) -> str:
    t, tuned = run.models[model].tracking, run.models[model].tuned
    text = f"rule {t.rule}, size rate {t.size_rate:g}, window {t.window:g} ({t.window_form}), penalty {t.penalty:g}"
    if tuned is None:
        return text
    found = read_tuned(tuned)
    split = BENCHMARK_LABELS.get(found["split"], found["split"])
    return (
        f"{text}, the three numbers tuned on {split} in {found['trials']} trials (a score on it is of the tuned split)"
    )


def _seeds(run: Run, models: Iterable[str]) -> str:
    return ", ".join(map(str, sorted({seed for model in models for seed in run.model_seeds(model)})))


def _made(run: Run, held: Sequence[Scores]) -> list[str]:
    """Commits, machines and dates as the files state them: the same files give the same table."""
    cards = [run.folder / "models" / f"{identity}.json" for score in held for identity in score.entry.ids]
    scoring = [file.get("provenance") or {} for score in held for file in score.files]
    records = {
        "training": [card.get("provenance") or {} for card in read_all(dict.fromkeys(cards))],
        "tracking": [(record.get("manifest") or {}).get("provenance") or {} for record in scoring],
        "scoring": scoring,
    }
    records = {step: [record for record in found if record] for step, found in records.items()}
    machines = {step: ", ".join(sorted({machine_of(r) for r in found})) for step, found in records.items() if found}
    every = [record for found in records.values() for record in found]
    commits = sorted({commit_of(record) for record in every if record.get("commit")})
    dates = sorted(str(record["date"])[:10] for record in every if record.get("date"))
    parts = [f"Commit {', '.join(commits)}"] if commits else []
    parts += ["; ".join(f"{step} on {machine}" for step, machine in machines.items())] if machines else []
    parts += [" to ".join(dict.fromkeys((dates[0], dates[-1])))] if dates else []
    return [f"{'; '.join(parts)}."] if parts else []


def _difference(estimate: Estimate, report: reported.Number | None) -> float | None:
    if estimate.value is None or report is None or report.value is None:
        return None
    return estimate.value - report.value


def _plain(value: float) -> Cell:
    return Cell(number(value))


def _who(report: reported.Number) -> str:
    """The place of a note: the table and every row that shares it, or what the text says there."""
    if report.table == "text" and report.value is not None:
        return f"{report.source} says {100 * report.value:.3g} %"
    rows = dict.fromkeys(n.tracker for n in reported.read() if (n.table, n.note) == (report.table, report.note))
    return f"{report.source}, {', '.join(rows)}"
