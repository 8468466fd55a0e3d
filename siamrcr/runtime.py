"""What runs the network for a tracker: PyTorch here, and whatever else has the two functions."""

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from siamrcr.config import Network, Tracking
from siamrcr.errors import InputError
from siamrcr.model import Maps, SiamRCR

# Largest relative change of a map by the fusion that rounding explains.
ROUNDING = 1e-3
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Runtime(Protocol):
    """A network in evaluation mode, as the tracker calls it; `SiamRCR` is one.

    Both functions take and give tensors on `device`, a row a lane; several threads may call them at once.
    """

    @property
    def network(self) -> Network:
        """The architecture: sizes of crops and maps."""

    @property
    def device(self) -> torch.device:
        """Where images are wanted."""

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        """Kernels, each (B, C, k, k), of exemplar images (B, 3, z, z), RGB float32 in 0..255."""

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """Predictions for search images (B, 3, x, x), RGB float32 in 0..255, given the kernels of the B exemplars."""


class Forwarding:
    """A runtime that asks another one; what looks on, or answers in its place, overrides a function."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def network(self) -> Network:
        """The architecture."""
        return self._runtime.network

    @property
    def device(self) -> torch.device:
        """Where images are wanted."""
        return self._runtime.device

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        """The other runtime's kernels."""
        return self._runtime.exemplar(images)

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """The other runtime's predictions."""
        return self._runtime.search(kernels, images)


class Lowered(Forwarding):
    """A network whose convolutions compute with 16 bits a number: normalisation and what reads the maps keep 32."""

    def __init__(self, model: SiamRCR, precision: torch.dtype) -> None:
        super().__init__(model)
        self._precision = precision
        # Where a stopwatch sets its marks.
        self.backbone, self.modules = model.backbone, model.modules
        for module in model.modules():
            # Cast once: autocast would at every frame, where weights want no gradient.
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.to(precision)

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        """Kernels with 16 bits a number."""
        with self._lowered():
            return super().exemplar(images)

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """Predictions, float32."""
        with self._lowered():
            return super().search(kernels, images)

    def _lowered(self) -> torch.autocast:
        return torch.autocast(self.device.type, self._precision)


class Compiled(Forwarding):
    """A runtime whose functions torch.compile has written anew, once for each size of batch."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._exemplar = torch.compile(runtime.exemplar, dynamic=False)
        self._search = torch.compile(runtime.search, dynamic=False)

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        """The runtime's kernels."""
        self._freeze()
        return self._exemplar(images)

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """The runtime's predictions."""
        self._freeze()
        return self._search(kernels, images)

    def _freeze(self) -> None:
        """On a CPU have weights packed once as its convolutions want them, which then also add and rectify.

        Each thread has the setting for itself, and whichever comes first compiles. As an option of torch.compile it
        would come too late for the weights to be constants.
        """
        if self.device.type == "cpu":
            from torch._inductor import config as inductor  # takes a second, for those who compile alone

            if not inductor.freezing:
                inductor.freezing = True


def opened(model: SiamRCR, device: torch.device, tracking: Tracking) -> Runtime:
    """A trained model on a device, ready to track with the precision and compiler that `tracking` asks for.

    Raises InputError where the device lacks them.
    """
    ready = prepared(model, device)
    runtime: Runtime = ready
    if tracking.precision != "fp32":
        _must_compute(tracking.precision, device)
        runtime = Lowered(ready, HALF[tracking.precision])
    if not tracking.compile:
        return runtime
    compiled = Compiled(runtime)
    try:
        side = model.network.exemplar_size
        with torch.inference_mode():
            compiled.exemplar(torch.zeros(1, 3, side, side, device=device))
    except RuntimeError as error:
        line = next(iter(str(error).splitlines()), "")
        raise InputError(
            f"tracking.compile: torch.compile cannot be used here ({line}): install a C++ compiler, or set it to false"
        ) from None
    return compiled


def _must_compute(precision: str, device: torch.device) -> None:
    """Raise InputError where a device does not compute with a precision."""
    if precision == "fp16" and device.type == "cpu":
        raise InputError("tracking.precision fp16: is for GPUs: set it to bf16 or fp32, or device to cuda")
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError("tracking.precision bf16: this GPU does not compute with it: set it to fp16 or fp32")


def prepared(model: SiamRCR, device: torch.device) -> SiamRCR:
    """A copy of a trained model on a device, made to track: batch norm fused, channels last."""
    ready: Any = fused(model.eval()).to(device)
    network: SiamRCR = ready.to(memory_format=torch.channels_last)
    return network.requires_grad_(False)


@torch.no_grad()
def fused(model: SiamRCR) -> SiamRCR:
    """A copy in evaluation mode whose convolutions do the work of the batch norms that follow them.

    Which follow is read off a pass through the network. Where a convolution's output goes elsewhere too, the maps
    would change: then the copy is as the model is.
    """
    network, plain = model.network, copy.deepcopy(model)
    changed = copy.deepcopy(model)
    rng = torch.Generator().manual_seed(0)
    sides = (network.exemplar_size, network.search_size)
    pair = [(255 * torch.rand(1, 3, side, side, generator=rng)).to(model.device) for side in sides]
    for convolution, norm in _followers(changed, pair):
        first: Any = changed.get_submodule(convolution)
        second: Any = changed.get_submodule(norm)
        # timm's batch norms end in an activation of their own.
        rest = nn.Sequential(*(getattr(second, name) for name in ("drop", "act") if hasattr(second, name)))
        changed.set_submodule(convolution, fuse_conv_bn_eval(first, second))
        changed.set_submodule(norm, rest)
    return changed if _alike(plain(*pair), changed(*pair)) else plain


def _followers(model: SiamRCR, pair: list[Tensor]) -> list[tuple[str, str]]:
    """Names of each convolution and of the batch norm that takes its output."""
    made: dict[int, tuple[str, Tensor]] = {}
    found: dict[str, str] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            # The tensor is kept beside its id, which would else be given to another.
            hooks.append(module.register_forward_hook(lambda _m, _i, o, name=name: made.update({id(o): (name, o)})))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(
                module.register_forward_pre_hook(
                    lambda _m, i, name=name: found.update({made[id(i[0])][0]: name} if id(i[0]) in made else {})
                )
            )
    model(*pair)
    for hook in hooks:
        hook.remove()
    return list(found.items())


def _alike(maps: Maps, others: Maps) -> bool:
    """Whether two predictions are the same but for rounding."""
    pairs = [(a, b) for a, b in zip(maps, others, strict=True) if a is not None and b is not None]
    return all(bool((a - b).abs().max() <= ROUNDING * a.abs().max().clamp(min=1)) for a, b in pairs)
