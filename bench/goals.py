"""What the engine is meant to reach, beside what was measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A bound on a measured figure.

    Attributes:
        text: what is bounded, and by what.
        measured: the figure.
        unit: how the figure is written, as a format specification and what follows it.
        least: the smallest figure that meets the goal; None where there is none.
        most: the largest; a figure without either is stated, and nothing is asked of it.
    """

    text: str
    measured: float
    unit: tuple[str, str]
    least: float | None = None
    most: float | None = None

    @property
    def verdict(self) -> str:
        """`met`, `not met`, or `stated`."""
        if self.least is None and self.most is None:
            return "stated"
        above = self.least is None or self.measured >= self.least
        below = self.most is None or self.measured <= self.most
        return "met" if above and below else "not met"


def table(goals: list[Goal]) -> str:
    """A line a goal, as Markdown."""
    lines = ["| goal | measured | |", "|---|---|---|"]
    for goal in goals:
        form, unit = goal.unit
        lines.append(f"| {goal.text} | {goal.measured:{form}}{unit} | {goal.verdict} |")
    return "\n".join(lines)
