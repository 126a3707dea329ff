"""Every page with data sets of other shapes: tables, small images, many classes, few outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from helpers.pages import NAMES, app, page_texts, run_app, without_attributes
from helpers.waiting import PATIENCE
from streamlit.testing.v1 import AppTest

from pages.state import experiment
from pages.state.own_sample import scale_image
from pages.state.training import training_registry
from tempotron_core.data import datasets
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.training.settings import Settings, initial_model

TABLE_WORDS = re.compile(r"digit|pixel|\bimage", re.IGNORECASE)
IMAGE_WORDS = re.compile(r"digit", re.IGNORECASE)


def write_sets(folder: Path) -> None:
    rng = np.random.default_rng(0)
    letters = np.repeat(np.arange(26), 6)
    np.savez(folder / "letters.npz", x=rng.integers(0, 256, (156, 16, 16), dtype=np.uint8), y=letters)
    np.savez(folder / "wide.npz", x=rng.integers(0, 256, (60, 9, 20), dtype=np.uint8), y=np.arange(60) % 3)
    np.savez(folder / "afferents.npz", x=rng.normal(size=(80, 100)), y=np.arange(80) % 4)


@pytest.fixture(scope="module", params=["iris", "wine", "letters.npz", "wide.npz", "afferents.npz"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A data set, and the folder of a run that was trained on it."""
    folder = tmp_path_factory.mktemp("shapes")
    write_sets(folder)
    return request.param, folder


@pytest.fixture
def trainings(trained: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingRegistry]:
    name, folder = trained
    for variable in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):
        monkeypatch.setenv(variable, str(folder))
    st.cache_resource.clear()
    registry = training_registry()
    directory = None if name in datasets.TABLES else str(folder)
    settings = Settings(dataset=name, dataset_dir=directory, epochs=1, m=4, T=20, log_dir=str(folder / "runs"))
    registry.start(settings, datasets.load(name, directory)).join(PATIENCE)
    yield registry
    registry.shutdown()
    st.cache_resource.clear()


def problems(test: AppTest, words: re.Pattern[str]) -> list[str]:
    found = []
    for text in page_texts(test):
        visible = without_attributes(text)
        found += [visible[max(0, m.start() - 60) : m.end() + 40] for m in words.finditer(visible)]
    return found


@pytest.mark.parametrize("page", NAMES)
def test_every_page_opens(trainings: TrainingRegistry, trained: tuple[str, Path], page: str) -> None:
    name, folder = trained
    test = run_app(app(page, data=name, dir=str(folder), train_log_dir=str(folder / "runs"), model="last finished run"))
    assert not [text for text in page_texts(test) if "expected" in text]
    words = TABLE_WORDS if name in ("iris", "wine", "afferents.npz") else IMAGE_WORDS
    assert problems(test, words) == []
    if page == "encoder":
        again = run_app(app(page, data=name, dir=str(folder), view="Information in the code"))
        assert problems(again, words) == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_sets(tmp_path)
    for variable in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):
        monkeypatch.setenv(variable, str(tmp_path))
    return tmp_path


def test_files_are_offered_and_selected(folder: Path) -> None:
    test = run_app(app("overview", model="untrained"))
    select = test.sidebar.selectbox(key="data")
    assert select.options == [*datasets.BUILT_IN, "afferents.npz", "letters.npz", "wide.npz"]
    select.set_value("wide.npz")
    run_app(test)
    assert not [text for text in page_texts(test) if "expected" in text or "trained on" in text]
    assert any("aspect-ratio:20/9" in element.proto.body for element in test.get("html"))


@pytest.mark.parametrize("name", ["iris", "wine", "letters.npz", "wide.npz", "afferents.npz"])
@pytest.mark.parametrize("page", ["overview", "evidence", "rule"])
def test_an_untrained_network_fits_every_set(folder: Path, page: str, name: str) -> None:
    test = run_app(app(page, model="untrained", data=name, dir=str(folder)))
    assert not [text for text in page_texts(test) if "expected" in text or "expect low" in text]
    assert test.get("plotly_chart") or test.get("echarts_chart")


