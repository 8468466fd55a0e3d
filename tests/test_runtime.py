"""The network made to track: fused, and the same maps."""

import pytest
import torch
from moving_square import SMALL
from torch import Tensor, nn

from siamrcr.config import Network
from siamrcr.model import SiamRCR
from siamrcr.runtime import prepared


def model(**more: object) -> SiamRCR:
    """A network whose batch norms do something."""
    torch.manual_seed(0)
    made = SiamRCR(Network(**{**SMALL, **more}), pretrained=False)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
            for values in (module.bias, module.running_mean):
                nn.init.normal_(values, std=0.2)
    return made.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"backbone": "tf_efficientnet_lite0", "stride": 4},
        {"backbone": "mobilenetv3_small_050", "stage": 2, "stride": 8},
        {"head_normalization": "group"},
    ],
)
def test_a_prepared_network_gives_the_same_maps(more: dict[str, object]) -> None:
    network = model(**more)
    before = norms(network)
    ready = prepared(network, torch.device("cpu"))
    assert norms(network) == before
    assert norms(ready) == 0
    pair = [255 * torch.rand(2, 3, side, side) for side in (63, 127)]
    with torch.inference_mode():
        for one, other in zip(network(*pair), ready(*pair), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


class Twice(nn.Module):
    """A convolution whose output is not the batch norm's alone."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        found = self.convolution(features)
        return found + 3 * self.norm(found) ** 2


def test_where_a_convolution_serves_others_too_nothing_is_fused() -> None:
    network = model()
    network.neck = Twice(network.backbone.channels, network.network.channels).eval()
    nn.init.constant_(network.neck.norm.weight, 0.2)
    for output in (network.classification.output, network.regression.output):
        nn.init.normal_(output.weight)
    assert norms(prepared(network, torch.device("cpu"))) == norms(network)
