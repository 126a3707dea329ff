"""One training run: reproducible, immutable, right to the last step, and refusing what it cannot do."""

import math
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from helpers import idx_files, reference

from tempotron_core.data.datasets import DataError, Dataset, Split, hold_out_validation
from tempotron_core.model.classifier import PIXELS, pixel_spike_table, pixel_spike_times
from tempotron_core.snn import spike_store
from tempotron_core.training import loop, settings, trainer
from tempotron_core.training.loop import STEPS_PER_SNAPSHOT, train_model
from tempotron_core.training.recipes import LOSSES, RECIPES
from tempotron_core.training.settings import Settings, TrainingError, devices, initial_model
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Trainer

TINY = Settings(m=3, T=20, epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def few_digits() -> Dataset:
    return idx_files.few_digits(195, 100)


@pytest.fixture(scope="module")
def snapshots(few_digits: Dataset) -> list[Snapshot]:
    return list(train_model(TINY, few_digits))


def trained_weight(settings: Settings, dataset: Dataset) -> torch.Tensor:
    """The weights at the end of a run."""
    weight = list(train_model(settings, dataset))[-1].weight
    assert weight is not None
    return weight


def test_batches_prepared_ahead_give_the_same_weights(few_digits: Dataset, snapshots: list[Snapshot]) -> None:
    *_, last = train_model(TINY, few_digits, prepare_ahead=True)
    expected = snapshots[-1].weight
    assert last.weight is not None and expected is not None
    assert torch.equal(last.weight, expected)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_seed_determines_the_weights(few_digits: Dataset, recipe: str) -> None:
    settings = replace(TINY, recipe=recipe, epochs=1, seed=7)
    weight = trained_weight(settings, few_digits)
    assert torch.equal(weight, trained_weight(settings, few_digits))
    assert not torch.equal(weight, trained_weight(replace(settings, seed=8), few_digits))
    assert not torch.equal(weight, initial_model(settings).weight)


def test_data_that_does_not_fit_is_streamed_to_the_same_weights(
    few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = trained_weight(TINY, few_digits)
    monkeypatch.setattr(spike_store, "_BUDGET_BYTES", 0)
    assert torch.equal(trained_weight(TINY, few_digits), kept)


def test_seed_orders_the_samples_too(few_digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = initial_model(TINY).weight
    monkeypatch.setattr(settings, "initial_weight", lambda *_: weight.clone())
    short = replace(TINY, epochs=1)
    assert not torch.equal(trained_weight(short, few_digits), trained_weight(replace(short, seed=1), few_digits))


def test_snapshots_never_change(few_digits: Dataset) -> None:
    seen = []
    for snapshot in train_model(TINY, few_digits):
        seen.append((snapshot, None if snapshot.weight is None else snapshot.weight.clone(), repr(snapshot)))
        with pytest.raises(FrozenInstanceError):
            snapshot.step = 3  # type: ignore[misc]
    weights = []
    for snapshot, weight, text in seen:
        assert repr(snapshot) == text
        if weight is not None and snapshot.weight is not None:
            assert torch.equal(snapshot.weight, weight)
            assert snapshot.weight.device.type == "cpu"
            assert not snapshot.weight.requires_grad
            weights.append(weight)
    assert not torch.equal(weights[0], weights[-1])


def test_what_a_reader_does_to_a_snapshot_stays_outside(few_digits: Dataset) -> None:
    step = 0
    for snapshot in train_model(TINY, few_digits):
        if snapshot.weight is not None and snapshot.step > step:
            step, last = snapshot.step, snapshot.weight.clone()
            snapshot.weight.zero_()
    assert torch.equal(last, trained_weight(TINY, few_digits))


def test_health_is_that_of_the_published_model(few_digits: Dataset, snapshots: list[Snapshot]) -> None:
    last = snapshots[-1]
    assert last.model is not None
    with torch.no_grad():
        v_max, t_max = last.model.to_layer()(pixel_spike_times(few_digits.test.images, 3, 20), "v").max(dim=-1)
    wanted = torch.nn.functional.one_hot(few_digits.test.labels, 10).bool()
    result = last.epochs[-1]
    assert result.firing_error_rate == pytest.approx(float(((v_max >= 1) != wanted).float().mean()), abs=0.003)
    assert result.peaks_at_start == pytest.approx(float((t_max == 0).float().mean()), abs=0.003)
    assert result.peaks_at_end == pytest.approx(float((t_max == 19).float().mean()), abs=0.003)
    assert result.weight_norm == pytest.approx(float(last.model.weight.norm()), rel=1e-5)
    assert 0 < result.gradient_norm < math.inf
    assert result.dead_outputs == tuple(i for i in range(10) if float(v_max[:, i].max()) <= 0)


def test_phases_and_progress(snapshots: list[Snapshot]) -> None:
    phases = [snapshot.phase for snapshot in snapshots]
    prepared = [snapshot.encoded_fraction for snapshot in snapshots]
    steps = [snapshot.step for snapshot in snapshots]
    first_training = phases.index("training")
    assert set(phases[:first_training]) == {"preparing"}
    assert set(phases[first_training:-1]) == {"training"}
    assert phases[-1] == "finished"
    assert prepared[0] == 0
    assert prepared == sorted(prepared)
    assert prepared[first_training - 1] == 1
    assert steps == sorted(steps)
    assert {snapshot.total_steps for snapshot in snapshots} == {2 * 25}
    assert [snapshot.progress for snapshot in snapshots] == [step / 50 for step in steps]
    for snapshot in snapshots[:first_training]:
        assert (snapshot.step, snapshot.points[:], snapshot.epochs[:], snapshot.weight) == (0, (), (), None)
        assert snapshot.model is None
        assert snapshot.seconds_left is None
    for snapshot in snapshots[first_training:]:
        assert snapshot.weight is not None
        assert snapshot.seconds_left is not None
        assert snapshot.samples_per_second > 0
    assert snapshots[-1].seconds_left == 0
    assert snapshots[-1].epoch == 2


def test_points_and_epochs_agree(snapshots: list[Snapshot]) -> None:
    last = snapshots[-1]
    assert [point.step for point in last.points] == [16, 25, 32, 48, 50]
    assert STEPS_PER_SNAPSHOT == 16
    assert [(result.epoch, result.step) for result in last.epochs] == [(1, 25), (2, 50)]
    for before, after in pairwise(snapshots):
        assert after.points[: len(before.points)] == before.points
        assert after.epochs[: len(before.epochs)] == before.epochs
    samples = [16 * 8, 195 - 16 * 8, 7 * 8, 16 * 8, 195 - 23 * 8]
    for result, mine in zip(last.epochs, (slice(0, 2), slice(2, 5)), strict=True):
        points, shares = last.points[mine], np.array(samples[mine]) / 195
        assert math.isclose(sum(shares), 1)
        assert result.loss == pytest.approx(shares @ [point.loss for point in points])
        assert result.train_accuracy == pytest.approx(shares @ [point.accuracy for point in points])
        assert result.samples_per_second == pytest.approx(195 / result.seconds)
        assert result.seconds > 0
    for point, batch in zip(last.points, [8, 3, 8, 8, 3], strict=True):
        assert point.batch_accuracy * batch == pytest.approx(round(point.batch_accuracy * batch))
        assert 0 <= point.accuracy <= 1


def test_test_accuracy_is_that_of_the_published_model(few_digits: Dataset, snapshots: list[Snapshot]) -> None:
    checked = 0
    for before, after in pairwise(snapshots):
        if len(after.epochs) > len(before.epochs):
            model = after.model
            assert model is not None
            with torch.no_grad():
                peaks = model.to_layer()(pixel_spike_times(few_digits.test.images, 3, 20), "v_max")
            hits = sum(
                int(row.argmax()) == label for row, label in zip(peaks, few_digits.test.labels.tolist(), strict=True)
            )
            assert after.epochs[-1].test_accuracy == hits / 100
            checked += 1
    assert checked == 2


def test_a_reference_step_is_the_published_rule(few_digits: Dataset) -> None:
    three = Split(few_digits.train.images[:3], few_digits.train.labels[:3])
    settings = Settings(
        m=3, T=20, epochs=2, batch_size=3, lr=0.02, recipe="reference", tau=12.0, tau_s=3.0, v_threshold=0.7
    )
    table = reference.responses(pixel_spike_times(three.images, 3, 20).numpy(), 20, 12.0, 3.0, 0.7)
    w = initial_model(settings).weight.double().numpy()
    assert w.shape == (10, 3 * PIXELS)
    results: list[Snapshot] = []
    for snapshot in train_model(settings, Dataset("three", three, three, few_digits.classes, "")):
        if snapshot.points and len(snapshot.points) > len(results):
            results.append(snapshot)
    assert len(results) == 2
    for snapshot in results:
        v_max, t_max = reference.peaks(reference.potential(w, table))
        loss, grad = reference.mse_loss(v_max, 0.7, three.labels.tolist())
        w = w - 0.02 * reference.grad_v_max(table, t_max, grad)
        assert snapshot.points[-1].loss == pytest.approx(loss, rel=1e-4)
        assert snapshot.weight is not None
        assert np.allclose(snapshot.weight, w, rtol=1e-4, atol=1e-6)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collects the learning rate that the optimiser has at every step."""
    found: list[float] = []

    class Watched(Trainer):
        def step(self, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
            result = super().step(*arguments)
            found.extend(group["lr"] for group in self.optimiser.param_groups)
            return result

    monkeypatch.setattr(loop, "Trainer", Watched)
    return found


def test_default_rate_warms_up_and_falls_to_nothing(few_digits: Dataset, rates: list[float]) -> None:
    list(train_model(replace(TINY, lr=0.01, epochs=4), few_digits))
    assert len(rates) == 100
    assert rates[0] < 0.01 * 0.01
    assert rates[:20] == sorted(rates[:20])
    assert max(rates) == pytest.approx(0.009, rel=0.02)
    assert rates[50] == pytest.approx(0.005)
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 <= rates[-1] < 0.01 * 1e-3


def test_reference_keeps_its_learning_rate(few_digits: Dataset, rates: list[float]) -> None:
    list(train_model(replace(TINY, lr=0.01, recipe="reference"), few_digits))
    assert rates == [0.01] * 50


def test_training_learns() -> None:
    *_, last = train_model(Settings(epochs=2), idx_files.few_digits(4000, 500))
    assert last.epochs[-1].test_accuracy > 0.6
    assert last.epochs[-1].train_accuracy > last.epochs[0].train_accuracy
    assert last.epochs[-1].loss < last.epochs[0].loss


@pytest.mark.parametrize("recipe", RECIPES)
def test_diverging_run_ends_with_a_sentence(few_digits: Dataset, recipe: str) -> None:
    seen: list[Snapshot] = []
    with pytest.raises(TrainingError) as caught:
        seen.extend(train_model(replace(TINY, lr=1e38, recipe=recipe, epochs=5), few_digits))
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert "expected" in text
    assert "learning rate" in text
    assert all(math.isfinite(point.loss) for snapshot in seen for point in snapshot.points)
    assert all(bool(snapshot.weight.isfinite().all()) for snapshot in seen if snapshot.weight is not None)


def test_closing_early_is_fine(few_digits: Dataset) -> None:
    for stop_at in range(6):
        snapshots = train_model(TINY, few_digits)
        for _ in range(stop_at):
            next(snapshots)
        snapshots.close()  # type: ignore[attr-defined]
        with pytest.raises(StopIteration):
            next(snapshots)


@pytest.mark.parametrize(("samples", "batch_size", "T"), [(1, 64, 20), (5, 64, 20), (5, 5, 20), (5, 4, 20), (3, 1, 1)])
def test_small_runs(few_digits: Dataset, samples: int, batch_size: int, T: int) -> None:
    split = Split(few_digits.train.images[:samples], few_digits.train.labels[:samples])
    settings = replace(TINY, batch_size=batch_size, T=T)
    *_, last = train_model(settings, Dataset("small", split, split, few_digits.classes, ""))
    assert last.phase == "finished"
    assert last.step == last.total_steps == 2 * math.ceil(samples / batch_size)
    assert len(last.epochs) == 2


def test_devices_end_with_the_cpu() -> None:
    assert devices()[-1] == "cpu"
    assert len(set(devices())) == len(devices())
    assert len(devices()) == torch.cuda.device_count() + 1


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_every_device_trains(few_digits: Dataset, device: str) -> None:
    if device not in devices():
        pytest.skip(f"no {device} here")
    *_, last = train_model(replace(TINY, device=device), few_digits)
    assert last.phase == "finished"
    assert last.weight is not None
    assert torch.allclose(last.weight, trained_weight(TINY, few_digits), atol=1e-3)


def test_defaults_are_allowed_and_hashable() -> None:
    assert Settings() == Settings()
    assert len({Settings(), Settings(seed=1), Settings()}) == 2
    assert Settings(seed=0, batch_size=1, T=1, epochs=1, m=3).m == 3


def test_gradients_that_are_never_cleared_add_up(few_digits: Dataset) -> None:
    three = Split(few_digits.train.images[:3], few_digits.train.labels[:3])
    settings = Settings(m=3, T=20, epochs=4, batch_size=3, lr=0.02, recipe="as-published", tau=12.0, tau_s=3.0)
    table = reference.responses(pixel_spike_times(three.images, 3, 20).numpy(), 20, 12.0, 3.0, 1.0)
    w = initial_model(settings).weight.double().numpy()
    total = np.zeros_like(w)
    for _ in range(4):
        v_max, t_max = reference.peaks(reference.potential(w, table))
        _, grad = reference.mse_loss(v_max, 1.0, three.labels.tolist())
        total = total + reference.grad_v_max(table, t_max, grad)
        w = w - 0.02 * total
    weight = trained_weight(settings, Dataset("three", three, three, few_digits.classes, ""))
    assert np.allclose(weight, w, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(
        weight, trained_weight(replace(settings, recipe="reference"), replace(few_digits, train=three))
    )


def test_held_out_samples_take_the_place_of_the_test_set(few_digits: Dataset) -> None:
    split = hold_out_validation(few_digits, 45)
    assert (len(split.train), len(split.test)) == (150, 45)
    together = torch.cat((split.train.images, split.test.images)).flatten(1).tolist()
    assert sorted(together) == sorted(few_digits.train.images.flatten(1).tolist())
    assert torch.equal(hold_out_validation(few_digits, 45).test.images, split.test.images)
    held, direct = list(train_model(replace(TINY, validation=45), few_digits))[-1], list(train_model(TINY, split))[-1]
    assert [result.test_accuracy for result in held.epochs] == [result.test_accuracy for result in direct.epochs]
    with pytest.raises(DataError, match="expected 1 to 194"):
        hold_out_validation(few_digits, 195)


def test_a_step_without_some_afferents_leaves_their_weights_alone(few_digits: Dataset, monkeypatch: Any) -> None:
    monkeypatch.setitem(RECIPES, "reference", replace(RECIPES["reference"], afferent_dropout=0.5))
    trainer = Trainer(replace(TINY, recipe="reference", lr=0.1), 10)
    before = trainer.net.fc.weight.detach().clone()
    kept = trainer._dropout_mask()
    assert kept is not None
    assert set(kept.tolist()) == {0.0, 2.0}
    assert 0.4 < float((kept > 0).float().mean()) < 0.6
    monkeypatch.setattr(trainer, "_dropout_mask", lambda: kept)
    table = pixel_spike_table(3, 20)
    spikes = spike_store.SpikeStore(table, few_digits.train.images.view(-1, PIXELS), 20)
    list(spikes.fill())
    trainer.step(spikes.batch(torch.arange(64)), few_digits.train.labels[:64], 0.0)
    moved = (trainer.net.fc.weight.detach() != before).any(dim=0)
    assert bool(moved.any())
    assert not bool((moved & (kept == 0)).any())


@pytest.mark.parametrize("revives", [False, True])
def test_a_dead_output_is_named_and_revived_where_the_recipe_does_so(
    few_digits: Dataset, monkeypatch: pytest.MonkeyPatch, revives: bool
) -> None:
    weight = initial_model(TINY).weight
    weight[4] = -1.0

    def initial(m: int, outputs: int, seed: int, width: float) -> torch.Tensor:
        return weight.clone() if seed == TINY.seed else weight.abs()

    for module in (settings, trainer):
        monkeypatch.setattr(module, "initial_weight", initial)
    monkeypatch.setitem(RECIPES, "cross-entropy", replace(RECIPES["cross-entropy"], reinit_dead_outputs=revives))
    *_, last = train_model(TINY, few_digits)
    assert last.epochs[0].dead_outputs == (4,)
    assert last.epochs[1].dead_outputs == (() if revives else (4,))


@pytest.mark.parametrize("temperature", [1.0, 0.2, 3.0])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_a_loop(name: str, temperature: float) -> None:
    v = torch.randn(7, 4, generator=torch.Generator().manual_seed(1)) + 0.8
    label, threshold = torch.tensor([0, 1, 2, 3, 0, 1, 2]), 0.7

    def cross_entropy(row: list[float], right: int) -> float:
        return math.log(sum(math.exp(value / temperature) for value in row)) - row[right] / temperature

    def linear(row: list[float], right: int) -> float:
        return sum(abs(value - threshold) for i, value in enumerate(row) if (value >= threshold) != (i == right))

    def squared(row: list[float], right: int) -> float:
        return sum((value - threshold) ** 2 for i, value in enumerate(row) if (value >= threshold) != (i == right))

    def hinge(row: list[float], right: int) -> float:
        signs = [1 if i == right else -1 for i in range(len(row))]
        return sum(max(0.0, 0.35 - s * (value - threshold)) ** 2 for s, value in zip(signs, row, strict=True))

    by_hand = {
        "threshold-mse": squared,
        "linear": linear,
        "margin-hinge": hinge,
        "cross-entropy": cross_entropy,
        "cross-entropy-and-firing": lambda row, right: cross_entropy(row, right) + 0.1 * linear(row, right),
    }
    wanted = sum(by_hand[name](row, right) for row, right in zip(v.tolist(), label.tolist(), strict=True)) / 7
    recipe = replace(RECIPES["reference"], loss=name, temperature=temperature)
    assert float(recipe.loss_function(v, threshold, label)) == pytest.approx(wanted, rel=1e-5)


def test_a_run_changes_its_recipe_and_takes_the_rest_from_it(few_digits: Dataset) -> None:
    settings = replace(TINY, recipe="reference", epochs=1, loss="cross-entropy", optimiser="adamw", weight_decay=0.01)
    settings = replace(settings, schedule="warm-up-cosine", reinit_dead_outputs=True)
    assert settings.resolved_recipe == replace(
        RECIPES["cross-entropy"], name="reference", summary=settings.resolved_recipe.summary
    )
    assert torch.equal(trained_weight(settings, few_digits), trained_weight(replace(TINY, epochs=1), few_digits))
    assert Settings().resolved_recipe is not None and Settings().resolved_recipe == RECIPES["cross-entropy"]


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "linear"},
        {"optimiser": "sgd"},
        {"schedule": "constant"},
        {"temperature": 0.5},
        {"weight_decay": 0.5},
        {"smoothing": 0.5},
        {"zero_grad": False},
        {"afferent_dropout": 0.3},
        {"init_scale": 2.0},
        {"tempotrons_per_class": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_change_of_the_recipe_changes_what_is_learned(few_digits: Dataset, change: dict[str, Any]) -> None:
    settings = replace(TINY, lr=0.01)
    plain, changed = trained_weight(settings, few_digits), trained_weight(replace(settings, **change), few_digits)
    assert changed.shape == (10 * change.get("tempotrons_per_class", 1), 3 * PIXELS)
    assert plain.shape != changed.shape or not torch.allclose(plain, changed)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "nope"},
        {"loss": 3},
        {"optimiser": ""},
        {"schedule": ["constant"]},
        {"temperature": 0.0},
        {"temperature": math.nan},
        {"weight_decay": -1.0},
        {"weight_decay": math.inf},
        {"smoothing": -0.1},
        {"zero_grad": 1},
        {"reinit_dead_outputs": "yes"},
        {"afferent_dropout": 1.0},
        {"afferent_dropout": -0.1},
        {"afferent_dropout": True},
        {"afferent_dropout": math.nan},
        {"tempotrons_per_class": 0},
        {"tempotrons_per_class": 1.5},
        {"init_scale": -1.0},
        {"init_scale": math.inf},
    ],
    ids=str,
)
def test_changes_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"expected .*, got .*; \w+"):
        Settings(**change)


def test_smoothing_moves_weights_to_those_of_their_neighbours(few_digits: Dataset) -> None:
    trainer = Trainer(replace(TINY, recipe="reference", lr=0.1, smoothing=0.5), 10)
    kept = trainer.net.fc.weight.detach().clone()
    trainer._smooth()
    wanted = kept.double().view(10, 28, 28, 3)
    for axis in (1, 2):
        before = wanted.clone()
        for i in range(27):
            low, high = before.select(axis, i), before.select(axis, i + 1)
            wanted.select(axis, i).add_(0.05 * (high - low))
            wanted.select(axis, i + 1).sub_(0.05 * (high - low))
    assert torch.allclose(trainer.net.fc.weight.detach().double().view_as(wanted), wanted, atol=1e-7)
    assert float(trainer.net.fc.weight.detach().sum()) == pytest.approx(float(kept.sum()), abs=1e-4)
    trainer.optimiser.param_groups[0]["lr"] = 1e6
    for _ in range(50):
        trainer._smooth()
    assert float(trainer.net.fc.weight.detach().abs().max()) < float(kept.abs().max())


@pytest.mark.parametrize(("time", "after_spike"), [("grid", "shunt"), ("exact", "continue"), ("exact", "shunt")])
def test_a_run_uses_its_time_and_its_shunting(few_digits: Dataset, time: str, after_spike: str) -> None:
    """One step of plain SGD from the layer's public gradient, then the accuracy of the published model."""
    settings = replace(TINY, epochs=1, batch_size=200, recipe="reference", lr=0.01, time=time, after_spike=after_spike)
    last = list(train_model(settings, few_digits))[-1]
    assert last.weight is not None and last.model is not None
    assert (last.model.time, last.model.after_spike) == (time, after_spike)
    net = initial_model(settings).to_layer().requires_grad_(True)
    peaks = net(pixel_spike_times(few_digits.train.images, 3, 20), "v_max")
    loss = LOSSES["threshold-mse"](peaks, 1.0, few_digits.train.labels)
    (grad,) = torch.autograd.grad(loss, net.fc.weight)
    torch.testing.assert_close(last.weight, net.fc.weight.detach() - 0.01 * grad, rtol=1e-4, atol=1e-6)
    trained, times = last.model.to_layer(), pixel_spike_times(few_digits.test.images, 3, 20)
    v_max, t_max = trained(times, "v_max"), trained(times, "t_max")
    health = last.epochs[-1]
    assert health.test_accuracy == pytest.approx(
        float((v_max.argmax(1) == few_digits.test.labels).float().mean()), abs=1e-6
    )
    assert health.peaks_at_end == pytest.approx(
        float((t_max == (20 if time == "exact" else 19)).float().mean()), abs=0.003
    )
    assert not torch.equal(
        last.weight, trained_weight(replace(settings, time="grid", after_spike="continue"), few_digits)
    )


def test_a_resumed_run_keeps_its_time_and_its_shunting(few_digits: Dataset) -> None:
    settings = replace(TINY, time="exact", after_spike="shunt")
    snapshots = list(train_model(settings, few_digits))
    halfway = next(snapshot for snapshot in snapshots if snapshot.state is not None)
    *_, last = train_model(settings, few_digits, halfway)
    assert last.weight is not None and snapshots[-1].weight is not None
    assert torch.equal(last.weight, snapshots[-1].weight)


@pytest.mark.parametrize("bad", [{"time": "fine"}, {"after_spike": None}, {"time": ["exact"]}, {"after_spike": 1}])
def test_settings_refuse_another_mode(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(ValueError, match=f"^{name}: expected one of .*; choose one of these.$"):
        Settings(**bad)
