"""Several processes that train one network, started by PyTorch's launcher torchrun.

Every process keeps its share of the samples. A step's batch is drawn from all of them; each process learns from those
that it keeps, and the gradients, weighted by their numbers of samples, are summed: one process with the whole batch
would have the same gradient.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import distributed

from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.validation import one_line_error

__all__ = ["SINGLE_PROCESS", "DistributedError", "ProcessGroup", "exit_process", "init_process_group"]


class DistributedError(Exception):
    """The processes cannot train together; the message is one sentence."""


@dataclass(frozen=True)
class ProcessGroup:
    """One process, number rank of size, and reductions over all of them."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Return whether this process writes the run and prints."""
        return self.rank == 0

    def shard(self, dataset: Dataset) -> Dataset:
        """Return every size-th sample.

        Raises:
            DistributedError: where a process would have no sample.
        """
        if self.size == 1:
            return dataset
        if len(dataset.train) < self.size:
            raise DistributedError(
                f"processes: expected at most one a training sample, {len(dataset.train):,}, got {self.size}; "
                "start fewer."
            )
        train, test = (
            Split(split.images[self.rank :: self.size], split.labels[self.rank :: self.size])
            for split in (dataset.train, dataset.test)
        )
        return dataset.with_splits(train, test)

    def local_indices(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the samples [B] of the whole set that this process holds, as indices into its share."""
        if self.size == 1:
            return samples
        return samples[samples % self.size == self.rank] // self.size

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over all processes, in place."""
        return self._all_reduce(values, distributed.ReduceOp.SUM)

    def max(self, values: torch.Tensor) -> torch.Tensor:
        """Take the maximum over all processes, in place."""
        return self._all_reduce(values, distributed.ReduceOp.MAX)

    def _all_reduce(self, values: torch.Tensor, operation: distributed.ReduceOp.RedOpType) -> torch.Tensor:
        if self.size > 1:
            try:
                distributed.all_reduce(values, operation)
            except RuntimeError as error:
                raise DistributedError(
                    f"Process {self.rank} of {self.size} has lost the others ({one_line_error(error)}); "
                    "resume the run from its folder."
                ) from error
        return values


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def init_process_group(device: str) -> Iterator[tuple[ProcessGroup, str]]:
    """Join the processes that the launcher started; yield them and the device of this one.

    Yields SINGLE_PROCESS without a launcher. Accelerators use NCCL, one per process; CPUs use Gloo.
    """
    size, rank = _environment_integer("WORLD_SIZE"), _environment_integer("RANK")
    if size is None or rank is None or size == 1:
        yield SINGLE_PROCESS, device
        return
    if not 0 <= rank < size:
        raise DistributedError(
            f"RANK, WORLD_SIZE: expected a number from 0 to below WORLD_SIZE, got {rank} and {size}; start the "
            "processes with torchrun, or unset both."
        )
    processes = ProcessGroup(rank, size)
    backend = "gloo"
    if device.startswith("cuda"):
        local, gpu_count = _environment_integer("LOCAL_RANK") or 0, torch.cuda.device_count()
        if local >= gpu_count:
            raise DistributedError(
                f"processes: expected at most one a GPU, {gpu_count} on this machine, got number {local + 1}; "
                "start fewer or choose --device cpu."
            )
        backend, device = "nccl", f"cuda:{local}"
        torch.cuda.set_device(local)
    try:
        distributed.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        raise DistributedError(
            f"processes: expected {processes.size} that find each other, got none ({one_line_error(error)}); "
            f"start them with "
            "torchrun."
        ) from error
    try:
        yield processes, device
        processes.sum(torch.zeros(1, device=device))  # no process ends while another still communicates with it
    finally:
        distributed.destroy_process_group()


def _environment_integer(name: str) -> int | None:
    """Return a number that the launcher passes, None where the variable is unset or empty.

    Raises:
        DistributedError: for anything but a whole number.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise DistributedError(
            f"{name}: expected a whole number, got {text[:40]!r}; start the processes with torchrun, or unset it."
        )
    return int(text)


def exit_process(code: int) -> NoReturn:
    """End this process; one of several without the interpreter's shutdown, during which a process group may abort."""
    size = os.environ.get("WORLD_SIZE", "").strip()
    if size.isdecimal() and int(size) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
