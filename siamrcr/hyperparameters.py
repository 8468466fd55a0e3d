"""Every hyper-parameter once, with its section of the paper or the words "not in the paper" and its source."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from siamrcr.errors import InputError
from siamrcr.geometry import score_map_size

TrainingSet = Literal["got10k", "trackingnet", "lasot", "coco", "vid", "det"]
TRAINING_SETS: tuple[str, ...] = get_args(TrainingSet)

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
LARGEST_SEED = 2**63 - 1  # that the generators of NumPy and PyTorch both take
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class Settings(BaseModel):
    """A section of the configuration: no unknown keys, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Settings):
    """Backbone, correlation and head (Sections 3.1-3.2, Figures 2 and 3)."""

    backbone: str = "resnet50"  # Section 4.1; any timm name
    weights: str = "imagenet"  # Section 4.1; `imagenet`, `random`, or a file of the backbone's weights
    stage: Count = 3  # Section 4.1: the last block is removed; timm's feature index
    stride: Count = 8  # Section 4.1: dilated; Table 2 gives R = 8 r
    normalization: Literal["weights", "raw"] = "weights"  # not in the paper; `weights`: mean and std of their training
    exemplar_size: Count = 127  # Section 4.1
    search_size: Count = 255  # Section 4.1
    exemplar_cells: Count = 8  # not in the paper; the centre cells kept, which give a 25 x 25 map as in SiamRPN++
    channels: Count = 256  # not in the paper; from SiamFC++
    tower_depth: Annotated[int, Field(ge=0)] = 3  # not in the paper; from SiamFC++
    localization: bool | Literal["centerness"] = True  # Section 3.3, Table 1; `centerness`: Figure 4(b)
    localization_kernel: Literal[1, 3] = 3  # not in the paper; 3 x 3 learnt where 1 x 1 did not
    localization_from: Literal["regression", "classification"] = "regression"  # Section 3.3; the other is SiamFC++'s
    box_form: Literal["center", "ltrb"] = "center"  # Section 3.2; `ltrb` is SiamFC++'s
    size_transform: Literal["exp", "softplus"] = "exp"  # not in the paper; from SiamFC++
    head_normalization: Literal["batch", "group"] = "batch"  # not in the paper; of neck and head; groups of 32 channels
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01  # not in the paper; initial foreground probability, focal loss

    @property
    def score_size(self) -> int:
        """Side S of the score map."""
        return score_map_size(self.exemplar_size, self.search_size, self.stride, self.exemplar_cells)

    @model_validator(mode="after")
    def _sizes_fit(self) -> "Network":
        try:
            _ = self.score_size
        except InputError as error:
            raise ValueError(str(error)) from None
        return self


class Loss(Settings):
    """Labels and losses (Equations 1-6)."""

    radius: Positive = 2  # Table 2: r in cells; R = r x stride pixels
    radius_metric: Literal["euclidean", "chebyshev", "manhattan"] = "euclidean"  # not in the paper
    inside_box: bool = False  # not in the paper; True also asks that the location lies in the box (FCOS)
    reciprocal: bool | Literal["regression", "classification"] = True  # Section 3.3; a word: that link alone
    classification_weight: Literal["positives", "all"] = "positives"  # Equation 2 prints all
    detach_iou_weight: bool = True  # not in the paper; no gradient through Equation 2's weight
    detach_classification_weight: bool = True  # not in the paper; no gradient through Equation 4's weight
    detach_localization_target: bool = True  # not in the paper; no gradient through Equation 5's target
    normalization: Literal["n_pos", "sum_weight"] = "n_pos"  # Equations 2, 4, 5; the other from FCOS
    lambda_regression: Annotated[float, Field(ge=0)] = 1  # Equation 6
    lambda_localization: Annotated[float, Field(ge=0)] = 1  # Equation 6
    focal_alpha: Fraction = 0.75  # not in the paper; from SiamFC++
    focal_gamma: Annotated[float, Field(ge=0)] = 2  # not in the paper; from focal loss
    iou_loss: Literal["log", "linear", "giou"] = "log"  # Equation 4: as in UnitBox, -ln IoU
    iou_floor: Positive = 1e-4  # not in the paper; IoU is clamped here inside the logarithm
    negative_pairs: Literal["all", "would_be_positives"] = "would_be_positives"  # not in the paper; from SiamFC++

    @model_validator(mode="after")
    def _must_not_collapse(self) -> "Loss":
        both = self.reciprocal is True
        if both and not self.detach_iou_weight and not self.detach_classification_weight:
            raise ValueError(
                "detach_iou_weight and detach_classification_weight cannot both be false: IoU -> 0 and p -> 0 together "
                "minimise Equations 2 and 4, and training collapses; set one of them to true"
            )
        return self


