"""The ways to run a network that the bench compares, on a processor and on a GPU."""

from importlib.util import find_spec
from pathlib import Path
from shutil import which

import torch

from siamrcr import device as devices
from siamrcr import runtime
from siamrcr.config import Tracking
from siamrcr.model import SiamRCR
from siamrcr.runtime import HALF, Runtime

# PyTorch as a checkpoint loads.
EAGER = "eager"
# Batch norm fused and channels last, as `siamrcr track` runs it.
PREPARED = "torch"
ONNX = "onnx"
COMPILED = "compiled"
# Where Linux says what a processor can do.
PROCESSOR = Path("/proc/cpuinfo")


def names(device: str) -> tuple[str, ...]:
    """The ways that a device has, of `cpu` and `cuda`, the eager one first; precisions follow its other words."""
    halves = [name for name in HALF if _computes(name, device)]
    ways = [EAGER, PREPARED, *halves]
    compiler = which("g++") if device == "cpu" else find_spec("triton") and (which("cc") or which("gcc"))
    if compiler:
        ways += [COMPILED, *(f"{COMPILED} {name}" for name in halves)]
    if device == "cpu" and find_spec("onnxruntime"):
        ways.append(ONNX)
    return tuple(ways)


def _computes(half: str, device: str) -> bool:
    """Whether a device computes with a precision, and does not emulate it."""
    if device != "cpu":
        return half != "bf16" or torch.cuda.is_bf16_supported(including_emulation=False)
    words = PROCESSOR.read_text().split() if PROCESSOR.exists() else ()
    return half == "bf16" and ("avx512_bf16" in words or "amx_bf16" in words)


def precision(way: str) -> str:
    """The precision that the convolutions of a way compute with."""
    return next((word for word in way.split() if word in HALF), "fp32")


def opened(model: SiamRCR, way: str, device: str, folder: Path) -> Runtime:
    """A model's runtime; a folder takes what has to be exported. It keeps the number of threads that it finds.

    Raises InputError where the device lacks what the way wants.
    """
    where = devices.select(device)
    torch.backends.cudnn.deterministic = True  # as `siamrcr track` has it
    if way == EAGER:
        return model.to(where)
    if way == ONNX:
        from siamrcr.export import OnnxNetwork, write_graphs

        write_graphs(model, folder)
        return OnnxNetwork(folder, model.network)
    wanted = {"precision": precision(way), "compile": COMPILED in way.split()}
    return runtime.opened(model, where, Tracking.model_validate(wanted))