@pytest.mark.parametrize(
    ("name", "words"), [("wine", "52 afferents"), ("letters.npz", "expected 26 outputs"), ("embedded", "10 outputs")]
)
@pytest.mark.parametrize(
    "page", [name for name in NAMES if name not in ("training", "runs", "laboratory", "published", "studies")]
)
def test_a_network_of_another_shape_gives_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, page: str, name: str, words: str
) -> None:
    settings = Settings(dataset="iris", m=4, T=20)
    model = initial_model(settings, 3, features=4)
    monkeypatch.setattr(experiment, "_resolve_model", lambda _: (model, settings, None))
    test = run_app(app(page, data=name, dir=str(folder)))
    if page == "encoder":
        assert "Encoder" in [title.value for title in test.title]
    else:
        (sentence,) = {warning.value for warning in test.main.warning}
        assert words in sentence
        assert "choose another model" in sentence


def test_a_file_that_is_missing_or_damaged_gives_a_sentence(folder: Path) -> None:
    (folder / "letters.npz").write_bytes(b"nothing")
    test = run_app(app("overview", data="letters.npz", dir=str(folder)))
    assert any("letters.npz: expected" in warning.value for warning in test.sidebar.warning)
    assert not any("Download" in element.label for element in test.sidebar.button)


def test_names_of_classes_and_features_are_no_markup(folder: Path) -> None:
    evil = ["<script>alert(1)</script>", "[x](http://a.b)", "**b**", "$x$", "`c`", "![i](http://a.b/c)"]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), np.array(evil)[np.arange(60) % 6]
    np.savez(folder / "evil.npz", x=x, y=y, feature_names=np.array(evil[:3]))
    dataset = datasets.load("evil.npz", folder)
    for name in (*dataset.classes, *dataset.features):
        assert not set(name) & set("<>[]`*$")
    for page in ("overview", "voltages", "evidence", "results", "encoder"):
        test = run_app(app(page, data="evil.npz", dir=str(folder), model="untrained"))
        assert not any("<script" in element.proto.body for element in test.get("html"))


def test_a_drawing_takes_the_size_of_the_images() -> None:
    drawing = np.zeros((28, 28), np.uint8)
    drawing[7:21, 7:21] = 255
    scaled = scale_image(drawing, (16, 20))
    assert scaled is not None
    assert scaled.shape == (16, 20)
    assert scaled[8, 10] == 255 and scaled[0, 0] == 0
    assert scale_image(drawing, (28, 28)) is drawing


def opened_upload(name: str, content: bytes, **state: object) -> AppTest:
    """The page Runs with the panel of data sets open and a file chosen."""
    test = app("runs", **{"folded_Add a data set": True}, **state)
    run_app(test)
    test.file_uploader(key="dataset_file").upload(name, content, "application/octet-stream")
    return run_app(test)


def test_a_file_is_added_and_selected(folder: Path) -> None:
    content = b"width,kind\n" + b"".join(b"%d,%d\n" % (i, i % 3) for i in range(30))
    test = opened_upload("own.csv", content)
    test.button(key="dataset_add").click()
    run_app(test)
    assert (folder / "own.csv").read_bytes() == content
    assert test.sidebar.selectbox(key="data").value == "own.csv"
    assert "24 training and 6 test samples of 1 features, 3 classes" in test.main.success[0].value
    again = opened_upload("own.csv", b"another")
    again.button(key="dataset_add").click()
    run_app(again)
    assert "expected a name that is not taken" in again.main.warning[0].value
    assert (folder / "own.csv").read_bytes() == content


def test_a_file_that_is_no_data_set_is_not_added(folder: Path) -> None:
    before = sorted(folder.iterdir())
    test = opened_upload("own.npz", b"nothing")
    test.button(key="dataset_add").click()
    run_app(test)
    assert "own.npz: expected" in test.main.warning[0].value
    assert sorted(folder.iterdir()) == before
    assert test.sidebar.selectbox(key="data").value == datasets.EMBEDDED


def test_viewers_cannot_add_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(folder.iterdir())
    test = opened_upload("own.csv", b"a,class\n1,x\n2,y\n3,x\n4,y\n")
    monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", "1")
    test.button(key="dataset_add").click()
    run_app(test)
    assert sorted(folder.iterdir()) == before
    assert not test.get("file_uploader")