# Keys of `training` that change how fast a training runs and not what comes out.
SPEED_ONLY = {"workers", "checkpoint_every", "log_every", "picture_every", "unreadable_share"}


class Training(Settings):
    """Data, augmentation and schedule (Section 4.1)."""

    datasets: dict[TrainingSet, Positive] = {"got10k": 1.0}  # Section 4.3: a set a benchmark; shares are not in it
    epochs: Count = 20  # Section 4.1
    pairs_per_epoch: Count = 150_000  # not in the paper; from SiamFC++
    batch_size: Count = 128  # Section 4.1
    micro_batch: Count | None = None  # pairs held at once; gradients accumulate to the batch
    optimizer: Literal["sgd", "adamw"] = "sgd"  # Section 4.1
    momentum: Fraction = 0.9  # Section 4.1
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4  # not in the paper; from SiamFC++
    warmup_epochs: Annotated[float, Field(ge=0)] = 5  # Section 4.1
    lr_start: Positive = 1e-6  # Section 4.1
    lr_peak: Positive = 0.1  # Section 4.1
    lr_end: Positive = 1e-4  # Section 4.1
    frozen_epochs: Annotated[float, Field(ge=0)] = 10  # Section 4.1: backbone
    backbone_lr_factor: Annotated[float, Field(ge=0)] = 0.1  # Section 4.1
    backbone_batch_norm: Literal["eval", "train", "always_eval"] = "eval"  # not in the paper; eval while frozen
    clip_norm: Annotated[float, Field(ge=0)] = 0  # not in the paper; off in SiamFC++, 10 in SiamRPN++
    max_gap: Count = 100  # not in the paper; from SiamFC++: frames between exemplar and search
    negative_share: Fraction = 0.33  # not in the paper; from SiamFC++: pairs of two different targets
    scale_jitter: Annotated[float, Field(ge=1)] = 1.3  # not in the paper; from SiamFC++
    shift_jitter: Fraction = 0.4  # not in the paper; from SiamFC++: of the search crop's half side
    flip: Fraction = 0  # not in the paper; off in SiamFC++
    blur: Fraction = 0  # not in the paper; off in SiamFC++
    grayscale: Fraction = 0  # not in the paper; off in SiamFC++
    color_jitter: Fraction = 0  # not in the paper; off in SiamFC++: largest relative change of contrast and brightness
    max_aspect: Positive = 10  # not in the paper; from SiamFC++: slimmer boxes are left out
    min_side: Positive = 2  # not in the paper; pixels
    reduced_decoding: bool = True  # not in the paper; large JPEG frames are decoded at half their size
    unreadable_share: Fraction = 0.01  # not in the paper; of the pairs: more that cannot be read end the training
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # not in the paper
    channels_last: bool = False
    workers: Annotated[int, Field(ge=0)] = 0  # loader processes
    checkpoint_every: Count = 500  # iterations
    log_every: Count = 20  # iterations between two points of TensorBoard's curves
    picture_every: Annotated[int, Field(ge=0)] = 1000  # iterations between two pictures of a batch; 0: none

    @property
    def iterations(self) -> int:
        """Optimiser steps in the whole run."""
        return self.epochs * self.epoch_iterations

    @property
    def epoch_iterations(self) -> int:
        """Optimiser steps in one epoch."""
        return max(1, self.pairs_per_epoch // self.batch_size)


class Tracking(Settings):
    """SiamFC++'s offline pipeline (Section 4.1, Testing Phase)."""

    rule: Literal["siamfcpp", "scale_free"] = "siamfcpp"  # Section 4.1; the other ignores the score's scale
    score: Literal["product", "classification", "localization"] = "product"  # Figure 3
    context: Annotated[float, Field(ge=0)] = 0.5  # not in the paper; from SiamFC
    penalty: Annotated[float, Field(ge=0)] = 0.04  # not in the paper; from SiamFC++
    window: Fraction = 0.21  # not in the paper; from SiamFC++
    window_form: Literal["add", "multiply"] = "add"  # Section 4.1 says multiplied and "same as" SiamFC++, which adds
    size_rate: Fraction = 0.52  # not in the paper; from SiamFC++
    min_side: Positive = 10  # not in the paper; from SiamFC++; pixels
    exemplar_flip: bool = False  # Section 4.1 "ground-truth after augmentation": True averages the flipped exemplar in
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # not in the paper; of the convolutions, all else is fp32
    compile: bool = False  # not in the paper; True has torch.compile write the network's kernels
