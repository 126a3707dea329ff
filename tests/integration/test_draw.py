"""The page that draws and perturbs, run in-process."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pages import EMBEDDED, TINY, app, headline, run_app, train_small_model, verdict
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.state import datasets as dataset_state
from pages.state import experiment
from pages.views import draw_robustness
from tempotron_core.analysis.robustness import Perturbation, num_correct, perturb_image, perturb_spikes, subsample
from tempotron_core.data.digit_normalisation import ReadingOptions, normalise
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import Model, pixel_spike_times, predict_from_spikes
from tempotron_core.training.settings import Settings, initial_model

UNTRAINED = initial_model(Settings())


def lead(model: Model, sample: int, now: Perturbation) -> float:
    images = perturb_image(EMBEDDED.test.images[sample : sample + 1], now)
    times = perturb_spikes(pixel_spike_times(images, model.m, model.T, model.beta), now)
    second, first = predict_from_spikes(model, times).v_max.sort().values[-2:]
    return float(first - second)


def line(test: AppTest) -> str:
    """What is said over the curve."""
    return str(next(element.value for element in reversed(test.markdown) if element.value.startswith("####")))


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def upload(content: bytes) -> AppTest:
    test = run_app(app("draw", source="Upload"))
    test.file_uploader(key="picture").upload("digit.png", content, "image/png")
    return run_app(test)


def test_sliders_move_verdict_and_lead() -> None:
    test = run_app(app("draw", sample=3))
    assert headline(test) == verdict(UNTRAINED, 3)
    strengths = {"jitter": 4.0, "drop": 20, "delay": 3, "noise": 15, "right": 2, "down": -1}
    for key, value in strengths.items():
        test.slider(key=key).set_value(value)
    test.number_input(key="perturb_seed").set_value(7)
    run_app(test)
    now = Perturbation(4.0, 0.2, 3.0, 15.0, 2, -1, 7)
    before, after = lead(UNTRAINED, 3, Perturbation()), lead(UNTRAINED, 3, now)
    assert re.search(rf"lead {before:.2f} → {after:.2f}", headline(test))
    assert now.description in headline(test)
    next(button for button in test.button if button.label == "All to zero").click()
    run_app(test)
    assert headline(test) == verdict(UNTRAINED, 3)


def test_a_link_brings_the_strengths_and_garbage_leaves_the_page_working() -> None:
    test = app("draw")
    for key, value in {"sample": "3", "jitter": "4.0", "right": "2", "perturb_seed": "7", "curve": "delay"}.items():
        test.query_params[key] = value
    run_app(test)
    assert Perturbation(jitter=4.0, shift_x=2).description in headline(test)
    assert test.selectbox(key="curve").value == "delay"
    garbage = {
        "jitter": "nan",
        "drop": "-5",
        "delay": "1e99",
        "noise": "x",
        "right": "inf",
        "down": "",
        "source": "../",
    }
    test = app("draw")
    for key, value in (garbage | {"curve": "<b>", "measure": "maybe", "perturb_seed": "-1"}).items():
        test.query_params[key] = value
    run_app(test)
    assert headline(test) == verdict(UNTRAINED, 0)


def test_the_curve_of_the_test_set(
    registry: TrainingRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = train_small_model(registry, tmp_path, lr=0.02)
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: TINY)
    test = run_app(app("draw", jitter=3.0, measure=False))
    assert "Robustness on the whole test set" in line(test)
    test.toggle(key="measure").set_value(True)
    run_app(test)
    clean = num_correct(model, TINY.test, Perturbation()) / 50
    assert f"{clean:.1%}" in line(test)
    assert any("On all 50 test samples" in caption.value for caption in test.caption)
    test.selectbox(key="curve").set_value("all as set")
    run_app(test)
    assert f"{num_correct(model, TINY.test, Perturbation(jitter=3.0)) / 50:.1%}" in line(test)
    test.slider(key="jitter").set_value(0.0)
    run_app(test)
    assert "move a slider" in line(test)


def test_a_large_set_is_said_to_be_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: TINY)
    monkeypatch.setattr(draw_robustness, "subsample", lambda split: subsample(split, 20))
    test = run_app(app("draw", measure=True, model="untrained"))
    assert any("20 of 50 test samples, selected with a fixed seed" in caption.value for caption in test.caption)


def test_an_uploaded_digit_is_read_and_a_true_class_can_be_named() -> None:
    digit = EMBEDDED.test.images[3].numpy()
    test = upload(png(np.pad(255 - digit, 40, constant_values=255)))
    assert any("was inverted" in caption.value for caption in test.caption)
    assert headline(test).startswith("Prediction: ")
    test.selectbox(key="meant").set_value(headline(test)[len("Prediction: ")])
    run_app(test)
    assert headline(test).startswith("Correct: ")
    test = upload(png(np.pad(digit, 40)))
    assert not any("was inverted" in caption.value for caption in test.caption)


def uploaded(test: AppTest) -> np.ndarray:
    """The digit that the page holds."""
    return test.session_state["uploaded"].reading[1].image  # type: ignore[no-any-return]


def opened(test: AppTest) -> AppTest:
    """The page with the steps of the reading shown."""
    test.session_state[f"reading_{test.session_state['uploaded'].file_id}"] = True
    return run_app(test)


def test_an_upload_survives_a_visit_to_another_page_until_it_is_removed() -> None:
    test = upload(png(np.pad(255 - EMBEDDED.test.images[3].numpy(), 40, constant_values=255)))
    opened(test).segmented_control(key="read_polarity").set_value("Dark on light")
    run_app(test)
    before, said = uploaded(test), headline(test)
    run_app(test.switch_page("views/encoder.py"))
    run_app(test.switch_page("views/draw.py"))
    assert any(caption.value == "digit.png, uploaded before." for caption in test.caption)
    assert (uploaded(test) == before).all()
    assert headline(test) == said
    assert test.session_state["read_polarity"] == "Dark on light"
    next(button for button in test.button if button.label == "Remove the picture").click()
    run_app(test)
    assert headline(test) == "Upload a picture to classify"
    assert test.session_state["read_polarity"] == "Automatic"


def test_controls_correct_the_reading() -> None:
    digit = EMBEDDED.test.images[3].numpy()
    pair = np.concatenate([np.pad(255 - EMBEDDED.test.images[0].numpy(), 40, constant_values=255)] * 2, axis=1)
    pair[:, 108:] = np.pad(255 - digit, 40, constant_values=255)
    test = upload(png(pair))
    assert test.warning[0].value.startswith("There are several separate shapes")
    assert any(caption.value.startswith("Read as dark on light") for caption in test.caption)
    test.slider(key="read_columns").set_value((50, 100))
    run_app(test)
    assert not test.warning
    alone = normalise(np.pad(255 - digit, 40, constant_values=255), options=ReadingOptions(crop=(0, 0, 1, 1))).image
    assert (uploaded(test) == alone).all()
    test.slider(key="read_threshold").set_value(90)
    run_app(test)
    assert uploaded(test).astype(int).sum() < alone.astype(int).sum()


def test_a_crop_without_pixels_gets_one_sentence_and_can_be_changed() -> None:
    test = opened(upload(png(np.pad(255 - EMBEDDED.test.images[3].numpy(), 40, constant_values=255))))
    test.slider(key="read_rows").set_value((40, 40))
    run_app(test)
    (warning,) = test.warning
    assert re.fullmatch(r"Crop: expected [^\n]*\.", warning.value)
    test.slider(key="read_rows").set_value((0, 100))
    run_app(test)
    assert not test.warning
    assert headline(test).startswith("Prediction: ")


@pytest.mark.parametrize(
    "content", [b"", b"no picture", png(np.zeros((9, 9), np.uint8)), png(np.eye(50, dtype=np.uint8))]
)
def test_a_picture_of_nothing_gets_one_sentence(content: bytes) -> None:
    test = upload(content)
    (warning,) = test.warning
    assert re.fullmatch(r"Picture: expected [^\n]*\.", warning.value)
    assert headline(test) == "Upload a picture to classify"


def test_a_canvas_waits_for_a_digit() -> None:
    test = run_app(app("draw", source="Draw"))
    assert headline(test) == "Draw a digit to classify"
    assert any(button.label == "Clear" for button in test.button)


@pytest.mark.parametrize("kind", ["tie", "silent", "clothes", "population", "other classes"])
def test_every_kind_of_network_and_data(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset = initial_model(Settings(m=4, T=20)), TINY
    if kind == "tie":
        model = replace(model, weight=torch.zeros_like(model.weight))
    if kind == "silent":
        model = replace(model, weight=-model.weight.abs())
    if kind == "population":
        model = replace(model, weight=model.weight.repeat_interleave(3, 0), tempotrons_per_class=3)
    if kind == "other classes":
        model = initial_model(Settings(m=4, T=20), 7)
    if kind == "clothes":
        dataset = replace(TINY, name="FashionMNIST", classes=tuple(f"garment {i}" for i in range(10)))
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: dataset)
    monkeypatch.setattr(experiment, "_resolve_model", lambda _: (model, Settings(), None))
    test = run_app(app("draw", jitter=2.0, measure=kind in ("tie", "population")))
    if kind == "other classes":
        assert "expected 10 outputs, one for each class of embedded, got 7" in test.warning[0].value
    elif kind in ("tie", "silent"):
        assert headline(test).startswith("Tie")
    else:
        assert ("garment" in headline(test)) == (kind == "clothes")
    if kind == "tie":
        assert "not above chance" in line(test)
