"""The CSV file of the export panel: comment lines, one header row with units, no rows of marks, no empty columns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from helpers.pages import app, run_app, train_small_model

from pages.components import charts, export_panel, show_code
from tempotron_core.jobs.registry import TrainingRegistry


def test_saved_tables_name_their_view_and_have_units(
    registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_small_model(registry, Path("runs"))
    (run,) = Path("runs").iterdir()
    saved: dict[str, str] = {}

    def save_all(**_: Any) -> None:
        for key, item in charts.exportable_figures().items():
            saved[key] = export_panel._comment_lines(item, "voltages", show_code.shown_code()) + item.csv()

    monkeypatch.setattr(export_panel, "_mount", save_all)
    run_app(app("voltages", sample=3, tau=20.0, sharing=True, train_log_dir="runs"))
    headers = {}
    for key, text in saved.items():
        lines = text.splitlines()
        comments = [line for line in lines if line.startswith("# ")]
        assert lines[: len(comments)] == comments
        assert "# sample: 5 (test sample 3) of embedded" in comments
        assert f"# model: {run.name}" in comments
        assert any("tau 20 ms" in line and "m 4" in line for line in comments)
        assert any(line.startswith("# link: voltages?") and f"run={run.name}" in line for line in comments)
        header, *rows = csv.reader(lines[len(comments) :])
        assert all(len(row) == len(header) and all(row) for row in rows), key
        headers[key] = header
    assert headers["traces"] == ["trace", "time_ms", "membrane_potential_v"]
    assert headers["spikes"] == ["row", "column", "neuron", "time_ms"]
    assert headers["peaks"][:3] == ["class", "v_max", "t_max_ms"]
    assert saved["traces"].count("\n") == 5 + 1 + 10 * 20  # comments, header, classes by steps of 1 ms
