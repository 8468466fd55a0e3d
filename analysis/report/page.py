"""The page: what the template needs, gathered, and the scripts that draw it, inlined."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis import figures, tables
from analysis.claims import FAILS, HOLDS, NOISE, UNJUDGED
from analysis.report import record, scoreboard
from analysis.report.pictures import picture
from analysis.scores import BENCHMARK_LABELS, GENERATED, cards, entries, manifests, read_all, score_files
from siamrcr.config import BENCHMARKS, Run
from siamrcr.files import write_text

SCRIPTS = ("core.js", "leaderboard.js", "curves.js", "player.js", "sequences.js", "training.js")
# What a script may never close or open, and two line ends that JavaScript once took for its own.
ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def write(run: Run, player: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """Write results/{run}/report/index.html, which needs no other file, and give its path.

    Args:
        run: the configuration.
        player: benchmark -> sequence -> what `siamrcr.strips.make` gives; without it no sequence can be played.

    Raises:
        InputError: a figure was not drawn yet (the command is named), or a file that the page shows is damaged.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    trained, made = read_all(cards(run)), read_all(manifests(run))
    scored = read_all(path for b in BENCHMARKS for path in score_files(run, entries(run, b), b))
    shown = {name: tables.build(run, name) for name in tables.NAMES}
    scripts = [get_plotlyjs(), "\n".join(_part(name) for name in SCRIPTS)]
    page = environment.get_template("page.html").render(
        run=run,
        generated="" if run.comparable else GENERATED,
        benchmarks=[BENCHMARK_LABELS[b] for b in BENCHMARKS if entries(run, b)],
        claims=shown.pop("claims"),
        verdicts={HOLDS: "holds", FAILS: "fails", NOISE: "why", UNJUDGED: "why"},
        summary=shown.pop("summary"),
        tables=list(shown.values()),
        figures=[picture(run, name) for name in figures.NAMES],
        cards=[record.card(card) for card in trained],
        results=[record.result(file) for file in scored],
        steps=record.steps({"Training": trained, "Tracking": made, "Evaluation": scored}),
        style=Markup(_part("style.css")),
        data=Markup(script_json(_data(run, trained, player or {}))),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
    )
    path = run.folder / "report" / "index.html"
    write_text(path, page)
    return path


def script_json(value: Any) -> str:
    """JSON that a `<script>` may hold: no text in it can end the script or open a comment."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(ESCAPES)


def _data(run: Run, trained: list[dict[str, Any]], player: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "trackers": scoreboard.trackers(run),
        "reference": run.analysis.reference,
        "benchmarks": [scoreboard.benchmark(run, name) for name in BENCHMARKS if entries(run, name)],
        "losses": record.losses(trained),
        "player": player,
    }


def _part(name: str) -> str:
    return (files("analysis.report") / name).read_text()


def _policy(scripts: list[str]) -> str:
    """A content security policy: these scripts and no others run, but for the sequences' files beside the page."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed} 'self' file:; style-src 'unsafe-inline'; "
        "img-src data: blob: 'self' file:; base-uri 'none'; form-action 'none'"
    )
