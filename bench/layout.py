"""Ground truth and raw results as the other toolkits read them: what `peers` scores."""

from pathlib import Path

from bench.inputs import Inputs, lines
from siamrcr import datasets, results
from siamrcr.datasets.sequence import Sequence
from siamrcr.files import write_text
from siamrcr.results import FROM_CORNER

TRACKER = "tracker"  # as in peers
PEERS = {"otb2015": "got10k", "got10k-val": "got10k", "vot2018": "vot-toolkit"}
# The baseline of vot-toolkit's stack vot2018/shortterm.
STACK = """title: reset-based
experiments:
  baseline:
    type: supervised
    repetitions: {runs}
    skip_initialize: 5
    analyses:
      - type: supervised_average_ar
        sensitivity: 30
      - type: supervised_eao_score
        low: 100
        high: 356
      - type: supervised_eao_curve
"""


def lay_out(given: Inputs, folder: Path) -> None:
    """Write ground truth and results as the benchmark's peer reads them."""
    sequences = datasets.load(given.benchmark, None, given.truth)
    tracks = results.read(given.tracks, given.benchmark, sequences)
    vot = given.benchmark.startswith("vot")
    for sequence in sequences:
        for repetition, run in enumerate(tracks[sequence.name], start=1):
            results.write(folder / "results" / TRACKER, given.benchmark, sequence.name, repetition, run)
        if vot:
            _write_vot(sequence, folder / "sequences" / sequence.name)
            continue
        place = folder / "truth" / sequence.name
        # got10k wants as many true boxes as results.
        boxes = sequence.boxes[: len(tracks[sequence.name][0])]
        write_text(place / "groundtruth.txt", lines(boxes + FROM_CORNER * (given.benchmark == "otb2015")))
        if sequence.cover is not None and sequence.size is not None:
            write_text(place / "meta_info.ini", f"[METAINFO]\nresolution: {sequence.size}\n")
            for label, values in (("cover", sequence.cover), ("absence", ~sequence.visible), ("cut_by_image", [0])):
                write_text(place / f"{label}.label", "".join(f"{int(value)}\n" for value in values))
    names = "".join(f"{sequence.name}\n" for sequence in sequences)
    write_text(folder / ("sequences" if vot else "truth") / "list.txt", names)
    if vot:
        write_text(folder / "config.yaml", "stack: ./stack.yaml\nregistry: [./trackers.ini]\n")
        write_text(folder / "stack.yaml", STACK.format(runs=given.runs))
        write_text(folder / "trackers.ini", f"[{TRACKER}]\nlabel = {TRACKER}\nprotocol = trax\ncommand = none\n")


def _write_vot(sequence: Sequence, place: Path) -> None:
    width, height = sequence.frame_size()
    properties = {"name": sequence.name, "fps": 30, "format": "default", "channels.color": "color/%08d.jpg"}
    properties |= {"width": width, "height": height, "length": len(sequence)}
    write_text(place / "sequence", "".join(f"{key}={value}\n" for key, value in properties.items()))
    regions = sequence.regions if sequence.regions is not None else list(sequence.boxes)
    write_text(place / "groundtruth.txt", "".join(",".join(map(repr, r.tolist())) + "\n" for r in regions))
    for tag, flags in sequence.attributes.items():
        write_text(place / f"{tag}.tag", "".join(f"{int(flag)}\n" for flag in flags))
