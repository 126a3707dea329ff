"""The Encoder page's view of what is kept and lost, run in-process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helpers.pages import EMBEDDED, app, button, figure, run_app, single_page

from pages.state import datasets as dataset_state
from pages.state import experiment
from tempotron_core.analysis.code_advice import advise
from tempotron_core.analysis.code_statistics import PopulationCode, count_values
from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, initial_weight
from tempotron_core.training.settings import Settings

CODE_ANALYSIS = "Information in the code"
FIGURES = ("values", "spike_times", "curve_information", "pixel_information")
COUNTS = count_values(EMBEDDED.train, 10)


def code_of(m: int, T: int, beta: float, tau: float = 15.0, tau_s: float = 3.75) -> PopulationCode:
    model = Model(initial_weight(m, 10, 0), m=m, tau=tau, tau_s=tau_s)
    return PopulationCode(m, T, beta, model.to_layer().kernel.time_to_peak, COUNTS.histogram)


def metrics(test: Any) -> list[str]:
    return [metric.value for metric in test.metric]


def page_text(test: Any) -> str:
    return "\n".join(element.value for element in test.markdown)


@pytest.mark.parametrize(
    ("m", "beta", "T"), [(16, 1.5, 100), (3, 0.5, 10), (64, 4.0, 600), (64, 0.5, 10), (3, 4.0, 600), (7, 2.2, 40)]
)
def test_the_view_says_what_is_computed(m: int, beta: float, T: int) -> None:
    test = run_app(app("encoder", view=CODE_ANALYSIS))
    test.slider(key="m").set_value(m)
    test.slider(key="beta").set_value(beta)
    test.slider(key="T").set_value(T)
    run_app(test)
    code = code_of(m, T, beta)
    assert metrics(test)[:3] == [
        str(code.num_codes),
        f"{code.late_spike_fraction:.1%}",
        f"{code.background_fraction:.1%}",
    ]
    advice = advise(m, T, beta, code.time_to_peak, COUNTS.histogram)
    assert f"#### {advice.assessment}" in page_text(test) and advice.remedy in page_text(test)
    for key in FIGURES:
        assert figure(test, key)["data"]
    assert len(figure(test, "curve_information")["data"][0]["customdata"]) == m


def test_only_the_chosen_view_is_drawn() -> None:
    first = run_app(app("encoder"))
    assert not first.metric and figure(first, "tuning")
    first.button_group(key="view").set_value(CODE_ANALYSIS)
    run_app(first)
    assert len(first.metric) == 4
    assert {chart.key for chart in first.get("plotly_chart")} == set(FIGURES)
    assert set(first.session_state["_shown"]) >= set(FIGURES)


def test_pixel_value_and_code_stay_while_the_views_change() -> None:
    test = app("encoder")
    test.query_params.update({"pixel": "400", "x": "0.3", "m": "8"})
    run_app(test)
    test.button_group(key="view").set_value(CODE_ANALYSIS)
    run_app(test)
    assert test.slider(key="m").value == 8
    test.slider(key="m").set_value(9)
    run_app(test)
    test.button_group(key="view").set_value("One pixel")
    run_app(test)
    assert (test.number_input(key="pixel").value, test.slider(key="x").value, test.slider(key="m").value) == (
        400,
        0.3,
        9,
    )


def test_a_recommendation_is_followed_by_its_button() -> None:
    test = app("encoder")
    test.query_params.update({"view": CODE_ANALYSIS, "m": "3", "T": "50", "beta": "4"})
    run_app(test)
    before = code_of(3, 50, 4.0)
    better = advise(3, 50, 4.0, before.time_to_peak, COUNTS.histogram).better
    assert better is not None
    button(test, "Set beta 3.5 and T 100").click()
    run_app(test)
    assert (test.slider(key="m").value, test.slider(key="beta").value, test.slider(key="T").value) == (
        better.m, better.beta, better.T
    )  # fmt: skip
    assert int(metrics(test)[0]) == better.num_codes > before.num_codes
    assert metrics(test)[1] == f"{better.late_spike_fraction:.1%}"


def test_lateness_follows_the_time_constants_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Model(initial_weight(16, 10, 0), tau=60.0, tau_s=15.0)
    monkeypatch.setattr(experiment, "_resolve_model", lambda _: (slow, Settings(tau=60.0, tau_s=15.0), None))
    test = run_app(app("encoder", view=CODE_ANALYSIS))
    assert metrics(test)[1] == f"{code_of(16, 100, 1.5, 60.0, 15.0).late_spike_fraction:.1%}"
    assert metrics(test)[1] != f"{code_of(16, 100, 1.5).late_spike_fraction:.1%}"
    assert any("tau 60 ms and tau_s 15 ms" in caption.value for caption in test.caption)


def test_clothes_are_looked_at_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    bright = datasets.Split(255 - EMBEDDED.train.images[:300], EMBEDDED.train.labels[:300] % 4)
    clothes = replace(
        EMBEDDED, name="FashionMNIST", train=bright, classes=("T-shirt/top", "Trouser", "Ankle boot", "never seen")
    )
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: clothes)
    test = run_app(app("encoder", view=CODE_ANALYSIS))
    counted = count_values(bright, 4)
    code = PopulationCode(16, 100, 1.5, code_of(16, 100, 1.5).time_to_peak, counted.histogram)
    assert metrics(test)[:3] == [
        str(code.num_codes),
        f"{code.late_spike_fraction:.1%}",
        f"{code.background_fraction:.1%}",
    ]
    assert any("From 300 of the 300 training images" in caption.value for caption in test.caption)


@pytest.mark.parametrize("query", [{"view": "<script>"}, {"view": CODE_ANALYSIS, "m": "-5", "beta": "nan", "T": "1e9"}])
def test_garbage_in_the_link_leaves_the_view_working(query: dict[str, str]) -> None:
    test = app("encoder")
    test.query_params.update(query)
    run_app(test)
    assert bool(test.metric) == (query["view"] == CODE_ANALYSIS)


def test_the_view_runs_alone() -> None:
    assert len(run_app(single_page("encoder", view=CODE_ANALYSIS)).metric) == 4
