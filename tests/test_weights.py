"""Files of a backbone's weights are those that were published."""

import shutil
from pathlib import Path

import pytest
import torch
import torchvision

from siamrcr import backbone
from siamrcr.backbone import Backbone
from siamrcr.config import Network
from siamrcr.datasets import sources
from siamrcr.errors import InputError
from siamrcr.files import sha256


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    torch.manual_seed(1)
    torch.save(torchvision.models.resnet18().state_dict(), path)
    return path


def built(path: Path) -> Backbone:
    return Backbone(Network(backbone="resnet18", stage=2, weights=str(path)))


def test_a_name_that_ends_in_a_checksum_is_held_to_it(weights: Path) -> None:
    whole = sha256(weights)
    for digits in (8, 64):
        named = shutil.copy(weights, weights.with_name(f"resnet18-{whole[:digits]}.pth"))
        built(named)
        with named.open("ab") as stream:
            stream.write(b"\0")
        with pytest.raises(InputError, match=f"resnet18-{whole[:8]}.*SHA-256 is not {whole[:digits]}") as caught:
            built(named)
        assert "\n" not in str(caught.value)
    built(shutil.copy(weights, weights.with_name("resnet18-epoch-20.pth")))


def test_the_published_file_is_held_to_what_is_published(weights: Path) -> None:
    published = backbone._checksum(Path("data/real/resnet50/model.safetensors"))
    # timm/resnet50.tv_in1k on the Hugging Face hub, model.safetensors' own SHA-256.
    assert published == "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888"
    assert {source.file for source in sources.read("resnet50")} == {"model.safetensors"}
    folder = weights.parent / "resnet50"
    folder.mkdir()
    other = shutil.copy(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match="SHA-256 is not 5d061a3c"):
        built(other)
