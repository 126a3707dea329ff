"""Storage of a study: an SQLite file, a journal file or a database, and the repetition of trials that were lost.

A process that is killed leaves its trial running. In a database the heartbeat of Optuna shows this after a grace
period. A journal has no heartbeat; there each running trial holds a lock, which the operating system releases when the
process ends.
"""

from __future__ import annotations

import functools
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempotron_core.runs.files import STUDIES_FOLDER
from tempotron_core.runs.lock import RunLock, RunLockedError
from tempotron_core.studies.plan import StudyError, StudyPlan, check_study_name
from tempotron_core.validation import one_line_error

if TYPE_CHECKING:
    import optuna

__all__ = [
    "HEARTBEAT_SECONDS",
    "JOURNAL",
    "SQLITE",
    "StudyPlace",
    "hidden_password",
    "import_optuna",
    "list_studies",
    "load_plan",
    "load_study",
    "open_study",
    "retry",
    "retry_lost_trials",
]

HEARTBEAT_SECONDS = 10
"""Seconds between two signs of life of a process; after three times as many without one its trial is repeated."""

SQLITE, JOURNAL = "study.db", "study.journal"
_LOCKS = "locks"
_PLAN = "plan"
_FIRST_RUN_HEARTBEATS = 12
_ATTEMPTS = 8
_POLL_SECONDS = 0.3
_BUSY_SECONDS = 60  # a process waits so long for the lock of an SQLite file


@functools.cache
def import_optuna() -> Any:
    """Import Optuna, without its log on the error stream, and return it.

    Raises:
        StudyError: where it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise StudyError(
            "study: expected the package optuna, found none; install it with pip install optuna."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


@dataclass(frozen=True)
class StudyPlace:
    """Location of a study.

    Attributes:
        name: name of the study
        log_dir: log directory; the runs are in its folder studies/NAME
        url: URL of a database, or path of a journal file; None for an SQLite file in the folder of the study
        heartbeat: seconds between two signs of life of a process
    """

    name: str
    log_dir: str = "runs"
    url: str | None = None
    heartbeat: int = HEARTBEAT_SECONDS

    @property
    def folder(self) -> Path:
        """Return the folder of the study."""
        return Path(self.log_dir).expanduser() / STUDIES_FOLDER / check_study_name(self.name)

    @property
    def journal(self) -> Path | None:
        """Return the path of the journal file, None for a database."""
        if self.url is not None:
            return None if "://" in self.url else Path(self.url).expanduser()
        path = self.folder / JOURNAL
        return path if path.is_file() else None

    @property
    def exists(self) -> bool:
        """Return whether the file of the study exists; always true for a database."""
        if self.url is not None and "://" in self.url:
            return True
        return (self.journal or self.folder / SQLITE).is_file()


def list_studies(log_dir: str) -> list[str]:
    """Return the names of the studies in a log directory that have a file of their own, latest first."""
    found: list[tuple[float, str]] = []
    with suppress(OSError, ValueError):
        for folder in (Path(log_dir).expanduser() / STUDIES_FOLDER).iterdir():
            for file in (folder / SQLITE, folder / JOURNAL):
                if file.is_file() and not folder.is_symlink():
                    found.append((file.stat().st_mtime, folder.name))
                    break
    return [name for _, name in sorted(found, reverse=True)]


def hidden_password(url: str) -> str:
    """Return the URL of a database without its password, only the scheme of one that cannot be parsed."""
    if "://" not in url:
        return url
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"{url.partition('://')[0]}://..."


def open_study(place: StudyPlace, plan: StudyPlan) -> tuple[optuna.Study, StudyPlan]:
    """Create a study with this plan, or join the one that exists; return it with its plan.

    A larger number of trials extends a study.

    Raises:
        StudyError: where it cannot be opened, and where its plan is another one.
    """
    optuna = import_optuna()
    storage = _open_storage(place, create=True)
    try:
        study = optuna.create_study(
            storage=storage, study_name=check_study_name(place.name), direction="maximize", pruner=plan.create_pruner()
        )
        study.set_user_attr(_PLAN, plan.to_record())
        study.set_user_attr("created", time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        return study, plan
    except optuna.exceptions.DuplicatedStudyError:
        pass
    except Exception as error:
        raise _storage_error(place, error) from error
    study = load_study(place)
    stored = load_plan(study)
    wanted, present = plan.to_record(), stored.to_record()
    different = [name for name in wanted if name != "trials" and wanted[name] != present[name]]
    if different:
        raise StudyError(
            f"study {place.name!r}: expected its plan, {_describe(present, different)}, got "
            f"{_describe(wanted, different)}; leave these options out to join it, or choose another name."
        )
    if plan.trials > stored.trials:
        stored = plan
        study.set_user_attr(_PLAN, plan.to_record())
    return study, stored


def load_study(place: StudyPlace, write: bool = True) -> optuna.Study:
    """Open a study that exists.

    write: False for one that is only read, which then never waits for a process that writes

    Raises:
        StudyError: where there is none, or it cannot be read.
    """
    optuna = import_optuna()
    if not place.exists:
        raise StudyError(
            f"study: expected one named {place.name!r} in {place.log_dir!r}, found none; name its --log-dir or "
            "--storage, or begin it with --space."
        )
    try:
        study: Any = optuna.load_study(study_name=place.name, storage=_open_storage(place, create=False, write=write))
        plan = StudyPlan.from_record(_wait_for_plan(study))
        study.pruner = plan.create_pruner()
    except StudyError:
        raise
    except KeyError as error:
        raise StudyError(
            f"study: expected one named {place.name!r} in the storage, found none; begin it with --space."
        ) from error
    except Exception as error:
        raise _storage_error(place, error) from error
    return study  # type: ignore[no-any-return]


def load_plan(study: optuna.Study) -> StudyPlan:
    """Return the plan that is stored with a study.

    Raises:
        StudyError: where there is none of this version.
    """
    return StudyPlan.from_record(study.user_attrs.get(_PLAN, {}))


def retry(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Put a trial that was interrupted back into the queue."""
    import_optuna().storages.RetryHeartbeatStaleTrialCallback()(study, trial)


