"""A run seen again: every epoch's decision against the weights kept and the oracle, the words against crafted runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import idx_files, reference
from helpers import pages as page_helpers
from helpers.pages import app, figure, headline, run_app
from safetensors.torch import save_file

from pages.state import datasets as dataset_state
from pages.state import settings
from pages.views import replay_epoch_player
from tempotron_core import figures
from tempotron_core.analysis.attribution import evidence
from tempotron_core.analysis.replay import CheckpointCache, Replay, replay_run, saved_epochs
from tempotron_core.data.datasets import Dataset
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import predict
from tempotron_core.runs.reader import RunError, load_model, read_run
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training import loop
from tempotron_core.training.settings import Settings, initial_model, model_from_weights

FEW = idx_files.few_digits(300, 60)


def run_of(folder: Path, epochs: int = 4, dataset: Dataset = FEW, **changes: object) -> Path:
    """A short run in that folder's log directory."""
    settings = Settings(**{"m": 4, "T": 20, "lr": 3e-3, "log_dir": str(folder), "epochs": epochs} | changes)  # type: ignore[arg-type]
    with open_run_log(settings) as log:
        for snapshot in loop.train_model(settings, dataset):
            log.write(snapshot)
    return log.path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("populations"), 2, m=3, recipe="population")


def replay_sample(run: Path, sample: int, output: int | None = None) -> Replay:
    return replay_run(run, FEW.test.images[sample], int(FEW.test.labels[sample]), 10, CheckpointCache(), output)


@pytest.mark.parametrize("which", ["run", "population"])
def test_every_epoch_decides_as_its_weights_do(which: str, request: pytest.FixtureRequest) -> None:
    run: Path = request.getfixturevalue(which)
    settings = read_run(run).settings
    assert settings is not None
    for sample in (0, 7, 23):
        found = replay_sample(run, sample, 5)
        assert found.epochs == tuple(range(settings.epochs + 1))
        assert found.problem is None
        for row, epoch in enumerate(found.epochs):
            model = load_model(run, f"epochs/{epoch:04}") if epoch else initial_model(settings)
            decision = predict(model, FEW.test.images[sample])
            assert torch.equal(found.v[row], decision.v)
            assert torch.equal(found.v_max[row], decision.v_max)
            assert torch.equal(found.t_max[row], decision.t_max)
            by_pixel = evidence(model, decision, 5).contributions.sum(dim=1)
            assert float(found.max_contribution[row]) == pytest.approx(float(by_pixel.abs().max()))
    assert not torch.equal(found.v[0], found.v[1])
    assert not torch.equal(found.v[1], found.v[2])


def test_every_epoch_is_the_equation(run: Path) -> None:
    found, label = replay_sample(run, 3), int(FEW.test.labels[3])
    times = predict(load_model(run), FEW.test.images[3]).times.reshape(-1).numpy()
    spiking = np.flatnonzero(times >= 0)
    table = reference.responses(times[None, spiking], 20, 15.0, 15.0 / 4, 1.0)
    for row in (0, 2, 4):
        weight = (load_model(run, f"epochs/{row:04}") if row else initial_model(Settings(m=4, T=20))).weight[:, spiking]
        v = reference.potential(weight.numpy(), table)
        v_max, t_max = reference.peaks(v)
        # A float32 sum of n terms, in whatever order, is exact to n * 2^-24 of the sum of their sizes.
        rounding = spiking.size * 2.0**-24 * reference.potential(np.abs(weight.numpy()), np.abs(table)).max()
        assert rounding < 1e-2 * np.abs(v).max()
        assert np.allclose(found.v[row].numpy(), v[0], rtol=0, atol=rounding)
        assert np.allclose(found.v_max[row].numpy(), v_max[0], rtol=0, atol=rounding)
        clear = reference.clear_peaks(v, 2 * rounding)[0]
        assert clear.mean() >= 0.5
        assert np.array_equal(found.t_max[row].numpy()[clear], t_max[0][clear])
        others = max(float(peak) for i, peak in enumerate(v_max[0]) if i != label)
        assert float(found.margin[row]) == pytest.approx(float(v_max[0, label]) - others, abs=2 * rounding)


