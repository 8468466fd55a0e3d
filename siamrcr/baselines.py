"""From a tracker's name to code that runs: trained models, OpenCV's trackers, a box that stays, and anyone's class."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet
from zlib import crc32

import cv2
from numpy.typing import ArrayLike

from siamrcr import opencv
from siamrcr.config import Run, Tracking
from siamrcr.config import Tracker as Entry
from siamrcr.crops import Image
from siamrcr.errors import InputError
from siamrcr.files import read_json, sha256
from siamrcr.geometry import Array
from siamrcr.isolation import Isolated, Limits
from siamrcr.lanes import Batched
from siamrcr.opencv import OpenCV as OpenCV
from siamrcr.protocols import Tracker, initial_box

if TYPE_CHECKING:
    from siamrcr.model import SiamRCR
    from siamrcr.runtime import Runtime

# Sequences that a GPU follows at once where the configuration does not say.
GPU_LANES = 16
# In a folder of exported graphs: what they are.
EXPORTED = "export.json"

Factory = Callable[[str, int], Tracker]


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Source:
    """What a tracker's name stands for.

    Attributes:
        make: a tracker for a sequence's name and a repetition, from 1.
        settings: JSON-like; all that decides its boxes.
        deterministic: one repetition tells everything.
        lanes: how many runs are best at once, the configuration's where it says: threads, or the lanes of `batch`.
        batch: a tracker of that many targets in one step, where that is faster than threads.
        start: to be called in each thread that runs trackers.
        close: ends what the trackers hold.
    """

    make: Factory
    settings: dict[str, Any]
    deterministic: bool = True
    lanes: int = 1
    batch: Callable[[], Batched] | None = None
    start: Callable[[], None] = _nothing
    close: Callable[[], None] = _nothing


def short(tracker: str) -> str:
    """What results of a tracker are called: its name, or that of the file or folder that its name leads to."""
    return Path(tracker).stem if tracker.endswith(".safetensors") else Path(tracker).name


def source(run: Run, tracker: str) -> Source:
    """What a name stands for.

    It is `MODEL-sSEED`, a name under `trackers:`, `opencv:NAME`, `static`, `module:Class`, a `.safetensors` file that
    `siamrcr train` wrote, or a folder that `siamrcr export` wrote. Raises InputError where there is no such thing.
    """
    if is_network(run, tracker):
        return _network_tracker(run, tracker)
    entry = run.trackers.get(tracker)
    if entry is not None and not entry.command:
        raise InputError(f"trackers.{tracker} holds raw results: there is nothing to run; evaluate them instead")
    command = tracker if entry is None else entry.command
    kind, _, name = command.partition(":")
    if command != "static" and not name:
        known = ", ".join([*run.trained(), *run.trackers])
        raise InputError(
            f"no tracker {tracker!r}: the configuration has {known or 'none'}; or write opencv:NAME, static, "
            f"module:Class or the path of a .safetensors file"
        )
    entry = entry or Entry(command=command)
    if kind == "static":
        found = Source(lambda *_: Static(), {"command": command})
    else:
        found = _opencv(name, entry) if kind == "opencv" else _external(command, entry)
    return replace(found, lanes=run.lanes or 1)


def weights(run: Run, tracker: str) -> Path:
    """The weights file of `MODEL-sSEED`: the model's own `checkpoint`, else what training wrote.

    Raises InputError where it is not there, or is not what the card beside it says that training wrote.
    """
    model, seed = run.trained()[tracker]
    checkpoint = run.models[model].checkpoint
    path = run.weights(tracker)
    if not path.is_file():
        remedy = (
            f"set models.{model}.checkpoint to it"
            if checkpoint
            else f"run `siamrcr train {run.models[model].weights_of or model} --seed {seed}`"
        )
        raise InputError(f"{path}: no such weights file: {remedy}")
    card = path.with_suffix(".json")
    if not checkpoint and card.is_file():
        again = "remove it and train again"
        about = read_json(card, again, model=run.models[model].weights_of or model, seed=seed)
        if about.get("weights_sha256") != sha256(path):
            raise InputError(f"{path}: is not what was trained (damaged or exchanged; {card.name} tells): {again}")
    return path


class Static:
    """The first frame's box, for ever: what any tracker must beat."""

    deterministic = True

    def __init__(self) -> None:
        self.confidence = float("nan")

    def init(self, image: Image, box: ArrayLike) -> None:
        """Take the box (4,)."""
        self._box = initial_box(image, box)

    def update(self, image: Image) -> Array:  # noqa: ARG002 (a tracker's interface)
        """The first box."""
        return self._box.copy()


