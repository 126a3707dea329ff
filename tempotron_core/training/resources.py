"""What a training will need, before it begins: bytes and seconds, and the nearest settings that fit the machine.

With B samples a step, O outputs, a active pixels a sample, m neurons a pixel, s spikes an active pixel and T ms:

    weights     784 m O floats: themselves, gradient, optimiser, what is kept of them and what is written
    batch       B O T floats for sums, potentials and gradients; B a m numbers for the spikes in order of afferents
    spikes      4 a s bytes a sample, where all of them keep within the store's budget, and 4 T for their counts
    kernel      T^2 floats, and several times as many while they are made
    seconds     1 ms + 5 ns B (a m + O T) + 4 ns 784 m O a step, on one core of a server of 2024

The factors were fitted to measured peaks and paces. Tests hold the memory to within a factor of two of them; the
seconds may be three times as many or as few, and serve to refuse what could never end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS
from tempotron_core.training.settings import Settings, TrainingError

__all__ = ["LONGEST_SECONDS", "Estimate", "available_memory", "check_fits", "estimate", "misfit"]

LONGEST_SECONDS = 7 * 24 * 3600.0
"""A training that is estimated to take longer than a week is refused."""

_SHARE = 0.9  # of the memory that is free: the estimate is one
_FIXED = 150e6
_TOGETHER = 500  # samples that are evaluated at a time
_STORED = 2**30  # what a store keeps of spikes
_USUAL = Settings()
_WORDS = {"epochs": "epochs", "batch_size": "batch size", "T": "T", "m": "m"}
_SMALLEST = {"epochs": 1, "batch_size": 1, "T": 1, "m": 3}
_INK = {datasets.EMBEDDED: 0.2, "MNIST": 0.2, "KMNIST": 0.35, "FashionMNIST": 0.5}  # share of pixels that are not black


@dataclass(frozen=True)
class Estimate:
    """Bytes that a training will take, beside those of the process so far, and seconds that it will last."""

    memory: float
    seconds: float


def estimate(settings: Settings, train: int, test: int) -> Estimate:
    """What these settings will need on that many training and test samples."""
    recipe = settings.plan
    m, T, outputs = settings.m, settings.T, 10 * recipe.k
    active = _INK[settings.dataset] * PIXELS
    weights = PIXELS * m * outputs
    batch = min(settings.batch_size, train)
    copies = {"sgd": 9, "sgd-momentum": 11, "adamw": 13}[recipe.optimiser] + 2 * (recipe.drop > 0)
    spikes = active * min(m, 2 * math.sqrt(2 * math.log(2 * T + 1)) / settings.beta)
    stored = 4 * spikes * (train + test)
    kept = stored + 4 * T * (train + test) if stored <= _STORED else 0.0
    steps = settings.epochs * math.ceil(train / settings.batch_size)
    together = max(batch, min(_TOGETHER, test))
    memory = (
        _FIXED
        + 4 * weights * copies
        + 10 * together * outputs * T
        + 8 * batch * active * m
        + 80 * spikes * max(batch, min(1000, train))
        + kept
        + 44 * T**2
        + 256 * 40 * m
    )
    work = active * m + outputs * T
    seconds = steps * (1e-3 + 5e-9 * batch * work + 4e-9 * weights) + settings.epochs * test * 2e-9 * work
    return Estimate(memory, seconds)


def misfit(settings: Settings, dataset: datasets.Dataset | None = None) -> str | None:
    """One sentence about settings that this machine cannot train, with the nearest that it can; None where it can.

    dataset: the set that will be trained on, where it has been read already.
    """
    train, test = (60_000, 10_000) if dataset is None else (len(dataset.train), len(dataset.test))
    if dataset is None and settings.dataset == datasets.EMBEDDED:
        train, test = 10_000, 2_000
    room = _SHARE * available_memory(settings.device)

    def fits(chosen: Settings) -> bool:
        needed = estimate(chosen, train, test)
        return needed.memory <= room and needed.seconds <= LONGEST_SECONDS

    if fits(settings):
        return None
    needed = estimate(settings, train, test)
    what = (
        f"at most {_bytes(room)} of memory, got an estimate of {_bytes(needed.memory)}"
        if needed.memory > room
        else f"at most {LONGEST_SECONDS / 86400:.0f} days of training, got an estimate of {_days(needed.seconds)}"
    )
    asked = ", ".join(f"{word} {getattr(settings, name):,}" for name, word in _WORDS.items())
    return f"training: expected {what} for {asked}; {_nearest(settings, fits)}."


def check_fits(settings: Settings, dataset: datasets.Dataset | None = None) -> None:
    """Raise TrainingError with the sentence of misfit(), where there is one."""
    if problem := misfit(settings, dataset):
        raise TrainingError(problem)


def available_memory(device: str = "cpu") -> float:
    """Bytes that a process can still take on that device: what the system has free, or its control group allows."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(device)[0])
    free = [math.inf]
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kind, group = line.split(":", 2)
            if kind in ("", "memory"):
                free += [_group_memory(Path("/sys/fs/cgroup") / kind / place.strip("/"), kind) for place in (group, "")]
    return max(0.0, min(free))


def _group_memory(folder: Path, kind: str) -> float:
    """Bytes that a control group of either version still allows; infinite where it has no limit."""
    limit, used = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kind else ("memory.max", "memory.current")
    try:
        told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = float(told.get("total_inactive_file") or told["inactive_file"])  # given back when needed
        return float((folder / limit).read_text()) - float((folder / used).read_text()) + cached
    except (OSError, ValueError, KeyError):
        return math.inf


def _nearest(settings: Settings, fits: Callable[[Settings], bool]) -> str:
    """Which one number to lower, and how far, or several of them where one will not do."""
    found: list[tuple[float, str, int]] = []
    for name, low in _SMALLEST.items():
        high = getattr(settings, name)
        if low >= high or not fits(_with(settings, name, low)):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(_with(settings, name, middle)) else (low, middle)
        round_one = max(_SMALLEST[name], _two_digits(low))
        found.append((getattr(settings, name) / round_one, name, round_one))
    if found:
        _, name, value = min(found)
        return f"the nearest that fits is {_WORDS[name]} {value:,}"
    chosen = settings
    while not fits(chosen):
        large = [name for name, low in _SMALLEST.items() if getattr(chosen, name) > low]
        if not large:
            return "nothing smaller fits either, free some memory"
        name = max(large, key=lambda name: getattr(chosen, name) / getattr(_USUAL, name))
        chosen = _with(chosen, name, max(_SMALLEST[name], getattr(chosen, name) // 2))
    changed = [
        f"{word} {getattr(chosen, name):,}"
        for name, word in _WORDS.items()
        if getattr(chosen, name) != getattr(settings, name)
    ]
    return f"what fits is {', '.join(changed)}"


def _with(settings: Settings, name: str, value: int) -> Settings:
    return replace(settings, **{name: value})  # type: ignore[arg-type]


def _two_digits(value: int) -> int:
    step = int(10 ** max(0, len(str(value)) - 2))
    return value // step * step


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count < 1e15 else "more than a million GB"


def _days(seconds: float) -> str:
    return f"{seconds / 86400:,.0f} days" if seconds < 86400e9 else "more than a million years"
