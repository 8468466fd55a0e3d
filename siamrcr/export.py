"""A trained network as two ONNX graphs, and ONNX Runtime in PyTorch's place.

`exemplar.onnx` gives the correlation kernels of an exemplar image; `search.onnx` correlates, and gives the maps of a
search image. All shapes are fixed, the batch is 1: on a CPU, where ONNX Runtime is the faster of the two, a batch gains
nothing, and the grouped convolution that correlates has the batch size written into it.
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from siamrcr import baselines, datasets
from siamrcr.config import Network, Run, Tracking
from siamrcr.crops import Image, cut, mean_color
from siamrcr.cutting import as_batch
from siamrcr.errors import InputError
from siamrcr.files import atomic, read_json, settings_hash, sha256, write_json
from siamrcr.geometry import Array
from siamrcr.model import Maps, SiamRCR
from siamrcr.provenance import provenance
from siamrcr.runtime import Runtime
from siamrcr.tracker import exemplar_kernels, search_matrix

EXEMPLAR, SEARCH, ABOUT = "exemplar.onnx", "search.onnx", baselines.EXPORTED
OPSET = 17
KERNELS = ("classification_kernel", "regression_kernel")
MAPS = ("classification", "boxes", "localization")
# Frames, or textures, on which the graphs are compared with PyTorch.
CHECKED = 8
# Largest accepted difference of p^cls and p^loc, and of a box's corners in pixels of the search image.
SCORE_TOLERANCE, BOX_TOLERANCE = 1e-3, 0.1
REMEDY = "run `siamrcr export` again"


class OnnxNetwork:
    """The two graphs in a folder, as the tracker calls them; several threads may do so at once.

    Each call uses as many threads as PyTorch had when the graphs were opened.
    """

    device = torch.device("cpu")

    def __init__(self, folder: Path, network: Network) -> None:
        self.network = network
        self._exemplar, self._search = (session(folder / name) for name in (EXEMPLAR, SEARCH))

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        """Kernels, each (B, C, k, k), of exemplar images (B, 3, z, z), RGB float32 in 0..255."""
        rows = [self._exemplar.run(None, {"image": _array(image)}) for image in images.split(1)]
        return tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*rows, strict=True))

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """Predictions for search images (B, 3, x, x), given the kernels of the B exemplars."""
        pairs = zip(*(kernel.split(1) for kernel in kernels), images.split(1), strict=True)
        names = (*KERNELS, "image")
        rows = [self._search.run(None, dict(zip(names, map(_array, pair), strict=True))) for pair in pairs]
        found = [torch.from_numpy(np.concatenate(parts)) for parts in zip(*rows, strict=True)]
        return Maps(found[0], found[1], found[2] if len(found) > 2 else None)


class Difference(NamedTuple):
    """Largest differences between two runtimes: of p^cls and p^loc, and of corners in pixels of the search image."""

    score: float
    corner: float


class Pair(NamedTuple):
    """An image (H, W, 3) with a target's box (4,), and one in which to search for it."""

    exemplar: Image
    box: Array
    search: Image


def export(
    run: Run, tracker: str, out: Path | None = None, benchmark: str | None = None, root: Path | None = None
) -> Path:
    """Write a trained tracker's graphs and what they were checked on, and give their folder.

    The folder is itself a tracker's name: it holds the settings of network and tracking.

    Args:
        run: the configuration.
        tracker: `MODEL-sSEED` or a `.safetensors` file.
        out: the folder; results/{run}/onnx/{tracker} where absent.
        benchmark: the graphs are compared with PyTorch on its first frames, and on textures where absent.
        root: the benchmark's folder; the configuration's where absent.

    Raises:
        InputError: there are no such weights, `tracking` asks for what the graphs do not do, onnx or onnxruntime is
            not installed, or the graphs differ from PyTorch by more than SCORE_TOLERANCE or BOX_TOLERANCE.
    """
    model, tracking, record = baselines.trained(run, tracker)
    if tracking.precision != "fp32" or tracking.compile:
        raise InputError(
            f"tracking.precision {tracking.precision}, compile {str(tracking.compile).lower()}: the graphs compute in "
            f"fp32 and are not compiled: leave both out, or set runtime to torch"
        )
    folder = out or folder_of(run, tracker)
    write_graphs(model, folder)
    pairs = frames(benchmark, root or run.root(benchmark)) if benchmark else textures()
    found = difference(model, OnnxNetwork(folder, model.network), pairs, tracking)
    if not (found.score <= SCORE_TOLERANCE and found.corner <= BOX_TOLERANCE):
        raise InputError(
            f"{folder}: the graphs differ from PyTorch by {found.score:.2g} in scores and {found.corner:.2g} pixels in "
            f"boxes: use the versions of torch, onnx and onnxruntime in requirements.lock"
        )
    about = {
        **record,
        "opset": OPSET,
        "batch": 1,
        "graphs_sha256": {name: sha256(folder / name) for name in (EXEMPLAR, SEARCH)},
        "images": "RGB, float32 in 0..255, (1, 3, side, side)",
        "check": {
            "pairs": len(pairs),
            "on": f"first frames of {benchmark}" if benchmark else "generated textures",
            "max_score_difference": found.score,
            "max_box_difference": found.corner,
        },
        "provenance": provenance(),
    }
    write_json(folder / ABOUT, about)
    return folder


