"""Capacity by number of afferents: the command continues where it ended; reference loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tempotron_core.experiments import capacity
from tempotron_core.experiments.capacity_by_size import load_sizes, problem_of, reference_loads, solve_together


def test_the_command_continues_where_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "record.json"
    command = ["--sizes", "20", "--max-cycles", "60", "--output", str(output)]
    assert capacity.main([*command, "--seeds", "1", "--loads", "0.5"]) == 0
    before = output.read_text()
    assert capacity.main([*command, "--seeds", "1", "--loads", "0.5"]) == 0
    assert output.read_text() == before
    assert capacity.main([*command, "--seeds", "2", "--loads", "0.5", "3"]) == 0
    problems = json.loads(output.read_text())["problems"]
    assert [(e["alpha"], e["seed"]) for e in problems] == [(0.5, 0), (0.5, 1), (3.0, 0), (3.0, 1)]
    for entry in problems:
        problem = problem_of(20, entry["alpha"], entry["seed"], 60)
        assert entry["cycles"] == capacity.cycles_to_solve(problem)
    assert capacity.main([*command, "--sizes", "0"]) == 2
    assert "expected an integer of at least 1" in capsys.readouterr().err
    output.write_text("{}")
    assert capacity.main([*command, "--seeds", "1"]) == 2
    assert "expected a record by number of afferents" in capsys.readouterr().err


def test_a_large_problem_needs_memory_for_its_spikes_only() -> None:
    """With a table of [patterns, N, T] it would take 4 GiB."""
    assert solve_together([problem_of(1000, 2.0, 0, 1)]) == [None]


def test_reference_loads_are_the_formulas() -> None:
    loads = dict(reference_loads(500, 15.0, 3.75))
    assert list(loads.values()) == pytest.approx([2.0, 3.0, 3.12], abs=0.005)  # K 66.7
    assert len(reference_loads(100, 15.0, 3.75)) == 2


def test_the_record_is_what_the_text_says() -> None:
    (series,) = load_sizes()
    assert (series.afferents, series.max_cycles) == (100, 250)
    solved = {load: sum(c is not None for c in cycles) for load, cycles in series.cycles.items()}
    assert {len(cycles) for cycles in series.cycles.values()} == {30}
    text = (Path(capacity.__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    words = f"{solved[1.5]} solved at alpha 1.5, {solved[2.0]} at 2, {solved[2.25]} at 2.25 and {solved[2.5]} at 2.5"
    assert words in " ".join(text.split())
