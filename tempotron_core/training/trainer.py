"""One training step, and the evaluation of a network on a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tempotron_core.model.classifier import PIXELS, initial_weight, log_mean_exp_pool
from tempotron_core.model.sample_store import Store
from tempotron_core.snn.responses import Spikes
from tempotron_core.snn.tempotron import Tempotron
from tempotron_core.training.distributed import SINGLE_PROCESS, ProcessGroup
from tempotron_core.training.recipes import OPTIMISER_STATE_KEYS, OPTIMISERS, SCHEDULES
from tempotron_core.training.settings import Settings, TrainingError, initial_model

__all__ = ["Assessment", "Trainer", "accuracy_on", "evaluate_health"]

_EVALUATE_CHUNK = 500
_SHAPE = (math.isqrt(PIXELS), math.isqrt(PIXELS))
_ACCELERATOR_GENERATOR_BYTES = 16  # of the state of a Philox generator; that of the CPU takes 5056
_MAX_SMOOTHING = 0.2  # beyond a quarter neighbours would change places


def accuracy_on(net: Tempotron, store: Store, labels: torch.Tensor, tempotrons_per_class: int = 1) -> float:
    """Return the fraction of samples whose highest peak is that of their label; labels on the network's device."""
    return evaluate_health(net, store, labels, tempotrons_per_class).accuracy


@dataclass(frozen=True)
class Assessment:
    """Accuracy and health of a network on a data set; fractions as in EpochMetrics."""

    accuracy: float
    dead_outputs: tuple[int, ...]
    firing_error_rate: float
    peaks_at_start: float
    peaks_at_end: float


