"""One tempotron and random patterns: the rule, shunting and the record against slow loops; the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference
from helpers.waiting import PATIENCE
from streamlit.testing.v1 import AppTest

from tempotron_core import figures
from tempotron_core.experiments import capacity, pattern_learning, random_patterns
from tempotron_core.experiments.pattern_learning import CycleSnapshot, PatternLearner, Problem, draw_patterns
from tempotron_core.experiments.random_patterns import LearningSession, learn, published_rate, simulate
from tempotron_core.snn import engine
from tempotron_core.snn.tempotron import Tempotron

ROOT = Path(__file__).resolve().parents[3]
SMALL = Problem(afferents=20, load=1.0, T=80, tau=12.0, tau_s=4.0, v_threshold=0.8, rate=0.02, momentum=0.5, seed=3)


def afferent_loop(problem: Problem, weight: Any, times: Any, last: float = math.inf) -> list[float]:
    """V(t) as one sum a step over the spikes up to `last`."""
    v = []
    for t in range(problem.T):
        total = 0.0
        for w, t_i in zip(weight, times, strict=True):
            if t_i <= last:
                total += float(w) * reference.kernel(t - float(t_i), problem.tau, problem.tau_s, problem.v_threshold)
        v.append(total)
    return v


def learning_loop(problem: Problem, cycles: int) -> tuple[list[int], list[float]]:
    """The rule straight from its equation: errors of each cycle, and the weights after them."""
    patterns = draw_patterns(problem)
    w, change, all_errors = patterns.weight.double().tolist(), [0.0] * problem.afferents, []
    for cycle in range(1, cycles + 1):
        errors = 0
        for p in np.random.default_rng((problem.seed, cycle)).permutation(problem.num_patterns):
            times = patterns.times[p].tolist()
            v = afferent_loop(problem, w, times)
            t_max = max(range(problem.T), key=lambda t: v[t])
            fired, target = v[t_max] >= problem.v_threshold, bool(patterns.target[p])
            if fired == target:
                continue
            errors += 1
            for i, t_i in enumerate(times):
                step = reference.kernel(t_max - t_i, problem.tau, problem.tau_s, problem.v_threshold)
                change[i] = problem.momentum * change[i] + (1 if target else -1) * problem.rate * step
                w[i] += change[i]
        all_errors.append(errors)
    return all_errors, w


def test_the_draw_is_of_one_spike_an_afferent_and_belongs_to_the_seed() -> None:
    patterns = draw_patterns(Problem())
    assert patterns.times.shape == (200, 100)
    assert float(patterns.times.min()) >= 0 and float(patterns.times.max()) < 500
    assert float(patterns.times.mean()) == pytest.approx(250, abs=5)
    assert 0.4 < float(patterns.target.float().mean()) < 0.6
    assert float(patterns.weight.std()) == pytest.approx(0.01, rel=0.3)
    assert torch.equal(patterns.times, draw_patterns(Problem()).times)
    assert not torch.equal(patterns.times, draw_patterns(Problem(seed=1)).times)


@pytest.mark.parametrize("max_exponent", [600.0, 5.0])
def test_potentials_are_those_of_the_engine_and_of_the_equation(
    max_exponent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several problems at once, in one block of the window or in many."""
    monkeypatch.setattr(pattern_learning, "_MAX_EXPONENT", max_exponent)
    problems = [replace(SMALL, load=load, seed=seed) for load, seed in ((2.0, 0), (0.5, 1), (1.0, 2))]
    learner = PatternLearner(problems)
    weight = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    for p in (0, 4, 9):
        rows = np.array([p, 40 + p, 50 + p])
        v = learner._potential(rows, weight.numpy())
        for i, problem in enumerate(problems):
            times = draw_patterns(problem).times[p]
            assert v[i].tolist() == pytest.approx(afferent_loop(problem, weight[i], times), abs=1e-6)
            net = Tempotron(problem.afferents, 1, problem.T, problem.tau, problem.tau_s, problem.v_threshold)
            net.fc.weight.data = weight[i : i + 1]
            assert torch.allclose(net(times[None], "v")[0, 0].double(), torch.from_numpy(v[i]), atol=1e-5)


