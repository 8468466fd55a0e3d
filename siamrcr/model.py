"""The network of Figures 2 and 3: backbone, depth-wise correlation and the three-branch head."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from siamrcr.backbone import Backbone
from siamrcr.config import Network
from siamrcr.errors import InputError
from siamrcr.files import atomic
from siamrcr.geometry import score_grid

# A file's one metadata key: with several, their order in the file would vary from run to run.
FORMAT = "siamrcr"
# Settings that may differ between a file and the network it fills: initial values, and the search image's size.
NOT_ARCHITECTURE = {"weights", "prior", "search_size"}
# Sides stay below e^6 strides, so that a diverging run gives a large loss and no overflow.
LARGEST_EXPONENT = 6.0


class Maps(NamedTuple):
    """What the head predicts at each of the S x S locations, float32."""

    classification: Tensor  # (B, S, S) logits of p^cls
    boxes: Tensor  # (B, S, S, 4) corners x0, y0, x1, y1 in pixels of the search image
    localization: Tensor | None  # (B, S, S) logits of p^loc, None without the branch


class Branch(nn.Module):
    """One branch of the head: its own view of the two images, their correlation, a tower and an output.

    Views and tower are SiamFC++'s, the output's 3 x 3 is FCOS's: on a CPU one channel of a 1 x 1 convolution can depend
    on a pair's place in the batch.
    """

    def __init__(self, channels: int, depth: int, normalization: str, outputs: int) -> None:
        super().__init__()
        self.exemplar = _convolution(channels, normalization)
        self.search = _convolution(channels, normalization)
        self.tower = nn.Sequential(
            *(nn.Sequential(_convolution(channels, normalization), nn.ReLU()) for _ in range(depth))
        )
        # No normalisation follows, which would cancel the prior in the bias.
        self.output = nn.Conv2d(channels, outputs, 3, padding="same")

    def forward(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Tower features (B, C, S, S) from kernels (B, C, k, k) and neck features (B, C, n, n), S = n - k + 1."""
        combined: Tensor = self.tower(correlate(self.search(features), kernels))
        return combined


class Regression(Branch):
    """The regression branch: four numbers a location, read as a box."""

    def __init__(self, channels: int, depth: int, normalization: str) -> None:
        super().__init__(channels, depth, normalization, outputs=4)
        self.scale = nn.Parameter(torch.ones(()))

    def boxes(self, combined: Tensor, grid: Tensor, network: Network) -> Tensor:
        """Corners (B, S, S, 4) from tower features (B, C, S, S) and the locations' pixels (S, S, 2)."""
        return decode(self.output(combined).permute(0, 2, 3, 1).float(), self.scale, grid, network)


