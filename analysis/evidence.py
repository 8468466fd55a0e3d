"""The claims of the paper against the scores of a run: which sides it has, and the table of judgements."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from analysis import claims, needs, pearson, reported
from analysis.claims import UNJUDGED, Claim, Judgement
from analysis.comparison import NOTHING, Record, footer, heading, titled
from analysis.cost import measure
from analysis.differences import Side
from analysis.scores import (
    BENCHMARK_LABELS,
    GENERATED,
    METRIC_LABELS,
    NOT_RUN,
    REASONS,
    Entry,
    Scores,
    entry,
    machine_of,
    map_files,
    read_all,
)
from analysis.typesetting import Cell, Column, Grid, Table, number, signed
from siamrcr.config import Run

# A class score and four numbers of a box at each location; the localization branch adds one.
OUTPUTS = 5
PLACES = {"frames_per_second": "frames/s", "outputs_per_location": "outputs a location", "parameters": "parameters"}
EXPLAINED = (
    "Holds, does not hold: the 95 % interval lies on the claim's side of zero, or on the other side. Within noise: it "
    "holds zero. A reported gain holds where the interval lies above zero and reaches what is reported or beyond, and "
    "does not hold where it ends below that. A claim against several rows shows the row that bears it out least; each "
    "comparison has an interval of its own. Intervals are a bootstrap over sequences and, where a model has several "
    "seeds, over its trainings, by Student's t for as many."
)


@dataclass(frozen=True)
class Setting:
    """Where a claim is judged, and the sides that the run has there."""

    benchmark: str
    sides: Mapping[str, Side | str]
    own_benchmark: bool
    sample: str = ""  # Figure 4: which points are correlated
    remark: str = ""

    @property
    def label(self) -> str:
        """What the table calls it."""
        place = BENCHMARK_LABELS.get(self.benchmark, "")
        return f"{place}, {self.sample}" if self.sample else place


class Evidence:
    """What a run holds of each claim's sides; files are read once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.scores: dict[tuple[Entry, str], Scores] = {}

    def judged(self) -> list[tuple[Claim, Setting, Judgement]]:
        """Every claim with every judgement: one a split on which the run has its sides, one a sample of Figure 4."""
        return [
            (claim, setting, claims.judge(claim, setting.sides, own_benchmark=setting.own_benchmark))
            for claim in claims.read()
            for setting in self.settings(claim)
        ]

    def settings(self, claim: Claim) -> Sequence[Setting]:
        """Where the run can judge a claim; the paper's own benchmark, with the reasons, where it can nowhere."""
        run = self.run
        if claim.table == "figure-4":
            return self.panels
        if claim.table == "cost":
            return [_cost(run, claim)]
        places = needs.JUDGED[claim.table]
        if claim.table in needs.ABLATIONS:
            named = needs.ABLATIONS[claim.table](run)
            rows = [row for row in (claim.a, claim.base, *claim.b) if row]
            chosen = {row: entry(run, named[row]) if row in named else None for row in rows}
            held = [e for e in chosen.values() if e is not None]
            whole = [b for b in places if held and all(b in e.benchmarks for e in held)]
            return [
                self._scored(claim, b, chosen, "the configuration names no model for it") for b in whole or places[:1]
            ]
        whole = [b for b in places if reported.OURS in needs.rivals(run, b)]
        return [self._ranked(claim, b) for b in whole or places[:1]]

    def _scored(self, claim: Claim, benchmark: str, chosen: Mapping[str, Entry | None], absent: str) -> Setting:
        """Sides of a metric on a benchmark; `absent` says why a row has no entry."""
        sides: dict[str, Side | str] = {}
        held = []
        for row, one in chosen.items():
            if one is None:
                sides[row] = absent
                continue
            if (one, benchmark) not in self.scores:
                self.scores[one, benchmark] = Scores.of(self.run, one, benchmark)
            scores = self.scores[one, benchmark]
            held.append(scores)
            reason = scores.missing(claim.metric)
            sides[row] = f"{reason}: {REASONS[reason]}" if reason else Side.of(scores, claim.metric)
        own = self.run.comparable and benchmark in needs.JUDGED[claim.table][:1] and not any(s.partial for s in held)
        return Setting(benchmark, sides, own)

    def _ranked(self, claim: Claim, benchmark: str) -> Setting:
        """SiamRCR and the trackers that the paper compares: scored here where the run has them, else as reported."""
        rivals = needs.rivals(self.run, benchmark)
        others = [*reported.trackers(claim.table), *rivals] if claim.b == claims.OTHERS else claim.b
        rows = dict.fromkeys([claim.a, *others])
        absent = f"{NOT_RUN}: {REASONS[NOT_RUN]}"
        setting = self._scored(claim, benchmark, {row: rivals.get(row) for row in rows}, absent)
        sides, quoted = dict(setting.sides), []
        for row in rows if setting.own_benchmark else ():
            printed = reported.find(claim.table, row, claim.metric)
            if (
                row != reported.OURS
                and isinstance(sides[row], str)
                and printed is not None
                and printed.value is not None
            ):
                sides[row] = Side.constant(printed.value)
                quoted.append(row)
        remark = f"as reported, without an error of its own: {', '.join(quoted)}" if quoted else ""
        return Setting(benchmark, sides, setting.own_benchmark, remark=remark)

    @cached_property
    def panels(self) -> tuple[Setting, ...]:
        """R of every panel of Figure 4, over either sample; a mean over seeds as in the figure."""
        run, benchmark = self.run, self.run.analysis.correlation_benchmark
        models: Mapping[str, str] = {str(panel): model for panel, model in run.analysis.correlation.items()}
        maps = {p: pearson.read([path for path in map_files(run, m) if path.exists()]) for p, m in models.items()}
        found = []
        for sample in pearson.SAMPLES.values():
            sides: dict[str, Side | str] = {}
            for panel in "abcd":
                held = maps.get(panel)
                if not held:
                    sides[panel] = "no score maps yet" if panel in models else "the configuration names no model for it"
                    continue
                seeds = [sample.scores(run, each) for each in held]
                mean = pearson.mean(seeds)
                drawn = (benchmark, run.analysis.seed, *map(str, held[0]["names"]))
                weights = (str(run.weights(path.stem)) for path in map_files(run, models[panel]) if path.exists())
                trainings = dict(zip(weights, (each.value for each in seeds), strict=True))
                sides[panel] = Side(mean.value, mean.replicates, drawn, len(held), trainings)
            # The paper does not say which frames its amounts are of.
            found.append(Setting(benchmark, sides, own_benchmark=False, sample=sample.words))
        return tuple(found)