def test_problems_learned_together_are_learned_as_alone() -> None:
    problems = [Problem(30, load, 200, seed=seed, max_cycles=40) for load in (0.5, 1.5) for seed in (0, 1)]
    alone = [list(learn(problem)) for problem in problems]
    together: dict[int, list[CycleSnapshot]] = {i: [] for i in range(4)}
    learner = PatternLearner(problems)
    while len(learner.active):
        for number, snapshot in learner.step():
            together[number].append(snapshot)
    for number, snapshots in enumerate(alone):
        assert [s.errors for s in together[number]] == [s.errors for s in snapshots]
        assert torch.equal(together[number][-1].weight, snapshots[-1].weight)
    with pytest.raises(ValueError, match="expected one N, T"):
        PatternLearner([Problem(30), Problem(40)])


def test_the_read_out_of_the_last_spike_changes_a_pattern_at_rest() -> None:
    """Of weights that are all negative no potential exceeds rest: with the other read-out nothing is learned."""
    problem = Problem(20, 0.05, 200, init_std=1e-9, rate=0.01, momentum=0.0, max_cycles=1)
    seed = next(s for s in range(20) if bool(draw_patterns(replace(problem, seed=s)).target[0]))
    patterns = draw_patterns(replace(problem, seed=seed))
    start = CycleSnapshot(0, 1, -torch.ones(20), torch.zeros(20))
    changed = {
        read_out: next(learn(replace(problem, seed=seed, read_out=read_out), start)).weight + 1
        for read_out in ("rest", "last-spike")
    }
    at = float(patterns.times.max()) + problem.kernel.time_to_peak
    expected = [0.01 * reference.kernel(at - float(t), 15.0, 3.75, 1.0) for t in patterns.times[0]]
    assert changed["last-spike"].tolist() == pytest.approx(expected, abs=1e-6)
    assert float(changed["rest"].abs().max()) < float(changed["last-spike"].abs().max())


def test_the_published_rate_is_the_formula() -> None:
    assert published_rate(100, 500, 15.0, 3.75) == pytest.approx(4.7e-4, rel=0.01)
    assert published_rate(500, 500, 10.0, 2.5) == pytest.approx(3e-3 * 500 / (10 * 500 * 2.1165), rel=1e-3)


def test_a_correction_is_the_gradient_of_the_engines_peak() -> None:
    problem = replace(SMALL, load=0.05, momentum=0.0)  # a single pattern
    wrong = 0
    for seed in range(12):
        one = replace(problem, seed=seed)
        patterns = draw_patterns(one)
        after = next(learn(one))
        weight = patterns.weight.unsqueeze(0).requires_grad_()
        v_max = engine.peak(weight, engine.bin_spikes(patterns.times, one.T), one.kernel)
        assert after.errors == int((v_max.item() >= one.v_threshold) != bool(patterns.target[0]))
        if after.errors:
            wrong += 1
            v_max.sum().backward()
            assert weight.grad is not None
            step = one.rate if patterns.target[0] else -one.rate
            assert torch.allclose(after.weight, patterns.weight + step * weight.grad[0], atol=1e-7)
        else:
            assert torch.equal(after.weight, patterns.weight)
    assert 0 < wrong < 12


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_learning_is_the_rule(momentum: float) -> None:
    problem = replace(SMALL, momentum=momentum, rate=0.1 * (1 - momentum))
    found = [snapshot for snapshot, _ in zip(learn(problem), range(6), strict=False)]
    errors, weight = learning_loop(problem, len(found))
    assert [snapshot.errors for snapshot in found] == errors
    assert errors[0] > 0
    assert found[-1].weight.tolist() == pytest.approx(weight, abs=1e-5)


