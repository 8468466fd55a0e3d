"""What the paper asserts, and whether scores bear it out: pure functions of the two sides of each claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError, model_validator

from analysis.differences import Side, combined, fewest_seeds, subtract
from analysis.statistics import Difference
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.hyperparameters import Settings

FILE = Path(__file__).resolve().parents[1] / "workflow" / "config" / "claims.yaml"
OTHERS = "others"
Verdict = Literal["holds", "does not hold", "within noise", "cannot be judged"]
HOLDS: Verdict = "holds"
FAILS: Verdict = "does not hold"
NOISE: Verdict = "within noise"
UNJUDGED: Verdict = "cannot be judged"
ELSEWHERE = "the reported amount belongs to another benchmark, split or sample"


class Claim(Settings):
    """One entry of the file, whose head says what each key means."""

    id: str
    says: str
    where: str
    table: str
    a: str
    b: tuple[str, ...] | Literal["others"]
    metric: str
    direction: Literal["higher", "lower", "equal"]
    quantity: Literal["difference", "gain", "additivity", "value"] = "difference"
    base: str = ""
    reported: float | None = None
    margin: float | None = None
    hardware: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> "Claim":
        if (self.quantity == "value") is not (self.b == ()):
            raise ValueError("b: names no row where the quantity is a value, and at least one where it is not")
        if self.quantity in ("gain", "value") and self.reported is None:
            raise ValueError(f"a {self.quantity} needs `reported`, which is part of what it claims")
        if self.quantity == "gain" and self.direction != "higher":
            raise ValueError("a gain is claimed to be `higher`")
        additive = self.quantity == "additivity"
        if additive is not bool(self.base) or additive is not (self.margin is not None):
            raise ValueError("additivity, and nothing else, needs `base` and `margin`")
        if additive is not (self.direction == "equal"):
            raise ValueError("`equal` goes with additivity alone")
        return self

    @property
    def asserts_an_amount(self) -> bool:
        """Whether the reported number is a part of the claim."""
        return self.quantity in ("gain", "value")


@dataclass(frozen=True)
class Judgement:
    """What the scores say of a claim.

    Attributes:
        verdict: the answer.
        reason: why it cannot be judged, or what else the reader must know; may be empty.
        against: the side to which the numbers belong: the one that bears the claim out least.
        a_value: of the claim's side; None where it has none.
        b_value: of the other side.
        difference: the claim's quantity with its 95 % interval; None where there is none.
        seeds: fewest trainings of a side that is trained here; 0 where none is.
    """

    verdict: Verdict
    reason: str = ""
    against: str = ""
    a_value: float | None = None
    b_value: float | None = None
    difference: Difference | None = None
    seeds: int = 0


@cache
def read(path: Path = FILE) -> tuple[Claim, ...]:
    """The claims of a file, in its order. Raises InputError for one that is not whole, or an id given twice."""
    try:
        claims = TypeAdapter(tuple[Claim, ...]).validate_python(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot read the claims: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise InputError(f"{path}: claim {place}: {problem['msg'].removeprefix('Value error, ')}") from None
    names = [claim.id for claim in claims]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: claim {twice[0]!r} is given twice: rename one")
    return claims


def judge(claim: Claim, sides: Mapping[str, Side | str], *, own_benchmark: bool) -> Judgement:
    """Whether the sides bear a claim out.

    A claim about several rows holds where it does against each, and does not hold where it does not against one; each
    comparison has its own 95 % interval. An interval that leaves out zero settles a claim only where every side that is
    trained here has several seeds: variation between trainings is in the interval then alone.

    Args:
        claim: what is asserted.
        sides: row -> its side, or the reason why it has none. For `others` every row but the claim's own counts.
        own_benchmark: whether they were scored on the benchmark and split that the paper scores: amounts that it
            reports mean nothing elsewhere, orders do.
    """
    side = sides.get(claim.a, "no such row")
    if isinstance(side, str):
        return Judgement(UNJUDGED, f"{claim.a}: {side}")
    if claim.quantity == "value":
        return _judge_value(claim, side, own_benchmark)
    rows = [row for row in sides if row != claim.a] if claim.b == OTHERS else [*claim.b]
    if claim.quantity == "additivity":
        return _settled(_judge_sum(claim, side, [sides.get(row, "no such row") for row in (claim.base, *rows)]))
    found, missing = [], {}
    for row in rows:
        other = sides.get(row, "no such row")
        if isinstance(other, str):
            missing[row] = other
        else:
            found.append(_judge_pair(claim, side, row, other, own_benchmark))
    return _settled(_together(claim, side, found, missing))


def _judge_pair(claim: Claim, a: Side, row: str, b: Side, own_benchmark: bool) -> Judgement:
    function = _gain if claim.quantity == "gain" else subtract
    seeds = fewest_seeds(a, b) or 0
    try:
        difference = combined(function, a, b)
    except InputError as error:
        return Judgement(UNJUDGED, str(error), row, a.value, b.value, seeds=seeds)
    if difference is None:
        why = "no interval: neither side has scores of single sequences"
        return Judgement(UNJUDGED, why, row, a.value, b.value, seeds=seeds)
    verdict, reason = _ordered(difference, claim.direction), ""
    if claim.asserts_an_amount and not own_benchmark:
        verdict, reason = UNJUDGED, ELSEWHERE
    elif claim.quantity == "gain" and claim.reported is not None:
        # At least as much as reported: an interval above the reported gain bears it out too.
        enough = difference.high >= claim.reported
        verdict = (HOLDS if difference.low > 0 else NOISE) if enough else FAILS
    return Judgement(verdict, reason, row, a.value, b.value, difference, seeds)


def _judge_value(claim: Claim, a: Side, own_benchmark: bool) -> Judgement:
    assert claim.reported is not None
    own = combined(lambda value: value, a)
    known = Judgement(UNJUDGED, a_value=a.value, difference=own, seeds=fewest_seeds(a) or 0)
    if not own_benchmark:
        return replace(known, reason=ELSEWHERE)
    if own is None:
        return replace(known, reason="no interval")
    low, high = own.low - claim.reported, own.high - claim.reported
    if claim.direction == "lower":
        low, high = -high, -low
    return _settled(replace(known, verdict=HOLDS if low >= 0 else FAILS if high < 0 else NOISE))


def _judge_sum(claim: Claim, a: Side, sides: Sequence[Side | str]) -> Judgement:
    held = [side for side in sides if isinstance(side, Side)]
    named = " + ".join(claim.b)
    if len(held) < len(sides):
        reasons = [
            f"{row}: {side}" for row, side in zip((claim.base, *claim.b), sides, strict=True) if isinstance(side, str)
        ]
        return Judgement(UNJUDGED, "; ".join(reasons), a_value=a.value)
    assert claim.margin is not None
    seeds = fewest_seeds(a, *held) or 0
    try:
        difference = combined(_excess, a, *held)
    except InputError as error:
        return Judgement(UNJUDGED, str(error), named, a.value, seeds=seeds)
    if difference is None:
        return Judgement(UNJUDGED, "no interval: a side has no scores of single sequences", named, a.value, seeds=seeds)
    low, high = difference.low, difference.high
    inside, outside = -claim.margin <= low and high <= claim.margin, low > claim.margin or high < -claim.margin
    return Judgement(HOLDS if inside else FAILS if outside else NOISE, "", named, a.value, None, difference, seeds)


def _together(claim: Claim, a: Side, found: Sequence[Judgement], missing: Mapping[str, str]) -> Judgement:
    """One judgement of several comparisons: with the numbers of the one that bears the claim out least."""
    if not found:
        reasons: dict[str, list[str]] = {}
        for row, reason in missing.items():
            reasons.setdefault(reason, []).append(row)
        why = "; ".join(f"{', '.join(rows)}: {reason}" for reason, rows in reasons.items())
        return Judgement(UNJUDGED, why or "no compared tracker is known", a_value=a.value)
    for verdict in (FAILS, UNJUDGED):
        if given := [each for each in found if each.verdict == verdict]:
            return min(given, key=lambda each: _support(claim, each))
    worst = min(found, key=lambda each: _support(claim, each))
    if missing:
        count = len(found) + len(missing)
        why = f"{len(missing)} of {count} compared rows have no score: {', '.join(missing)}"
        return replace(worst, verdict=UNJUDGED, reason=why)
    return worst


def _support(claim: Claim, judgement: Judgement) -> float:
    """How far a comparison lies on the claim's side of zero."""
    if judgement.difference is None:
        return -np.inf
    return -judgement.difference.high if claim.direction == "lower" else judgement.difference.low


def _settled(judgement: Judgement) -> Judgement:
    """A judgement that trainings of one seed leave open."""
    if judgement.verdict in (HOLDS, FAILS) and judgement.seeds == 1:
        would = "would hold" if judgement.verdict == HOLDS else "would not hold"
        why = f"one seed: over sequences alone it {would}, but variation between trainings is not in the interval"
        return replace(judgement, verdict=UNJUDGED, reason=why)
    return judgement


def _ordered(difference: Difference, direction: str) -> Verdict:
    low, high = (difference.low, difference.high) if direction == "higher" else (-difference.high, -difference.low)
    return HOLDS if low > 0 else FAILS if high < 0 else NOISE


def _gain(a: Array, b: Array) -> Array:
    """a / b - 1; NaN where b is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(np.asarray(b) == 0, np.nan, np.divide(a, b) - 1))


def _excess(a: Array, base: Array, *b: Array) -> Array:
    """The gain of a over the base less the sum of the gains of the others."""
    return np.asarray(_gain(a, base) - sum(_gain(each, base) for each in b))
