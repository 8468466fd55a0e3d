"""Crops where the network is: the same pixels as OpenCV's, within its rounding."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from siamrcr import datasets
from siamrcr.crops import crop_matrix
from siamrcr.cutting import Device, Host, cutter
from siamrcr.geometry import centers, context_side

HOST, DEVICE = Host(torch.device("cpu")), Device(torch.device("cpu"))
Image = NDArray[np.uint8]


def both(images: list[Image], matrices: list[NDArray[np.float64]], size: int = 127) -> list[NDArray[np.float64]]:
    """The crops (L, 3, size, size) by OpenCV and by one grid sample."""
    found = []
    for own in (HOST, DEVICE):
        frames = [own.frame(image) for image in images]
        found.append(own.cut(frames, np.stack(matrices), size, [own.mean(frame) for frame in frames]).double().numpy())
    return found


def photo(width: int, height: int, seed: int) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (width, height)), dtype=np.uint8)


def test_frames_of_several_sizes_at_once() -> None:
    images = [photo(160, 120, 0), photo(320, 88, 1), photo(96, 240, 2)]
    matrices = [crop_matrix((80.3, 60.7), 90, 127), crop_matrix((10, 80), 160, 127), crop_matrix((90, 3), 33, 127)]
    host, device = both(images, matrices)
    assert host.shape == device.shape == (3, 3, 127, 127)
    difference = np.abs(host - device)
    assert difference.mean() < 0.001
    assert difference.max() <= 1
    alone = both(images[1:2], matrices[1:2])[1]
    assert np.abs(alone[0] - device[1]).max() <= 1  # rounding of the places alone
    assert np.abs(host[0] - host[1]).mean() > 20


def test_whole_pixels_are_copied_and_the_outside_has_the_mean() -> None:
    image = photo(64, 48, 3)
    matrix = np.array([[1.0, 0, 20], [0, 1, 30]])
    (crop,) = both([image], [matrix], 100)[1]
    assert np.array_equal(crop[:, 30:78, 20:84], image.transpose(2, 0, 1))
    mean = np.floor(image.mean(axis=(0, 1)))
    outside = np.ones((100, 100), dtype=bool)
    outside[30:78, 20:84] = False
    assert np.array_equal(np.unique(crop[:, outside], axis=1)[:, 0], mean)
    assert HOST.mean(image) == tuple(DEVICE.mean(DEVICE.frame(image)).tolist()) == tuple(mean)


def test_real_frames(real_data: Path) -> None:
    differences = []
    for sequence in datasets.load("otb2015", real_data / "sequences" / "otb"):
        x, y = centers(sequence.boxes[0])
        side = float(context_side(sequence.boxes[0, 2:], 0.5)) * 255 / 127
        host, device = both([sequence.image(0)], [crop_matrix((x, y), side, 255)], 255)
        differences.append(np.abs(host - device))
    assert max(each.mean() for each in differences) < 0.001
    assert max(each.max() for each in differences) <= 1


@pytest.mark.parametrize(("device", "kind"), [("cpu", Host), ("cuda", Device)])
def test_who_cuts(device: str, kind: type) -> None:
    assert isinstance(cutter(torch.device(device)), kind)
