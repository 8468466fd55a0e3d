"""Where the time and the arithmetic of a network's update go."""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from siamrcr.model import Branch, Maps, SiamRCR
from siamrcr.runtime import Forwarding, Runtime


class Watched(Forwarding):
    """A runtime with a stopwatch: the time since the last mark belongs to the stage that a mark names.

    Marks are set before and after the network, and by its modules where they are PyTorch's.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._seconds: dict[str, float] = {}
        self._last = 0.0
        self._hooks: list[Any] = []
        self._inner = "network"
        backbone = getattr(runtime, "backbone", None)
        branches = [each for each in getattr(runtime, "modules", list)() if isinstance(each, Branch)]
        if isinstance(backbone, nn.Module) and branches:
            self._inner = "head"
            self._hooks.append(backbone.register_forward_hook(self._marker("backbone")))
            for branch in branches:
                self._hooks.append(branch.search.register_forward_hook(self._marker("head")))
                self._hooks.append(branch.tower.register_forward_pre_hook(self._marker("correlation")))

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """The runtime's own predictions."""
        self._mark("crop")
        maps = super().search(kernels, images)
        self._mark(self._inner)
        return maps

    def start(self) -> None:
        """An update begins."""
        self._seconds = {}
        self._mark("before")

    def stop(self) -> dict[str, float]:
        """Seconds of each stage since `start`: what follows the network is post-processing."""
        self._mark("post-processing")
        del self._seconds["before"]
        return self._seconds

    def release(self) -> None:
        """Take the marks out of the modules."""
        for hook in self._hooks:
            hook.remove()

    def _mark(self, stage: str) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def _marker(self, stage: str) -> Any:
        return lambda *_: self._mark(stage)


@torch.no_grad()
def flops(model: SiamRCR) -> dict[str, int]:
    """FLOPs, two a multiplication and addition, of an exemplar, of a frame, and of the frame's three parts."""
    network = model.network
    exemplar, search = (
        torch.zeros(1, 3, side, side, device=model.device) for side in (network.exemplar_size, network.search_size)
    )
    kernels, first = _counted(lambda: model.exemplar(exemplar))
    _, frame = _counted(lambda: model.search(kernels, search))
    _, backbone = _counted(lambda: model.backbone(search))
    correlation = sum(2 * kernel.numel() * network.score_size**2 for kernel in kernels)
    return {
        "exemplar": first,
        "frame": frame,
        "backbone": backbone,
        "correlation": correlation,
        "head": frame - backbone - correlation,
    }


def _counted(call: Any) -> tuple[Any, int]:
    with FlopCounterMode(display=False) as counter:
        result = call()
    return result, counter.get_total_flops()
