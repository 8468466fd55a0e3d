"""From a tracker's name to code that runs: trained models, OpenCV's trackers, a box that stays, and anyone's class."""

import importlib
import inspect
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import ArrayLike

from siamrcr.config import Run, Tracking
from siamrcr.crops import Image
from siamrcr.errors import InputError
from siamrcr.files import sha256
from siamrcr.geometry import Array
from siamrcr.protocols import Tracker, initial_box

OPENCV = ("CSRT", "KCF", "MIL", "MOSSE", "MedianFlow")
# Below this many pixels a side CSRT and MOSSE refuse to start and MIL may never return.
SMALLEST_SIDE = 5

Factory = Callable[[str, int], Tracker]


@dataclass(frozen=True)
class Source:
    """What a tracker's name stands for.

    Attributes:
        make: a tracker for a sequence's name and a repetition, from 1.
        settings: JSON-like; all that decides its boxes.
        deterministic: one repetition tells everything.
    """

    make: Factory
    settings: dict[str, Any]
    deterministic: bool = True


def create(run: Run, tracker: str) -> Factory:
    """`source(run, tracker).make`: gives a tracker for a sequence's name and a repetition."""
    return source(run, tracker).make


def source(run: Run, tracker: str) -> Source:
    """What a name stands for.

    It is `MODEL-sSEED`, a name under `trackers:`, `opencv:NAME`, `static`, `module:Class`, or a `.safetensors` file
    that `siamrcr train` wrote. Raises InputError where nothing of that kind is there.
    """
    if tracker in run.trained() or tracker.endswith(".safetensors"):
        return _trained(run, tracker)
    entry = run.trackers.get(tracker)
    if entry is not None and not entry.command:
        raise InputError(f"trackers.{tracker} holds raw results: there is nothing to run; evaluate them instead")
    command = tracker if entry is None else entry.command
    kind, _, name = command.partition(":")
    if command == "static":
        return Source(lambda *_: Static(), {"command": command})
    if kind == "opencv":
        return _opencv(name)
    if name:
        return _external(kind, name, entry is None or entry.deterministic)
    known = ", ".join([*run.trained(), *run.trackers])
    raise InputError(
        f"no tracker {tracker!r}: the configuration has {known or 'none'}; or write opencv:NAME, static, module:Class "
        f"or the path of a .safetensors file"
    )


def weights(run: Run, tracker: str) -> Path:
    """The weights file of `MODEL-sSEED`: the model's own `checkpoint`, else what training wrote. Raises InputError."""
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


class OpenCV:
    """One of OpenCV's own trackers, with its default parameters.

    A failure to find the target, or to start on it, keeps the previous box with confidence 0; otherwise it is 1.
    """

    deterministic = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.confidence = float("nan")
        self._tracker: Any = None

    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a box (4,), rounded to whole pixels inside the image (H, W, 3) uint8 RGB."""
        self._box = initial_box(image, box)
        self.confidence = float("nan")
        self._tracker = _constructor(self.name)()
        try:
            self._tracker.init(_bgr(image), whole_pixels(self._box, image.shape[1], image.shape[0]))
        except cv2.error:
            self._tracker = None

    def update(self, image: Image) -> Array:
        """Box (4,) in the next frame."""
        found, box = False, None
        if self._tracker is not None:
            try:
                found, box = self._tracker.update(_bgr(image))
            except cv2.error:
                found = False
        if found:
            self._box = np.asarray(box, dtype=np.float64)
        self.confidence = float(found)
        return self._box.copy()


class Seeded:
    """An OpenCV tracker that draws random numbers, in a process of its own.

    OpenCV keeps some of the random state for the life of a process, whatever seed is set later: only in a fresh one do
    the boxes depend on the seed alone.
    """

    deterministic = False

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.confidence = float("nan")
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, name, seed), daemon=True).start()
        theirs.close()

    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a box (4,) in an image (H, W, 3) uint8 RGB."""
        self._ask("init", np.asarray(image), initial_box(image, box))

    def update(self, image: Image) -> Array:
        """Box (4,) in the next frame."""
        return np.asarray(self._ask("update", np.asarray(image)))

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            self._connection.send((method, arguments))
            answer, self.confidence = self._connection.recv()
        except (EOFError, OSError):
            raise RuntimeError(f"the process of opencv:{self.name} ended") from None
        return answer


