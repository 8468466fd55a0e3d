"""What was trained, what was scored, and by which commands, machines and versions."""

from collections.abc import Iterable, Sequence
from typing import Any

from analysis.plots import BRANCHES
from analysis.report.scoreboard import number
from analysis.scores import BENCHMARK_LABELS, commit_of, machine_of

# Training curves hold a few hundred points by themselves; a foreign card's are thinned to so many.
POINTS = 400


def card(record: dict[str, Any]) -> dict[str, Any]:
    """What the report shows of a model's card."""
    facts = {
        "Parameters": ", ".join(f"{part} {count:,}" for part, count in record["parameters"].items()),
        "Training pairs": f"{record['pairs']:,}",
        "Training time": f"{record['seconds'] / 60:.1f} min",
        "Losses at the end": ", ".join(
            f"{name} {value:.3f}" for name, value in record["curve"][-1].items() if name not in ("iteration", "lr")
        ),
        "Weights (SHA-256)": record["weights_sha256"],
    }
    return {"title": title(record), "facts": facts, "card": record}


def title(record: dict[str, Any]) -> str:
    """A model's label, its name where that differs, and its seed."""
    named = "" if record["label"] == record["model"] else f" [{record['model']}]"
    return f"{record['label']}{named}, seed {record['seed']}"


def losses(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Branch -> its title and each model's iterations and losses, for the interactive course of training."""
    found: dict[str, Any] = {}
    for branch, name in BRANCHES.items():
        series = []
        for record in records:
            points = [(p["iteration"], p[branch]) for p in record["curve"] if p.get(branch)]
            points = points[:: -(-len(points) // POINTS) or 1]
            if points:
                x, y = zip(*points, strict=True)
                series.append({"label": title(record), "x": list(x), "y": [number(value) for value in y]})
        if series:
            found[branch] = {"title": name, "series": series}
    return found


def result(score: dict[str, Any]) -> dict[str, Any]:
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


def steps(made: dict[str, Sequence[dict[str, Any]]]) -> list[dict[str, str]]:
    """Where the files of each step came from; what differs between them is listed."""
    rows = []
    for step, files in made.items():
        records = [file["provenance"] for file in files if file.get("provenance")]
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


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(value) for value in values if value}))