def test_it_agrees_with_the_accuracy_of_the_run(run: Path) -> None:
    checkpoints = CheckpointCache()
    right = torch.stack(
        [
            replay_run(run, image, int(label), 10, checkpoints).correct
            for image, label in zip(FEW.test.images, FEW.test.labels, strict=True)
        ]
    )
    assert right[:, 1:].double().mean(dim=0).tolist() == pytest.approx(
        [result.test_accuracy for result in read_run(run).epochs]
    )


def history(*margins: float, skip: int = 0) -> Replay:
    """A replay of two classes, the first being the true one, with those margins."""
    v_max = torch.tensor([[2.0 + margin, 2.0] for margin in margins])
    epochs = tuple(range(skip, skip + len(margins)))
    return Replay(epochs, v_max[:, :, None], v_max, torch.zeros(len(margins), 2), 1.0, torch.ones(len(margins)), 0)


def words(found: Replay) -> str:
    return figures.ReplayInfo(
        np.array(found.epochs), found.margin.numpy(), found.predicted.numpy(), ("a", "b"), 0, 0
    ).takeaway


@pytest.mark.parametrize(
    ("margins", "first", "expected"),
    [
        ((-0.5, -0.25, 0.125, 0.5), 2, "Correct from epoch 2 on; the margin grows from 0.12 to 0.50."),
        ((-0.5, 0.5, 0.25), 1, "Correct from epoch 1 on; the margin shrinks from 0.50 to 0.25."),
        ((-0.5, 0.5, 0.5), 1, "Correct from epoch 1 on; the margin is 0.50 at the start and at the end."),
        ((0.5, 0.75), 0, "Correct before training and at every later epoch; the margin grows from 0.50 to 0.75."),
        ((-0.5, -0.5, 0.5), 2, "Correct only at epoch 2, the last one, with margin 0.50."),
        ((-0.5, -0.25, -0.5), None, "Never correct; highest margin −0.25 at epoch 1."),
        ((0.0, 0.0), None, "Never correct; highest margin 0 (tie) before training."),
        ((-1.0, 0.0, 0.5), 2, "Correct only at epoch 2, the last one, with margin 0.50."),
        (
            (-0.5, 0.5, 0.5, -0.5, 0.5, 0.75), 1,
            "First correct at epoch 1, incorrect at epoch 3, correct from epoch 4 on; final margin 0.75.",
        ),
        (
            (-1.0, 0.5, -0.5, -0.25), 1,
            "First correct at epoch 1, incorrect at epoch 2 and later; final margin −0.25.",
        ),
        (
            (0.5, -0.5, 0.5, -0.5), 0,
            "First correct before training, incorrect at epoch 1, correct at 2 of 4 epochs; final margin −0.50.",
        ),
    ],
)  # fmt: skip
def test_the_heading_says_when_the_prediction_is_correct(
    margins: tuple[float, ...], first: int | None, expected: str
) -> None:
    found = history(*margins)
    assert found.margin.tolist() == list(margins)
    assert found.correct.tolist() == [margin > 0 for margin in margins]
    assert found.first_correct == first
    assert words(found) == expected


def test_a_margin_needs_its_own_digits() -> None:
    assert words(history(-0.5, 2**-8, 0.5)).endswith("grows from 0.0039 to 0.50.")


