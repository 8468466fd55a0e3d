"""How fast a tracker is by itself: one sequence at a time, one frame at a time, as the paper measures."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from siamrcr import baselines, datasets
from siamrcr.config import Run
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.protocols import Tracker
from siamrcr.provenance import provenance

STAGES = ("decode", "crop", "network", "backbone", "correlation", "head", "post-processing", "update")
# Cores that others may keep busy meanwhile before the figures are called disturbed.
DISTURBED = 0.1


def measure(
    run: Run,
    tracker: str,
    benchmark: str = "got10k-val",
    root: Path | None = None,
    sequence: str = "",
    frames: int = 100,
    warm_up: int = 10,
) -> Path:
    """Time a tracker on one sequence and give the path of results/{run}/speed/{tracker}.json.

    The sequence is passed twice. The first pass gives the frames per second, with and without reading and decoding the
    frames, which here wait for one another. The second gives the milliseconds of each stage, for which the processor
    waits for a GPU at every stage's end; `crop` holds the transfer to the device, `head` all convolutions after the
    backbone but the correlation, `post-processing` all from the maps to the box. A runtime other than PyTorch's modules
    has `network` in place of the three inner stages, a tracker without a network `update` alone, which holds the way to
    another process and back where the tracker runs in one. A multiplication and its addition are two FLOPs.

    Args:
        run: the configuration.
        tracker: any name that `baselines.source` knows.
        benchmark: where the frames are from.
        root: the benchmark's folder; the configuration's where absent.
        sequence: a name in it; its longest where empty.
        frames: frames to time; a shorter sequence starts again.
        warm_up: frames before them, in each pass.

    Raises:
        InputError: there is no such tracker, sequence or frame.
    """
    clip = _chosen(datasets.there(run, benchmark, root), benchmark, sequence)
    # One sequence at a time: all threads are the network's.
    run = run.model_copy(update={"lanes": 1})
    with closing(baselines.source(run, tracker)) as source:
        source.start()
        start, before = time.perf_counter(), _busy()
        seconds = _timed(source.make(clip.name, 1), clip, frames, warm_up)
    others = _others(before, time.perf_counter() - start)
    if others is not None and others > DISTURBED:
        print(f"siamrcr: other processes kept {others:.1f} cores busy: measure on an idle machine", file=sys.stderr)
    name = baselines.short(tracker).replace(":", "-")
    found: dict[str, Any] = {
        "tracker": name,
        "label": run.tracker_label(tracker) if tracker in (*run.trained(), *run.trackers) else name,
        "benchmark": benchmark,
        "sequence": clip.name,
        "frame_size": clip.frame_size(),
        "frames": frames,
        "warm_up": warm_up,
        "batch": 1,
        "frames_per_second": 1 / float(seconds["update"].mean()),
        "frames_per_second_with_decoding": 1 / float(seconds["update"].mean() + seconds["decode"].mean()),
        "other_cores_busy": others,
    }
    if baselines.is_network(run, tracker):
        staged = _staged(run, tracker, clip, frames, warm_up)
        seconds = {"decode": seconds["decode"], **staged, "update": seconds["update"]}
        found |= _size(run, tracker)
    found["milliseconds"] = {stage: _summary(seconds[stage]) for stage in STAGES if stage in seconds}
    path = run.folder / "speed" / f"{name}.json"
    write_json(path, found | {"settings": source.settings, "provenance": provenance()})
    return path


def describe(found: dict[str, Any]) -> str:
    """What a person wants to see of a file of `measure`: a table of stages and the rates."""
    width, height = found["frame_size"]
    lines = [
        f"{found['label']} on {found['frames']} frames of {found['sequence']} ({width} x {height}), batch 1",
        f"{'ms a frame':<16}{'mean':>9}{'median':>9}{'90 %':>9}",
    ]
    for stage, values in found["milliseconds"].items():
        lines.append(f"{stage:<16}{values['mean']:>9.2f}{values['median']:>9.2f}{values['p90']:>9.2f}")
    if "flops" in found:
        giga = {part: count / 1e9 for part, count in found["flops"].items()}
        parts = ", ".join(f"{part} {giga[part]:.2f}" for part in ("backbone", "correlation", "head"))
        lines.append(f"GFLOP a frame {giga['frame']:.2f} ({parts}), exemplar {giga['exemplar']:.2f}")
        lines.append(f"parameters {found['parameters']['total'] / 1e6:.3f} M")
    record = found["provenance"]
    where = record["accelerator"] or record["processor"]
    rate, whole = found["frames_per_second"], found["frames_per_second_with_decoding"]
    lines.append(f"{rate:.1f} frames/s, with decoding {whole:.1f}, on {where}, {record['threads'] or 1} threads")
    return "\n".join(lines)


def _chosen(clips: list[Sequence], benchmark: str, name: str) -> Sequence:
    for clip in clips:
        if clip.name == name:
            return clip
    if name:
        raise InputError(f"{benchmark} has no sequence {name!r}; its first is {clips[0].name!r}")
    return max(clips, key=len)


def _rounds(clip: Sequence, frames: int) -> Iterator[int]:
    """Numbers of `frames` frames to update on; 0 says start anew and is not one of them."""
    if len(clip) < 2:
        raise InputError(f"{clip.name}: one frame alone, and there is nothing to track: name another sequence")
    for number in range(frames):
        if number % (len(clip) - 1) == 0:
            yield 0
        yield number % (len(clip) - 1) + 1


def _timed(tracker: Tracker, clip: Sequence, frames: int, warm_up: int) -> dict[str, np.ndarray]:
    """Seconds (frames,) of `decode` and `update`."""
    decode, update = [], []
    for number in _rounds(clip, warm_up + frames):
        start = time.perf_counter()
        image = clip.image(number)
        decoded = time.perf_counter()
        if number == 0:
            tracker.init(image, clip.boxes[0])
            continue
        tracker.update(image)
        update.append(time.perf_counter() - decoded)
        decode.append(decoded - start)
    return {"decode": np.array(decode[warm_up:]), "update": np.array(update[warm_up:])}


def _staged(run: Run, tracker: str, clip: Sequence, frames: int, warm_up: int) -> dict[str, np.ndarray]:
    """Seconds (frames,) of each stage of a network's update."""
    from siamrcr.stages import Watched
    from siamrcr.tracker import SiamTracker

    runtime, tracking, _ = baselines.network(run, tracker)
    watched = Watched(runtime)
    following = SiamTracker(watched, tracking)
    rows = []
    for number in _rounds(clip, warm_up + frames):
        image = clip.image(number)
        if number == 0:
            following.init(image, clip.boxes[0])
            continue
        watched.start()
        following.update(image)
        rows.append(watched.stop())
    watched.release()
    return {stage: np.array([row[stage] for row in rows[warm_up:]]) for stage in rows[-1]}


