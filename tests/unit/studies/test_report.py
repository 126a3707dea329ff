"""Reports of a study: the commands that repeat it, the page, the notebook, the record, the documentation."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import optuna
import pytest

from tempotron_core.report import main
from tempotron_core.studies.documentation import README, make_sections, rewrite
from tempotron_core.studies.plan import StudyPlan
from tempotron_core.studies.storage import StudyPlace, open_study
from tempotron_core.studies.trials import StudyReader
from tempotron_core.study_report import study_command, study_notebook, study_page, study_record, trial_command
from tempotron_core.sweep import plan_of_arguments
from tempotron_core.train import training_parser
from tempotron_core.training.settings import settings_with_preset

PLAN = StudyPlan(
    "beta=1..4 m=4,6 zero_grad=true,false",
    {"dataset": "MNIST", "epochs": 2, "validation": 500, "lr": 0.1 + 0.2, "seed": 7},
    trials=6,
    seeds=2,
    sampler="random",
)


@pytest.fixture
def reader(tmp_path: Path) -> StudyReader:
    study, _ = open_study(StudyPlace("small", str(tmp_path)), PLAN)
    for number in range(6):
        fixed = optuna.trial.FixedTrial({"beta": 1 + 0.3 * number, "m": 4 + number % 2 * 2, "zero_grad": True})
        values = {parameter.name: parameter.suggest(fixed) for parameter in PLAN.parameters}  # type: ignore[arg-type]
        curves = [[0.1, 0.5 + 0.05 * number], [0.1, 0.5]]
        study.add_trial(
            optuna.create_trial(
                params=values,
                distributions=fixed.distributions,
                value=sum(curve[-1] for curve in curves) / 2,
                user_attrs={
                    "runs": ["a", "b"],
                    "result": {"curves": curves, "seconds": 1.0, "quantities": {"late_spikes": 0.1 * number}},
                },
            )
        )
    study.set_user_attr("test", {"5": [0.75, 0.25]})
    reader = StudyReader(StudyPlace("small", str(tmp_path)))
    reader.records()
    return reader


def test_the_command_of_a_trial_has_exactly_its_settings(reader: StudyReader) -> None:
    for trial in reader.records():
        arguments = shlex.split(trial_command(PLAN, trial, 1))
        assert arguments[:2] == ["tempotron-explorer", "train"]
        given = vars(training_parser(with_defaults=False).parse_args(arguments[2:]))
        settings = settings_with_preset(
            {name: value for name, value in given.items() if name not in ("download", "resume")}
        )
        assert settings == PLAN.settings(trial.values, 1, {"dataset_dir": "DIR"})


def test_the_command_of_a_study_has_its_plan() -> None:
    arguments = shlex.split(study_command("small", PLAN))
    assert plan_of_arguments(arguments[2:]).to_record() == PLAN.to_record()


def test_page_notebook_and_record_hold_the_results(reader: StudyReader, tmp_path: Path) -> None:
    page = study_page(reader)
    assert "Selected: trial 5 with 62.50 % on these and 75.00, 25.00 % on the test set" in page
    assert page.count('class="plotly-graph-div"') == 8  # a curve for each setting and five figures of Optuna
    notebook = json.loads(study_notebook(reader))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert study_command("small", PLAN) in sources[1]
    record = json.loads(study_record(reader))
    assert [one["held_out_accuracy"][0] for one in record["trials"]] == pytest.approx(
        [0.5 + 0.05 * number for number in range(6)]
    )
    files = [str(tmp_path / name) for name in ("page.html", "study.ipynb")]
    arguments = ["small", "--log-dir", str(tmp_path), "--html", files[0], "--notebook", files[1]]
    assert main(arguments) == 0
    assert Path(files[0]).read_text() == study_page(reader) or "plotly-graph-div" in Path(files[0]).read_text()


def test_problems_get_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["none", "--html", "x"], ["none"], []):
        assert main([*arguments, "--log-dir", str(tmp_path)]) == 2
        error = capsys.readouterr().err.strip()
        assert "expected" in error and "\n" not in error


def test_the_tables_of_the_documentation_are_those_of_the_stored_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert rewrite(text, make_sections()) == text
    with pytest.raises(ValueError, match="expected the section"):
        rewrite("", {"other": ""})