def _cost(run: Run, claim: Claim) -> Setting:
    """What the reference model costs; a value that a machine decides counts on the paper's own one only."""
    if run.analysis.reference not in run.models:
        return Setting("", {claim.a: "the configuration has no reference model"}, own_benchmark=True)
    ours = entry(run, run.analysis.reference)
    sides: dict[str, Side | str] = dict.fromkeys(claim.b, "its cost is not measured here")
    speeds = read_all(run.folder / "speed" / f"{identity}.json" for identity in ours.ids)
    elsewhere = [machine for each in speeds if claim.hardware not in (machine := machine_of(each["provenance"]))]
    if claim.metric == "outputs_per_location":
        sides[claim.a] = Side.exact(OUTPUTS + (run.models[ours.name].network.localization is not False))
    elif claim.metric == "parameters":
        count = measure(run, ours).get(claim.metric)
        sides[claim.a] = "not trained here" if count is None else Side.exact(count)
    elif not speeds:
        sides[claim.a] = "not measured: snakemake speed"
    elif elsewhere:
        sides[claim.a] = f"measured on {elsewhere[0]}, not on the paper's {claim.hardware}"
    else:
        sides[claim.a] = Side.exact(sum(each[claim.metric] for each in speeds) / len(speeds))
    return Setting("", sides, own_benchmark=True)


