"""The codes on the Encoder: choice, tuning, raster, statistics, comparison, and what other pages say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.pages import EMBEDDED, app, button, figure, run_app, train_small_model

from pages.state.settings import CODE_OF_RECIPE
from pages.views import encoder_patterns
from tempotron_core.analysis.ablation import ablate
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.codes import CODES, Code, register_code
from tempotron_core.training.settings import Settings, initial_model

CODE_ANALYSIS, TWO_CODES, PATTERNS = "Information in the code", "Two codes", "Pixel or pattern"


def encoder(**query: Any) -> Any:
    test = app("encoder", model="untrained")
    test.query_params.update({key: str(value) for key, value in query.items()})
    return run_app(test)


def text_of(test: Any) -> str:
    return "\n".join(str(element.value) for element in (*test.markdown, *test.warning, *test.caption))


def spikes_of(name: str, m: int, sample: int = 0, T: int = 100) -> int:
    code = CODES[name].fit_to(EMBEDDED.train.images, m, 0)
    return int((code.spike_times(EMBEDDED.test.images[sample : sample + 1], m, T) >= 0).sum())


@pytest.mark.parametrize(
    ("name", "m"),
    [
        ("latency", 1), ("latency-logarithmic", 1), ("local-pattern", 32), ("gaussian-and-local-pattern", 38),
        ("latency-and-local-pattern", 33),
    ],
)  # fmt: skip
def test_each_code_is_shown_with_its_own_m_and_spikes(name: str, m: int) -> None:
    test = encoder(code=name)
    assert test.selectbox(key="code").value == name
    assert test.slider(key="m").value == m
    assert f"#### {spikes_of(name, m):,} of {784 * m:,} afferents spike" in text_of(test)
    assert figure(test, "tuning")["data"]
    assert f"code {name}: the model was trained with the code gaussian and m 16" in text_of(test)
    test.button_group(key="view").set_value(CODE_ANALYSIS)
    run_app(test)
    assert len(test.metric) == 4
    assert test.query_params["code"] in (name, [name])


def test_the_spike_time_of_a_latency_code_follows_the_value() -> None:
    test = encoder(code="latency", x="0.6", pixel="431")
    assert "1 of 1 neurons spikes, the first at 40 ms" in text_of(test)
    assert test.slider(key="m").disabled


def test_changing_the_code_sets_m_and_back() -> None:
    test = encoder()
    test.selectbox(key="code").set_value("local-pattern")
    run_app(test)
    assert test.slider(key="m").value == 32
    test.slider(key="m").set_value(16)
    run_app(test)
    test.selectbox(key="code").set_value("latency")
    run_app(test)
    assert test.slider(key="m").value == 1
    button(test, "Reset").click()
    run_app(test)
    assert (test.selectbox(key="code").value, test.slider(key="m").value) == ("gaussian", 16)
    assert "trained with the code" not in text_of(test)


@pytest.mark.parametrize("value", ["", "x", "<b>", "gaussian-and"])
def test_an_unknown_code_in_a_link_is_the_code_of_the_model(value: str) -> None:
    assert encoder(code=value).selectbox(key="code").value == "gaussian"


def test_other_pages_keep_the_network_and_say_so() -> None:
    test = app("voltages", model="untrained")
    test.query_params.update({"code": "local-pattern", "sample": "3"})
    run_app(test)
    assert "so only the Encoder shows the other code" in text_of(test)
    assert test.slider(key="m").value == 32
    assert "code local-pattern instead of gaussian" in text_of(test)


def test_two_codes_are_compared_on_the_same_sample() -> None:
    test = encoder(view=TWO_CODES, sample=5, m=6)
    gaussian, pattern = spikes_of("gaussian", 6, 5), spikes_of("local-pattern", 32, 5)
    assert f"gaussian encodes this sample in {gaussian:,} spikes, local-pattern in {pattern:,}." in text_of(test)
    assert f"| Afferents | {784 * 6:,} | {784 * 32:,} |" in text_of(test)
    test.selectbox(key="compare").set_value("latency")
    run_app(test)
    assert f"latency in {spikes_of('latency', 1, 5):,}." in text_of(test)
    test.selectbox(key="compare").set_value("gaussian")
    run_app(test)
    assert "Both codes are the same" in text_of(test)


def test_train_with_this_code_fills_the_form() -> None:
    test = encoder(code="local-pattern", m=16, T=80)
    button(test, "Train with this code").click()
    run_app(test)
    wanted = {"code": "local-pattern", "recipe": "local-pattern", "m": 16, "T": 80, "tau": 60.0, "tau_s": 15.0}
    assert {name: test.session_state[f"train_{name}"] for name in wanted} == wanted
    form = app("training")
    for name, value in wanted.items():
        form.session_state[f"train_{name}"] = value
    run_app(form)
    assert form.selectbox(key="train_code").value == "local-pattern"
    assert not button(form, "Start").disabled
    assert run_app(app("training")).selectbox(key="train_code").value == CODE_OF_RECIPE


def test_a_model_with_another_code_is_shown_with_it(registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path / "logs", code="local-pattern")
    test = run_app(app("encoder", train_log_dir=str(tmp_path / "logs")))
    assert test.selectbox(key="code").value == "local-pattern"
    spikes = int((model.spike_times(EMBEDDED.test.images[:1]) >= 0).sum())
    assert f"#### {spikes:,} of {784 * 4:,} afferents spike" in text_of(test)
    test.selectbox(key="code").set_value("gaussian")
    run_app(test)
    assert "the model was trained with the code local-pattern and m 4" in text_of(test)


def test_a_table_has_no_local_patterns() -> None:
    test = app("encoder", data="iris", model="untrained")
    test.query_params["code"] = "local-pattern"
    run_app(test)
    assert "expected images, got a table" in text_of(test)
    test.selectbox(key="code").set_value("latency")
    run_app(test)
    assert "expected images" not in text_of(test)


def test_a_code_of_ones_own_is_shown() -> None:
    register_code(
        Code(
            "on-off-encoder", "One of two afferents spikes at once: that of a dark or that of a bright pixel.",
            symbols=lambda images, fitted: (images > 127).flatten(1).byte(),
            table=lambda m, T, beta, fitted: torch.tensor([[0.0, -1.0], [-1.0, 0.0]]), min_m=2, max_m=2,
        )
    )  # fmt: skip
    try:
        test = encoder(code="on-off-encoder")
        assert "#### 784 of 1,568 afferents spike" in text_of(test)
        test.button_group(key="view").set_value(CODE_ANALYSIS)
        run_app(test)
        assert test.metric[0].value == "2"
        test.button_group(key="view").set_value(TWO_CODES)
        run_app(test)
        assert "on-off-encoder encodes this sample in 784 spikes" in text_of(test)
    finally:
        del CODES["on-off-encoder"]


def test_pixels_and_neighbourhoods_are_counted() -> None:
    test = encoder(view=PATTERNS)
    text = text_of(test)
    assert "#### Counted alone, pixels give" in text and "neighbourhood, codeword | 256 |" in text
    assert not test.metric
    test.toggle(key="measure_ablation").set_value(True)
    run_app(test)
    result = ablate(initial_model(Settings()), EMBEDDED.test)
    assert f"#### {result.sentence}" in text_of(test)
    assert [metric.value for metric in test.metric] == [
        f"{count / result.samples:.1%}" for count in (result.correct, result.place_only, result.time_only)
    ]


def test_two_networks_are_trained_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_patterns, "TRAIN", 300)
    monkeypatch.setattr(encoder_patterns, "TEST", 100)
    monkeypatch.setattr(encoder_patterns, "EPOCHS", 1)
    test = encoder(view=PATTERNS)
    button(test, "Train both codes on 300 samples").click()
    run_app(test)
    text = text_of(test)
    assert f"| Weights | {784 * 6 * 10:,} | {784 * 32 * 10:,} |" in text
    assert "local-pattern is worse than gaussian: number of weights, 5.3 times that of gaussian" in text
    assert "all spikes at one time" in text
    assert text_of(run_app(test)) == text  # from the cache
    encoder_patterns.measured_codes.clear()


def test_a_table_has_no_neighbourhoods() -> None:
    test = app("encoder", data="iris", model="untrained", view=PATTERNS)
    assert "expected images, got a table" in text_of(run_app(test))