def test_the_figure_marks_right_and_wrong_and_the_epoch_shown() -> None:
    found = history(-0.5, 0.5, 0.0, 0.25)
    info = figures.ReplayInfo(np.array(found.epochs), found.margin.numpy(), np.array([1, 0, 0, 0]), ("7", "1"), 0, 1)
    drawn = figures.replay_figure(info)
    line, right, wrong = drawn.data
    assert list(line.y) == [-0.5, 0.5, 0.0, 0.25]
    assert (list(right.x), list(wrong.x)) == ([1, 3], [0, 2])
    assert (list(right.text), list(wrong.text)) == (["7", "7"], ["1", "tie"])
    assert right.marker.color == figures.theme.TRUE and wrong.marker.color == figures.theme.PREDICTED
    assert right.marker.size[0] > right.marker.size[1]
    assert [shape.x0 for shape in drawn.layout.shapes if shape.x0 == shape.x1] == [1]
    assert "margin of 7" in drawn.layout.yaxis.title.text
    nothing = figures.replay_figure(figures.ReplayInfo(np.zeros(0), np.zeros(0), np.zeros(0), ("7", "1"), 0, 0))
    assert nothing.layout.annotations[0].text


def test_axes_and_colours_can_be_fixed(run: Path) -> None:
    found = replay_sample(run, 0)
    info = figures.VoltageInfo(found.v[0].numpy(), found.v_max[0].numpy(), found.t_max[0].numpy(), 1.0, FEW.classes, 0)
    assert figures.traces_figure(info, span=(-2.0, 9.0)).layout.yaxis.range == (-2.0, 9.0)
    maps = np.full((1, 28, 28), 0.5)
    assert figures.weights_html(maps, ("0",), "", 1.0) != figures.weights_html(maps, ("0",), "")
    assert "+2" in figures.weights_html(maps, ("0",), "", 2.0)


def damaged_run(run: Path, tmp_path: Path) -> Path:
    """A copy of the run without its third epoch, and with a second one that is none."""
    copy = tmp_path / "copy"
    for file in run.rglob("*"):
        if file.is_file():
            target = copy / file.relative_to(run)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    (copy / "epochs" / "0003.safetensors").unlink()
    (copy / "epochs" / "0002.safetensors").write_bytes(b"none")
    return copy


def test_damaged_and_missing_epochs_are_left_out_with_a_sentence(run: Path, tmp_path: Path) -> None:
    copy = damaged_run(run, tmp_path)
    found, whole = replay_sample(copy, 0), replay_sample(run, 0)
    assert found.epochs == (0, 1, 4)
    assert torch.equal(found.v, whole.v[[0, 1, 4]])
    assert found.problem is not None
    assert "The weights of epoch 3 were not kept." in found.problem
    assert "Epoch 2 is left out: epochs/0002.safetensors" in found.problem and "\n" not in found.problem
    for other in ("00005.safetensors", "x.safetensors", "5.safetensors", "0007.pt"):
        (copy / "epochs" / other).write_bytes(b"")
    assert list(saved_epochs(copy)) == [1, 2, 4]
    save_file({"fc.weight": torch.zeros(7, 784 * 4)}, copy / "epochs" / "0004.safetensors")
    assert str(replay_sample(copy, 0).problem).endswith("So is epoch 4.")
    (copy / "epochs" / "0002.safetensors").unlink()
    assert "expected weights of 10 classes, got 7" in str(replay_sample(copy, 0).problem)
    assert "The weights of epochs 2 to 3 were not kept." in str(replay_sample(copy, 0).problem)
    (copy / "epochs" / "0001.safetensors").unlink()
    with pytest.raises(RunError, match="got 7"):
        replay_sample(copy, 0)
    for file in (copy / "epochs").iterdir():
        file.unlink()
    with pytest.raises(RunError, match="expected the weights after at least one epoch"):
        replay_sample(copy, 0)


def test_a_run_in_progress_grows(tmp_path: Path) -> None:
    settings, checkpoints = Settings(m=3, T=20, epochs=3, log_dir=str(tmp_path)), CheckpointCache()
    lengths: list[int] = []
    with open_run_log(settings) as log:
        for snapshot in loop.train_model(settings, FEW):
            log.write(snapshot)
            if len(snapshot.epochs) > len(lengths):
                found = replay_run(log.path, FEW.test.images[0], 0, 10, checkpoints)
                lengths.append(len(found.epochs))
                weight = snapshot.weight
                assert weight is not None
                model = model_from_weights(settings, weight)
                assert torch.equal(found.v[-1], predict(model, FEW.test.images[0]).v)
    assert lengths == [2, 3, 4]