def test_snapshots_stay_as_they_were_and_learning_goes_on_after_any_of_them() -> None:
    problem = Problem(afferents=30, load=1.5, T=200, seed=1, max_cycles=12)
    found, copies = [], []
    for snapshot in learn(problem):
        found.append(snapshot)
        copies.append(snapshot.weight.clone())
    assert [snapshot.cycle for snapshot in found] == list(range(1, 13))
    assert all(torch.equal(s.weight, copy) for s, copy in zip(found, copies, strict=True))
    again = list(learn(problem, found[4]))
    assert [s.errors for s in again] == [s.errors for s in found[5:]]
    assert torch.equal(again[-1].weight, found[-1].weight)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_problem_is_solved_and_its_solution_holds(seed: int) -> None:
    problem = Problem(afferents=50, load=1.0, seed=seed)
    *_, last = learn(problem)
    assert last.solved and last.cycle < 400
    assert torch.equal(last.weight, list(learn(problem))[-1].weight)
    patterns = draw_patterns(problem)
    fired = [simulate(problem, last.weight, times).spike_time is not None for times in patterns.times]
    assert fired == patterns.target.tolist()
    assert list(learn(problem, last)) == []


def test_momentum_solves_in_a_fraction_of_the_cycles() -> None:
    cycles = {
        momentum: [capacity.cycles_to_solve(Problem(50, 1.0, seed=seed, momentum=momentum)) for seed in range(4)]
        for momentum in (0.99, 0.0)
    }
    with_, without = ([c or 1001 for c in cycles[momentum]] for momentum in (0.99, 0.0))
    assert 3 * sum(with_) < sum(without)


def test_zero_weights_never_rise_and_huge_rates_do_not_break() -> None:
    problem = replace(SMALL, rate=10.0, momentum=random_patterns.MAX_MOMENTUM, max_cycles=30)
    *_, last = learn(problem)
    assert bool(torch.isfinite(last.weight).all())
    still = simulate(problem, torch.zeros(problem.afferents), draw_patterns(problem).times[0])
    assert (still.v_max, still.t_max, still.spike_time) == (0.0, 0, None)


def test_shunting_is_the_equation() -> None:
    problem = replace(SMALL, T=120)
    patterns = draw_patterns(problem)
    weight = 0.4 * torch.randn(problem.afferents, generator=torch.Generator().manual_seed(5))
    spiking = 0
    for times in patterns.times:
        found = simulate(problem, weight, times)
        v = afferent_loop(problem, weight, times)
        assert found.v.tolist() == pytest.approx(v, abs=1e-5)
        assert found.v_max == pytest.approx(max(v), abs=1e-5)
        assert found.t_max == v.index(max(v))
        reached = [t for t in range(problem.T) if v[t] >= problem.v_threshold]
        assert found.spike_time == (reached[0] if reached else None)
        if found.spike_time is None:
            assert torch.equal(found.v_shunted, found.v)
            continue
        spiking += 1
        assert found.v_shunted.tolist() == pytest.approx(
            afferent_loop(problem, weight, times, found.spike_time), abs=1e-5
        )
        assert torch.allclose(found.v_shunted[: found.spike_time + 1], found.v[: found.spike_time + 1], atol=1e-6)
        assert bool((found.v_shunted[found.spike_time + 60 :].abs() < 0.1).all())  # back to rest
    assert 0 < spiking < problem.num_patterns


