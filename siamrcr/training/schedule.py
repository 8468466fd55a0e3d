"""What changes with the iteration: the learning rate and what is learnt (Section 4.1)."""

import math

import torch
from torch import nn
from torch.optim import Optimizer

from siamrcr.config import Training
from siamrcr.model import SiamRCR


def learning_rate(settings: Training, iteration: int) -> float:
    """Rate of the neck and the head at an iteration, from 0: linear warm-up, then half a cosine to the last one.

    The backbone's is `backbone_lr_factor` times it.
    """
    warmup = settings.warmup_epochs * settings.epoch_iterations
    if iteration < warmup:
        return settings.lr_start + (settings.lr_peak - settings.lr_start) * iteration / warmup
    part = (iteration - warmup) / max(settings.iterations - 1 - warmup, 1)
    return settings.lr_end + (settings.lr_peak - settings.lr_end) * (1 + math.cos(math.pi * part)) / 2


def is_frozen(settings: Training, iteration: int) -> bool:
    """Whether the backbone is still frozen at an iteration, from 0."""
    return iteration < settings.frozen_epochs * settings.epoch_iterations


def prepare(model: SiamRCR, settings: Training, iteration: int) -> None:
    """Put the model into training mode as the iteration asks.

    A frozen backbone keeps its parameters and, with `backbone_batch_norm` eval, its running statistics too; once thawed
    it is trained like the rest, as in SiamRPN++, or with `always_eval` but for the statistics.
    """
    frozen = is_frozen(settings, iteration)
    model.train()
    for parameter in model.backbone.parameters():
        parameter.requires_grad_(not frozen)
    if settings.backbone_batch_norm == "always_eval" or (frozen and settings.backbone_batch_norm == "eval"):
        for module in model.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def optimizer(model: SiamRCR, settings: Training) -> Optimizer:
    """The optimiser, over two groups: neck and head, and the backbone. Weight decay applies to all, as in SiamFC++."""
    backbone = list(model.backbone.parameters())
    inside = {id(parameter) for parameter in backbone}
    head = [parameter for parameter in model.parameters() if id(parameter) not in inside]
    groups = [{"params": head, "factor": 1.0}, {"params": backbone, "factor": settings.backbone_lr_factor}]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr_start, weight_decay=settings.weight_decay, fused=True)
    return torch.optim.SGD(
        groups, lr=settings.lr_start, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True
    )


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Give each group of parameters its learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