def retry_lost_trials(study: optuna.Study, place: StudyPlace) -> None:
    """Put the trials of processes that have ended back into the queue."""
    optuna = import_optuna()
    state = optuna.trial.TrialState
    if place.journal is None:
        optuna.storages.fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
        if place.journal is None:
            # Optuna does not find a trial whose process ended before its first heartbeat; it has not named a run yet.
            age = (datetime.now() - (trial.datetime_start or datetime.now())).total_seconds()
            if "runs" not in trial.user_attrs and age > _FIRST_RUN_HEARTBEATS * place.heartbeat:
                with suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                    study.tell(trial.number, state=state.FAIL)
                    retry(study, trial)
            continue
        lock = trial_lock(place, trial.number, trial.datetime_start)
        if lock is None:
            continue
        try:
            states = {one.number: one.state for one in study.get_trials(deepcopy=False)}
            if states[trial.number] == state.RUNNING:
                study.tell(trial.number, state=state.FAIL)
                retry(study, trial)
        finally:
            lock.close()


def trial_lock(place: StudyPlace, number: int, began: datetime | None = None) -> RunLock | None:
    """Take the lock of a trial in a journal.

    began: when the trial began, for a trial of another process; a process has a moment to take its lock.

    Returns:
        None while the process of the trial runs.
    """
    folder = place.folder / _LOCKS / str(number)
    if began is not None and not folder.is_dir() and (datetime.now() - began).total_seconds() < place.heartbeat:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return RunLock(folder)
    except RunLockedError:
        return None


def _open_storage(place: StudyPlace, create: bool, write: bool = True) -> Any:
    optuna = import_optuna()
    try:
        if create:
            place.folder.mkdir(parents=True, exist_ok=True)
        if place.journal is not None:
            place.journal.parent.mkdir(parents=True, exist_ok=True)
            backend = optuna.storages.journal.JournalFileBackend(str(place.journal))
            return optuna.storages.JournalStorage(backend)
        url = place.url or f"sqlite:///{place.folder.resolve() / SQLITE}"
        arguments = {"connect_args": {"timeout": _BUSY_SECONDS}} if url.startswith("sqlite:") else {}
        for attempt in range(_ATTEMPTS):
            try:
                storage = optuna.storages.RDBStorage(
                    url,
                    engine_kwargs=arguments,
                    heartbeat_interval=place.heartbeat,
                    grace_period=3 * place.heartbeat,
                    heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
                )
                if url.startswith("sqlite:"):
                    _serialise_transactions(storage.engine, write=write)
                return storage
            except Exception:
                # Of processes that create the tables at the same time only one succeeds.
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_POLL_SECONDS)
    except Exception as error:
        raise _storage_error(place, error) from error


def _serialise_transactions(engine: Any, write: bool) -> None:
    """Let processes change an SQLite file one after the other.

    SQLite has no SELECT ... FOR UPDATE, with which Optuna protects what it reads and then changes: two processes would
    take the same trial. A transaction that takes the lock of the file at its begin has the same effect.
    """
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    engine.dispose()


def _wait_for_plan(study: Any, seconds: float = 10.0) -> dict[str, Any]:
    """Return the record of the plan; the process that creates the study writes it a moment later."""
    deadline = time.monotonic() + seconds
    while _PLAN not in study.user_attrs and time.monotonic() < deadline:
        time.sleep(0.05)
    return study.user_attrs.get(_PLAN, {})  # type: ignore[no-any-return]


def _storage_error(place: StudyPlace, error: Exception) -> StudyError:
    shown = place.folder if place.url is None else hidden_password(place.url)
    reason = one_line_error(error)[:160]
    return StudyError(
        f"storage: expected one that can be opened, got {str(shown)!r} ({type(error).__name__}: {reason}); check the "
        "path or URL, or choose another study."
    )


def _describe(record: dict[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} {str(record[name])[:80]}" for name in names)
