"""What goes between the processor and a GPU: counted on tensors that know their device and hold nothing.

No GPU is needed, and one that is asked for a value which the host would have to wait for raises an error.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from moving_square import SMALL
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from siamrcr.config import Network, Tracking
from siamrcr.model import SiamRCR
from siamrcr.tracker import Targets

SIZES = ((90, 120), (64, 200), (128, 96), (90, 120), (240, 320))


class Transfers(TorchDispatchMode):
    """Counts operations that take or give tensors of both devices, by direction."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, _: Any, arguments: Any = (), keywords: Any = None) -> Any:
        result = operation(*arguments, **(keywords or {}))
        taken, given = (
            {leaf.device.type for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.ndim}
            for values in ((arguments, keywords), result)
        )
        if "cpu" in taken and "cuda" in taken | given:
            self.count["to the GPU"] += 1
        elif "cpu" in given and "cuda" in taken:
            self.count["back"] += 1
        return result

    def taken(self) -> dict[str, int]:
        """The counts since the last call."""
        found, self.count = dict(self.count), Counter()
        return found


@pytest.fixture
def transfers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transfers]:
    # What has come back holds nothing either.
    monkeypatch.setattr(torch.Tensor, "numpy", lambda tensor: np.zeros(tensor.shape))
    with FakeTensorMode(allow_non_fake_inputs=True), Transfers() as counting:
        yield counting


def targets(lanes: int, **settings: Any) -> Targets:
    with torch.device("cuda:0"):
        network = SiamRCR(Network(**SMALL), pretrained=False).eval().requires_grad_(False)
    return Targets(network, Tracking(**settings), lanes)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_a_step_sends_the_crops_places_and_fetches_all_maps_at_once(
    transfers: Transfers, lanes: int, flip: bool
) -> None:
    followed = targets(lanes, exemplar_flip=flip)
    transfers.taken()
    frames = {lane: followed.frame(np.zeros((*SIZES[lane], 3), dtype=np.uint8)) for lane in range(lanes)}
    assert transfers.taken() == {"to the GPU": lanes}, "frames, by the threads that decode"
    for lane, frame in frames.items():
        followed.init(lane, frame, [30, 30, 20, 20])
    assert transfers.taken() == {"to the GPU": lanes}, "where the exemplar is cut, when a lane starts"
    followed.update(frames)
    assert transfers.taken() == {"to the GPU": 1, "back": 1}


def test_fewer_lanes_in_use_send_their_numbers_too(transfers: Transfers) -> None:
    followed = targets(5)
    frame = followed.frame(np.zeros((90, 120, 3), dtype=np.uint8))
    for lane in range(5):
        followed.init(lane, frame, [30, 30, 20, 20])
    for used in ([4, 0], [2, 0, 1, 3]):
        transfers.taken()
        followed.update(dict.fromkeys(used, frame))
        assert transfers.taken() == {"to the GPU": 2, "back": 1}


def test_a_value_that_the_host_waits_for_is_an_error(transfers: Transfers) -> None:
    image = torch.zeros(3, device="cuda:0")
    transfers.taken()
    with pytest.raises(Exception, match="_local_scalar_dense"):
        image.sum().item()
    image.cpu()
    torch.zeros(3).to("cuda:0")
    image[torch.tensor([0, 2])] = 1
    assert transfers.taken() == {"to the GPU": 2, "back": 1}