def test_a_course_learns_in_slices_what_learning_at_once_does() -> None:
    problem = Problem(afferents=30, load=1.0, T=200, seed=2)
    *_, whole = learn(problem)
    course = LearningSession(problem)
    course.run_for(10)
    assert (course.active, course.finished, course.errors) == (False, False, [])
    assert torch.equal(course.weight, draw_patterns(problem).weight)
    course.start()
    course.run_for(10, cycles=3)
    assert len(course.errors) == 3 and course.active
    course.run_for(0)
    assert len(course.errors) == 4
    course.stop()
    course.run_for(10)
    assert len(course.errors) == 4 and not course.active
    course.start()
    course.run_for(60)
    assert course.finished and not course.active
    assert course.snapshot is not None
    assert (course.snapshot.cycle, course.snapshot.errors) == (whole.cycle, 0) == (len(course.errors), 0)
    assert torch.equal(course.weight, whole.weight)
    course.start()
    assert not course.active


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"afferents": 0}, "afferents: expected an integer of at least 1"),
        ({"load": 0.0}, "load: expected a finite number above 0"),
        ({"load": math.nan}, "load"),
        ({"rate": -1.0}, "rate"),
        ({"momentum": 1.0}, "momentum: expected 0 to 0.9999, got 1"),
        ({"momentum": math.nan}, "momentum"),
        ({"tau": 15.0, "tau_s": 15.0}, "two different time constants"),
        ({"seed": -1}, "seed"),
        ({"T": 0}, "T"),
        ({"afferents": 1000, "load": 8.0}, "got 214 MiB; with this N choose an alpha up to 4.79"),
        ({"init_std": 0.0}, "init_std"),
        ({"read_out": "first"}, "read_out: expected one of"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Problem(**more)


def test_the_nearest_that_fits_does_fit() -> None:
    with pytest.raises(ValueError, match="up to") as refused:
        Problem(afferents=1000, load=9.0)
    Problem(afferents=1000, load=float(str(refused.value).rstrip(".").rsplit(" ", 1)[1]))


# The capacity curve


def test_the_command_records_what_it_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "_SERIES", ((4.7e-4, 0.99, (0.5, 4.0)), (4.7e-4, 0.0, (0.5,))))
    output = tmp_path / "record.json"
    command = ["--seeds", "2", "--most-cycles", "60", "--afferents", "20", "-T", "200", "--output", str(output)]
    assert capacity.main(command) == 0
    record = json.loads(output.read_text())
    assert record["settings"] == {
        "afferents": 20, "T": 200, "tau": 15.0, "tau_s": 3.75, "v_threshold": 1.0, "most_cycles": 60,
    }  # fmt: skip
    assert record["seeds"] == 2
    for series in record["series"]:
        for point in series["points"]:
            assert point["cycles"] == [
                capacity.cycles_to_solve(
                    Problem(20, point["alpha"], 200, rate=series["rate"], momentum=series["momentum"], seed=seed,
                            max_cycles=60)
                )
                for seed in range(2)
            ]  # fmt: skip
            assert point["problems"] == 2
            assert point["solved"] == sum(cycles is not None for cycles in point["cycles"])
    assert capacity.main(["--afferents", "0", "--output", str(output)]) == 2


def test_the_record_tells_what_is_claimed() -> None:
    record = capacity.load_record()
    assert (record.problem.afferents, record.problem.T, record.problem.max_cycles) == (100, 500, 4000)
    first, slow, fast = record.series
    assert (first.rate, first.momentum, slow.rate, slow.momentum) == (4.7e-4, 0.99, 4.7e-4, 0.0)
    shares = {point.load: capacity.success_rate(point, 4000) for point in first.points}
    assert all(each.problems == record.seeds >= 5 for each in shares.values())
    assert shares[2.0].solved == shares[2.0].problems
    assert shares[2.5].solved > 0
    assert shares[3.5].solved < shares[2.5].solved
    plain = {point.load: capacity.success_rate(point, 4000) for point in slow.points}
    assert plain[2.0].solved < shares[2.0].solved
    assert fast.momentum == 0 and fast.rate == pytest.approx(100 * first.rate)


def test_one_recorded_problem_is_solved_again_in_as_many_cycles() -> None:
    record = capacity.load_record()
    point = next(point for point in record.series[0].points if point.load == 1.0)
    again = replace(record.problem, load=1.0, rate=record.series[0].rate, momentum=record.series[0].momentum)
    assert capacity.cycles_to_solve(again) == point.cycles[0]


def test_a_share_counts_what_is_solved_in_time() -> None:
    point = capacity.CapacityPoint(2.0, (10, None, 300, 4000))
    assert [capacity.success_rate(point, within).solved for within in (9, 10, 300, 5000)] == [0, 1, 2, 3]
    counted = capacity.success_rate(point, 300)
    assert (counted.low, counted.high) == pytest.approx((0.150, 0.850), abs=1e-3)


def few_patterns(alpha: float = 0.5) -> capacity.Capacity:
    problem = Problem(afferents=20, load=alpha, T=100)
    return capacity.Capacity(
        problem, 3, "", (capacity.Series(4.7e-4, 0.99, (capacity.CapacityPoint(0.5, (5, 6, 7)),)),)
    )


