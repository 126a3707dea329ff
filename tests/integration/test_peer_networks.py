"""Networks of SpikingJelly: saved there, imported here, compared with the peer's own response.

TEMPOTRON_SPIKINGJELLY_0 and TEMPOTRON_SPIKINGJELLY name folders made by pip install --no-deps --target DIR
spikingjelly==0.0.0.0.14 and spikingjelly==2.0.0 loguru; TEMPOTRON_PEER_DIGITS the digits to compare, 60 by default.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from helpers.pages import EMBEDDED, app, headline, run_app, verdict

from tempotron_core import import_network
from tempotron_core.data import datasets
from tempotron_core.interchange.networks import read_network
from tempotron_core.model.classifier import predict
from tempotron_core.runs.reader import load_model, read_run
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

DIGITS = int(os.environ.get("TEMPOTRON_PEER_DIGITS", "60"))
M, T = 16, 100


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def module_of(variable: str, name: str) -> ModuleType:
    """One file of the release in that folder; both releases have the same package name, so no package is imported."""
    path = Path(os.environ.get(variable, "")) / "spikingjelly" / "timing_based" / f"{name}.py"
    if not os.environ.get(variable) or not path.is_file():
        pytest.skip(f"{variable} names no folder with SpikingJelly")
    spec = util.spec_from_file_location(f"{variable.lower()}_{name}", path)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weight() -> torch.Tensor:
    """Weights [10, 784 m] after one epoch on a few digits."""
    train = datasets.Split(EMBEDDED.train.images[:640], EMBEDDED.train.labels[:640])
    dataset = EMBEDDED.with_splits(train, datasets.Split(EMBEDDED.test.images[:1], EMBEDDED.test.labels[:1]))
    *_, last = train_model(Settings(m=M, T=T, epochs=1, lr=1e-2), dataset)
    assert last.weight is not None
    return last.weight


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> datasets.Dataset:
    test = datasets.Split(EMBEDDED.test.images[:DIGITS], EMBEDDED.test.labels[:DIGITS])
    dataset = EMBEDDED.with_splits(datasets.Split(EMBEDDED.train.images[:20], EMBEDDED.train.labels[:20]), test)
    monkeypatch.setattr(datasets, "load", lambda *_: dataset)
    return dataset


FORMS: dict[str, Callable[[torch.nn.Module], bytes]] = {
    "state dict": lambda net: saved(net.state_dict()),
    "state dict of the example's net": lambda net: saved(
        {f"tempotron.{key}": value for key, value in net.state_dict().items()}
    ),
    "DataParallel": lambda net: saved(torch.nn.DataParallel(net).state_dict()),
    "float64": lambda net: saved({key: value.double() for key, value in net.state_dict().items()}),
    "checkpoint": lambda net: saved(
        {"net": net.state_dict(), "optimizer": torch.optim.Adam(net.parameters()).state_dict(), "epoch": 3, "T": T}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_the_peer_saves_gives_its_weights(form: str, weight: torch.Tensor) -> None:
    net = module_of("TEMPOTRON_SPIKINGJELLY_0", "neuron").Tempotron(784 * M, 10, T)
    net.fc.weight.data = weight
    assert torch.equal(read_network(FORMS[form](net), "net.pt").weight, weight)


def test_a_network_of_spikingjelly_0_responds_as_there(
    weight: torch.Tensor, few_digits: datasets.Dataset, tmp_path: Path
) -> None:
    neuron, encoding = (module_of("TEMPOTRON_SPIKINGJELLY_0", name) for name in ("neuron", "encoding"))
    net, encoder = neuron.Tempotron(784 * M, 10, T), encoding.GaussianTuning(1, M, torch.zeros(1), torch.ones(1))
    net.fc.weight.data = weight
    (tmp_path / "net.pt").write_bytes(FORMS["checkpoint"](net))
    options = [str(tmp_path / "net.pt"), "-m", str(M), "-T", str(T), "--log-dir", str(tmp_path / "runs")]
    run = import_network.import_from_arguments(options, "import")
    assert not isinstance(run, int)
    model, hits = load_model(run.path), 0
    with torch.no_grad():
        for images, labels in zip(few_digits.test.images.split(10), few_digits.test.labels.split(10), strict=True):
            spikes = encoder.encode(images.view(len(images), 1, -1) / 255, T).view(len(images), -1)
            assert torch.equal(spikes, model.spike_times(images))
            v = net(spikes, "v")
            hits += int((v.amax(dim=2).argmax(dim=1) == labels).sum())
            for image, expected in zip(images, v, strict=True):
                torch.testing.assert_close(predict(model, image).v, expected, rtol=0, atol=1e-4)
    assert run.test_accuracy == hits / len(few_digits.test)
    for page in ("overview", "evidence", "rule", "replay"):
        test = run_app(app(page, model="saved run", run=run.path.name, train_log_dir=str(tmp_path / "runs"), sample=3))
        assert not test.main.warning
        if page in ("overview", "evidence"):
            assert headline(test) == verdict(model, 3)


@pytest.mark.parametrize("threshold", [1.0, 0.5])
def test_a_network_of_spikingjelly_2_responds_as_there(
    threshold: float,
    weight: torch.Tensor,
    few_digits: datasets.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, os.environ.get("TEMPOTRON_SPIKINGJELLY", "")])
    timing = pytest.importorskip("spikingjelly.timing_based")
    neuron, encoding = (pytest.importorskip(f"spikingjelly.timing_based.{name}") for name in ("neuron", "encoding"))
    if not hasattr(encoding.GaussianTuning, "forward"):
        pytest.skip(f"{timing} is SpikingJelly before 2.0.0")
    encoder = encoding.GaussianTuning(1, M, torch.zeros(1), torch.ones(1))
    net = neuron.Tempotron(784 * M, 10, float(T), v_threshold=threshold)
    net.weight.data = weight * threshold
    (tmp_path / "net.pt").write_bytes(saved(net.state_dict()))
    options = [str(tmp_path / "net.pt"), "-m", str(M), "-T", str(T), "--v-threshold", str(threshold)]
    options += ["--peer", "spikingjelly-2", "--log-dir", str(tmp_path / "runs")]
    run = import_network.import_from_arguments(options, "import")
    assert not isinstance(run, int)
    record, model, hits = read_run(run.path).settings, load_model(run.path), 0
    assert record is not None
    assert (record.time, record.after_spike, record.code) == ("exact", "shunt", "gaussian-unrounded")
    with torch.no_grad():
        for images, labels in zip(few_digits.test.images.split(10), few_digits.test.labels.split(10), strict=True):
            times, afferent, offsets = encoder(images.view(len(images), 1, -1) / 255, float(T))
            expected = torch.full((len(images), 784 * M), -1.0)
            expected[torch.arange(len(images)).repeat_interleave(offsets.diff()), afferent] = times
            # Silence counts as T: where the response is tiny, float32 there and float64 here round to T or below it.
            ours, expected = (torch.where(x < 0, float(T), x) for x in (model.spike_times(images), expected))
            torch.testing.assert_close(ours, expected, rtol=0, atol=1e-4)
            v_max, t_max, _ = net(times, afferent, offsets)
            hits += int((v_max.argmax(dim=1) == labels).sum())
            for i, image in enumerate(images):
                prediction = predict(model, image)
                torch.testing.assert_close(prediction.v_max, v_max[i], rtol=0, atol=1e-4)
                is_above_rest = v_max[i] > 1e-3  # at rest the time of the peak is that of a rounding error
                torch.testing.assert_close(prediction.t_max[is_above_rest], t_max[i][is_above_rest], rtol=0, atol=1e-2)
    assert run.test_accuracy == hits / len(few_digits.test)
    test = run_app(
        app("evidence", model="saved run", run=run.path.name, train_log_dir=str(tmp_path / "runs"), sample=3)
    )
    assert headline(test) == verdict(model, 3)