def build(run: Run) -> Table:
    """The table of claims: what the paper says, what it reports, what came out, and the verdict."""
    evidence = Evidence(run)
    found = evidence.judged()
    columns = (
        heading("Claim", [claim.says for claim, _, _ in found]),
        Column("", "Verdict", tuple(_verdict(setting, each) for _, setting, each in found), numeric=False),
        heading("Quantity", [_quantity(claim) for claim, _, _ in found]),
        Column("", "reproduced [95 % interval]", tuple(_reproduced(claim, each) for claim, _, each in found)),
        Column("", "reported", tuple(_reported(claim) for claim, _, _ in found)),
        heading("Judged on", [setting.label or "–" for _, setting, _ in found]),
        heading("Where", [claim.where for claim, _, _ in found]),
    )
    return Table(
        "claims",
        titled(run, "What the paper claims, and whether this run bears it out"),
        (Grid(columns),),
        tuple(_record(run, *each) for each in found),
        (_count(found),),
        (EXPLAINED, *footer(run, evidence.scores.values())),
    )


def _count(found: Sequence[tuple[Claim, Setting, Judgement]]) -> str:
    verdicts = [each.verdict for _, _, each in found]
    counts = {verdict: verdicts.count(verdict) for verdict in (claims.HOLDS, claims.FAILS, claims.NOISE, UNJUDGED)}
    words = "; ".join(f"{verdict}: {count}" for verdict, count in counts.items())
    return f"{len(claims.read())} claims, {len(found)} judgements. {_sentence(words)}"


def _quantity(claim: Claim) -> str:
    label = METRIC_LABELS.get(claim.metric) or {"pearson_r": "R", **PLACES}[claim.metric]
    others = "others" if claim.b == claims.OTHERS else ", ".join(claim.b)
    return {
        "difference": f"{label}: {claim.a} − {others}",
        "gain": f"{label}: {claim.a} / {others} − 1",
        "additivity": f"{label}: gain of {claim.a} − gains of {others}",
        "value": f"{label} of {claim.a}",
    }[claim.quantity]


def _shown(claim: Claim, value: float) -> str:
    if claim.quantity in ("gain", "additivity"):
        return f"{signed(100 * value, 2)} %"
    if claim.quantity == "value":
        return f"{value:g}" if claim.table == "cost" else number(value, 2)
    return signed(value)


def _reported(claim: Claim) -> Cell:
    notes = (_sentence(claim.note),) if claim.note else ()
    return Cell("–" if claim.reported is None else _shown(claim, claim.reported), notes=notes)


def _reproduced(claim: Claim, judgement: Judgement) -> Cell:
    d = judgement.difference
    if d is None and judgement.a_value is not None and judgement.b_value is None:
        return Cell(f"{claim.a} {judgement.a_value:,.3f}".rstrip("0").rstrip("."))
    if d is None and judgement.a_value is not None and judgement.b_value is not None:
        return Cell(f"{signed(judgement.a_value - judgement.b_value)} no interval")
    if d is None:
        return NOTHING
    if d.low == d.high:
        return Cell(_shown(claim, d.value))
    against = f" against {judgement.against}" if len(claim.b) > 1 and claim.quantity != "additivity" else ""
    return Cell(f"{_shown(claim, d.value)} [{_shown(claim, d.low)}, {_shown(claim, d.high)}]{against}")


def _verdict(setting: Setting, judgement: Judgement) -> Cell:
    notes = tuple(_sentence(text) for text in (judgement.reason, setting.remark) if text)
    return Cell(judgement.verdict, int(judgement.verdict == claims.HOLDS), notes)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _record(run: Run, claim: Claim, setting: Setting, judgement: Judgement) -> Record:
    record: dict[str, Any] = {
        "row": claim.id,
        "benchmark": setting.benchmark,
        "data": "real" if run.comparable else GENERATED,
        "metric": claim.metric,
        "seeds": judgement.seeds,
        "reported": claim.reported,
        "reason": judgement.reason,
        "note": claim.note,
        "verdict": judgement.verdict,
        "quantity": claim.quantity,
        "sample": setting.sample,
        "direction": claim.direction,
        "a": claim.a,
        "b": judgement.against or (claim.b if claim.b == claims.OTHERS else ", ".join(claim.b)),
        "a_value": judgement.a_value,
        "b_value": judgement.b_value,
        "says": claim.says,
        "where": claim.where,
        "remark": setting.remark,
    }
    # A rate differs from run to run; the records, which a digest covers, must not.
    if claim.metric == "frames_per_second":
        return record | {"a_value": None}
    return record | (asdict(judgement.difference) if judgement.difference else {})