def test_trials_go_on_from_the_record_with_new_seeds_and_can_be_stopped() -> None:
    trials = capacity.ExtraTrials(few_patterns())
    assert not trials.active and trials.status_text == "" and trials.points(100) == ()
    trials.add(0.5, 100, 2)
    trials.add(0.5, 100, 1)
    assert trials.active
    while trials.active:
        trials.run_for(60)
    (point,) = trials.points(100)
    assert point.cycles == tuple(
        capacity.cycles_to_solve(replace(few_patterns().problem, seed=seed, max_cycles=100)) for seed in (3, 4, 5)
    )
    trials.add(4.0, 2, 3)
    trials.run_for(0)
    assert "Trying alpha 4: " in trials.status_text and trials.status_text.endswith("2 more to come")
    trials.stop()
    assert not trials.active
    trials.add(4.0, 2, 1)
    while trials.active:
        trials.run_for(60)
    assert [p.load for p in trials.points(2)] == [0.5, 4.0]
    assert [p.load for p in trials.points(100)] == [0.5]  # given up too early to count as unsolved in so many


# The figures


def pattern(v: list[float], target: bool, shunts: bool = True, learned: bool = True) -> figures.PatternInfo:
    potential = np.array(v)
    spike = next((t for t, value in enumerate(v) if value >= 1), None)
    shunted = potential.copy()
    if spike is not None:
        shunted[spike + 1 :] *= 0.25
    return figures.PatternInfo(target, 0.1 * potential, potential, shunted, spike, 1.0, learned, shunts)


FIRES, SILENT = [0.0, 0.5, 1.1, 1.4, 0.2], [0.0, 0.5, 0.9, 0.3, 0.2]


def test_pattern_words_follow_the_potential() -> None:
    assert pattern(FIRES, True).takeaway == "Target: crosses the threshold at 2 ms, correct."
    assert pattern(FIRES, False).takeaway == "Null pattern: crosses the threshold at 2 ms, incorrect."
    assert pattern(SILENT, True).takeaway == "Target: silent, peak potential 0.90, incorrect."
    assert pattern(SILENT, False).takeaway == "Null pattern: silent, peak potential 0.90, correct."
    assert "peak potential 0.00," in pattern([0.0, -1.0], False).takeaway


def test_pattern_figure_draws_what_is_shunted_as_a_dotted_line() -> None:
    info = pattern(FIRES, True)
    drawn = {trace.name: trace for trace in figures.pattern_figure(info, 5).data if trace.name}
    assert list(drawn) == ["initial weights", "without shunting", "current weights"]
    assert np.allclose(drawn["initial weights"].y, info.v_initial)
    assert np.allclose(drawn["current weights"].y, info.v_shunted)
    assert drawn["without shunting"].line.dash == "dot"
    unshunted = drawn["without shunting"]
    assert (list(unshunted.x), list(unshunted.y)) == ([2, 3, 4], FIRES[2:])
    mark = figures.pattern_figure(info, 5).data[-1]
    assert (mark.x[0], mark.y[0], mark.marker.symbol) == (2, 1.1, "diamond")
    plain = {trace.name for trace in figures.pattern_figure(pattern(FIRES, True, shunts=False), 5).data if trace.name}
    assert plain == {"initial weights", "current weights"}
    silent = figures.pattern_figure(pattern(SILENT, True), 5).data[-1]
    assert (silent.x[0], silent.marker.symbol) == (2, "circle-open")
    first = figures.pattern_figure(pattern(FIRES, True, learned=False), 5)
    assert [trace.name for trace in first.data] == ["initial weights"]
    assert "No such pattern" in figures.pattern_figure(None, 5).layout.annotations[0].text


