"""The network that learns, one step at a time, and how well it does on a whole set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tempotron_core.model.classifier import PIXELS, initial_weight, pooled
from tempotron_core.snn.spike_store import Batch, SpikeStore
from tempotron_core.snn.tempotron import Tempotron
from tempotron_core.training.distributed import ALONE, Processes
from tempotron_core.training.recipes import OPTIMISER_MEMORY, OPTIMISERS, SCHEDULES
from tempotron_core.training.settings import Settings, TrainingError, untrained

__all__ = ["Assessment", "Trainer", "assess", "evaluate"]

_EVALUATE_CHUNK = 500
_SIDE = math.isqrt(PIXELS)
_MOST_SMOOTHING = 0.2  # beyond a quarter neighbours would change places


def evaluate(net: Tempotron, store: SpikeStore, labels: torch.Tensor, k: int = 1) -> float:
    """Share in [0, 1] of the samples whose highest peak is their label's; labels on the network's device."""
    return assess(net, store, labels, k).accuracy


@dataclass(frozen=True)
class Assessment:
    """How a network does on a set; see EpochResult for what the shares are of."""

    accuracy: float
    dead: tuple[int, ...]
    wrong_state: float
    pinned_first: float
    pinned_last: float


def assess(net: Tempotron, store: SpikeStore, labels: torch.Tensor, k: int, processes: Processes = ALONE) -> Assessment:
    """Accuracy and health on those samples, over all processes."""
    counts = torch.zeros(5, dtype=torch.int64, device=labels.device)
    counts[0] = len(store)
    highest = torch.full((net.out_features,), -math.inf, device=labels.device)
    with torch.no_grad():
        for start in range(0, len(store), _EVALUATE_CHUNK):
            end = min(start + _EVALUATE_CHUNK, len(store))
            peaks, when = net.potential(store.batch(torch.arange(start, end))).max(dim=-1)
            v_max = pooled(peaks, k)
            correct = (v_max.argmax(dim=1) == labels[start:end]).sum()
            wanted = torch.nn.functional.one_hot(labels[start:end], v_max.shape[1]).bool()
            wrong = ((v_max >= net.v_threshold) != wanted).sum()
            counts[1:] += torch.stack((correct, wrong, (when == 0).sum(), (when == net.T - 1).sum()))
            highest = torch.maximum(highest, peaks.amax(dim=0))
    dead = (processes.max(highest) <= 0).nonzero().view(-1).tolist()
    total, correct_total, wrong_total, first, last = processes.sum(counts).tolist()
    outputs = total * net.out_features
    return Assessment(correct_total / total, tuple(dead), wrong_total / outputs * k, first / outputs, last / outputs)


class Trainer:
    """The network, its optimiser and one step of learning; nothing in a step makes the host wait for a device."""

    def __init__(self, settings: Settings, classes: int, processes: Processes = ALONE) -> None:
        recipe = settings.plan
        self.settings = settings
        self.net = untrained(settings, classes).network().requires_grad_(True).to(settings.device)
        # The memory of the weights is [afferents, classes], as the gather-sums read and write it.
        self._rows = torch.nn.Parameter(self.net.fc.weight.detach().t().contiguous())
        self.net.fc.weight.data = self._rows.data.t()
        self.optimiser = OPTIMISERS[recipe.optimiser]([self._rows], lr=settings.lr, weight_decay=recipe.weight_decay)
        self._recipe, self._processes = recipe, processes
        self._noise = torch.Generator(settings.device).manual_seed(settings.seed)
        self._loss, self._factor = recipe.loss_function, SCHEDULES[recipe.schedule]

    def step(
        self, spikes: Batch, labels: torch.Tensor, progress: float, size: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Learn from one batch at that share of the run; returns mean loss and number of hits, on the device.

        size: samples of the step over all processes, of which these are this one's, perhaps none.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.lr * self._factor(progress)
        kept = self._kept()
        peaks = self.net.peak(spikes) if kept is None else self.net.peak(spikes, self.net.fc.weight * kept)
        v_max = pooled(peaks, self._recipe.k)
        loss = self._loss(v_max, self.settings.v_threshold, labels) if len(labels) else v_max.sum()
        (grad,) = torch.autograd.grad(loss, self.net.fc.weight)
        if self._processes.size > 1:
            # The fused optimiser wants the layout of the rows.
            grad = self._processes.sum(grad.t().contiguous() * (len(labels) / (size or len(labels)))).t()
        if self._recipe.clears_gradients or self._rows.grad is None:
            self._rows.grad = grad.t()
        else:
            self._rows.grad += grad.t()
        self.optimiser.step()
        self._smooth()
        return loss.detach(), (v_max.detach().argmax(dim=1) == labels).sum()

    def _kept(self) -> torch.Tensor | None:
        """The factor of every afferent in this step, [afferents]; None where none is left out."""
        keep = 1 - self._recipe.drop
        if keep == 1:
            return None
        drawn = torch.rand(len(self._rows), generator=self._noise, device=self._rows.device)
        return (drawn < keep).to(self._rows.dtype) / keep

    def _smooth(self) -> None:
        """Move every weight towards those of its pixel's neighbours, apart from the loss, as weight decay does."""
        share = min(self.optimiser.param_groups[0]["lr"] * self._recipe.smoothing, _MOST_SMOOTHING)
        if share == 0:
            return
        grid = self._rows.detach().view(_SIDE, _SIDE, -1)
        for lower, upper in ((grid[:-1], grid[1:]), (grid[:, :-1], grid[:, 1:])):
            moved = (upper - lower).mul_(share)
            lower += moved
            upper -= moved

    def norms(self) -> tuple[float, float]:
        """Of the weights and of the last step's gradient."""
        grad = self._rows.grad
        return float(self._rows.detach().norm()), 0.0 if grad is None else float(grad.norm())

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of all that the next step depends on, on the CPU."""
        kept = {"rows": self._rows.detach(), "noise": self._noise.get_state()}
        if not self._recipe.clears_gradients and self._rows.grad is not None:
            kept["gradient"] = self._rows.grad
        memory = self.optimiser.state.get(self._rows, {})
        kept |= {f"optimiser.{name}": value for name, value in memory.items() if isinstance(value, torch.Tensor)}
        return {name: value.to("cpu", copy=True).contiguous() for name, value in kept.items()}

    def restore(self, kept: dict[str, torch.Tensor]) -> None:
        """Take up such a state; TrainingError where it is not one of this network's."""
        try:
            self._rows.data.copy_(kept["rows"])
            self._noise.set_state(kept["noise"])
            memory = self.optimiser.state[self._rows]
            for name, value in kept.items():
                where = "cpu" if value.dim() == 0 and self._rows.is_cpu else self._rows.device
                if name.startswith(("gradient", "optimiser.")):
                    fits = value.shape == self._rows.shape if value.dim() else name == "optimiser.step"
                    if not fits or value.dtype != self._rows.dtype:
                        raise TypeError(name)
                if name == "gradient":
                    self._rows.grad = value.to(where, copy=True).view_as(self._rows)
                elif name.startswith("optimiser."):
                    memory[name.removeprefix("optimiser.")] = value.to(where, copy=True)
            if memory and set(memory) != OPTIMISER_MEMORY[self._recipe.optimiser]:
                raise KeyError("optimiser")
            torch.Generator().set_state(kept["shuffle"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise TrainingError(
                f"state: expected that of {len(self._rows):,} afferents and {self._rows.shape[1]} outputs, got another "
                "or a damaged one; start the run anew."
            ) from error

    def revive(self, dead: tuple[int, ...], epoch: int) -> None:
        """Give outputs that cannot learn any more other initial weights, where the recipe does so."""
        if not dead or not self._recipe.revives:
            return
        fresh = initial_weight(
            self.settings.m, self.net.out_features, self.settings.seed + epoch, self._recipe.width
        ).t()
        which = torch.tensor(dead)
        with torch.no_grad():
            self._rows[:, which] = fresh[:, which].to(self._rows.device)
