"""Studies in the log directory: open ones, shared by all sessions, and the start of one."""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.state.datasets import EMBEDDED_SETS, current_dataset, dataset_directory
from pages.state.process_objects import process_objects
from pages.state.runs import runs_directory
from pages.state.settings import SAVED_RUN, get_setting
from pages.state.training import training_registry
from tempotron_core.studies.job import study_job
from tempotron_core.studies.plan import StudyPlan
from tempotron_core.studies.storage import StudyPlace, list_studies
from tempotron_core.studies.trials import StudyReader, TrialRecord
from tempotron_core.training.settings import devices

MAX_OPEN = 8


def study_names() -> list[str]:
    """Return the names of the studies in the log directory, latest first."""
    return list_studies(runs_directory())


def open_reader(name: str) -> StudyReader:
    """Return the study of this name, opened once per process.

    Raises:
        StudyError: if it cannot be read.
    """
    readers: dict[tuple[str, str, int], StudyReader] = process_objects().setdefault("studies", {})
    place = StudyPlace(name, runs_directory())
    with contextlib.suppress(OSError):
        key = (name, str(place.folder.resolve()), place.folder.stat().st_ino)  # a deleted one may come again
        if key not in readers:
            while len(readers) >= MAX_OPEN:
                readers.pop(next(iter(readers)))
            readers[key] = StudyReader(place)
        return readers[key]
    return StudyReader(place)


def plan_of_form() -> StudyPlan:
    """Return the plan that the form describes, without held-out samples.

    Raises:
        TypeError, ValueError: for values out of range.
    """
    given = {"dataset": str(get_setting("data")), "epochs": int(get_setting("study_epochs"))}
    return StudyPlan(
        str(get_setting("study_space")),
        given,
        trials=int(get_setting("study_trials")),
        seeds=int(get_setting("study_seeds")),
        sampler=str(get_setting("study_sampler")),
        pruner=str(get_setting("study_pruner")),
    )


def start_study(name: str, plan: StudyPlan) -> None:
    """Take part in a study in the background, as the one training of this server; create the study if it is new.

    Raises:
        JobError: while another job is active.
        StudyError, TypeError, ValueError: for a plan that cannot be trained.
    """
    place = StudyPlace(name, runs_directory())
    _ = place.folder  # checks the name
    dataset, _problem = current_dataset()
    plan = plan.with_validation(dataset)
    directory = None if plan.given["dataset"] in EMBEDDED_SETS else dataset_directory()
    local = {"device": devices()[0], "dataset_dir": directory}
    values = {parameter.name: parameter.ends[0] for parameter in plan.parameters}
    try:
        settings = plan.settings(values, 0, {**local, "log_dir": str(place.folder)})
    except ValueError as error:
        raise ValueError(f"space: expected first values that belong together; {error}") from error
    budget = 60.0 * float(get_setting("study_minutes"))
    training_registry().start(settings, dataset, job=study_job(place, plan, local, budget))


def use_trial(reader: StudyReader, trial: TrialRecord) -> None:
    """Select the first run of a trial as the model of all pages."""
    if not trial.runs or not (reader.place.folder / trial.runs[0] / "last.safetensors").is_file():
        st.session_state["study_refused"] = (
            f"trial {trial.number}: expected a run with weights in {str(reader.place.folder)!r}, found none; choose "
            "another trial."
        )
        return
    name = f"studies/{reader.place.name}/{trial.runs[0]}"
    st.session_state.update(model=SAVED_RUN, run=name, model_chosen=True)
    st.session_state["study_note"] = f"Trial {trial.number} is the model of all pages now: {trial.runs[0]}."
