"""The dashboard on objects of a script or notebook.

dashboard = tc.explore(layer, x, labels)
print(dashboard.url)
dashboard.close()
"""

from __future__ import annotations

import atexit
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np
import torch

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.analysis.robustness import subsample
from tempotron_core.cli import app_script
from tempotron_core.data import datasets
from tempotron_core.data.samples import DataError, Dataset
from tempotron_core.data.spike_times import dataset_from_spike_times
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import AS_RECORDED, DEFAULT_CODE
from tempotron_core.recording import find_weight, record_with_settings
from tempotron_core.snn.tempotron import Tempotron
from tempotron_core.training.settings import Settings, fit_to_dataset, model_from_weights

__all__ = ["Dashboard", "explore"]

_FILE = "samples.npz"
_STOP_SECONDS = 10.0
_MAX_M = 64
_CONSTANTS = ("m", "T", "beta", "tau", "tau_s", "v_threshold", "time", "after_spike", "tempotrons_per_class")


class Dashboard:
    """A dashboard in a process of its own; it ends with close(), or with this process.

    Attributes:
        url: address of the page Overview with the objects selected
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.url = url
        self._process, self._folder = process, folder
        atexit.register(self.close)

    def wait_until_ready(self, seconds: float = 60.0) -> Self:
        """Wait until the server answers, and return the dashboard.

        Raises:
            RuntimeError: where the server has ended or does not answer in time.
        """
        health, end = self.url.split("?")[0] + "_stcore/health", time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                lines = (self._folder / "server.log").read_text(errors="replace").strip().splitlines() or ["no output"]
                raise RuntimeError(f"dashboard: expected a running server, got one that ended: {lines[-1][:200]}")
            try:
                with urllib.request.urlopen(health, timeout=2):
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"dashboard: expected an answer within {seconds:g} s, got none; close it and try again.")

    def open_browser(self) -> Self:
        """Open the dashboard in the browser of this machine once the server answers, and return the dashboard."""
        self.wait_until_ready()
        webbrowser.open(self.url)
        return self

    def wait(self) -> None:
        """Wait until the server ends; Ctrl-C closes it. For the last line of a script."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """Stop the server and delete its temporary files; a second call does nothing."""
        atexit.unregister(self.close)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Dashboard({self.url!r})"

    def _repr_html_(self) -> str:
        """Return a link, which Jupyter shows."""
        return f'<a href="{self.url.replace("&", "&amp;")}" target="_blank">Tempotron Explorer</a>'


@dataclass(frozen=True)
class _Inputs:
    """Network, samples and constants that fit each other.

    Attributes:
        weight: weights [outputs, afferents]
        dataset: samples
        settings: constants and place of the run
        model: network with these constants
    """

    weight: torch.Tensor
    dataset: Dataset
    settings: Settings
    model: Model


def explore(
    network: Any,
    samples: Any,
    labels: Any = None,
    *,
    classes: tuple[str, ...] = (),
    port: int | None = None,
    address: str = "127.0.0.1",
    **constants: Any,
) -> Dashboard:
    """Open the dashboard on a network and samples of one's own; return at once, before the server answers.

    Args:
        network: a Tempotron or another layer with one matrix, a Model, or weights [outputs, afferents]; a Model with
            another code than the Gaussian one needs spike times
        samples: images [n, h, w] or features [n, features], which the Gaussian code turns into spikes, m for each
            value; or spike times in ms [n, afferents] or [n, features, m], negative or NaN for none
        labels: class of each sample; without labels samples are shown as spike times, without a true class
        classes: names of the classes, their numbers if empty
        port: port of the server, None for a free one
        address: address at which the server listens
        **constants: T, beta, tau, tau_s, v_threshold, time, after_spike, tempotrons_per_class where they differ from
            those of the network, else from the defaults of Settings

    Raises:
        TypeError: for objects of another type and unknown constants.
        ValueError: for shapes that do not fit each other.
        DataError: for samples and labels that are no data set.
    """
    weight = find_weight(network.weight if isinstance(network, Model) else network)
    given = _constants_of(network) | _check_constants(constants)
    folder = Path(tempfile.mkdtemp(prefix="tempotron-explore-"))
    try:
        (folder / "data").mkdir()
        code = network.code.name if isinstance(network, Model) else DEFAULT_CODE
        inputs = _prepare(weight, samples, labels, classes, given, code, folder)
        run = _write_run(inputs, labels is not None)
        return _start(folder, run.name, address, port)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _constants_of(network: Any) -> dict[str, Any]:
    if isinstance(network, Model):
        return {name: getattr(network, name) for name in _CONSTANTS}
    if isinstance(network, Tempotron):
        return {name: getattr(network, name) for name in ("T", "tau", "tau_s", "v_threshold", "time", "after_spike")}
    return {}


def _check_constants(constants: dict[str, Any]) -> dict[str, Any]:
    for name in constants:
        if name not in _CONSTANTS:
            raise TypeError(f"explore: expected constants of {', '.join(_CONSTANTS)}, got {name!r}; leave it out.")
    return constants


def _prepare(
    weight: torch.Tensor,
    samples: Any,
    labels: Any,
    classes: tuple[str, ...],
    given: dict[str, Any],
    code: str,
    folder: Path,
) -> _Inputs:
    """Return the samples as a data set in the folder, and the settings of the run."""
    outputs, afferents = weight.shape
    per_class = given.pop("tempotrons_per_class", 1)
    if not isinstance(per_class, int) or per_class < 1 or outputs % per_class:
        raise ValueError(
            f"tempotrons_per_class: expected a divisor of the {outputs:,} outputs, got {per_class!r}; correct it."
        )
    x = _to_array("samples", samples)
    y = None if labels is None else _to_array("labels", labels)
    names = tuple(map(str, classes)) or tuple(map(str, range(outputs // per_class)))
    if len(names) != outputs // per_class:
        raise ValueError(
            f"classes: expected {outputs // per_class:,} names, one for each output, got {len(names):,}; correct them."
        )
    if x.ndim < 2 or not len(x):
        raise ValueError(
            f"samples: expected [n, h, w], [n, features] or spike times [n, {afferents:,}], got {list(x.shape)}; pass "
            "at least one sample with its own first dimension."
        )
    if y is not None and y.shape != x.shape[:1]:
        raise ValueError(
            f"labels: expected {len(x):,} labels, one for each sample, got {list(y.shape)}; pass one class a sample."
        )
    features = int(np.prod(x.shape[1:]))
    is_times = features == afferents
    if code != DEFAULT_CODE and not (is_times and (x.dtype != np.uint8 or code == AS_RECORDED.name)):
        raise ValueError(
            f"samples: expected spike times for a network with the code {code}, got values {list(x.shape)}, which only "
            f"the code {DEFAULT_CODE} turns into spikes here; pass model.spike_times(samples)."
        )
    m = x.shape[2] if is_times and x.ndim == 3 else 1 if is_times else afferents // features if features else 0
    if not is_times and (afferents % max(features, 1) or m < 3):
        raise ValueError(
            f"samples: expected spike times of {afferents:,} afferents, or values of which each has m of them, m 3 or "
            f"more, got {features:,} values a sample; check the shapes of weight, {list(weight.shape)}, and samples, "
            f"{list(x.shape)}."
        )
    if not is_times and m > _MAX_M:
        raise ValueError(
            f"samples: expected at most {_MAX_M} afferents for each value, got {m:,}: {afferents:,} afferents, samples "
            f"{list(x.shape)}; a single sample needs a first dimension, samples[None]."
        )
    if y is not None and y.dtype.kind in "bui" and not 0 <= int(y.min()) <= int(y.max()) < len(names):
        raise ValueError(
            f"labels: expected classes 0 to {len(names) - 1}, the outputs of the network, got {int(y.min())} to "
            f"{int(y.max())}; number the classes from 0."
        )
    if not is_times and given.get("m", m) != m:
        raise ValueError(f"m: expected {m}, {afferents:,} afferents by {features:,} values, got {given['m']}.")
    settings = Settings(
        **given | {"m": max(m, 3)}, dataset_dir=str(folder / "data"), log_dir=str(folder / "runs"),
        imported_from="explored network", tempotrons_per_class=None if per_class == 1 else per_class,
    )  # fmt: skip
    if not is_times and y is None:
        grey = _to_grey(x)
        x = model_from_weights(settings, weight).spike_times(grey).numpy().reshape(len(x), features, m)
        is_times = True
    path = folder / "data" / _FILE
    if is_times:
        dataset_from_spike_times("samples", x, y, classes=names)  # raises an error for invalid samples
        parts = {} if y is None else {"labels": y, "times_test": x, "labels_test": y, "classes": np.array(names)}
        np.savez(path, times=x, unit=np.array("ms"), **parts)  # type: ignore[arg-type]
    else:
        assert y is not None
        np.savez(path, x=x, y=y, x_test=x, y_test=y, classes=np.array(names))
    dataset = datasets.load(_FILE, str(folder / "data"))
    if y is not None and len(dataset.classes) != len(names):
        raise DataError(
            f"labels: expected classes 0 to {len(names) - 1}, the outputs of the network, got "
            f"{', '.join(dataset.classes[:10])}; number the classes from 0."
        )
    settings = replace(fit_to_dataset(settings, dataset), dataset=_FILE)
    return _Inputs(weight, dataset, settings, model_from_weights(settings, weight))


def _write_run(inputs: _Inputs, is_labelled: bool) -> Path:
    """Write the network as a run of one epoch and return its folder; without labels its accuracy is unknown."""
    split = subsample(inputs.dataset.test)
    accuracy = evaluate(inputs.model, split).accuracy if is_labelled else math.nan
    with record_with_settings(
        inputs.settings, inputs.dataset.classes, name="explored network", shape=tuple(split.images.shape[1:])
    ) as run:
        run.epoch(inputs.weight, train_accuracy=accuracy, test_accuracy=accuracy)
    return run.path


def _start(folder: Path, run: str, address: str, port: int | None) -> Dashboard:
    port = _free_port(address) if port is None else port
    root = Path(__file__).resolve().parents[1]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "TEMPOTRON_RUNS": str(folder / "runs"),
        "TEMPOTRON_DATA": str(folder / "data"),
        "TEMPOTRON_OPEN_RUN": run,
        "TEMPOTRON_INITIAL_TRAINING": "0",
    }
    options = {"port": str(port), "address": address, "headless": "true"}
    command = [sys.executable, "-m", "tempotron_core.cli"]
    command += [part for name, value in options.items() for part in (f"--server.{name}", value)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=app_script().parent, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    query = urlencode({"data": _FILE, "model": "saved run", "run": run})
    return Dashboard(f"http://{address}:{port}/?{query}", process, folder)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _to_array(name: str, values: Any) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    try:
        array = np.asarray(array)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "buif" and not (name == "labels" and array.dtype.kind in "U"):
        raise TypeError(f"{name}: expected a tensor or array of numbers, got {type(values).__name__}; convert it.")
    return array


def _to_grey(x: np.ndarray) -> torch.Tensor:
    """Return values as uint8: those of images as they are, others from their range to 0 ... 255."""
    if x.dtype == np.uint8:
        return torch.from_numpy(x.copy())
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("samples: expected finite values, got NaN or infinity; replace or remove such samples.")
    axis = 0 if x.ndim == 2 else None
    low, high = x.min(axis=axis), x.max(axis=axis)
    scaled = (x - low) / np.where(high > low, high - low, 1) * 255
    return torch.from_numpy(np.rint(scaled).astype(np.uint8))