def test_networks_are_kept_up_to_a_number_of_bytes_and_read_again_when_written_again(run: Path) -> None:
    settings = read_run(run).settings
    assert settings is not None
    size = load_model(run).weight.nbytes
    checkpoints = CheckpointCache(2 * size)
    first, second = (checkpoints.model(run, settings, 10, epoch) for epoch in (1, 2))
    assert checkpoints.model(run, settings, 10, 1) is first
    checkpoints.model(run, settings, 10, 3)
    assert checkpoints.model(run, settings, 10, 1) is first
    assert checkpoints.model(run, settings, 10, 2) is not second
    file = run / "epochs" / "0002.safetensors"
    again = checkpoints.model(run, settings, 10, 2)
    file.touch()
    assert checkpoints.model(run, settings, 10, 2) is not again


def test_networks_that_nobody_uses_go_when_others_come(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, now = read_run(run).settings, [0.0]
    assert settings is not None
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoints = CheckpointCache(max_idle_seconds=10)
    unused, used = (checkpoints.model(run, settings, 10, epoch) for epoch in (1, 2))
    for now[0] in (6.0, 12.0):
        assert checkpoints.model(run, settings, 10, 2) is used
    checkpoints.model(run, settings, 10, 3)
    assert checkpoints.model(run, settings, 10, 2) is used
    assert checkpoints.model(run, settings, 10, 1) is not unused


@pytest.fixture
def finished_run(registry: TrainingRegistry, tmp_path: Path) -> Path:
    """A run that the process has trained."""
    page_helpers.train_small_model(registry, tmp_path)
    assert registry.finished is not None and registry.finished.log is not None
    return Path(registry.finished.log)


def verdict_at(run: Path, epoch: int, sample: int) -> str:
    settings = read_run(run).settings
    assert settings is not None
    model = load_model(run, f"epochs/{epoch:04}") if epoch else initial_model(settings)
    return page_helpers.verdict(model, sample)


def press(test: object, label: str) -> None:
    page_helpers.button(test, label).click()  # type: ignore[arg-type]
    run_app(test)  # type: ignore[arg-type]


def test_the_page_shows_the_epoch_asked_for(run: Path) -> None:
    for epoch in (0, 1, 3, 4):
        test = app("replay", sample=8, train_log_dir=str(run.parent))
        test.query_params.update({"epoch": str(epoch), "replay_run": run.name})
        run_app(test)
        assert headline(test) == verdict_at(run, epoch, 8)
        assert test.title[0].value == ("Replay · before training" if epoch == 0 else f"Replay · epoch {epoch}")
        drawn = figure(test, "replay")
        assert [shape["x0"] for shape in drawn["layout"]["shapes"] if shape["x0"] == shape["x1"]] == [epoch]
    test = run_app(app("replay", sample=8, train_log_dir=str(run.parent)))
    assert headline(test) == verdict_at(run, 4, 8)
    ranges = set()
    for epoch in (0, 2, 4):
        test.select_slider[0].set_value(str(epoch))
        run_app(test)
        assert headline(test) == verdict_at(run, epoch, 8)
        assert test.query_params["epoch"] in (str(epoch), [str(epoch)])
        heat = figure(test, "evidence")["data"][0]
        ranges.add((*figure(test, "traces")["layout"]["yaxis"]["range"], heat["zmin"], heat["zmax"]))
    assert len(ranges) == 1


def test_steps_and_the_first_right_epoch(run: Path) -> None:
    sample = next(i for i in range(60) if (replay_sample(run, i).first_correct or 0) > 0)
    test = run_app(app("replay", sample=sample, train_log_dir=str(run.parent)))
    press(test, "First correct")
    assert test.title[0].value == f"Replay · epoch {replay_sample(run, sample).first_correct}"
    assert headline(test).startswith("Correct")
    press(test, "Back")
    assert not headline(test).startswith("Correct")
    press(test, "Next")
    assert headline(test).startswith("Correct")


def test_it_plays_to_the_end_and_stops(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("pages.views.replay_epoch_player.time", SimpleNamespace(monotonic=lambda: now[0]))
    test = run_app(app("replay", train_log_dir=str(run.parent)))
    press(test, "Play")
    titles = [test.title[0].value]
    while any(button.label == "Pause" for button in test.button):
        assert not test.select_slider
        now[0] += replay_epoch_player.SECONDS_PER_EPOCH
        run_app(test)
        titles.append(test.title[0].value)
    assert titles == ["Replay · before training", *(f"Replay · epoch {epoch}" for epoch in (1, 2, 3, 4))]
    assert test.select_slider[0].value == "4"
    test.select_slider[0].set_value("1")
    run_app(test)
    press(test, "Play")
    now[0] += replay_epoch_player.SECONDS_PER_EPOCH
    run_app(test)
    press(test, "Pause")
    now[0] += 10
    run_app(test)
    assert test.title[0].value == "Replay · epoch 2"


def test_the_run_follows_the_model_of_the_sidebar(finished_run: Path, run: Path, population: Path) -> None:
    test = run_app(app("replay", sample=3))
    assert headline(test) == verdict_at(finished_run, 1, 3)
    saved = {"model": settings.SAVED_RUN, "run": population.name, "train_log_dir": str(population.parent)}
    test = run_app(app("replay", sample=3, **saved))
    assert headline(test) == verdict_at(population, 2, 3)
    assert any("20 tempotrons" in caption.value for caption in test.caption)
    test = run_app(app("replay", sample=3, model="untrained", train_log_dir=str(run.parent)))
    assert headline(test) == verdict_at(run, 4, 3)


@pytest.mark.parametrize(
    "query",
    [{"epoch": "x"}, {"epoch": "-1"}, {"epoch": "99999999999"}, {"replay_run": "../../etc", "replay_of": "<b>"}],
)
def test_garbage_in_the_link_shows_the_last_epoch(run: Path, query: dict[str, str]) -> None:
    test = app("replay", sample=3, train_log_dir=str(run.parent))
    test.query_params.update(query)
    run_app(test)
    assert headline(test) == verdict_at(run, 4, 3)


def test_no_run_and_damaged_runs_get_a_sentence(run: Path, tmp_path: Path) -> None:
    test = run_app(app("replay", train_log_dir=str(tmp_path / "none")))
    assert "Train one on the Training page" in test.info[0].value
    copy = damaged_run(run, tmp_path / "logs")
    test = run_app(app("replay", sample=3, train_log_dir=str(copy.parent)))
    assert headline(test) == verdict_at(run, 4, 3)
    assert any("Epoch 2 is left out" in caption.value for caption in test.caption)
    (copy / "settings.json").write_text("{")
    test = run_app(app("replay", train_log_dir=str(copy.parent)))
    assert "settings.json" in test.warning[0].value


def test_a_tie_and_classes_with_long_names_are_shown(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = damaged_run(run, tmp_path / "logs")
    save_file({"fc.weight": torch.zeros(10, 784 * 4)}, copy / "epochs" / "0002.safetensors")
    clothes = replace(page_helpers.TINY, name="FashionMNIST", classes=tuple(f"garment {i}" for i in range(10)))
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: clothes)
    test = app("replay", sample=3, train_log_dir=str(copy.parent), data="FashionMNIST", replay_of="predicted class")
    test.query_params["epoch"] = "2"
    run_app(test)
    assert headline(test).startswith("Tie: 10 outputs")
    assert any("The digit is from another data set, FashionMNIST" in caption.value for caption in test.caption)
    wrong = figure(test, "replay")["data"][2]
    assert "tie" in wrong["text"] and wrong["mode"] == "markers"
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: replace(clothes, classes=clothes.classes[:7]))
    run_app(test)
    assert "expected weights of 7 classes, got 10" in test.warning[0].value
