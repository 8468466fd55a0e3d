"""Crops for the tracker: by OpenCV in the host's memory, or by one grid sample where the network is.

Both cut the same pixels (`crops.crop_matrix`) and pad with the same colour. On a GPU the values are whole numbers too;
beside OpenCV 5's they differ by 1 of 255 at most, in one of ten thousand (older ones round coordinates to a 32nd).
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from siamrcr.crops import Image, cut, mean_color
from siamrcr.geometry import Array

# Of three channels; it stays where the frames are, a tuple or a tensor (3,).
Color = Any


class Cutter(Protocol):
    """Holds frames where they are cut."""

    def frame(self, image: Image) -> Any:
        """An (H, W, 3) uint8 RGB image as it is kept; its `shape` stays."""

    def mean(self, frame: Any) -> Color:
        """Mean of each channel, rounded down: the padding colour."""

    def cut(self, frames: Sequence[Any], matrices: Array, size: int, fills: Sequence[Color]) -> Tensor:
        """(L, 3, size, size) float32 in 0..255 of L frames, by matrices (L, 2, 3) to the crops' pixels."""


class Host:
    """By OpenCV; the crops alone go to the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def frame(self, image: Image) -> Image:
        """The image itself."""
        return np.asarray(image)

    def mean(self, frame: Image) -> Color:
        """Mean of each channel, rounded down: the padding colour."""
        return mean_color(frame)

    def cut(self, frames: Sequence[Image], matrices: Array, size: int, fills: Sequence[Color]) -> Tensor:
        """(L, 3, size, size) float32 in 0..255 of L frames, by matrices (L, 2, 3) to the crops' pixels."""
        each = zip(frames, matrices, fills, strict=True)
        return as_batch([cut(frame, matrix, size, fill) for frame, matrix, fill in each], self._device)


class Device:
    """By one grid sample; whole frames go to the device, and the threads that decode send them there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def frame(self, image: Image) -> Tensor:
        """The image on the device."""
        return torch.from_numpy(np.array(image)).to(self._device)

    def mean(self, frame: Tensor) -> Color:
        """Mean of each channel, rounded down: the padding colour, which the host need not know."""
        return frame.double().mean(dim=(0, 1)).floor().float()

    def cut(self, frames: Sequence[Tensor], matrices: Array, size: int, fills: Sequence[Color]) -> Tensor:
        """(L, 3, size, size) float32 in 0..255 of L frames, by matrices (L, 2, 3) to the crops' pixels."""
        height, width = (max(frame.shape[axis] for frame in frames) for axis in (0, 1))
        color = torch.stack(list(fills))[:, :, None, None]
        # Around frames, and where one is smaller than the largest, there is nothing but the colour to be added.
        planes = torch.zeros(len(frames), 3, height, width, device=self._device)
        for plane, frame, fill in zip(planes, frames, color, strict=True):
            plane[:, : frame.shape[0], : frame.shape[1]] = frame.permute(2, 0, 1) - fill
        scale, shift = matrices[:, [0, 1], [0, 1]], matrices[:, :, 2]
        pixels = (np.arange(size) - shift[..., None]) / scale[..., None]
        places = (2 * pixels + 1) / np.array([[width], [height]]) - 1
        x, y = torch.from_numpy(places.astype(np.float32)).to(self._device).unbind(dim=1)
        grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
        return (F.grid_sample(planes, grid, "bilinear", "zeros", align_corners=False) + color).round()


def cutter(device: torch.device) -> Cutter:
    """What cuts for a network on a device."""
    return Device(device) if device.type == "cuda" else Host(device)


def as_batch(patches: list[Image], device: torch.device) -> Tensor:
    """(B, 3, size, size) float32 in 0..255, on a device, of B crops (size, size, 3)."""
    batch = torch.from_numpy(np.stack(patches)).to(device)
    return batch.permute(0, 3, 1, 2).float()
