"""What is taken away: figures as pages and tables, and a zip from which the view can be made again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from tempotron_core import figures
from tempotron_core.data import datasets
from tempotron_core.figures import VoltageInfo
from tempotron_core.model.classifier import predict
from tempotron_core.runs.export import view_zip
from tempotron_core.runs.files import serialise_weights
from tempotron_core.runs.reader import load_model, read_run
from tempotron_core.training.settings import Settings, initial_model

CLASSES = tuple("0123456789")
SETTINGS = Settings(m=4, T=20, seed=7, recipe="reference")


def make_zip(query: dict[str, str] | None = None) -> bytes:
    weight = initial_model(SETTINGS).weight
    return view_zip({"figure.csv": "a,b\n"}, "voltages", query or {}, SETTINGS, weight, CLASSES)


def test_the_zip_holds_a_run_that_opens_as_the_same_network(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(make_zip({"sample": "7", "model": "untrained", "tau": "30.0"}))) as archive:
        archive.extractall(tmp_path)
    view = json.loads((tmp_path / "view.json").read_text())
    file = tmp_path / view["checkpoint"]["file"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == view["checkpoint"]["sha256"]
    assert view["seed"] == 7
    assert view["settings"] == SETTINGS.to_record()
    assert view["query"] == {"sample": "7", "model": "untrained", "tau": "30.0"}
    assert view["link"] == f"voltages?sample=7&tau=30.0&model=saved+run&run={file.parent.name}"
    assert (tmp_path / "figure.csv").read_text() == "a,b\n"
    assert read_run(file.parent).settings == SETTINGS
    again, image = load_model(file.parent), datasets.load().test.images[7]
    assert torch.equal(predict(again, image).v, predict(initial_model(SETTINGS), image).v)


def test_the_same_view_gives_the_same_bytes_and_another_network_another_hash() -> None:
    assert make_zip() == make_zip()
    other = initial_model(replace(SETTINGS, seed=8)).weight
    assert serialise_weights(other, CLASSES) != serialise_weights(initial_model(SETTINGS).weight, CLASSES)


def voltages() -> VoltageInfo:
    decision = predict(initial_model(Settings()), datasets.load().test.images[0])
    names = ("<b>bold</b>", *CLASSES[1:])
    return VoltageInfo(decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), 1.0, names, 3)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_table_holds_every_number_of_the_figure() -> None:
    info = voltages()
    found = rows(figures.figure_to_csv(figures.traces_figure(info)))
    for name, trace in zip(info.classes, info.v, strict=True):
        drawn = [float(row["membrane_potential_v"]) for row in found if row["trace"] == name]
        assert np.allclose(drawn, trace, atol=1e-6)
    assert len(found) == info.v.size  # no rows of marks
    assert all(all(row.values()) for row in found)
    assert [float(row["time_ms"]) for row in found[: info.v.shape[1]]] == list(range(info.v.shape[1]))
    pixels = datasets.load().test.images[0].numpy()
    cells = rows(figures.figure_to_csv(go.Figure(go.Heatmap(z=pixels))))
    assert [int(row["value"]) for row in cells] == pixels.reshape(-1).tolist()
    assert [(int(row["row"]), int(row["column"])) for row in cells[27:29]] == [(1, 28), (2, 1)]
    none = np.zeros(0)
    assert figures.columns_to_csv({"a": [1, 2], "b": ["x", 'y"z']}) == 'a,b\n1,x\n2,"y""z"\n'
    assert rows(figures.figure_to_csv(figures.loss_figure(figures.CurvesInfo(none, none, none, none, none, 1)))) == []


def test_pages_stand_alone_and_escape_their_title() -> None:
    page = figures.figure_to_page(figures.traces_figure(voltages()), "<script>alert(1)</script>")
    assert "<script>alert(1)</script>" not in page
    assert "src=" not in page.split("<body>")[0].split("plotly.js")[0]
    assert len(page) > 3_000_000  # plotly itself is inside
    plate = figures.html_page(figures.peaks_html(voltages()), "a & b")
    assert "<title>a &amp; b</title>" in plate
    assert "&lt;b&gt;bold" in plate
    assert "http" not in plate


@pytest.mark.parametrize("factor", [1.0, 1.25, 2.0])
def test_an_enlarged_figure_has_larger_letters_and_the_same_numbers(factor: float) -> None:
    figure = figures.traces_figure(voltages())
    large = figures.scale_figure(figure, factor)
    assert large.layout.xaxis.tickfont.size == figure.layout.xaxis.tickfont.size * factor
    assert large.layout.xaxis.title.font.size == figure.layout.xaxis.title.font.size * factor
    assert large.layout.annotations[0].font.size == figure.layout.annotations[0].font.size * factor
    assert large.layout.margin.l == round(figure.layout.margin.l * factor)
    assert large.layout.height == figure.layout.height
    for before, after in zip(figure.data, large.data, strict=True):
        assert np.array_equal(before.y, after.y)