def test_errors_words_and_figure() -> None:
    def info(*errors: int, most: int = 100) -> figures.ErrorsInfo:
        return figures.ErrorsInfo(np.array(errors, int), 200, most)

    assert "press Start" in info().takeaway
    assert info(9, 4, 0).takeaway == "All 200 patterns correct after 3 cycles."
    assert info(9, 4, 6).takeaway == "6 of 200 patterns incorrect in cycle 3, minimum 4 (cycle 2)."
    assert info(9, 4, 3, most=3).takeaway == "3 of 200 patterns incorrect in cycle 3; limit of cycles reached."
    line, end = figures.errors_figure(info(9, 4, 6)).data
    assert (list(line.x), list(line.y), end.x[0], end.y[0]) == ([1, 2, 3], [9, 4, 6], 3, 6)
    assert len(figures.errors_figure(info(*range(4000, 0, -1))).to_json()) < 50_000
    assert "will appear" in figures.errors_figure(info()).layout.annotations[0].text


def test_the_page_draws_every_line_and_mark_of_the_figure() -> None:
    figure = figures.pattern_figure(pattern(FIRES, True), 5)
    option = figures.make_option(figure)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    drawn = option["series"][: len(lines)]
    assert [series["lineStyle"]["color"] for series in drawn] == [trace.line.color for trace in lines]
    assert [x for x, _ in drawn[1]["data"]] == [2, 3, 4]
    assert [y for _, y in drawn[1]["data"]] == pytest.approx(FIRES[2:], abs=2e-3)
    assert option["series"][len(lines)]["symbol"] == "diamond"
    assert "threshold" in str(option) and "without shunting" in option["legend"]["data"]
    assert "No such pattern" in figures.make_option(figures.pattern_figure(None, 5))["title"]["text"]


def share(name: str, alpha: list[float], solved: list[int], problems: int = 10) -> figures.SuccessRates:
    counts = [capacity.SuccessRate(a, s, problems, s / problems / 2, 1.0) for a, s in zip(alpha, solved, strict=True)]
    return figures.SuccessRates(
        name, *(np.array([getattr(c, of) for c in counts]) for of in capacity.SuccessRate.__annotations__)
    )


def test_capacity_words_and_figure() -> None:
    none = share("tried here", [], [])
    info = figures.CapacityInfo(
        (share("momentum", [1, 2, 3], [10, 8, 4]), share("none", [1], [3])), none, 2.0, 99, "solved"
    )
    assert info.half_load == pytest.approx(2.75)
    assert info.takeaway == (
        "Found within 99 cycles: half of the problems are solved at a load of about 2.8 patterns per afferent."
    )
    tried = replace(info, extra=share("tried here", [2.25], [2], 3))
    assert tried.takeaway.endswith("This session: 2 of 3 solved.")
    assert replace(info, recorded=()).half_load is None
    assert figures.CapacityInfo((share("m", [1, 2], [10, 10]),), none, 1, 1, "").half_load is None
    assert figures.CapacityInfo((share("m", [1, 2], [2, 0]),), none, 1, 1, "").half_load is None
    figure = figures.capacity_figure(tried)
    assert [trace.name for trace in figure.data] == ["momentum", "none", "<b>this problem</b>: solved", "tried here"]
    assert list(figure.data[0].y) == [100, 80, 40]
    assert list(figure.data[0].error_y.arrayminus) == [50, 40, 20]
    assert set(figure.data[2].x) == {2.0}
    assert figure.data[3].marker.symbol == "diamond-open" and list(figure.data[3].x) == [2.25]
    by_size = replace(share("N 250", [2, 3], [9, 2]), low=np.array([0.6, 0.1]), high=np.array([1.0, 0.4]))
    sized = replace(info, sizes=(by_size,), references=(("perceptron", 2.0),))
    assert by_size.half_text == "N 250: 2.57 (2.20 to 2.83)"
    assert share("N 500", [2], [9]).half_text == "N 500: not covered"
    assert [trace.name for trace in figures.capacity_figure(sized).data][2:4] == ["N 250", "perceptron: 2.00"]
    assert "will appear" in figures.capacity_figure(figures.CapacityInfo((), none, 1, 1, "")).layout.annotations[0].text


# The page


