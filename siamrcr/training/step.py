"""One optimiser step, and everything it changes."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from siamrcr import losses
from siamrcr.config import Model
from siamrcr.errors import InputError
from siamrcr.model import Maps, SiamRCR
from siamrcr.training import schedule
from siamrcr.training.loader import Batch
from siamrcr.training.processes import Processes

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Step:
    """The network, its optimiser, and how they take a batch."""

    def __init__(self, settings: Model, device: torch.device, processes: Processes | None = None) -> None:
        """Raises InputError where the backbone or its weights are not to be had, or the loss cannot be shared out."""
        self.settings, self.device, self.processes = settings, device, processes or Processes()
        if self.processes.size > 1 and settings.loss.normalization == "sum_weight":
            raise InputError(
                f"loss.normalization sum_weight divides by the weights of the whole batch, which none of "
                f"{self.processes.size} processes has: set n_pos, or train in one process"
            )
        self.layout = torch.channels_last if settings.training.channels_last else torch.contiguous_format
        self.model = SiamRCR(settings.network).to(device).to(memory_format=self.layout)
        self.optimizer = schedule.optimizer(self.model, settings.training)
        self.precision = PRECISIONS[settings.training.precision]
        # Half precision alone lacks the range for small gradients.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision is torch.float16)
        self._parallel: DistributedDataParallel | None = None
        self._frozen: bool | None = None

    def __call__(self, batch: Batch, iteration: int) -> Tensor:
        """Learn from this process's part of a batch.

        Gives the losses (4,) float64 of the whole batch: total, classification, regression, localization.

        Raises FloatingPointError, leaving the parameters as they were, where the loss or its gradient is not finite.
        """
        training = self.settings.training
        schedule.prepare(self.model, training, iteration)
        self._join(schedule.is_frozen(training, iteration))
        schedule.set_rate(self.optimizer, schedule.learning_rate(training, iteration))
        self.optimizer.zero_grad(set_to_none=True)
        values = self._accumulate(batch.to(self.device))
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.clip_norm or torch.inf)
        # The scaler leaves out a step whose gradient overflows half precision, and scales the next one down; one that
        # overflows unscaled will go on to.
        scaled = self.scaler.is_enabled() and self.scaler.get_scale() > 1
        if not values.isfinite().all() or not (scaled or norm.isfinite()):
            terms = ", ".join(f"{value:g}" for value in values.tolist())
            raise FloatingPointError(f"total, classification, regression, localization {terms}; gradient {norm:g}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return values

    @torch.no_grad()
    def predict(self, batch: Batch) -> Maps:
        """The network's answer to a batch, in evaluation mode; the next step puts it back into training mode."""
        self.model.eval()
        return self.model(self._images(batch.exemplar.to(self.device)), self._images(batch.search.to(self.device)))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        generators = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "generators": generators,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state of another process."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["generators"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["generators"]:
            torch.cuda.set_rng_state(state["generators"]["cuda"], self.device)

    def _join(self, frozen: bool) -> None:
        """Have the gradients of several processes added up.

        What does so waits for the gradients of what was trainable when it was made, so it is made again at the thaw.
        """
        if self.processes.size > 1 and (self._parallel is None or frozen != self._frozen):
            self._parallel, self._frozen = DistributedDataParallel(self.model), frozen

    def _accumulate(self, batch: Batch) -> Tensor:
        """Gradients of this process's part, a micro-batch at a time, and the losses (4,) of the whole batch.

        N_pos is the whole batch's, so that the parts of all processes add up to it.
        """
        settings = self.settings
        label = losses.labels(batch.boxes, settings.network, settings.loss, batch.positive)
        n_pos = self.processes.sum(losses.count_positives(label)).clamp(min=1)
        sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        parts = list(zip(*(tensor.split(settings.training.micro_batch or len(label)) for tensor in batch), strict=True))
        for number, (exemplar, search, boxes, positive) in enumerate(parts, start=1):
            # Gradients travel between processes once a batch.
            last = number == len(parts)
            with nullcontext() if self._parallel is None or last else self._parallel.no_sync():
                with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
                    maps = (self._parallel or self.model)(self._images(exemplar), self._images(search))
                terms = losses.total(maps, boxes, positive, settings.network, settings.loss, n_pos)
                # The processes' gradients are averaged, and must add up.
                self.scaler.scale(terms.total * self.processes.size).backward()
            sums += torch.stack(terms[:4]).detach()
        return self.processes.sum(sums).cpu()

    def _images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) float32 of (B, H, W, 3) uint8."""
        return pixels.permute(0, 3, 1, 2).to(dtype=torch.float32, memory_format=self.layout)
