"""One training run as a plain generator of immutable snapshots, for the headless command and the dashboard alike."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace

import torch

from tempotron_core import data
from tempotron_core.checks import check_time_constants, positive_integer, positive_real
from tempotron_core.model import PIXELS, Model, initial_weight, pixel_table, pooled
from tempotron_core.neuron import Tempotron
from tempotron_core.parallel import ALONE, Processes
from tempotron_core.recipes import DEFAULT_RECIPE, OPTIMISER_MEMORY, OPTIMISERS, RECIPES, SCHEDULES, Recipe
from tempotron_core.store import Batch, SpikeStore

__all__ = [
    "RECIPE_CHOICES",
    "RECORD_EVERY",
    "EpochResult",
    "Point",
    "Settings",
    "Snapshot",
    "Trainer",
    "TrainingError",
    "devices",
    "evaluate",
    "model_of",
    "out_of_memory",
    "run",
    "untrained",
]

RECORD_EVERY = 16
"""Steps between two snapshots; the host reads results from the device only there."""

RECIPE_CHOICES = tuple(field.name for field in fields(Recipe) if field.name not in ("name", "summary"))
"""What a run may change of its recipe."""

_EVALUATE_CHUNK = 500
_SIDE = math.isqrt(PIXELS)
_MOST_SMOOTHING = 0.2  # beyond a quarter neighbours would change places


class TrainingError(Exception):
    """A run that cannot start or go on, in one sentence."""


def devices() -> tuple[str, ...]:
    """Names of the devices present, best first."""
    return (*(f"cuda:{i}" for i in range(torch.cuda.device_count())), "cpu")


@dataclass(frozen=True)
class Settings:
    """Everything that determines a run. Times in ms. Raises ValueError or TypeError where a value is out of range.

    validation: training samples held out; where there are any, they take the test set's place throughout the run.
    From loss on: what this run changes of its recipe, None where it takes the recipe's own value.
    """

    device: str = "cpu"
    dataset_dir: str | None = None
    batch_size: int = 64
    lr: float = 1e-3
    T: int = 100
    epochs: int = 10
    m: int = 16
    log_dir: str = "runs"
    seed: int = 0
    dataset: str = data.EMBEDDED
    recipe: str = DEFAULT_RECIPE
    beta: float = 1.5
    tau: float = 15.0
    tau_s: float = 15.0 / 4
    v_threshold: float = 1.0
    validation: int = 0
    loss: str | None = None
    optimiser: str | None = None
    schedule: str | None = None
    temperature: float | None = None
    weight_decay: float | None = None
    smoothing: float | None = None
    clears_gradients: bool | None = None
    drop: float | None = None
    revives: bool | None = None
    k: int | None = None
    width: float | None = None

    @property
    def plan(self) -> Recipe:
        """The recipe with this run's changes."""
        named = {name: getattr(self, name) for name in RECIPE_CHOICES}
        return replace(RECIPES[self.recipe], **{name: value for name, value in named.items() if value is not None})

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        positive_integer("batch size", self.batch_size)
        positive_real("learning rate", self.lr, maximum=1e38)  # it must be one in float32
        positive_integer("T (ms)", self.T)
        positive_integer("epochs", self.epochs)
        positive_integer("m (neurons a pixel)", self.m, minimum=3)
        positive_integer("seed", self.seed, minimum=0)
        positive_integer("validation samples", self.validation, minimum=0)
        check_time_constants(self.tau, self.tau_s)
        positive_real("beta", self.beta, minimum=1e-3, maximum=1e3)
        positive_real("v_threshold", self.v_threshold, minimum=1e-6, maximum=1e6)
        for name, path in (("dataset directory", self.dataset_dir or "."), ("log directory", self.log_dir)):
            if not isinstance(path, str) or not path.strip():
                raise TypeError(f"{name}: expected the path of a folder, got {path!r}; pass a string.")
        if not isinstance(self.recipe, str) or self.recipe not in RECIPES:
            raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {self.recipe!r}; choose one of these.")
        _ = self.plan
        names = (data.EMBEDDED, *data.DATASETS)
        if self.dataset not in names:
            raise ValueError(f"dataset: expected one of {', '.join(names)}, got {self.dataset!r}; choose one of these.")
        if self.device not in devices():
            raise ValueError(
                f"device: expected one of {', '.join(devices())}, got {self.device!r}; choose one that is present."
            )


@dataclass(frozen=True)
class Point:
    """The steps since the last point: step counts steps done; loss and accuracy are means, batch_accuracy the last."""

    step: int
    loss: float
    accuracy: float
    batch_accuracy: float