def page(**query: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages/views/laboratory.py"), default_timeout=PATIENCE)
    for key, value in query.items():
        test.query_params[f"lab_{key}"] = value
    return run_app(test)


def run_app(test: AppTest) -> AppTest:
    test.run()
    assert not test.exception, test.exception
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.button if button.label == label).click()
    return run_app(test)


def run_until_idle(test: AppTest, key: str) -> Any:
    """What learns in the session, run until it is at rest."""
    learns = test.session_state[key]
    for _ in range(60):
        if not learns.active:
            break
        run_app(test)
    return learns


def headline(test: AppTest) -> str:
    return next(str(line.value) for line in test.markdown if line.value.startswith("####"))


def test_the_page_learns_a_small_problem_to_its_end() -> None:
    test = page(N="30", alpha="1", T="200", seed="2")
    assert "30 patterns" in headline(test)
    press(test, "Start")
    course = run_until_idle(test, "lab_course")
    assert course.finished
    assert headline(test) == f"#### All 30 patterns correct after {len(course.errors)} cycles."
    *_, whole = learn(course.problem)
    assert torch.equal(course.weight, whole.weight)
    for name in ("Target: crosses the threshold", "Null pattern: silent"):
        assert any(name in line.value for line in test.markdown)
    press(test, "Reset")
    assert "No cycles yet" in headline(test)
    assert test.session_state["lab_course"].errors == []


def test_the_page_stops_and_goes_on_and_begins_anew_with_another_problem() -> None:
    test = press(page(alpha="3"), "Start")
    press(test, "Stop")
    course = test.session_state["lab_course"]
    done = len(course.errors)
    assert done > 0 and not course.active
    run_app(test)
    assert len(course.errors) == done
    press(test, "Start")
    assert len(course.errors) > done
    test.number_input(key="lab_seed").set_value(1)
    run_app(test)
    assert test.session_state["lab_course"].problem.seed == 1
    assert not test.session_state["lab_course"].active


def test_the_page_tries_more_problems() -> None:
    test = page()
    test.session_state["lab_trials"] = capacity.ExtraTrials(few_patterns())
    test.number_input(key="lab_try").set_value(0.5)
    run_app(test)
    press(test, "Try 3 problems")
    run_until_idle(test, "lab_trials")
    run_app(test)
    assert any("This session: 3 of 3 solved." in line.value for line in test.markdown)


@pytest.mark.parametrize(
    "query",
    [
        {
            "alpha": "nan",
            "N": "-3",
            "T": "1e99",
            "momentum": "<b>",
            "rate": "",
            "seed": "x",
            "shunts": "?",
            "tau": "inf",
        },
        {"alpha": "10", "N": "1000", "T": "5000"},
        {"tau": "5", "tau_s": "5"},
        {"alpha": "0.05", "N": "2", "T": "10"},
    ],
)
def test_a_link_with_anything_in_it_leaves_the_page_working(query: dict[str, str]) -> None:
    test = page(**query)
    assert len(test.warning) <= 1
    if not test.warning:
        press(test, "Start")


def test_the_rate_of_2006_follows_the_form() -> None:
    test = page(formula="true", N="20", alpha="0.5", T="200", read_out="last-spike", init="0.001")
    problem = test.session_state["lab_course"].problem
    assert problem.rate == pytest.approx(published_rate(20, 200, 15.0, 3.75))
    assert (problem.read_out, problem.init_std) == ("last-spike", 0.001)
    assert any("Cover 1965" in caption.value for caption in test.caption)


def test_a_link_brings_its_choices() -> None:
    test = page(alpha="1.5", N="40", seed="7", tau="10", tau_s="2", shunts="false", within="4000")
    problem = test.session_state["lab_course"].problem
    assert (problem.load, problem.afferents, problem.seed, problem.tau, problem.tau_s) == (1.5, 40, 7, 10, 2)
    assert not test.toggle(key="lab_shunts").value
    assert any("within 4,000 cycles" in line.value for line in test.markdown)


def test_a_snapshot_of_a_solved_problem_says_so() -> None:
    nothing = torch.zeros(1)
    assert CycleSnapshot(1, 0, nothing, nothing).solved and not CycleSnapshot(1, 2, nothing, nothing).solved
