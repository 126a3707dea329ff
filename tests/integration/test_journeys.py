"""Journeys of a viewer through several pages, with the number of clicks that each takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.pages import EMBEDDED, app, button, headline, run_app, train_small_model, verdict

from pages.state.settings import TWO_CODES
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data.drawings import encode_drawing
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import predict
from tempotron_core.training.settings import Settings, initial_model

PAGES_WITH_PREDICTION = ("overview", "voltages", "evidence", "draw")


class Viewer:
    """A session on the dashboard that counts its clicks."""

    def __init__(self, page: str, query: dict[str, str] | None = None, **state: Any) -> None:
        self.test, self.clicks = app(page, **state), 0
        self.test.query_params.update(query or {})
        run_app(self.test)

    def click(self, label: str = "", key: str = "") -> None:
        """Press a button with this label or key."""
        found = next(element for element in self.test.button if element.key == key) if key else button(self.test, label)
        found.click()
        self._act()

    def set(self, **values: Any) -> None:
        """Give controls their values by one click, as a click on a cell of the confusion matrix does."""
        for name, value in values.items():
            control: Any = next(element for element in self.test if getattr(element, "key", None) == name)
            control.set_value(value)
        self._act()

    def visit(self, page: str) -> None:
        """Open a page by its link."""
        self.test.switch_page(f"views/{page}.py")
        self._act()

    def arrive(self, page: str) -> None:
        """Stay on the page that a button has opened; the test client would return to the former one."""
        self.test.switch_page(f"views/{page}.py")

    def shows(self, part: str) -> bool:
        texts: list[Any] = [*self.test.markdown, *self.test.caption]
        return any(part in str(text.value) for text in texts)

    def _act(self) -> None:
        self.clicks += 1
        run_app(self.test)


def test_from_a_confusion_to_the_contributions_of_three_mistakes_and_back(
    registry: TrainingRegistry, tmp_path: Path
) -> None:
    model = train_small_model(registry, tmp_path / "logs")
    found = evaluate(model, EMBEDDED.test)
    wrong = found.confusion.copy()
    wrong[range(10), range(10)] = 0
    true, predicted = divmod(int(wrong.argmax()), 10)
    mistakes = found.by_confidence_of_error(true, predicted)[:3].tolist()
    viewer = Viewer("results", {"open_in": "Evidence"}, train_log_dir=str(tmp_path / "logs"))
    viewer.set(true=str(true), taken=str(predicted))
    viewer.click(key="open_0")
    viewer.arrive("evidence")
    for number, sample in enumerate(mistakes):
        if number:
            viewer.click("Next mistake")
        assert headline(viewer.test) == verdict(model, sample)
        assert viewer.shows(f"Evidence for {predicted} compared with {true}")
    viewer.visit("results")
    assert viewer.test.selectbox(key="true").value == str(true)
    assert viewer.shows(f"**{len(found.by_confidence_of_error(true, predicted))} test samples")
    assert viewer.clicks == 5


def test_from_a_drawn_digit_to_its_contributions() -> None:
    image = EMBEDDED.test.images[11]
    predicted, second = predict(initial_model(Settings()), image).v_max.topk(2).indices.tolist()
    viewer = Viewer("draw", {"image": encode_drawing(image.numpy())}, model="untrained")
    viewer.visit("evidence")
    assert viewer.shows(f"Evidence for {predicted} compared with {second}")
    assert any(element.label == "Back to the test sample" for element in viewer.test.sidebar.button)
    assert viewer.clicks == 1


def test_from_a_better_beta_to_a_trained_network(registry: TrainingRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Settings] = []
    monkeypatch.setattr(registry, "start", lambda settings, *_, **__: started.append(settings))
    viewer = Viewer("encoder", model="untrained")
    viewer.set(beta=2.5)
    viewer.click("Train with these settings")
    viewer.arrive("training")
    run_app(viewer.test)
    viewer.click("Start")
    (settings,) = started
    assert (settings.beta, settings.m, settings.T, settings.tau) == (2.5, 16, 100, 15.0)
    assert viewer.clicks == 3


def test_tau_20_on_every_page() -> None:
    viewer = Viewer("voltages", model="untrained", sample=3)
    viewer.set(tau=20.0)
    wanted, clicks = headline(viewer.test), viewer.clicks
    for page in (*PAGES_WITH_PREDICTION, "encoder", "rule", "results"):
        viewer.visit(page)
        assert viewer.shows("tau 20 ms instead of 15 ms"), page
        if page in PAGES_WITH_PREDICTION:
            assert headline(viewer.test) == wanted
    assert clicks == 1


def test_a_link_shows_the_same_after_another_training(registry: TrainingRegistry, tmp_path: Path) -> None:
    logs = str(tmp_path / "logs")
    first = train_small_model(registry, tmp_path / "logs", seed=1)
    viewer = Viewer("evidence", {"sample": "3", "why": "4", "t": "7", "why_time": "time cursor"}, train_log_dir=logs)
    link = {key: values[0] if isinstance(values, list) else values for key, values in viewer.test.query_params.items()}
    before = [str(element.value) for element in viewer.test.main.markdown]
    second = train_small_model(registry, tmp_path / "logs", seed=2)
    assert verdict(first, 3) != verdict(second, 3)
    assert [str(element.value) for element in Viewer("evidence", link, train_log_dir=logs).test.main.markdown] == before
    assert viewer.clicks == 0


def test_two_codes_side_by_side() -> None:
    viewer = Viewer("overview", model="untrained", sample=5)
    viewer.visit("encoder")
    viewer.set(view=TWO_CODES)
    viewer.set(compare="latency")
    image, model = EMBEDDED.test.images[5:6], initial_model(Settings())
    spikes = int((model.spike_times(image) >= 0).sum())
    assert viewer.shows(f"gaussian encodes this sample in {spikes:,} spikes, latency in ")
    assert viewer.clicks == 3
