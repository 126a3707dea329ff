"""One training run as a plain generator of immutable snapshots, for the headless command and the dashboard alike."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS, pixel_table
from tempotron_core.snn.spike_store import SpikeStore
from tempotron_core.training.distributed import ALONE, Processes
from tempotron_core.training.metrics import EpochResult, Point
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Trainer, assess

__all__ = ["MOST_POINTS", "RECORD_EVERY", "out_of_memory", "run"]

RECORD_EVERY = 16
"""Steps between two snapshots; the host reads results from the device only there."""

MOST_POINTS = 2**16
"""A run with more snapshots than these keeps a point for every second of them, or every fourth, and so on."""


def run(
    settings: Settings,
    dataset: datasets.Dataset | None = None,
    origin: Snapshot | None = None,
    processes: Processes = ALONE,
) -> Iterator[Snapshot]:
    """Train, yielding a snapshot every RECORD_EVERY steps, after every epoch and at the end.

    Snapshots share their points and epochs: one costs no more late in a run than early.

    origin: a snapshot with a state, to go on from as if the run had never ended. processes: those that train together,
    each of which gets the same snapshots.
    The same settings and data give the same weights on the CPU. Closing the generator ends the run. Raises
    datasets.DataError where the data cannot be loaded, TrainingError where the memory is too small, and where loss or
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
    settings: Settings, dataset: datasets.Dataset | None, origin: Snapshot | None, processes: Processes
) -> Iterator[Snapshot]:
    dataset = dataset or datasets.load(settings.dataset, settings.dataset_dir)
    if settings.validation:
        dataset = datasets.held_out(dataset, settings.validation)
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
    spacing = _spacing(now.total_steps)
    clock = _Clock()
    for epoch in range(first, settings.epochs + 1):
        drawn, told, epoch_began = 0, 0, clock.seconds
        epoch_total, window = torch.zeros(2, dtype=torch.float64), _Window(settings.device)
        since_point = torch.zeros_like(epoch_total)
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
            weight = trainer.net.fc.weight.detach().to("cpu", copy=True)
            if not bool(total.isfinite().all() and weight.isfinite().all()):
                what = "weights are" if bool(total.isfinite().all()) else "loss is"
                kept = "nothing was learned" if now.weight is None else "the last finite weights are kept"
                raise TrainingError(
                    f"The {what} no longer finite after step {step}: expected numbers, got NaN or infinity; {kept}, "
                    f"try a learning rate below {settings.lr:g}.",
                    failed_step=step,
                )
            epoch_total += total
            since_point += total
            points = now.points
            if step % spacing == 0 or drawn == samples_per_epoch:
                mean_loss, accuracy = (since_point / (drawn - told)).tolist()
                points = points.plus(Point(step, mean_loss, accuracy, last_hits / len(samples)))
                told = drawn
                since_point.zero_()
            now = replace(
                now,
                phase="training",
                step=step,
                training_seconds=clock.seconds,
                samples_per_second=((epoch - first) * samples_per_epoch + drawn) / clock.seconds,
                points=points,
                weight=weight,
                state=None,
            )
            with clock.stopped():
                yield now
        seconds = clock.seconds - epoch_began
        with clock.stopped():
            mean_loss, accuracy = (epoch_total / samples_per_epoch).tolist()
            found = assess(trainer.net, test, test_labels, settings.plan.k, processes)
            rate = samples_per_epoch / seconds
            result = EpochResult(
                epoch, step, mean_loss, accuracy, found.accuracy, seconds, rate, found.dead, found.wrong_state,
                found.pinned_first, found.pinned_last, *trainer.norms(),
            )  # fmt: skip
            phase = "finished" if epoch == settings.epochs else "training"
            state = trainer.state() | {"shuffle": shuffle.get_state()}
            now = replace(now, phase=phase, epochs=now.epochs.plus(result), state=state)
            yield now
            if epoch < settings.epochs:  # the weights that are kept are those that were evaluated
                trainer.revive(found.dead, epoch)


def _spacing(steps: int) -> int:
    """Steps between two points of a run of so many."""
    spacing = RECORD_EVERY
    while steps > MOST_POINTS * spacing:
        spacing *= 2
    return spacing


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
