"""Estimate of memory and time of a training, and the nearest settings that fit the machine.

With B samples a step, O outputs, n features, of which a (or local patterns) are not 0, m neurons a feature, s spikes an
active feature and T ms:

    weights     n m O floats: themselves, gradient, optimiser, what is kept of them and what is written
    batch       B O T floats for sums, potentials and gradients; B a m numbers for the spikes in order of afferents
    spikes      4 a s bytes a sample, where all of them keep within the store's budget, and 4 T for their counts
    kernel      T^2 floats, and several times as many while they are made
    seconds     1 ms + 5 ns B (a m + O T) + 4 ns n m O a step, on one core of a server of 2024

The factors were fitted to measured peaks and paces. Tests hold the memory to within a factor of two of them; the
seconds may be three times as many or as few, and serve to refuse what could never end.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS
from tempotron_core.model.codes import CODES, DEFAULT_CODE
from tempotron_core.training.settings import Settings, TrainingError

__all__ = [
    "MAX_SECONDS",
    "Estimate",
    "available_cores",
    "available_memory",
    "choose_threads",
    "estimate",
    "explain_if_too_large",
    "require_fits",
    "set_threads",
]

MAX_SECONDS = 7 * 24 * 3600.0
"""A training that is estimated to take longer than a week is refused."""

_USABLE_FRACTION = 0.9  # of the memory that is free: the estimate is one
_BASE_BYTES = 150e6
_EVAL_BATCH = 500  # samples that are evaluated at a time
_STORE_BUDGET = 2**30  # what a store keeps of spikes
_DEFAULTS = Settings()
_LABELS = {"epochs": "epochs", "batch_size": "batch size", "T": "T", "m": "m"}
_CGROUPS = Path("/sys/fs/cgroup")
_SECONDS_PER_STEP_OF_ONE_THREAD = 0.01
"""Steps that take less on one core gain nothing from another: starting the threads takes as long as they save."""
_MAX_THREADS = 8
_MINIMUMS = {"epochs": 1, "batch_size": 1, "T": 1, "m": 3}
_NONZERO_FRACTION = {
    datasets.EMBEDDED: 0.2,
    "MNIST": 0.2,
    "KMNIST": 0.35,
    "FashionMNIST": 0.5,
}  # share of pixels that are not black
_OTHER_NONZERO_FRACTION = 0.9

_PATTERNS_PER_PIXEL = 2.2  # local patterns that are not black, measured on the digits
_CODEBOOK_BYTES = 100e6  # while it is computed, at most


@dataclass(frozen=True)
class Estimate:
    """Bytes needed beside those of the process so far, and seconds."""

    memory: float
    seconds: float


def estimate(settings: Settings, train: int, test: int, classes: int = 10, features: int = PIXELS) -> Estimate:
    """Return the estimate for these settings with train training and test test samples of classes and features."""
    recipe = settings.resolved_recipe
    m, T, outputs = settings.m, settings.T, classes * recipe.tempotrons_per_class
    active, spikes, code_bytes = _spike_statistics(settings, features)
    weights = features * m * outputs
    batch = min(settings.batch_size, train)
    copies = {"sgd": 9, "sgd-momentum": 11, "adamw": 13}[recipe.optimiser] + 2 * (recipe.afferent_dropout > 0)
    spike_bytes = 4 * spikes * (train + test)
    store_bytes = spike_bytes + 4 * T * (train + test) if spike_bytes <= _STORE_BUDGET else 0.0
    steps = settings.epochs * math.ceil(train / settings.batch_size)
    eval_batch = max(batch, min(_EVAL_BATCH, test))
    memory = (
        _BASE_BYTES
        + 4 * weights * copies
        + (10 if settings.time == "grid" else 22) * eval_batch * outputs * T
        + 8 * batch * active * m
        + 80 * spikes * max(batch, min(1000, train))
        + store_bytes
        + code_bytes
        + features * (train + test) * _symbol_bytes(settings)
        + 44 * T**2
        + 256 * 40 * m
    )
    work = active * m + outputs * T
    seconds = steps * (1e-3 + 5e-9 * batch * work + 4e-9 * weights) + settings.epochs * test * 2e-9 * work
    return Estimate(memory, seconds)


def _symbol_bytes(settings: Settings) -> int:
    """Return the bytes of a symbol beside those of the image."""
    if settings.code == DEFAULT_CODE:
        return 0
    return 4 if settings.code in CODES and CODES[settings.code].parts else 1


def _spike_statistics(settings: Settings, features: int) -> tuple[float, float, float]:
    """Return active positions and spikes of a sample in the code of the settings, and bytes that the code itself needs.

    A code that is not known here may have a spike of each afferent. A position is active in a joined code where it is
    in one of its parts.
    """
    code = CODES.get(settings.code)
    if code is not None and code.parts:
        of_parts = [
            _spike_statistics(replace(settings, code=part.name, m=m), features)
            for part, m in zip(code.parts, (code.first_m, settings.m - code.first_m), strict=True)
        ]
        active = max(part[0] for part in of_parts)
        spikes = sum(spikes / positions for positions, spikes, _ in of_parts) * active
        return active, spikes, sum(part[2] for part in of_parts)
    share = _NONZERO_FRACTION.get(settings.dataset, _OTHER_NONZERO_FRACTION)
    active = share * features
    if settings.code == DEFAULT_CODE:
        spikes = min(settings.m, 2 * math.sqrt(2 * math.log(2 * settings.T + 1)) / settings.beta)
        return active, active * spikes, 0.0
    if settings.code in ("latency", "latency-logarithmic"):
        return active, active, 0.0
    if settings.code == "local-pattern":
        active = min(1.0, _PATTERNS_PER_PIXEL * share) * features
        return active, active * min(settings.m, 2 * (1.5 / settings.beta) ** 3), _CODEBOOK_BYTES
    return features, features * settings.m, 0.0


def explain_if_too_large(settings: Settings, dataset: datasets.Dataset | None = None) -> str | None:
    """Return one sentence on settings that this machine cannot train, with the nearest that it can, else None.

    dataset: the data set, where it is loaded already.
    """
    sizes = (60_000, 10_000, 10, PIXELS)
    if dataset is None and settings.dataset == datasets.EMBEDDED:
        sizes = (10_000, 2_000, 10, PIXELS)
    elif dataset is None and settings.dataset in datasets.TABLES:
        dataset = datasets.load(settings.dataset)
    if dataset is not None:
        sizes = len(dataset.train), len(dataset.test), len(dataset.classes), dataset.num_features
    available = _USABLE_FRACTION * available_memory(settings.device)

    def fits(candidate: Settings) -> bool:
        needed = estimate(candidate, *sizes)
        return needed.memory <= available and needed.seconds <= MAX_SECONDS

    if fits(settings):
        return None
    needed = estimate(settings, *sizes)
    excess = (
        f"at most {_bytes(available)} of memory, got an estimate of {_bytes(needed.memory)}"
        if needed.memory > available
        else f"at most {MAX_SECONDS / 86400:.0f} days of training, got an estimate of {_days(needed.seconds)}"
    )
    requested = ", ".join(f"{word} {getattr(settings, name):,}" for name, word in _LABELS.items())
    return f"training: expected {excess} for {requested}; {_suggest_smaller(settings, fits)}."


def require_fits(settings: Settings, dataset: datasets.Dataset | None = None) -> None:
    """Raise TrainingError with the sentence of explain_if_too_large, if there is one."""
    if problem := explain_if_too_large(settings, dataset):
        raise TrainingError(problem)


def available_memory(device: str = "cpu") -> float:
    """Return the bytes that a process can still allocate on the device.

    Limits of the process (ulimit -v and -d) and of its control groups are included.
    """
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(device)[0])
    free = [math.inf]
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))
    free += [_cgroup_memory(folder, kind) for kind, folder in _cgroup_folders("memory")]
    free += [_process_memory("RLIMIT_AS", "VmSize"), _process_memory("RLIMIT_DATA", "VmData")]
    return max(0.0, min(free))


def available_cores() -> int:
    """Return the number of cores that this process may use: its affinity and the quotas of its control groups."""
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux
        cores = os.cpu_count() or 1
    quotas = [_cgroup_quota(folder, kind) for kind, folder in _cgroup_folders("cpu")]
    return max(1, min([cores, *(math.floor(quota) for quota in quotas if math.isfinite(quota))]))


def choose_threads(settings: Settings | None = None) -> int:
    """Return the number of threads for a training, or without settings for the pages of the dashboard.

    It is OMP_NUM_THREADS where that is a number; else one, unless a step is so long that more threads pay.
    """
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and 0 < int(text) <= 4096:
        return int(text)
    if settings is None:
        return 1
    once = estimate(replace(settings, epochs=1), train=settings.batch_size, test=0).seconds
    return min(available_cores(), _MAX_THREADS) if once > _SECONDS_PER_STEP_OF_ONE_THREAD else 1


def set_threads(settings: Settings | None = None) -> None:
    """Make PyTorch use as many threads as choose_threads returns."""
    torch.set_num_threads(choose_threads(settings))


def _process_memory(limit: str, used: str) -> float:
    """Return the bytes left of a limit of this process, infinite without one.

    used: name in /proc/self/status of what counts towards the limit
    """
    if resource is None:
        return math.inf
    soft, _ = resource.getrlimit(getattr(resource, limit))
    if soft == resource.RLIM_INFINITY:
        return math.inf
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith(f"{used}:"))
        return max(0.0, soft - 1024.0 * kilobytes)
    return float(soft)


def _cgroup_folders(controller: str) -> list[tuple[str, Path]]:
    """Return the control groups of this process, each with its parents.

    The first of each pair is the directory of a hierarchy of version 1, or "" for version 2.
    """
    folders: list[tuple[str, Path]] = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kind, group = line.split(":", 2)
            if kind and controller not in kind.split(","):
                continue
            root = _CGROUPS / (kind or "")
            parts = [part for part in group.split("/") if part not in ("", "..")]
            folders += [(kind, root.joinpath(*parts[:length])) for length in range(len(parts), -1, -1)]
    return folders


def _cgroup_quota(folder: Path, kind: str) -> float:
    """Return the cores that a control group (version 1 or 2) allows, infinite without a quota."""
    try:
        if kind:
            quota = (folder / "cpu.cfs_quota_us").read_text(), (folder / "cpu.cfs_period_us").read_text()
        else:
            quota = tuple((folder / "cpu.max").read_text().split())  # type: ignore[assignment]
        used, period = (float(value) for value in quota)
        return used / period if used > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _cgroup_memory(folder: Path, kind: str) -> float:
    """Return the bytes that a control group (version 1 or 2) still allows, infinite without a limit."""
    limit, used = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kind else ("memory.max", "memory.current")
    try:
        stats = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = float(stats.get("total_inactive_file") or stats["inactive_file"])  # given back when needed
        return float((folder / limit).read_text()) - float((folder / used).read_text()) + cached
    except (OSError, ValueError, KeyError):
        return math.inf


def _suggest_smaller(settings: Settings, fits: Callable[[Settings], bool]) -> str:
    """Return the one number to lower and its value, or several where one is not enough."""
    candidates: list[tuple[float, str, int]] = []
    for name, low in _MINIMUMS.items():
        high = getattr(settings, name)
        if low >= high or not fits(_with(settings, name, low)):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(_with(settings, name, middle)) else (low, middle)
        round_one = max(_MINIMUMS[name], _two_digits(low))
        candidates.append((getattr(settings, name) / round_one, name, round_one))
    if candidates:
        _, name, value = min(candidates)
        return f"the nearest that fits is {_LABELS[name]} {value:,}"
    reduced = settings
    while not fits(reduced):
        large = [name for name, low in _MINIMUMS.items() if getattr(reduced, name) > low]
        if not large:
            return "nothing smaller fits either, free some memory"
        name = max(large, key=lambda name: getattr(reduced, name) / getattr(_DEFAULTS, name))
        reduced = _with(reduced, name, max(_MINIMUMS[name], getattr(reduced, name) // 2))
    changes = [
        f"{word} {getattr(reduced, name):,}"
        for name, word in _LABELS.items()
        if getattr(reduced, name) != getattr(settings, name)
    ]
    return f"what fits is {', '.join(changes)}"


def _with(settings: Settings, name: str, value: int) -> Settings:
    return replace(settings, **{name: value})  # type: ignore[arg-type]


def _two_digits(value: int) -> int:
    step = int(10 ** max(0, len(str(value)) - 2))
    return value // step * step


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count < 1e15 else "more than a million GB"


def _days(seconds: float) -> str:
    return f"{seconds / 86400:,.0f} days" if seconds < 86400e9 else "more than a million years"