def evaluate_health(
    net: Tempotron,
    store: Store,
    labels: torch.Tensor,
    tempotrons_per_class: int,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> Assessment:
    """Return accuracy and health on these samples, over all processes."""
    counts = torch.zeros(5, dtype=torch.int64, device=labels.device)
    counts[0] = len(store)
    highest = torch.full((net.out_features,), -math.inf, device=labels.device)
    with torch.no_grad():
        for start in range(0, len(store), _EVALUATE_CHUNK):
            end = min(start + _EVALUATE_CHUNK, len(store))
            peaks, peak_times = net.peak_and_time(store.batch(torch.arange(start, end)))
            v_max = log_mean_exp_pool(peaks, tempotrons_per_class)
            correct = (v_max.argmax(dim=1) == labels[start:end]).sum()
            targets = torch.nn.functional.one_hot(labels[start:end], v_max.shape[1]).bool()
            wrong = ((v_max >= net.v_threshold) != targets).sum()
            counts[1:] += torch.stack((correct, wrong, (peak_times == 0).sum(), (peak_times == net.last_time).sum()))
            highest = torch.maximum(highest, peaks.amax(dim=0))
    dead = (processes.max(highest) <= 0).nonzero().view(-1).tolist()
    total, correct_total, wrong_total, first, last = processes.sum(counts).tolist()
    outputs = total * net.out_features
    return Assessment(
        correct_total / total,
        tuple(dead),
        wrong_total / outputs * tempotrons_per_class,
        first / outputs,
        last / outputs,
    )


class Trainer:
    """Network, optimiser and one training step; a step never makes the host wait for a device.

    shape: that of a sample, (height, width) or (features,).
    """

    _shape: tuple[int, ...] = _SHAPE

    def __init__(
        self,
        settings: Settings,
        classes: int,
        processes: ProcessGroup = SINGLE_PROCESS,
        shape: tuple[int, ...] = _SHAPE,
    ) -> None:
        recipe = settings.resolved_recipe
        self.settings = settings
        self.net = (
            initial_model(settings, classes, features=math.prod(shape))
            .to_layer()
            .requires_grad_(True)
            .to(settings.device)
        )
        # The memory of the weights is [afferents, classes], as the gather-sums read and write it.
        self._weight_by_afferent = torch.nn.Parameter(self.net.fc.weight.detach().t().contiguous())
        self.net.fc.weight.data = self._weight_by_afferent.data.t()
        self.optimiser = OPTIMISERS[recipe.optimiser](
            [self._weight_by_afferent], lr=settings.lr, weight_decay=recipe.weight_decay
        )
        self._recipe, self._processes, self._shape = recipe, processes, shape
        self._dropout_generator = torch.Generator(settings.device).manual_seed(settings.seed)
        self._rate = settings.rate_after(0)
        self._loss, self._schedule = recipe.loss_function, SCHEDULES[recipe.schedule]

    def set_rate(self, lr: float) -> None:
        """Set the learning rate of the steps that follow, before the factor of the schedule."""
        self._rate = lr

    def start_from(self, weight: torch.Tensor) -> None:
        """Replace the initial weights by these, [outputs, afferents].

        Raises:
            TrainingError: for another shape.
        """
        rows = weight.t()
        if rows.shape != self._weight_by_afferent.shape:
            afferents, outputs = self._weight_by_afferent.shape
            raise TrainingError(
                f"initial weights: expected {afferents:,} afferents and {outputs} outputs, got {rows.shape[0]:,} and "
                f"{rows.shape[1]}; choose a network for this data set."
            )
        self._weight_by_afferent.data.copy_(rows)

    def step(
        self, spikes: Spikes, labels: torch.Tensor, progress: float, size: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Train on one batch at this fraction of the run; return mean loss and number of hits, on the device.

        size: samples of the step over all processes.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate * self._schedule(progress)
        mask = self._dropout_mask()
        rows = self._weight_by_afferent
        # A factor per row of the memory costs a quarter of the time of one per column of fc.weight.
        peaks = self.net.peak(spikes, (rows if mask is None else rows * mask.unsqueeze(1)).t())
        v_max = log_mean_exp_pool(peaks, self._recipe.tempotrons_per_class)
        loss = self._loss(v_max, self.settings.v_threshold, labels) if len(labels) else v_max.sum()
        (grad,) = torch.autograd.grad(loss, rows)
        if self._processes.size > 1:
            # The fused optimiser wants the layout of the rows.
            grad = self._processes.sum(grad.contiguous() * (len(labels) / (size or len(labels))))
        if self._recipe.zero_grad or rows.grad is None:
            rows.grad = grad
        else:
            rows.grad += grad
        self.optimiser.step()
        self._smooth()
        return loss.detach(), (v_max.detach().argmax(dim=1) == labels).sum()

    def _dropout_mask(self) -> torch.Tensor | None:
        """Return the factor of each afferent in this step, [afferents], None without dropout."""
        keep_probability = 1 - self._recipe.afferent_dropout
        if keep_probability == 1:
            return None
        uniform = torch.rand(
            len(self._weight_by_afferent), generator=self._dropout_generator, device=self._weight_by_afferent.device
        )
        return (uniform < keep_probability).to(self._weight_by_afferent.dtype) / keep_probability

    def _smooth(self) -> None:
        """Diffuse each weight to the neighbouring pixels, independent of the loss, like weight decay.

        The features of a table have no neighbours.
        """
        step = min(self.optimiser.param_groups[0]["lr"] * self._recipe.smoothing, _MAX_SMOOTHING)
        if step == 0 or len(self._shape) != 2:
            return
        grid = self._weight_by_afferent.detach().view(*self._shape, -1)
        for lower, upper in ((grid[:-1], grid[1:]), (grid[:, :-1], grid[:, 1:])):
            difference = (upper - lower).mul_(step)
            lower += difference
            upper -= difference

    def norms(self) -> tuple[float, float]:
        """Return the norms of the weights and of the gradient of the last step."""
        grad = self._weight_by_afferent.grad
        return float(self._weight_by_afferent.detach().norm()), 0.0 if grad is None else float(grad.norm())

    def state(self) -> dict[str, torch.Tensor]:
        """Return copies of all that the next step depends on, on the CPU."""
        tensors = {"rows": self._weight_by_afferent.detach(), "noise": self._dropout_generator.get_state()}
        if not self._recipe.zero_grad and self._weight_by_afferent.grad is not None:
            tensors["gradient"] = self._weight_by_afferent.grad
        optimiser_state = self.optimiser.state.get(self._weight_by_afferent, {})
        tensors |= {
            f"optimiser.{name}": value for name, value in optimiser_state.items() if isinstance(value, torch.Tensor)
        }
        return {name: value.to("cpu", copy=True).contiguous() for name, value in tensors.items()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Restore such a state.

        Raises:
            TrainingError: where it belongs to another network.
        """
        try:
            self._weight_by_afferent.data.copy_(state["rows"])
            self._restore_generator(state["noise"])
            optimiser_state = self.optimiser.state[self._weight_by_afferent]
            for name, value in state.items():
                device = (
                    "cpu" if value.dim() == 0 and self._weight_by_afferent.is_cpu else self._weight_by_afferent.device
                )
                if name.startswith(("gradient", "optimiser.")):
                    fits = value.shape == self._weight_by_afferent.shape if value.dim() else name == "optimiser.step"
                    if not fits or value.dtype != self._weight_by_afferent.dtype:
                        raise TypeError(name)
                if name == "gradient":
                    self._weight_by_afferent.grad = value.to(device, copy=True).view_as(self._weight_by_afferent)
                elif name.startswith("optimiser."):
                    optimiser_state[name.removeprefix("optimiser.")] = value.to(device, copy=True)
            if optimiser_state and set(optimiser_state) != OPTIMISER_STATE_KEYS[self._recipe.optimiser]:
                raise KeyError("optimiser")
            torch.Generator().set_state(state["shuffle"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise TrainingError(
                f"state: expected that of {len(self._weight_by_afferent):,} afferents and "
                f"{self._weight_by_afferent.shape[1]} outputs, got another "
                "or a damaged one; start a new run."
            ) from error

    def _restore_generator(self, state: torch.Tensor) -> None:
        """Restore the generator of the dropped afferents; that of another kind of device starts from its seed."""
        sizes = {len(torch.Generator().get_state()), _ACCELERATOR_GENERATOR_BYTES}
        if len(state) != len(self._dropout_generator.get_state()) and len(state) in sizes:
            self._dropout_generator.manual_seed(self.settings.seed + 1)
        else:
            self._dropout_generator.set_state(state)

    def reinitialise(self, dead_outputs: tuple[int, ...], epoch: int) -> None:
        """Give dead outputs new initial weights, where the recipe does so."""
        if not dead_outputs or not self._recipe.reinit_dead_outputs:
            return
        features = math.prod(self._shape)
        sizes = () if features == PIXELS else (features,)
        new_weight = initial_weight(
            self.settings.m, self.net.out_features, self.settings.seed + epoch, self._recipe.init_scale, *sizes
        ).t()
        indices = torch.tensor(dead_outputs)
        with torch.no_grad():
            self._weight_by_afferent[:, indices] = new_weight[:, indices].to(self._weight_by_afferent.device)
