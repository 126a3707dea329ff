"""Every page with recorded spike times: a labelled set, one sample without a class, a network of another width."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pages import NAMES, app, headline, page_texts, run_app, verdict, without_attributes
from helpers.waiting import PATIENCE
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from tempotron_core import import_network
from tempotron_core.data import datasets
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import Model
from tempotron_core.runs.files import serialise_weights
from tempotron_core.runs.reader import list_runs, load_classes, load_model
from tempotron_core.training.settings import Settings, fit_to_dataset, initial_model

WORDS = re.compile(r"digit|pixel|\bimage", re.IGNORECASE)
VIEWS = tuple(name for name in NAMES if name not in ("training", "runs", "studies", "laboratory", "published"))


def write_sets(folder: Path, afferents: int = 100) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    times = rng.uniform(0, 60, (60, afferents)) + 9.0 * labels[:, None] * (np.arange(afferents) % 3 == 0)
    times[rng.random(times.shape) < 0.2] = np.nan
    np.savez(folder / "spikes.npz", times=times, labels=labels, classes=np.array(["a", "b", "c"]), unit="ms")
    rows = [f"{i},{float(times[0, i])!r}" for i in range(0, afferents, 2) if times[0, i] >= 0]
    (folder / "one.csv").write_text("afferent,time_ms\n" + "\n".join(rows))
    np.savez(folder / "narrow.npz", times=times[:, :7], labels=labels, unit="ms")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_sets(tmp_path)
    for variable in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):
        monkeypatch.setenv(variable, str(tmp_path))
    return tmp_path


@pytest.fixture
def trained(folder: Path, registry: TrainingRegistry) -> Model:
    dataset = datasets.load("spikes.npz", folder)
    settings = Settings(dataset="spikes.npz", dataset_dir=str(folder), epochs=1, T=90, log_dir=str(folder / "runs"))
    registry.start(fit_to_dataset(settings, dataset), dataset).join(PATIENCE)
    (record,) = list_runs(folder / "runs")
    return load_model(record.path)


def texts(test: AppTest) -> str:
    return without_attributes("\n".join(page_texts(test)))


def opened(page: str, folder: Path, data: str, **state: object) -> AppTest:
    return run_app(app(page, data=data, dir=str(folder), train_log_dir=str(folder / "runs"), **state))


@pytest.mark.parametrize("page", NAMES)
def test_every_page_shows_a_labelled_set(page: str, folder: Path, trained: Model) -> None:
    dataset = datasets.load("spikes.npz", folder)
    test = opened(page, folder, "spikes.npz", sample=2)
    assert ": expected" not in texts(test)
    assert WORDS.findall(texts(test)) == []
    if page in ("overview", "voltages", "evidence", "draw"):
        assert headline(test) == verdict(trained, 2, dataset)
    if page == "encoder":
        assert "Silent afferents" in texts(test)
    if page == "training":
        assert "Recorded spike times are not encoded" in texts(test)
        without = opened(page, folder, "one.csv")
        assert "one.csv: expected samples with labels" in without.main.warning[0].value


@pytest.mark.parametrize("page", VIEWS)
def test_every_page_shows_one_sample_without_a_class(page: str, folder: Path, trained: Model) -> None:
    test = opened(page, folder, "one.csv")
    if page == "results":
        assert "expected samples with labels" in test.main.warning[0].value
        return
    assert ": expected" not in texts(test)
    assert WORDS.findall(texts(test)) == []
    if page in ("overview", "voltages"):
        sample = datasets.load("one.csv", folder).test.images
        times = torch.full((1, 100), -1.0)
        times[:, : sample.shape[1]] = sample[:, :, 0]
        v_max = trained.to_layer()(times, "v_max")[0]
        assert f"{v_max.max():.2f}" in texts(test)
        assert f"Prediction: {'abc'[int(v_max.argmax())]} " in headline(test)


@pytest.mark.parametrize("page", VIEWS)
def test_a_network_of_another_width_gives_one_sentence(page: str, folder: Path, trained: Model) -> None:
    test = opened(page, folder, "narrow.npz")
    if page == "encoder":
        assert "Silent afferents" in texts(test)
        return
    (sentence,) = {warning.value for warning in test.main.warning}
    assert "expected 7 afferents" in sentence and "got 100" in sentence
    other = opened(page, folder, "iris")
    (sentence,) = {warning.value for warning in other.main.warning}
    assert "recorded spike times" in sentence


def test_a_network_for_digits_takes_spike_times_of_its_afferents(folder: Path) -> None:
    digits = datasets.load()
    model = initial_model(Settings(m=4))
    times = model.spike_times(digits.test.images[:5]).view(5, 784, 4).numpy() + 0.25
    np.savez(folder / "other.npz", times=np.where(times < 1, -1, times), labels=np.arange(5) % 2, unit="ms")
    dataset = datasets.load("other.npz", folder)
    assert (dataset.num_features, dataset.m) == (784, 4)
    test = opened("overview", folder, "other.npz", model="untrained")
    assert ": expected" not in texts(test)


def test_a_file_in_seconds_is_added_in_ms(folder: Path) -> None:
    test = app("runs", **{"folded_Add a data set": True})
    run_app(test)
    content = b"sample,afferent,time,label\n" + b"".join(b"%d,0,0.0%d,%d\n" % (i, 10 + i, i % 2) for i in range(10))
    test.file_uploader(key="dataset_file").upload("seconds.csv", content, "text/csv")
    run_app(test)
    test.selectbox(key="dataset_unit").set_value("s")
    run_app(test)
    test.button(key="dataset_add").click()
    run_app(test)
    assert test.sidebar.selectbox(key="data").value == "seconds.npz"
    stored = datasets.load("seconds.npz", folder)
    assert sorted(torch.cat([stored.train.images, stored.test.images]).view(-1).tolist()) == pytest.approx(
        range(10, 20)
    )


def test_a_network_that_fits_no_data_set_opens_with_spike_times(folder: Path) -> None:
    weight = torch.randn(4, 37, generator=torch.Generator().manual_seed(0))
    torch.save({"fc.weight": weight}, folder / "net.pt")
    options = [str(folder / "net.pt"), "-T", "80", "--untested", "--log-dir", str(folder / "runs")]
    run = import_network.import_from_arguments(options, "import")
    assert not isinstance(run, int)
    assert torch.equal(load_model(run.path).weight, weight)
    np.savez(folder / "own.npz", times=np.random.default_rng(0).uniform(0, 70, (3, 37)), unit="ms")
    for page in VIEWS:
        state = {"model": "saved run", "run": run.path.name}
        test = opened(page, folder, "own.npz", **state)
        if page not in ("results", "replay"):
            assert not test.main.warning
            assert WORDS.findall(texts(test)) == []
    sentence = opened("overview", folder, "embedded", **state).main.warning[0].value
    assert "trained on recorded spike times" in sentence
    runs = opened("runs", folder, "own.npz", **state)
    assert run.path.name.split("-embedded")[0] in texts(runs) or runs.get("dataframe")


def test_names_of_classes_of_a_run_are_no_markup(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(serialise_weights(torch.zeros(2, 3), ("<b>a</b>", "[x](http://a.b)")))
    assert not set("".join(load_classes(tmp_path))) & set("<>[]`*$")
    (tmp_path / "last.safetensors").write_bytes(save({"fc.weight": torch.zeros(2, 3)}, {"classes": "{"}))
    assert load_classes(tmp_path) == ()
