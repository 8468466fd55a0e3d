"""What runs the network for a tracker: PyTorch here, and whatever else has the two functions."""

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from siamrcr.config import Network
from siamrcr.model import Maps, SiamRCR

# Largest relative change of a map by the fusion that rounding explains.
ROUNDING = 1e-3


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
