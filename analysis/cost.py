"""What the run's trackers cost: parameters, training, tracking."""

from typing import Any

from analysis import reported
from analysis.comparison import Record, heading, titled
from analysis.scores import GENERATED, Entry, commit_of, distinct, entries, machine_of, read_all
from analysis.typesetting import Cell, Column, Grid, Table
from siamrcr.config import Run

NOT_RECORDED = "not recorded"
# Column -> key of the measurement, factor, format.
COLUMNS = {
    "Parameters (M)": ("parameters", 1e-6, ".3f"),
    "Training pairs": ("training_pairs", 1.0, ",.0f"),
    "Training (min)": ("training_seconds", 1 / 60, ".1f"),
    "Tracking (frames/s)": ("tracking_frames_per_second", 1.0, ".1f"),
}
# Where somebody measured them: `snakemake speed`.
ALONE = {
    "Alone (frames/s)": ("frames_per_second", 1.0, ".1f"),
    "Alone, with decoding (frames/s)": ("frames_per_second_with_decoding", 1.0, ".1f"),
    "GFLOP a frame": ("flops", 1e-9, ".2f"),
}


def build(run: Run) -> Table:
    """Parameters, training pairs and time from the models' cards, tracking rate from the raw results' manifests."""
    rows = [entry for entry in entries(run) if entry.model or run.trackers[entry.name].command]
    measured = [measure(run, entry) for entry in rows]
    labels = distinct(rows)
    columns = [heading("Tracker", labels)]
    records: list[Record] = []
    alone = any("frames_per_second" in each for each in measured)
    for label, (key, factor, form) in (COLUMNS | ALONE if alone else COLUMNS).items():
        cells = [_cell(entry, key, m.get(key), factor, form) for m, entry in zip(measured, rows, strict=True)]
        columns.append(Column("", label, tuple(cells)))
        # Rates and times differ from run to run; the records, which a digest covers, must not.
        if key in ("parameters", "training_pairs"):
            records += [_record(run, label, key, m.get(key)) for label, m in zip(labels, measured, strict=True)]
    columns.append(heading("Machine", [str(m.get("machine", NOT_RECORDED)) for m in measured]))
    grids = (Grid(tuple(columns)),) if rows else ()
    commits = sorted({commit for m in measured for commit in m.get("commits", ())})
    footer = [
        "Training: mean over seeds. Tracking: frames over seconds on all benchmarks, cropping counted, decoding not."
    ]
    if alone:
        footer.append("Alone: one sequence, batch 1, no other job beside it, cropping counted; mean over seeds.")
        disturbed = [f"{label} {m['others']:.1f}" for label, m in zip(labels, measured, strict=True) if m.get("others")]
        footer += [f"Cores that other processes kept busy meanwhile: {', '.join(disturbed)}."] if disturbed else []
    fps = reported.find("text", reported.OURS, "fps")
    if fps is not None and fps.value is not None:
        footer.append(f"Reported: {fps.value:g} frames/s ({fps.source}); {fps.note}. Rates hold on one machine only.")
    footer += [f"Commit {', '.join(commits)}."] if commits else []
    return Table("cost", titled(run, "What the trackers cost"), grids, tuple(records), (), tuple(footer))


def measure(run: Run, entry: Entry) -> dict[str, Any]:
    """What is known of an entry's cost: keys of COLUMNS and ALONE, `machine`, `commits`, `others` (cores kept busy)."""
    cards = read_all(run.folder / "models" / f"{identity}.json" for identity in entry.ids) if entry.model else []
    tracks = read_all(run.folder / "tracks" / i / b / "manifest.json" for i in entry.ids for b in entry.benchmarks)
    tracks = [manifest for manifest in tracks if manifest.get("seconds") and manifest.get("fps")]
    speeds = read_all(run.folder / "speed" / f"{identity}.json" for identity in entry.ids)
    records = [file["provenance"] for file in (*cards, *tracks, *speeds) if file.get("provenance")]
    machines = dict.fromkeys(machine_of(record) for record in records)
    measured: dict[str, Any] = {"commits": [commit_of(r) for r in records if r.get("commit")]}
    if cards:
        measured["parameters"] = cards[0]["parameters"]["total"]
        measured["training_pairs"] = sum(card["pairs"] for card in cards) / len(cards)
        measured["training_seconds"] = sum(card["seconds"] for card in cards) / len(cards)
    if tracks:
        seconds = sum(manifest["seconds"] for manifest in tracks)
        measured["tracking_frames_per_second"] = sum(m["fps"] * m["seconds"] for m in tracks) / seconds
    if speeds:
        for key in ("frames_per_second", "frames_per_second_with_decoding"):
            measured[key] = sum(speed[key] for speed in speeds) / len(speeds)
        measured["others"] = max(round(speed.get("other_cores_busy") or 0, 1) for speed in speeds)
        if "flops" in speeds[0]:
            measured["flops"] = speeds[0]["flops"]["frame"]
    if machines:
        measured["machine"] = ", ".join(machines)
    return measured


def _cell(entry: Entry, key: str, value: float | None, factor: float, form: str) -> Cell:
    if value is None and not entry.model and not key.endswith(("frames_per_second", "decoding")):
        return Cell("not trained here", reason="not trained here: it comes with its own code and weights.")
    if value is None:
        return Cell(NOT_RECORDED, reason=f"{NOT_RECORDED}: no card or manifest of this run says it.")
    return Cell(f"{value * factor:{form}}")


def _record(run: Run, label: str, key: str, value: float | None) -> Record:
    data = "real" if run.comparable else GENERATED
    return {"row": label, "data": data, "metric": key, "value": value, "reason": "" if value else NOT_RECORDED}