def _size(run: Run, tracker: str) -> dict[str, Any]:
    """FLOPs of the exemplar and of a frame, by part, and parameters."""
    from siamrcr.model import SiamRCR, parameters_by_part
    from siamrcr.stages import flops

    runtime, _, _ = baselines.network(run, tracker)
    model = SiamRCR(runtime.network, pretrained=False).eval()
    return {"flops": flops(model), "parameters": parameters_by_part(model)}


def _summary(seconds: np.ndarray) -> dict[str, float]:
    milliseconds = 1000 * seconds
    median, p90 = np.percentile(milliseconds, [50, 90])
    return {"mean": float(milliseconds.mean()), "median": float(median), "p90": float(p90)}


def _busy() -> tuple[float, float] | None:
    """Seconds that the machine's cores were busy, and those of this process; None where the kernel does not tell."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, irq, soft, steal = (float(word) for word in words[:8])
    own = os.times()
    total = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    return total, own.user + own.system + own.children_user + own.children_system


def _others(before: tuple[float, float] | None, seconds: float) -> float | None:
    """Cores that other processes kept busy for these seconds; None where the kernel does not tell."""
    after = _busy()
    if before is None or after is None:
        return None
    return max(0.0, ((after[0] - before[0]) - (after[1] - before[1])) / seconds)