class External:
    """Anyone's class with `init(image, box)` and `update(image) -> box`, checked."""

    def __init__(self, tracker: Any, name: str, deterministic: bool) -> None:
        self._tracker, self.name, self.deterministic = tracker, name, deterministic

    @property
    def confidence(self) -> float:
        """The class's own `confidence`, NaN where it has none."""
        return float(getattr(self._tracker, "confidence", np.nan))

    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a box (4,) in an image (H, W, 3) uint8 RGB."""
        self._tracker.init(image, initial_box(image, box))

    def update(self, image: Image) -> Array:
        """Box (4,) in the next frame. Raises InputError where the class gives something else."""
        given = self._tracker.update(image)
        try:
            box = np.asarray(given, dtype=np.float64).reshape(-1)
        except (TypeError, ValueError):
            box = np.empty(0)
        if box.size != 4:
            raise InputError(f"{self.name}.update gave {given!r}: return x, y, w, h in pixels")
        return box


def whole_pixels(box: Array, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a box inside a width x height image in whole pixels, no side under SMALLEST_SIDE."""
    limit = np.array([width, height])
    low = np.clip(np.rint(box[:2]), 0, limit - 1)
    high = np.clip(np.rint(box[:2] + box[2:]), low + 1, limit)
    size = np.minimum(np.maximum(high - low, SMALLEST_SIDE), limit)
    x, y = np.minimum(low, limit - size).astype(int)
    return int(x), int(y), int(size[0]), int(size[1])


def _trained(run: Run, tracker: str) -> Source:
    import torch  # deferred: the other trackers do without

    from siamrcr import device
    from siamrcr.model import load
    from siamrcr.tracker import SiamTracker

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
    torch.backends.cudnn.deterministic = True
    model.to(device.select(run.device))
    return Source(lambda *_: SiamTracker(model, tracking), record)


def _opencv(name: str) -> Source:
    available = [each for each in OPENCV if _constructor(each) is not None]
    if name not in available:
        raise InputError(
            f"opencv:{name}: this build of OpenCV offers {', '.join(f'opencv:{each}' for each in available)}"
        )
    settings = {"command": f"opencv:{name}", "opencv": cv2.__version__}
    if name == "MIL":
        return Source(lambda sequence, repetition: Seeded(name, _seed(sequence, repetition)), settings, False)
    return Source(lambda *_: OpenCV(name), settings)


def _constructor(name: str) -> Any:
    owners = (cv2, getattr(cv2, "legacy", None))
    return next(
        (getattr(owner, f"Tracker{name}_create") for owner in owners if hasattr(owner, f"Tracker{name}_create")), None
    )


def _external(module: str, name: str, deterministic: bool) -> Source:
    command = f"{module}:{name}"
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(
            f"{command}: {error}: start from the module's folder, or put that folder on PYTHONPATH"
        ) from None
    missing = [method for method in ("init", "update") if not hasattr(found, method)]
    if missing:
        raise InputError(f"{command} has no {missing[0]}: a tracker has init(image, box) and update(image) -> box")
    tracker = External(found(), command, deterministic)

    def make(sequence: str, repetition: int) -> Tracker:
        # One instance serves all sequences, as got10k's runner has it; the draws must not depend on those before.
        random.seed(_seed(sequence, repetition))
        np.random.seed(_seed(sequence, repetition))
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(_seed(sequence, repetition))
        return tracker

    code = inspect.getsourcefile(found)
    return Source(make, {"command": command, "code_sha256": sha256(Path(code)) if code else None}, deterministic)


def _seed(sequence: str, repetition: int) -> int:
    return crc32(f"{sequence}/{repetition}".encode()) & 0x7FFFFFFF


def _serve(connection: Connection, name: str, seed: int) -> None:
    """Answer for an OpenCV tracker until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setRNGSeed(seed)
    tracker = OpenCV(name)
    while True:
        try:
            method, arguments = connection.recv()
            connection.send((getattr(tracker, method)(*arguments), tracker.confidence))
        except (EOFError, OSError):
            os._exit(0)


def _bgr(image: Image) -> Image:
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])
