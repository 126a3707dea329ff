"""Several processes that train one network, as PyTorch's launcher, torchrun, starts them.

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
    """Processes that cannot work together, in one sentence."""


@dataclass(frozen=True)
class ProcessGroup:
    """One process, number rank of size, and what it can ask of all of them at once."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes the run and speaks."""
        return self.rank == 0

    def shard(self, dataset: Dataset) -> Dataset:
        """Every size-th sample; DistributedError where a process would have none to learn from."""
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
        return Dataset(dataset.name, train, test, dataset.classes, dataset.source)

    def local_indices(self, samples: torch.Tensor) -> torch.Tensor:
        """Which samples [B] of the whole set this process keeps, as indices into its share."""
        if self.size == 1:
            return samples
        return samples[samples % self.size == self.rank] // self.size

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        return self._all_reduce(values, distributed.ReduceOp.SUM)

    def max(self, values: torch.Tensor) -> torch.Tensor:
        """The maximum over all processes, in place."""
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
    """The processes that the launcher started, and the device of this one; SINGLE_PROCESS where there was no launcher.

    device: as asked for. Accelerators go one to a process and speak over NCCL, CPUs over Gloo.
    """
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield SINGLE_PROCESS, device
        return
    processes = ProcessGroup(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    backend = "gloo"
    if device.startswith("cuda"):
        local, gpu_count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
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
            f"processes: expected {processes.size} that find each other, got none ({one_line_error(error)}); start them with "
            "torchrun."
        ) from error
    try:
        yield processes, device
        processes.sum(torch.zeros(1, device=device))  # nobody leaves while another still speaks to him
    finally:
        distributed.destroy_process_group()


def exit_process(code: int) -> NoReturn:
    """End this process; one of several at once, as soon as it has said everything.

    What is left of a process group may still want the interpreter while that ends, and would abort the process.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