def trained(run: Run, tracker: str) -> "tuple[SiamRCR, Tracking, dict[str, Any]]":
    """The network of `MODEL-sSEED` or of a weights file, its test-time parameters, and what decides its boxes.

    Raises InputError where there is no such file.
    """
    from siamrcr.model import load

    if tracker not in run.trained() and not tracker.endswith(".safetensors"):
        raise InputError(
            f"no trained network {tracker!r}: name one of {', '.join(run.trained())} or a .safetensors file"
        )
    if tracker in run.trained():
        settings = run.models[run.trained()[tracker][0]]
        path, network, tracking = weights(run, tracker), settings.network, settings.tracking
    else:
        reference = run.models.get(run.analysis.reference)
        path, network, tracking = Path(tracker), None, reference.tracking if reference else Tracking()
    model = load(path, network)
    record = {
        "network": model.network.model_dump(mode="json"),
        "tracking": tracking.model_dump(mode="json"),
        "weights_sha256": sha256(path),
    }
    return model, tracking, record


def network(run: Run, tracker: str) -> "tuple[Runtime, Tracking, dict[str, Any]]":
    """`trained`, ready to run where the configuration's `runtime` and `device` say; or a folder of exported graphs."""
    import torch  # deferred: the other trackers do without

    from siamrcr import device
    from siamrcr.runtime import opened

    if run.runtime == "onnx" or is_exported(tracker):
        from siamrcr import export

        if run.device not in ("auto", "cpu"):
            raise InputError(f"device {run.device}: ONNX Runtime runs on the CPU here: set device to auto or cpu")
        folder = Path(tracker) if is_exported(tracker) else export.current(run, tracker)
        return export.opened(folder)
    model, tracking, record = trained(run, tracker)
    torch.backends.cudnn.deterministic = True
    return opened(model, device.select(run.device), tracking), tracking, record


def is_network(run: Run, tracker: str) -> bool:
    """Whether a name is that of a trained network, and not of another tracker."""
    return tracker in run.trained() or tracker.endswith(".safetensors") or is_exported(tracker)


def is_exported(tracker: str) -> bool:
    """Whether a name is that of a folder that `siamrcr export` wrote."""
    return (Path(tracker) / EXPORTED).is_file()


def _network_tracker(run: Run, tracker: str) -> Source:
    import torch  # deferred: the other trackers do without

    from siamrcr import device
    from siamrcr.tracker import SiamTracker, Targets

    onnx = run.runtime == "onnx" or is_exported(tracker)
    if not onnx and device.select(run.device).type != "cpu":
        runtime, tracking, record = network(run, tracker)
        lanes = run.lanes or GPU_LANES
        batch = (lambda: Targets(runtime, tracking, lanes)) if lanes > 1 else None
        return Source(lambda *_: SiamTracker(runtime, tracking), record, lanes=lanes, batch=batch)
    threads = torch.get_num_threads()
    lanes = run.lanes or threads
    each = threads if lanes == 1 else 1
    # A runtime keeps the number that it finds.
    torch.set_num_threads(each)
    runtime, tracking, record = network(run, tracker)
    torch.set_num_threads(threads)
    return Source(
        lambda *_: SiamTracker(runtime, tracking), record, lanes=lanes, start=lambda: torch.set_num_threads(each)
    )


def _opencv(name: str, entry: Entry) -> Source:
    opencv.made(name, entry.files)
    settings: dict[str, Any] = {"command": f"opencv:{name}", "opencv": cv2.__version__}
    if entry.files:
        settings["files_sha256"] = {key: sha256(path) for key, path in entry.files.items()}
    if name == "MIL":
        # It draws random numbers, and keeps some of its state for the life of a process, whatever seed is set later.
        return _isolated(f"opencv:{name}", entry, settings, deterministic=False, fresh=True)
    return Source(lambda *_: OpenCV(name, entry.files), settings)


def _external(command: str, entry: Entry) -> Source:
    settings = {"command": command, "code_sha256": None}
    # One instance serves all sequences of a lane, as got10k's runner has it: what it loads, it loads once.
    return _isolated(command, entry, settings, entry.deterministic, fresh=False)


def _isolated(command: str, entry: Entry, settings: dict[str, Any], deterministic: bool, fresh: bool) -> Source:
    """A tracker in processes of its own: one a run where `fresh`, else one a thread that asks for trackers."""
    limits = Limits(entry.timeout, entry.memory_gb)
    first = Isolated(command, limits, deterministic)
    first.start()
    if first.code is not None:
        settings["code_sha256"] = sha256(first.code)
    own, spare, all_of_them = threading.local(), [first], WeakSet([first])

    def make(sequence: str, repetition: int) -> Tracker:
        tracker: Isolated | None = getattr(own, "tracker", None)
        if tracker is None or fresh:
            tracker = own.tracker = spare.pop() if spare else Isolated(command, limits, deterministic)
            all_of_them.add(tracker)
        tracker.seed = crc32(f"{sequence}/{repetition}".encode()) & 0x7FFFFFFF
        return tracker

    def close() -> None:
        for tracker in list(all_of_them):
            tracker.close()

    return Source(make, settings, deterministic, close=close)
