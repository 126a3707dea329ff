"""One peer of the comparison, in a process of its own: reports when it is ready, then times steps on request.

Every peer takes the same digits through one training step: Gaussian code, ten tempotrons, squared distance of
wrong peaks from the threshold, backward, plain SGD. Lines on stdin are numbers of steps; each is answered by a JSON
line with the seconds of every step and the process's peak memory so far, in MB.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

Step = Callable[[torch.Tensor], None]
"""Learns from the samples of those indices [B]."""

M, T, CLASSES = 16, 100, 10
LR = 1e-3


def peak_mb() -> float:
    """This process's own peak; getrusage would count what its parent held when it was started."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def error(v_max: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Squared distance of wrong peaks from the threshold, for those that bring no loss of their own."""
    wrong = (v_max >= 1) != torch.nn.functional.one_hot(labels, CLASSES).bool()
    return ((v_max - 1) * wrong).square().sum() / len(labels)


def training_loop_peer(images: torch.Tensor, labels: torch.Tensor) -> Step:
    """A step of the project's training loop, its spikes prepared."""
    from tempotron_core.model.classifier import pixel_spike_table
    from tempotron_core.snn.spike_store import SpikeStore
    from tempotron_core.training.settings import Settings
    from tempotron_core.training.trainer import Trainer

    store = SpikeStore(pixel_spike_table(M, T), images, T)
    for _ in store.fill():
        pass
    trainer = Trainer(Settings(recipe="reference", lr=LR), CLASSES)

    def step(samples: torch.Tensor) -> None:
        batch = store.batch(samples)
        trainer.step(batch, labels.index_select(0, batch.samples), 0.0)

    return step


def public_api_peer(images: torch.Tensor, labels: torch.Tensor) -> Step:
    """The library as its user calls it: nothing is kept from one batch to the next."""
    from tempotron_core import GaussianTuning, Tempotron

    tuning = GaussianTuning(1, M, torch.zeros(1), torch.ones(1))
    layer = Tempotron(784 * M, CLASSES, T)
    optimiser = torch.optim.SGD(layer.parameters(), lr=LR)

    def step(samples: torch.Tensor) -> None:
        times = tuning.encode(images[samples].unsqueeze(1).float() / 255, T).view(len(samples), -1)
        optimiser.zero_grad()
        layer.mse_loss(layer(times, "v_max"), layer.v_threshold, labels[samples], CLASSES).backward()
        optimiser.step()

    return step


def dense_peer(images: torch.Tensor, labels: torch.Tensor) -> Step:
    """The usual method, written plainly: the kernel of every afferent at every step of the grid."""
    tau, tau_s = 15.0, 15.0 / 4
    peak = tau * tau_s * np.log(tau / tau_s) / (tau - tau_s)
    v0 = float(1 / (np.exp(-peak / tau) - np.exp(-peak / tau_s)))
    centre = (2 * torch.arange(1, M + 1) - 3) / 2 / (M - 2)
    variance = (1 / 1.5 / (M - 2)) ** 2
    layer = torch.nn.Linear(784 * M, CLASSES, bias=False)
    optimiser = torch.optim.SGD(layer.parameters(), lr=LR)
    grid = torch.arange(T, dtype=torch.float32)

    def step(samples: torch.Tensor) -> None:
        x = images[samples].float().div(255).unsqueeze(-1)
        times = ((1 - torch.exp(-((x - centre) ** 2) / (2 * variance))) * T).round()
        times = times.masked_fill(times >= T, -1).view(len(samples), -1)
        optimiser.zero_grad()
        since = (grid - times.unsqueeze(-1)).clamp(min=0)
        effect = v0 * (torch.exp(-since / tau) - torch.exp(-since / tau_s)) * (times >= 0).unsqueeze(-1)
        v_max = layer(effect.transpose(1, 2)).amax(dim=1)
        error(v_max, labels[samples]).backward()
        optimiser.step()

    return step


def spikingjelly_peer(folder: str, images: torch.Tensor, labels: torch.Tensor) -> Step:
    """A release of SpikingJelly unpacked in a folder: its dense tempotron, or that of continuous events."""
    sys.path.insert(0, folder)
    encoding = importlib.import_module("spikingjelly.timing_based.encoding")
    neuron = importlib.import_module("spikingjelly.timing_based.neuron")
    tuning = encoding.GaussianTuning(n=1, m=M, x_min=torch.zeros(1), x_max=torch.ones(1))
    layer = neuron.Tempotron(784 * M, CLASSES, T)
    optimiser = torch.optim.SGD(layer.parameters(), lr=LR)

    def peaks(x: torch.Tensor) -> torch.Tensor:
        dense = hasattr(tuning, "encode")
        v_max: torch.Tensor = (
            layer(tuning.encode(x, T).flatten(1), "v_max") if dense else layer(*tuning(x, float(T)))[0]
        )
        return v_max

    def step(samples: torch.Tensor) -> None:
        optimiser.zero_grad()
        v_max = peaks(images[samples].unsqueeze(1).float() / 255)
        error(v_max, labels[samples]).backward()
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="loop, public, dense, or a folder with a release of SpikingJelly")
    parser.add_argument("digits", type=Path, help="npz with images uint8 [samples, 784] and labels")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--warm", type=int, default=5)
    options = parser.parse_args()
    with np.load(options.digits) as digits:
        images, labels = torch.from_numpy(digits["images"]), torch.from_numpy(digits["labels"])
    torch.manual_seed(0)
    made = {"loop": training_loop_peer, "public": public_api_peer, "dense": dense_peer}
    make = made.get(options.name)
    step = make(images, labels) if make else spikingjelly_peer(options.name, images, labels)
    order = torch.randperm(len(images))
    done = 0

    def seconds() -> float:
        nonlocal done
        chosen = order[torch.arange(done * options.batch, (done + 1) * options.batch) % len(images)]
        done += 1
        began = time.perf_counter()
        step(chosen)
        return time.perf_counter() - began

    for _ in range(options.warm):
        seconds()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        taken = [seconds() for _ in range(int(line))]
        print(json.dumps({"seconds": taken, "peak_mb": peak_mb()}), flush=True)


if __name__ == "__main__":
    main()