class SiamRCR(nn.Module):
    """The siamese network of Section 3. Images are RGB, float32 in 0..255, B of them at once.

    With `pretrained` False the backbone starts from random weights whatever `network.weights` says. Raises InputError
    where the backbone, its stride or its weights are not to be had.
    """

    grid: Tensor

    def __init__(self, network: Network, pretrained: bool = True) -> None:
        super().__init__()
        self.network = network
        channels, kernel, kind = network.channels, network.localization_kernel, network.head_normalization
        self.backbone = Backbone(network, pretrained)
        self.neck = nn.Sequential(
            nn.Conv2d(self.backbone.channels, channels, 1, bias=False), _normalization(channels, kind)
        )
        self.classification = Branch(channels, network.tower_depth, kind, outputs=1)
        self.regression = Regression(channels, network.tower_depth, kind)
        self.localization = nn.Conv2d(channels, 1, kernel, padding="same") if network.localization else None
        grid = score_grid(network.search_size, network.score_size, network.stride)
        self.register_buffer("grid", torch.as_tensor(grid, dtype=torch.float32), persistent=False)
        self._initialize()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.grid.device

    def exemplar(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Kernels (B, C, k, k) of the classification and of the regression branch from exemplar images (B, 3, z, z)."""
        features, cells = self.features(images), self.network.exemplar_cells
        start = (features.shape[-1] - cells) // 2
        keep = slice(start, start + cells)
        # Cut after the convolution, so that the border cells have seen their neighbours and not padding.
        classification, regression = (
            branch.exemplar(features)[..., keep, keep] for branch in (self.classification, self.regression)
        )
        return classification, regression

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        """Predictions for search images (B, 3, x, x), given the kernels of the B exemplars."""
        features = self.features(images)
        classification = self.classification(kernels[0], features)
        regression = self.regression(kernels[1], features)
        localization = None
        if self.localization is not None:
            parent = regression if self.network.localization_from == "regression" else classification
            localization = self.localization(parent)[:, 0].float()
        logits = self.classification.output(classification)[:, 0].float()
        return Maps(logits, self.regression.boxes(regression, self.grid, self.network), localization)

    def forward(self, exemplar: Tensor, search: Tensor) -> Maps:
        """Predictions for B pairs of exemplar (B, 3, z, z) and search (B, 3, x, x) images."""
        return self.search(self.exemplar(exemplar), search)

    def features(self, images: Tensor) -> Tensor:
        """What both branches start from: (B, C, n, n), n = ceil(side / stride), of images (B, 3, side, side)."""
        features: Tensor = self.neck(self.backbone(images))
        return features

    def _initialize(self) -> None:
        """Small output weights as in FCOS; biases that give the prior, and boxes of a usual target's size."""
        network = self.network
        for output in (self.classification.output, self.regression.output, self.localization):
            for parameter in output.parameters() if output is not None else ():
                nn.init.normal_(parameter, std=0.01 if parameter.ndim > 1 else 0.0)
        nn.init.constant_(self.classification.output.get_parameter("bias"), -math.log(1 / network.prior - 1))
        # With SiamFC's context a square target fills half the exemplar image's side.
        side = network.exemplar_size / 2 / network.stride
        side, sides = (side, 2) if network.box_form == "center" else (side / 2, 4)
        with torch.no_grad():
            self.regression.output.get_parameter("bias")[:sides] = math.log(
                side if network.size_transform == "exp" else math.expm1(side)
            )


def correlate(search: Tensor, kernels: Tensor) -> Tensor:
    """Depth-wise cross-correlation (B, C, n - k + 1, n - k + 1) of search (B, C, n, n) with kernels (B, C, k, k)."""
    batch, channels = kernels.shape[:2]
    folded = F.conv2d(
        search.reshape(1, batch * channels, *search.shape[2:]), kernels.flatten(0, 1)[:, None], groups=batch * channels
    )
    return folded.view(batch, channels, *folded.shape[2:])


def decode(offsets: Tensor, scale: Tensor, grid: Tensor, network: Network) -> Tensor:
    """Corners (..., 4) in search pixels of the regression branch's outputs (..., 4) at locations `grid` (..., 2).

    Sides are transform(scale x output) strides, so always positive; centre offsets are output strides. `ltrb` reads the
    four as distances from the location to the left, top, right and bottom side (SiamFC++).
    """
    count = 2 if network.box_form == "center" else 4
    raw = scale * offsets[..., :count]
    positive = raw.clamp(max=LARGEST_EXPONENT).exp() if network.size_transform == "exp" else F.softplus(raw)
    sides = positive * network.stride
    if network.box_form == "center":
        return box_corners(torch.cat([sides, offsets[..., 2:] * network.stride], dim=-1), grid)
    return torch.cat([grid - sides[..., :2], grid + sides[..., 2:]], dim=-1)


def box_corners(target: Tensor, grid: Tensor) -> Tensor:
    """Equation 3: corners (..., 4) of boxes given as (w, h, dx, dy) in pixels (..., 4) at locations `grid` (..., 2)."""
    center, half = grid + target[..., 2:], target[..., :2] / 2
    return torch.cat([center - half, center + half], dim=-1)


def tracking_score(maps: Maps, score: str = "product") -> Tensor:
    """Figure 3: the scores (B, S, S) in 0..1 that rank the boxes.

    `product` is p^cls x p^loc, or p^cls without the localization branch; `classification` and `localization` take one
    factor. Raises InputError for `localization` without the branch.
    """
    classification = maps.classification.sigmoid()
    if score == "classification" or (score == "product" and maps.localization is None):
        return classification
    if maps.localization is None:
        raise InputError(
            "tracking.score localization: the network has no localization branch; set network.localization"
        )
    localization = maps.localization.sigmoid()
    return localization if score == "localization" else classification * localization


def parameters_by_part(model: SiamRCR) -> dict[str, int]:
    """Number of parameters of the backbone, the neck, each branch, and in total."""
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    return {**parts, "total": sum(parts.values())}


def save(path: Path, model: SiamRCR, record: dict[str, Any]) -> None:
    """Write the weights, the network's settings and a JSON-like record; the same input gives the same bytes."""
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    about = {"network": model.network.model_dump(mode="json"), "record": record}
    with atomic(path) as temporary:
        save_file(state, temporary, metadata={FORMAT: json.dumps(about, sort_keys=True, default=str)})


def load(path: Path, network: Network | None = None) -> SiamRCR:
    """The model in a file of `save`, in evaluation mode on the CPU, built as `network` (the file's own where None).

    Raises InputError where the file is not such a model or its architecture is another than `network`'s.
    """
    remedy = "give a model that `siamrcr train` wrote"
    try:
        with safe_open(path, framework="pt") as stream:
            about = json.loads((stream.metadata() or {}).get(FORMAT, "{}"))
            state = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118 (not a mapping)
    except OSError:
        raise InputError(f"{path}: cannot be read: {remedy}") from None
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file ({error}): {remedy}") from None
    if "network" not in about:
        raise InputError(f"{path}: holds no network settings: {remedy}")
    try:
        # A key that the file does not know has its default.
        own = Network.model_validate(about["network"]).model_dump(mode="json")
    except ValidationError:
        raise InputError(f"{path}: its network settings are not this version's: {remedy}") from None
    network = network or Network.model_validate(own)
    wanted = network.model_dump(mode="json")
    for key in (k for k in wanted if k not in NOT_ARCHITECTURE):
        if own[key] != wanted[key]:
            raise InputError(
                f"{path}: network.{key} is {own[key]!r} in the file and {wanted[key]!r} in the "
                f"configuration: set it to the file's, or {remedy.removeprefix('give ')}"
            )
    model = SiamRCR(network, pretrained=False)
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise InputError(f"{path}: its tensors do not fit its own network settings: {remedy}") from None
    return model.eval()


def _convolution(channels: int, normalization: str) -> nn.Sequential:
    """3 x 3 convolution, same padding, normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), _normalization(channels, normalization)
    )


def _normalization(channels: int, kind: str) -> nn.Module:
    return nn.GroupNorm(max(1, channels // 32), channels) if kind == "group" else nn.BatchNorm2d(channels)