def opened(folder: Path) -> tuple[OnnxNetwork, Tracking, dict[str, Any]]:
    """The graphs of a folder, their test-time parameters, and what decides the boxes of their tracker.

    Raises InputError where the folder is not one that `export` wrote, or its graphs are not those that were checked.
    """
    about = read(folder)
    for name, checksum in about["graphs_sha256"].items():
        if not (folder / name).is_file() or sha256(folder / name) != checksum:
            raise InputError(f"{folder / name}: not the graph that {ABOUT} describes: {REMEDY}")
    kept = {key: about[key] for key in ("network", "tracking", "weights_sha256", "graphs_sha256")}
    network, tracking = Network.model_validate(about["network"]), Tracking.model_validate(about["tracking"])
    return OnnxNetwork(folder, network), tracking, {"runtime": "onnx"} | kept


def folder_of(run: Run, tracker: str) -> Path:
    """Where a tracker's graphs are kept."""
    return run.folder / "onnx" / baselines.short(tracker)


def current(run: Run, tracker: str) -> Path:
    """The folder of a tracker's graphs, exported where they are missing or of other weights or settings."""
    folder = folder_of(run, tracker)
    _, _, record = baselines.trained(run, tracker)
    about = read(folder) if (folder / ABOUT).is_file() else {}
    same = settings_hash({key: about.get(key) for key in record}) == settings_hash(record)
    return folder if same else export(run, tracker)


def read(folder: Path) -> dict[str, Any]:
    """What the graphs of a folder are. Raises InputError where `export` did not write it."""
    about = read_json(folder / ABOUT, REMEDY)
    if not isinstance(about, dict) or not {"network", "tracking", "graphs_sha256", "check"} <= set(about):
        raise InputError(f"{folder / ABOUT}: does not describe exported graphs: {REMEDY}")
    return about


def write_graphs(model: SiamRCR, folder: Path) -> None:
    """Write a model's two graphs. Raises InputError where onnx is not installed."""
    network = model.network
    exemplar, search = (torch.zeros(1, 3, side, side) for side in (network.exemplar_size, network.search_size))
    with torch.no_grad():
        kernels = model.exemplar(exemplar)
    maps = MAPS if network.localization else MAPS[:2]
    _write(_Exemplar(model), (exemplar,), ("image",), KERNELS, folder / EXEMPLAR)
    _write(_Search(model), (*kernels, search), (*KERNELS, "image"), maps, folder / SEARCH)


@torch.inference_mode()
def difference(first: Runtime, second: Runtime, pairs: list[Pair], tracking: Tracking) -> Difference:
    """How far two runtimes of one network differ on pairs of images."""
    score = corner = 0.0
    for pair in pairs:
        matrix = search_matrix(pair.box, first.network, tracking)
        patch = cut(pair.search, matrix, first.network.search_size, mean_color(pair.exemplar))
        a, b = (
            runtime.search(
                exemplar_kernels(runtime, pair.exemplar, pair.box, tracking), as_batch([patch], runtime.device)
            )
            for runtime in (first, second)
        )
        corner = max(corner, float((a.boxes.cpu() - b.boxes.cpu()).abs().max()))
        for one, other in ((a.classification, b.classification), (a.localization, b.localization)):
            if one is not None and other is not None:
                score = max(score, float((one.cpu().sigmoid() - other.cpu().sigmoid()).abs().max()))
    return Difference(score, corner)


def frames(benchmark: str, root: Path) -> list[Pair]:
    """The first target and frame, and a later frame, of a benchmark's first CHECKED sequences."""
    sequences = datasets.load(benchmark, root)[:CHECKED]
    return [Pair(each.image(0), each.boxes[0], each.image(min(5, len(each) - 1))) for each in sequences]


def textures() -> list[Pair]:
    """Smooth random images, each with the target at its centre and, to search in, a shifted copy."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(CHECKED):
        image = np.asarray(cv2.resize(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8), (640, 480)), dtype=np.uint8)
        pairs.append(Pair(image, np.array([280.0, 200, 80, 60]), np.roll(image, (7, 11), (0, 1))))
    return pairs


class _Exemplar(nn.Module):
    def __init__(self, model: SiamRCR) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.model.exemplar(image)


class _Search(nn.Module):
    def __init__(self, model: SiamRCR) -> None:
        super().__init__()
        self.model = model

    def forward(self, classification: Tensor, regression: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        maps = self.model.search((classification, regression), image)
        return tuple(each for each in maps if each is not None)


def _write(
    graph: nn.Module, arguments: tuple[Tensor, ...], inputs: tuple[str, ...], outputs: tuple[str, ...], path: Path
) -> None:
    with atomic(path) as temporary, warnings.catch_warnings(), torch.no_grad():
        # The newer exporter needs onnxscript; and shapes that become constants are meant to.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph.eval(),
                arguments,
                str(temporary),
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=False,
            )
        except torch.onnx.OnnxExporterError as error:
            if "not installed" not in str(error):
                raise
            raise InputError("onnx is not installed: pip install onnx onnxruntime") from None


def session(path: Path) -> Any:
    """ONNX Runtime on a file, with PyTorch's number of threads. Raises InputError where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError("onnxruntime is not installed: pip install onnx onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    # Threads that wait for one another by spinning are many times slower beside other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy())