@dataclass(frozen=True)
class EpochResult:
    """One epoch: accuracies in [0, 1]; train_accuracy and loss are means over its steps; seconds of training alone.

    dead: the outputs whose potential is above 0 for no test sample. Of all outputs on all test samples: wrong_state,
    the share that fires and should not, or the other way; pinned_first and pinned_last, the shares with t_max = 0 and
    T - 1. weight_norm, gradient_norm: Euclidean, the latter of the epoch's last step.
    """

    epoch: int
    step: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    samples_per_second: float
    dead: tuple[int, ...] = ()
    wrong_state: float = 0.0
    pinned_first: float = 0.0
    pinned_last: float = 0.0
    weight_norm: float = 0.0
    gradient_norm: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """A run at one instant. classes: names of the outputs; weight: a copy, None while the data is being prepared.

    state: copies of all that the run needs to go on from the end of an epoch, None in between.
    """

    settings: Settings
    phase: str
    total_steps: int
    step: int = 0
    prepared: float = 0.0
    preparation_seconds: float = 0.0
    training_seconds: float = 0.0
    samples_per_second: float = 0.0
    points: tuple[Point, ...] = ()
    epochs: tuple[EpochResult, ...] = ()
    classes: tuple[str, ...] = ()
    weight: torch.Tensor | None = field(default=None, repr=False, compare=False)
    state: dict[str, torch.Tensor] | None = field(default=None, repr=False, compare=False)

    @property
    def model(self) -> Model | None:
        """The network as it is at this instant."""
        return None if self.weight is None else model_of(self.settings, self.weight)

    @property
    def epoch(self) -> int:
        """The epoch in progress, counted from 1."""
        return min(len(self.epochs) + 1, self.settings.epochs)

    @property
    def progress(self) -> float:
        """Share of the steps done, in [0, 1]."""
        return self.step / self.total_steps if self.total_steps else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None before the first steps."""
        return self.training_seconds / self.step * (self.total_steps - self.step) if self.step else None


def untrained(settings: Settings, classes: int = 10) -> Model:
    """The network as such a run begins with it."""
    recipe = settings.plan
    return model_of(settings, initial_weight(settings.m, classes * recipe.k, settings.seed, recipe.width))


def evaluate(net: Tempotron, store: SpikeStore, labels: torch.Tensor, k: int = 1) -> float:
    """Share in [0, 1] of the samples whose highest peak is their label's; labels on the network's device."""
    return _assess(net, store, labels, k).accuracy


@dataclass(frozen=True)
class _Assessment:
    accuracy: float
    dead: tuple[int, ...]
    wrong_state: float
    pinned_first: float
    pinned_last: float


def _assess(
    net: Tempotron, store: SpikeStore, labels: torch.Tensor, k: int, processes: Processes = ALONE
) -> _Assessment:
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
    return _Assessment(correct_total / total, tuple(dead), wrong_total / outputs * k, first / outputs, last / outputs)


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


def run(
    settings: Settings,
    dataset: data.Dataset | None = None,
    origin: Snapshot | None = None,
    processes: Processes = ALONE,
) -> Iterator[Snapshot]:
    """Train, yielding a snapshot every RECORD_EVERY steps, after every epoch and at the end.

    origin: a snapshot with a state, to go on from as if the run had never ended. processes: those that train together,
    each of which gets the same snapshots.
    The same settings and data give the same weights on the CPU. Closing the generator ends the run. Raises
    data.DataError where the data cannot be loaded, TrainingError where the memory is too small, and where loss or
    weights are no longer finite: no snapshot has such weights.
    """
    try:
        yield from _snapshots(settings, dataset, origin, processes)
    except (RuntimeError, MemoryError) as problem:
        if words := out_of_memory(problem, settings):
            raise TrainingError(words) from problem
        raise


def out_of_memory(problem: BaseException, settings: Settings) -> str | None:
    """A sentence where the problem is that the memory is too small; None where it is another one."""
    # On the CPU it is a RuntimeError like any other, but for its words.
    if not isinstance(problem, torch.cuda.OutOfMemoryError | MemoryError) and "allocate memory" not in str(problem):
        return None
    return (
        f"memory of {settings.device}: expected room for batches of {settings.batch_size} with m {settings.m} and T "
        f"{settings.T}, got none left ({type(problem).__name__}); the results so far are kept; choose a smaller batch, "
        f"{max(1, settings.batch_size // 2)} for example, or a smaller m or T."
    )


def _snapshots(
    settings: Settings, dataset: data.Dataset | None, origin: Snapshot | None, processes: Processes
) -> Iterator[Snapshot]:
    dataset = dataset or data.load(settings.dataset, settings.dataset_dir)
    if settings.validation:
        dataset = data.held_out(dataset, settings.validation)
    samples_per_epoch = len(dataset.train)
    dataset = processes.share(dataset)
    steps_per_epoch = math.ceil(samples_per_epoch / settings.batch_size)
    now = Snapshot(settings, "preparing", steps_per_epoch * settings.epochs, classes=dataset.classes)
    if origin is not None:
        if origin.step and origin.total_steps != now.total_steps:
            raise TrainingError(
                f"training data: expected what the run began with, {origin.total_steps:,} steps in all, got "
                f"{now.total_steps:,}; restore {settings.dataset} or start the run anew."
            )
        now = replace(now, step=origin.step, points=origin.points, epochs=origin.epochs)
    yield now

    clock = _Clock()
    table = pixel_table(settings.m, settings.T, settings.beta).to(settings.device)
    train, test = (
        SpikeStore(table, split.images.to(settings.device).view(-1, PIXELS), settings.T)
        for split in (dataset.train, dataset.test)
    )
    for prepared in _fill(train, test):
        now = replace(now, prepared=prepared, preparation_seconds=clock.seconds)
        with clock.stopped():
            yield now

    labels, test_labels = (split.labels.to(settings.device) for split in (dataset.train, dataset.test))
    trainer = Trainer(settings, len(dataset.classes), processes)
    shuffle = torch.Generator().manual_seed(settings.seed)
    step, first = 0, 1
    if origin is not None and origin.state is not None:
        trainer.restore(origin.state)
        shuffle.set_state(origin.state["shuffle"])
        step, first = origin.step, len(origin.epochs) + 1
        now = replace(now, phase="training")
        if first <= settings.epochs:
            trainer.revive(origin.epochs[-1].dead if origin.epochs else (), len(origin.epochs))
        else:
            yield replace(now, phase="finished", weight=trainer.net.fc.weight.detach().to("cpu", copy=True))
    clock = _Clock()
    for epoch in range(first, settings.epochs + 1):
        drawn, seen, epoch_began = 0, 0, clock.seconds
        epoch_total, window = torch.zeros(2, dtype=torch.float64), _Window(settings.device)
        for samples in torch.randperm(samples_per_epoch, generator=shuffle).split(settings.batch_size):
            batch = train.batch(processes.own(samples))
            chosen = labels.index_select(0, batch.samples)
            loss, hits = trainer.step(batch, chosen, step / now.total_steps, len(samples))
            window.add(loss, hits, len(chosen))
            step += 1
            drawn += len(samples)
            if step % RECORD_EVERY and step != epoch * steps_per_epoch:
                continue
            total, last_hits = window.take(processes)
            count = drawn - seen
            weight = trainer.net.fc.weight.detach().to("cpu", copy=True)
            if not bool(total.isfinite().all() and weight.isfinite().all()):
                what = "weights are" if bool(total.isfinite().all()) else "loss is"
                kept = "nothing was learned" if now.weight is None else "the last finite weights are kept"
                raise TrainingError(
                    f"The {what} no longer finite after step {step}: expected numbers, got NaN or infinity; {kept}, "
                    f"try a learning rate below {settings.lr:g}."
                )
            epoch_total += total
            seen += count
            point = Point(step, float(total[0]) / count, float(total[1]) / count, last_hits / len(samples))
            now = replace(
                now,
                phase="training",
                step=step,
                training_seconds=clock.seconds,
                samples_per_second=((epoch - first) * samples_per_epoch + seen) / clock.seconds,
                points=(*now.points, point),
                weight=weight,
                state=None,
            )
            with clock.stopped():
                yield now
        seconds = clock.seconds - epoch_began
        with clock.stopped():
            mean_loss, accuracy = (epoch_total / samples_per_epoch).tolist()
            found = _assess(trainer.net, test, test_labels, settings.plan.k, processes)
            rate = samples_per_epoch / seconds
            result = EpochResult(
                epoch, step, mean_loss, accuracy, found.accuracy, seconds, rate, found.dead, found.wrong_state,
                found.pinned_first, found.pinned_last, *trainer.norms(),
            )  # fmt: skip
            phase = "finished" if epoch == settings.epochs else "training"
            state = trainer.state() | {"shuffle": shuffle.get_state()}
            now = replace(now, phase=phase, epochs=(*now.epochs, result), state=state)
            yield now
            if epoch < settings.epochs:  # the weights that are kept are those that were evaluated
                trainer.revive(found.dead, epoch)


class _Window:
    """Sums of loss and hits since the last reading, kept on the device."""

    def __init__(self, device: str) -> None:
        self._total = torch.zeros(2, dtype=torch.float64, device=device)
        self._hits = torch.zeros((), device=device)

    def add(self, loss: torch.Tensor, hits: torch.Tensor, samples: int) -> None:
        self._total += torch.stack((loss * samples, hits.to(loss.dtype)))
        self._hits = hits

    def take(self, processes: Processes) -> tuple[torch.Tensor, float]:
        """The sums [2] over all processes, on the host, and the hits of the last step; starts again from zero."""
        total = processes.sum(torch.cat((self._total, self._hits.double().view(1)))).cpu()
        self._total.zero_()
        return total[:2], float(total[2])


class _Clock:
    """Seconds spent working, leaving out the time for which it was stopped."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @contextmanager
    def stopped(self) -> Iterator[None]:
        since = time.perf_counter()
        try:
            yield
        finally:
            self._began += time.perf_counter() - since


def _fill(*stores: SpikeStore) -> Iterator[float]:
    """Fill the stores, yielding the share done."""
    before, total = 0, sum(map(len, stores))
    for store in stores:
        for done in store.fill():
            yield (before + done) / total
        before += len(store)


def model_of(settings: Settings, weight: torch.Tensor) -> Model:
    """Weights with the constants of the run that they are of."""
    constants = settings.m, settings.T, settings.beta, settings.tau, settings.tau_s, settings.v_threshold
    return Model(weight, *constants, settings.plan.k)
