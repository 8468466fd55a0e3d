"""The report: one HTML file with every table and figure, the models' cards and where all of it came from."""

import base64
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis import figures, plots, tables
from analysis.scores import (
    BENCHMARK_LABELS,
    GENERATED,
    cards,
    commit_of,
    entries,
    machine_of,
    manifests,
    read_all,
    score_files,
)
from siamrcr.config import BENCHMARKS, Run
from siamrcr.errors import InputError
from siamrcr.files import write_text

# A larger SVG holds an image; the PNG says the same in fewer bytes, and the report stays below 10 MB.
LARGEST_SVG = 500_000
DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"
TITLES = {
    **{name: curves.title for name, curves in plots.CURVES.items()},
    "figure-1": "Figure 1. Which box wins",
    "figure-4": "Figure 4. Overlap against tracking score",
    "figure-5": "Figure 5. Success on GOT-10k",
    "radius": "Effect of the radius",
    "training-curves": "Course of training",
}


@dataclass(frozen=True)
class Picture:
    """A figure inside the report."""

    name: str
    title: str
    caption: str
    source: str  # a data URI


def write(run: Run) -> Path:
    """Write results/{run}/report/index.html, which needs no other file, and give its path.

    Raises InputError, naming the command, where a figure was not drawn yet.
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
    shown = [tables.build(run, name) for name in tables.NAMES]
    page = environment.get_template("report.html").render(
        run=run,
        generated="" if run.comparable else GENERATED,
        benchmarks=[BENCHMARK_LABELS[b] for b in BENCHMARKS if entries(run, b)],
        summary=next(table for table in shown if table.name == "summary"),
        tables=[table for table in shown if table.name != "summary"],
        figures=[_picture(run, name) for name in figures.NAMES],
        cards=[_card(card) for card in trained],
        results=[_result(file) for file in scored],
        steps=_steps({"Training": trained, "Tracking": made, "Evaluation": scored}),
    )
    path = run.folder / "report" / "index.html"
    write_text(path, page)
    return path


def _picture(run: Run, name: str) -> Picture:
    folder = run.folder / "figures"
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    if not (svg.exists() and png.exists()):
        raise InputError(f"{svg}: not drawn yet: run siamrcr figure {name}")
    chosen, kind = (svg, "svg+xml") if svg.stat().st_size <= LARGEST_SVG else (png, "png")
    try:
        caption = ElementTree.parse(svg).findtext(DESCRIPTION) or ""
    except ElementTree.ParseError as error:
        raise InputError(f"{svg}: not a whole SVG file ({error}): run siamrcr figure {name}") from None
    data = base64.b64encode(chosen.read_bytes()).decode()
    return Picture(name, TITLES[name], caption, f"data:image/{kind};base64,{data}")


def _card(card: dict[str, Any]) -> dict[str, Any]:
    """What the report shows of a model's card."""
    facts = {
        "Parameters": ", ".join(f"{part} {count:,}" for part, count in card["parameters"].items()),
        "Training pairs": f"{card['pairs']:,}",
        "Training time": f"{card['seconds'] / 60:.1f} min",
        "Losses at the end": ", ".join(
            f"{name} {value:.3f}" for name, value in card["curve"][-1].items() if name not in ("iteration", "lr")
        ),
        "Weights (SHA-256)": card["weights_sha256"],
    }
    named = "" if card["label"] == card["model"] else f" [{card['model']}]"
    return {"title": f"{card['label']}{named}, seed {card['seed']}", "facts": facts, "card": card}


def _result(score: dict[str, Any]) -> dict[str, Any]:
    """Which raw results a score was made from."""
    record = score["provenance"]
    manifest = record.get("manifest") or {}
    return {
        "tracker": score["tracker"],
        "benchmark": BENCHMARK_LABELS[score["benchmark"]],
        "sequences": len(score["sequences"]) or "all",
        "repetitions": score["repetitions"] or "unknown",
        "digest": record.get("tracks_digest"),
        "weights": manifest.get("weights_sha256"),
    }


def _steps(steps: dict[str, Sequence[dict[str, Any]]]) -> list[dict[str, str]]:
    """Where the files of each step came from; what differs between them is listed."""
    rows = []
    for step, made in steps.items():
        records = [file["provenance"] for file in made if file.get("provenance")]
        if not records:
            continue
        packages = {
            f"{name} {version}" for r in records for name, version in (r.get("packages") or {}).items() if version
        }
        dates = sorted(str(record["date"]) for record in records if record.get("date"))
        rows.append(
            {
                "Step": f"{step} ({len(records)} files)",
                "Commit": _listed(commit_of(record) for record in records if record.get("commit")) or "not recorded",
                "Machine": _listed(machine_of(record) for record in records),
                "System": _listed(record.get("platform") for record in records),
                "Versions": f"Python {_listed(r.get('python') for r in records)}, {', '.join(sorted(packages))}",
                "Dates": " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "not recorded",
                "Commands": "\n".join(sorted({str(r["command"]) for r in records if r.get("command")})),
            }
        )
    return rows


def _listed(values: Any) -> str:
    return ", ".join(sorted({str(value) for value in values if value}))
