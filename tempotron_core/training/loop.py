"""Training of one run as a generator of immutable snapshots, for command and dashboard."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from tempotron_core.data import datasets
from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import CodeError, FittedCode, require_known_code, restore_code
from tempotron_core.model.sample_store import Store, store_in_steps
from tempotron_core.training.distributed import SINGLE_PROCESS, ProcessGroup
from tempotron_core.training.metrics import EpochMetrics, StepMetrics
from tempotron_core.training.settings import Settings, TrainingError, require_startable
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Trainer, evaluate_health

__all__ = ["MAX_POINTS", "STEPS_PER_SNAPSHOT", "out_of_memory_message", "train_model"]

STEPS_PER_SNAPSHOT = 16
"""Steps between two snapshots; the host reads results from the device only there."""

MAX_POINTS = 2**16
"""A run with more snapshots than these keeps a point for every second of them, or every fourth, and so on."""


def train_model(
    settings: Settings,
    dataset: datasets.Dataset | None = None,
    resume_from: Snapshot | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
    prepare_ahead: bool = False,
    initial: Model | None = None,
) -> Iterator[Snapshot]:
    """Train, yielding a snapshot every STEPS_PER_SNAPSHOT steps, after every epoch and at the end.

    Snapshots share their rows of metrics. The same settings and data give the same weights on the CPU. Closing the
    generator ends the run.

    Args:
        settings: the run
        dataset: loaded data set, None to load the one of the settings
        resume_from: snapshot with a state to continue from, bit for bit on the CPU
        processes: processes that train together; each gets the same snapshots
        prepare_ahead: arrange the spikes of the next batches on a second thread; the weights are the same
        initial: network whose weights and code take the place of the initial ones; not used in a run that is resumed

    Raises:
        DataError: where the data cannot be loaded.
        TrainingError: where memory is insufficient, and where loss or weights are not finite: no snapshot has such
            weights.
    """
    try:
        yield from _snapshots(settings, dataset, resume_from, processes, prepare_ahead, initial)
    except (RuntimeError, MemoryError) as problem:
        if message := out_of_memory_message(problem, settings):
            raise TrainingError(message) from problem
        raise


def out_of_memory_message(problem: BaseException, settings: Settings) -> str | None:
    """Return a sentence if the problem is insufficient memory, else None."""
    # On the CPU it is a RuntimeError like any other, but for its words.
    if not isinstance(problem, torch.cuda.OutOfMemoryError | MemoryError) and "allocate memory" not in str(problem):
        return None
    return (
        f"memory of {settings.device}: expected room for batches of {settings.batch_size} with m {settings.m} and T "
        f"{settings.T}, got none left ({type(problem).__name__}); the results so far are kept; choose a smaller batch, "
        f"{max(1, settings.batch_size // 2)} for example, or a smaller m or T."
    )


def _snapshots(
    settings: Settings,
    dataset: datasets.Dataset | None,
    resume_from: Snapshot | None,
    processes: ProcessGroup,
    prepare_ahead: bool,
    initial: Model | None,
) -> Iterator[Snapshot]:
    try:
        require_startable(settings)
    except ValueError as error:  # the settings come from a run folder
        raise TrainingError(str(error)) from error
    dataset = dataset or datasets.load(settings.dataset, settings.dataset_dir)
    if settings.validation:
        dataset = datasets.hold_out_validation(dataset, settings.validation)
    samples_per_epoch, code_images = len(dataset.train), dataset.train.images
    dataset = processes.shard(dataset)
    steps_per_epoch = math.ceil(samples_per_epoch / settings.batch_size)
    _check_samples(settings, dataset)
    shape = dataset.sample_shape
    total_steps = steps_per_epoch * settings.epochs
    snapshot = Snapshot(settings, "preparing", total_steps, classes=dataset.classes, shape=shape)
    if resume_from is not None:
        done = resume_from.epochs_done
        if done > settings.epochs:
            raise TrainingError(
                f"epochs: expected at least the {done:,} that the run has done, got {settings.epochs:,}; choose more."
            )
        if done and resume_from.step != done * steps_per_epoch:
            raise TrainingError(
                f"training data: expected what the run began with, {resume_from.step // done:,} steps an epoch, got "
                f"{steps_per_epoch:,}; restore {settings.dataset} or start a new run."
            )
        snapshot = replace(snapshot, step=resume_from.step, points=resume_from.points, epochs=resume_from.epochs)
    yield snapshot

    clock = _Clock()
    try:
        code = resume_from.code if resume_from is not None else None
        if code is None and initial is not None:
            code = initial.code
        code = code or _fit_code(settings, code_images, processes)
        del code_images
        snapshot = replace(snapshot, code=code)
        stores: list[Store] = []
        for prepared in _encode_with_progress(code, settings, (dataset.train, dataset.test), stores):
            snapshot = replace(snapshot, encoded_fraction=prepared, encoding_seconds=clock.seconds)
            with clock.paused():
                yield snapshot
    except CodeError as error:
        raise TrainingError(str(error)) from error
    train, test = stores

    labels, test_labels = (split.labels.to(settings.device) for split in (dataset.train, dataset.test))
    trainer = Trainer(settings, len(dataset.classes), processes, shape)
    shuffle = torch.Generator().manual_seed(settings.seed)
    step, first = 0, 1
    if initial is not None:
        trainer.start_from(initial.weight)
    if resume_from is not None and resume_from.state is not None:
        trainer.restore(resume_from.state)
        shuffle.set_state(resume_from.state["shuffle"])
        step, first = resume_from.step, resume_from.epochs_done + 1
        snapshot = replace(snapshot, phase="training")
        if first <= settings.epochs:
            trainer.reinitialise(
                resume_from.epochs[-1].dead_outputs if resume_from.epochs else (), resume_from.epochs_done
            )
        else:
            yield replace(snapshot, phase="finished", weight=trainer.net.fc.weight.detach().to("cpu", copy=True))
    spacing = _spacing(snapshot.total_steps)
    clock = _Clock()
    for epoch in range(first, settings.epochs + 1):
        trainer.set_rate(settings.rate_after(epoch - 1))
        samples_seen, samples_reported, epoch_began = 0, 0, clock.seconds
        epoch_total, running_totals = torch.zeros(2, dtype=torch.float64), _RunningTotals(settings.device)
        since_point = torch.zeros_like(epoch_total)
        groups = torch.randperm(samples_per_epoch, generator=shuffle).split(settings.batch_size)
        batches = train.prepared_batches(map(processes.local_indices, groups), prepare_ahead)
        for samples, batch in zip(groups, batches, strict=True):
            batch_labels = labels.index_select(0, batch.samples)
            loss, hits = trainer.step(batch, batch_labels, step / snapshot.total_steps, len(samples))
            running_totals.add(loss, hits, len(batch_labels))
            step += 1
            samples_seen += len(samples)
            if step % STEPS_PER_SNAPSHOT and step != epoch * steps_per_epoch:
                continue
            total, last_hits = running_totals.pop(processes)
            weight = trainer.net.fc.weight.detach().to("cpu", copy=True)
            if not bool(total.isfinite().all() and weight.isfinite().all()):
                non_finite = "weights are" if bool(total.isfinite().all()) else "loss is"
                consequence = "nothing was learned" if snapshot.weight is None else "the last finite weights are kept"
                raise TrainingError(
                    f"The {non_finite} no longer finite after step {step}: expected numbers, got NaN or infinity; "
                    f"{consequence}, "
                    f"try a learning rate below {settings.lr:g}.",
                    failed_step=step,
                )
            epoch_total += total
            since_point += total
            points = snapshot.points
            if step % spacing == 0 or samples_seen == samples_per_epoch:
                mean_loss, accuracy = (since_point / (samples_seen - samples_reported)).tolist()
                points = points.appended(StepMetrics(step, mean_loss, accuracy, last_hits / len(samples)))
                samples_reported = samples_seen
                since_point.zero_()
            snapshot = replace(
                snapshot,
                phase="training",
                step=step,
                training_seconds=clock.seconds,
                samples_per_second=((epoch - first) * samples_per_epoch + samples_seen) / clock.seconds,
                points=points,
                weight=weight,
                state=None,
            )
            with clock.paused():
                yield snapshot
        seconds = clock.seconds - epoch_began
        with clock.paused():
            mean_loss, accuracy = (epoch_total / samples_per_epoch).tolist()
            health = evaluate_health(
                trainer.net, test, test_labels, settings.resolved_recipe.tempotrons_per_class, processes
            )
            rate = samples_per_epoch / seconds
            result = EpochMetrics(
                epoch, step, mean_loss, accuracy, health.accuracy, seconds, rate, health.dead_outputs,
                health.firing_error_rate,
                health.peaks_at_start, health.peaks_at_end, *trainer.norms(),
            )  # fmt: skip
            accuracies = [*(one.test_accuracy for one in snapshot.epochs), health.accuracy]
            is_last = epoch == settings.epochs or settings.ends_after(accuracies)
            phase = "finished" if is_last else "training"
            state = trainer.state() | {"shuffle": shuffle.get_state()}
            snapshot = replace(snapshot, phase=phase, epochs=snapshot.epochs.appended(result), state=state)
            yield snapshot
            if is_last:
                return  # the weights that are kept are those that were evaluated
            trainer.reinitialise(health.dead_outputs, epoch)


def _check_samples(settings: Settings, dataset: datasets.Dataset) -> None:
    if not dataset.classes:
        raise TrainingError(
            f"{dataset.name}: expected samples with labels, got none; add labels to the file or choose another set."
        )
    if dataset.m not in (None, settings.m):
        raise TrainingError(
            f"m: expected {dataset.m}, the afferents of a feature in {dataset.name}, got {settings.m}; choose "
            f"{dataset.m}."
        )


def _spacing(steps: int) -> int:
    """Return the number of steps between two points of a run."""
    spacing = STEPS_PER_SNAPSHOT
    while steps > MAX_POINTS * spacing:
        spacing *= 2
    return spacing


class _RunningTotals:
    """Sums of loss and hits since the last reading, on the device."""

    def __init__(self, device: str) -> None:
        self._total = torch.zeros(2, dtype=torch.float64, device=device)
        self._hits = torch.zeros((), device=device)

    def add(self, loss: torch.Tensor, hits: torch.Tensor, samples: int) -> None:
        self._total += torch.stack((loss * samples, hits.to(loss.dtype)))
        self._hits = hits

    def pop(self, processes: ProcessGroup) -> tuple[torch.Tensor, float]:
        """Return the sums [2] over all processes on the host, and the hits of the last step; start again from zero."""
        total = processes.sum(torch.cat((self._total, self._hits.double().view(1)))).cpu()
        self._total.zero_()
        return total[:2], float(total[2])


class _Clock:
    """Seconds spent training, without pauses."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @contextmanager
    def paused(self) -> Iterator[None]:
        since = time.perf_counter()
        try:
            yield
        finally:
            self._began += time.perf_counter() - since


def _fit_code(settings: Settings, images: torch.Tensor, processes: ProcessGroup) -> FittedCode:
    """Return the code of the run, computed from all training images uint8 [n, H, W]; that of the first process."""
    try:
        code = require_known_code(settings.code).fit_to(images, settings.m, settings.seed)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    if processes.size == 1 or not code.fitted:
        return code
    fitted = {
        name: processes.sum((value if processes.is_main else torch.zeros_like(value)).to(settings.device)).cpu()
        for name, value in code.fitted.items()
    }
    return restore_code(settings.code, fitted, settings.m)


def _encode_with_progress(
    code: FittedCode, settings: Settings, splits: Sequence[Split], stores: list[Store]
) -> Iterator[float]:
    """Append a filled store for each split, yielding the fraction done."""
    in_order = (settings.time, settings.after_spike) != ("grid", "continue")
    total = 2 * sum(map(len, splits))  # a sample is done once for its symbols and once for its spikes
    before = 0
    for split in splits:
        constants = settings.m, settings.T, settings.beta
        for done in store_in_steps(code, split.images.to(settings.device), constants, in_order, stores):
            yield (before + done) / total
        before += 2 * len(split)
