"""The training loop, in a process of its own: preparation, steps, evaluation, scaling curves, distance to the limit.

Prints one JSON object. The training step is the loop's own (draw a batch from the store, forward, loss, backward,
SGD); `gather` is what of it the gather-sums themselves take, measured inside the same steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peers import peak_mb

from tempotron_core.model.classifier import PIXELS, pixel_spike_table
from tempotron_core.snn import engine, spike_store
from tempotron_core.snn.engine import Kernel
from tempotron_core.snn.spike_store import SpikeStore
from tempotron_core.snn.tempotron import threshold_mse
from tempotron_core.training.settings import Settings
from tempotron_core.training.trainer import Trainer, accuracy_on

KERNEL = Kernel(15.0, 15.0 / 4, 1.0)


def measure_seconds(call: Callable[[], object], repeats: int, warm: int = 5) -> list[float]:
    for _ in range(warm):
        call()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return taken


def filled_store(images: torch.Tensor, m: int, T: int) -> SpikeStore:
    kept = SpikeStore(pixel_spike_table(m, T), images, T)
    for _ in kept.fill():
        pass
    return kept


def gather_share(step: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Medians of a step's gather-sums and of the step, in seconds."""
    plain, spent = engine.segment_sum, 0.0

    def timed(*arguments: torch.Tensor) -> torch.Tensor:
        nonlocal spent
        began = time.perf_counter()
        sums = plain(*arguments)
        spent += time.perf_counter() - began
        return sums

    sums, steps = [], []
    setattr(spike_store, "segment_sum", timed)  # noqa: B010
    try:
        for _ in range(repeats):
            spent = 0.0
            began = time.perf_counter()
            step()
            steps.append(time.perf_counter() - began)
            sums.append(spent)
    finally:
        setattr(spike_store, "segment_sum", plain)  # noqa: B010
    return statistics.median(sums), statistics.median(steps)


def scaling(images: torch.Tensor, labels: torch.Tensor, repeats: int) -> list[dict[str, float | str]]:
    """One step against one size at a time, the others as usual: seconds, and all spikes of a batch."""
    usual = {"batch": 64, "m": 16, "T": 100, "pixels": 784, "outputs": 10}
    curves: dict[str, list[int]] = {
        "batch": [16, 32, 64, 128, 256, 512],
        "m": [4, 8, 16, 32, 64],
        "T": [50, 100, 200, 500, 1000],
        "pixels": [98, 196, 392, 784, 1568, 3136],
        "outputs": [1, 10, 30, 100],
    }
    points: list[dict[str, float | str]] = []
    for name, values in curves.items():
        for value in values:
            size = usual | {name: value}
            points.append({"against": name, "value": value, **step_under(images, labels, repeats, **size)})
    return points


def step_under(
    images: torch.Tensor, labels: torch.Tensor, repeats: int, *, batch: int, m: int, T: int, pixels: int, outputs: int
) -> dict[str, float]:
    wide = images.repeat(1, -(-pixels // PIXELS))
    # Centred columns, so that fewer pixels are not only the empty margin.
    skip = (wide.shape[1] - pixels) // 2
    kept = filled_store(wide[:2000, skip : skip + pixels].contiguous(), m, T)
    weight = torch.nn.Parameter(torch.randn(pixels * m, outputs) * 0.01)
    optimiser = torch.optim.SGD([weight], lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        drawn = kept.batch(torch.randint(0, len(kept), (batch,), generator=generator))
        v_max = engine.peak(weight.t(), drawn, KERNEL)
        loss = threshold_mse(v_max, 1.0, labels[drawn.samples].remainder(outputs))
        (weight.grad,) = torch.autograd.grad(loss, weight)
        optimiser.step()

    taken = measure_seconds(step, repeats)
    table = pixel_spike_table(m, T)
    per_symbol = ((table >= 0) & (table < T)).sum(1).float()
    spikes = float(per_symbol[wide[:2000, skip : skip + pixels].int()].sum(1).mean()) * batch
    return {"seconds": statistics.median(taken), "spikes": spikes, "afferents": float(pixels * m)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("digits", type=Path, help="npz with images, labels, test_images, test_labels")
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    with np.load(options.digits) as digits:
        images, labels = torch.from_numpy(digits["images"]), torch.from_numpy(digits["labels"])
        tests, answers = torch.from_numpy(digits["test_images"]), torch.from_numpy(digits["test_labels"])
    before = peak_mb()
    began = time.perf_counter()
    train = filled_store(images, 16, 100)
    preparation = time.perf_counter() - began
    prepared_mb = peak_mb()
    trainer = Trainer(Settings(recipe="reference"), 10)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        batch = train.batch(torch.randint(0, len(train), (64,), generator=generator))
        trainer.step(batch, labels[batch.samples], 0.0)

    measure_seconds(step, 0, warm=30)
    gather, around = gather_share(step, options.repeats)
    test = filled_store(tests, 16, 100)
    evaluation = measure_seconds(lambda: accuracy_on(trainer.net, test, answers), 9, warm=2)
    report = {
        "samples": len(images),
        "preparation_seconds": preparation,
        "preparation_mb": prepared_mb - before,
        "peak_mb": prepared_mb,
        "gather_seconds": gather,
        "gather_share": gather / around,
        "evaluated": len(tests),
        "evaluation_seconds": evaluation,
        "scaling": scaling(images, labels, max(20, options.repeats // 5)),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
