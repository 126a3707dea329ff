"""The threat model of the dashboard: threats, countermeasures, and the tests that show them.

Assets: the files and the processor time of the machine, the runs, and the browsers of the viewers. Attackers: a viewer
with any browser or script; an author of links, of data sets or of run folders. Trusted: the operator, who starts the
server, sets its environment and writes its files, and the installed packages.

| threat | countermeasure | test |
|---|---|---|
| unknown users reach the server over a network | it listens on localhost by default | test_it_listens_on_localhost |
| unknown users are not authenticated | a configured log-in precedes every page | test_log_in_comes_first |
| another site acts through a viewer's browser | XSRF protection and CORS are on | test_other_sites_are_kept_out |
| uploads and messages fill the memory | both are limited to megabytes | test_sizes_are_limited |
| errors reveal internals | no traceback and no source is sent | test_errors_tell_nothing_of_the_inside |
| viewers start, hold or stop trainings | one setting: buttons are off and actions refuse | test_viewers_cannot_train |
| viewers rename, delete or export runs | the same | test_viewers_cannot_change_runs |
| viewers download data sets or save figures | the same | test_viewers_cannot_save |
| a typed path reads or writes elsewhere | folders lie inside the configured ones | test_typed_folders_stay_inside |
| a link in the file system leads elsewhere | links are followed before the check | test_linked_folders_stay_inside |
| an address leads elsewhere | runs are chosen by name among those listed | test_addresses_open_no_folder |
| a run's files lead elsewhere | links in a run, and runs that are links, are refused | test_runs_lead_nowhere |
| a run's files run code | JSON, CSV and safetensors only; nothing unpickles | test_nothing_is_unpickled |
| a network file runs code | its pickle is scanned; tensors and containers only | test_network_files_run_no_code |
| an uploaded data set is written elsewhere | names are checked before anything is unpacked | test_uploads_stay_inside |
| viewers import networks or add data sets | the same setting: the forms are not shown | test_viewers_cannot_import |
| links set constants that take all memory | the sliders' bounds hold | test_links_set_constants_within_bounds |
| new code evaluates or unpickles | the source is searched for such calls | test_no_source_evaluates_or_unpickles |
| a file or a name carries HTML | Streamlit's Markdown escapes it; ours is built from numbers | test_no_unsafe_html |
| names carry markup into pictures | plates and charts escape them | test_names_are_only_words_in_pictures |
| names and errors carry links or layout | they are shown as plain text | test_names_are_only_words_on_pages |
| a download is replaced by a bomb | its checksum is compared before it is unpacked | test_a_bomb_is_not_unpacked |
| settings take all memory or time | estimated before, refused with what fits | test_what_does_not_fit_is_refused |
| a file is endless, or a pipe | sizes are looked at first; pipes are not opened | test_endless_files_are_refused |
| two viewers train at once | one training at a time, the second gets an error | test_one_training_at_a_time |
| a dependency has a known fault | what is installed, or may be, is as new as its fixes | test_dependencies_are_fixed |
"""

from __future__ import annotations

import ast
import gzip
import io
import os
import pickle
import re
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import idx_files
from helpers.dataset_server import serve_folder, use_mirrors
from helpers.invalid_input import BOMB, RUNS, STATES, Exploding
from helpers.pages import NAMES, TINY, app, button, run_app, train_small_model
from helpers.waiting import PATIENCE
from packaging.requirements import Requirement
from packaging.version import Version
from streamlit.testing.v1 import AppTest

from pages.state import auth, markdown, paths, settings
from pages.state import runs as run_state
from tempotron_core import figures
from tempotron_core.data import datasets
from tempotron_core.data.archives import FormatError
from tempotron_core.data.dataset_upload import store_dataset_file
from tempotron_core.interchange.networks import read_network
from tempotron_core.jobs.job import JobError
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import predict
from tempotron_core.runs.catalogue import rename, run_title, to_zip
from tempotron_core.runs.reader import RunError, list_runs, load_model, load_snapshot, read_run
from tempotron_core.training.settings import Settings, initial_model

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "app.py",
    *sorted((ROOT / "pages").rglob("*.py")),
    *sorted((ROOT / "tempotron_core").rglob("*.py")),
]
HOSTILE = (
    '<img src=x onerror=alert(1)>[tap](javascript:alert(2)) **b** `c` $x$ http://a.bc www.d.ef <a href="//g">h</a>'
)


@pytest.fixture(autouse=True)
def folders_of_a_fresh_server(set_server_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (paths.DATA_ROOTS_ENV, paths.RUNS_ROOTS_ENV):
        monkeypatch.delenv(name)


def configured() -> dict[str, Any]:
    return tomllib.loads((ROOT / ".streamlit/config.toml").read_text())


def test_every_line_of_the_threat_model_names_a_test() -> None:
    named = re.findall(r"\| (test_\w+) \|$", __doc__ or "", re.MULTILINE)
    assert len(named) == len(set(named)) >= 20
    assert all(callable(globals()[name]) for name in named)
    assert {name for name in globals() if name.startswith("test_")} - set(named) == {
        "test_every_line_of_the_threat_model_names_a_test"
    }


def test_it_listens_on_localhost() -> None:
    assert configured()["server"]["address"] == "localhost"


def test_log_in_comes_first(registry: TrainingRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.user", {"is_logged_in": False})
    test = run_app(AppTest.from_file(str(ROOT / "pages/main.py"), default_timeout=PATIENCE))
    assert [element.label for element in test.button] == ["Log in"]
    assert not test.sidebar.children
    assert registry.job is None
    monkeypatch.setattr("streamlit.user", {"is_logged_in": True})
    assert run_app(AppTest.from_file(str(ROOT / "pages/main.py"), default_timeout=PATIENCE)).sidebar.children


def test_other_sites_are_kept_out() -> None:
    server = configured()["server"]
    assert server["enableXsrfProtection"] is True
    assert server["enableCORS"] is True


def test_sizes_are_limited() -> None:
    server = configured()["server"]
    assert server["maxUploadSize"] <= 20  # a photograph of 24 million pixels
    assert server["maxMessageSize"] <= 50
    assert server["enableStaticServing"] is False


def test_errors_tell_nothing_of_the_inside() -> None:
    client = configured()["client"]
    assert client["showErrorDetails"] == "none"
    assert client["toolbarMode"] == "minimal"


# --- viewers who only look ------------------------------------------------------------------------------------------


@pytest.fixture
def view_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", "1")


def check_button_refused(monkeypatch: pytest.MonkeyPatch, page: str, *labels: str, **state: Any) -> None:
    """These buttons are off for those who only look; what presses them nevertheless gets nowhere."""
    fresh = run_app(app(page, **state))
    for label in labels:
        assert button(fresh, label).disabled, label
        monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", "0")
        test = run_app(app(page, **state))
        monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", "1")
        button(test, label).click()
        run_app(test)


@pytest.mark.usefixtures("view_only")
def test_viewers_cannot_train(
    registry: TrainingRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = run_app(app("training"))
    assert any(auth.VIEW_ONLY_MESSAGE in element.value for element in test.caption)
    monkeypatch.setattr("tempotron_core.analysis.baselines.linear_accuracy", lambda *_: pytest.fail("trained"))
    check_button_refused(monkeypatch, "training", "Start")
    check_button_refused(monkeypatch, "laboratory", "Start")
    check_button_refused(
        monkeypatch, "published", "Train all four", "Train linear classifiers on the selected data set"
    )
    assert registry.job is None
    job = registry.start(Settings(epochs=1000, m=4, T=20, log_dir=str(tmp_path)), TINY)
    check_button_refused(monkeypatch, "training", "Pause", "Stop")
    assert job.status.state == "running"
    job.pause()
    check_button_refused(monkeypatch, "training", "Resume")
    assert job.status.state == "paused"
    calls: list[int] = []
    auth.require_write_access(calls.append)(1)
    assert calls == []
    registry.shutdown(10)
    for name in NAMES:
        run_app(app(name))
    TrainingRegistry().start_if_never_run(
        Settings(epochs=1, m=3, T=10, log_dir=str(tmp_path))
    )  # the server's own first one


@pytest.mark.usefixtures("view_only")
def test_viewers_cannot_change_runs(
    registry: TrainingRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_small_model(registry, tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    test = run_app(app("runs"))
    assert test.text_input(key=f"title_{folder.name}").disabled
    monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", "0")
    owner = run_app(app("runs", confirm_delete=folder.name))
    owner.text_input(key=f"title_{folder.name}").set_value("another name")
    button(owner, "Yes, delete it for good").click()
    monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", "1")
    run_app(owner)
    check_button_refused(monkeypatch, "runs", "Delete", "Prepare export")
    assert "Yes, delete it for good" not in [element.label for element in test.button]
    assert not test.get("download_button")
    assert run_title(read_run(folder)) != "another name" and not (folder / "title.txt").exists()
    page = run_app(app("runs", confirm_delete=folder.name, export=folder.name))  # as if it had been asked for before
    assert "Yes, delete it for good" not in [element.label for element in page.button]
    assert not page.get("download_button")
    button(page, "Use as model").click()  # that changes what he himself sees, and nothing else
    assert run_app(page).session_state["run"] == folder.name


@pytest.mark.usefixtures("view_only")
def test_viewers_cannot_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "download", lambda *_: pytest.fail("downloaded"))
    check_button_refused(monkeypatch, "overview", "Download MNIST", data="MNIST", dir=str(tmp_path))
    script = (
        "from pages.components import charts, export_panel\n"
        "charts.exportable_figures()['a'] = 1\nexport_panel._export_options('Overview', '')"
    )
    page = run_app(AppTest.from_string(script))
    assert auth.VIEW_ONLY_MESSAGE in page.markdown[0].value
    assert not page.get("download_button")
    for off in ("", "0", "false", "no", " "):
        monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", off)
        assert auth.is_writable()
    for on in ("1", "true", "yes", "on", "anything"):
        monkeypatch.setenv("TEMPOTRON_VIEW_ONLY", on)
        assert not auth.is_writable()


# --- folders --------------------------------------------------------------------------------------------------------

OUTSIDE = ("/etc", "/", "..", "../..", "sub/../../x", "~", "~root", "a\0b", "/proc/self/root/etc", "//etc", "/dev/null")
ODD_NAMES = ("~nobody-of-this-name", "x" * 5000, "file:///etc", "~/../../etc/../x", "C:\\Windows")


@pytest.mark.parametrize("folder", OUTSIDE + ODD_NAMES, ids=lambda text: text[:12].replace("\0", "NUL"))
def test_typed_folders_stay_inside(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    idx_files.write_set(tmp_path)
    monkeypatch.chdir(inside)
    for what, variable in (("dataset directory", paths.DATA_ROOTS_ENV), ("log directory", paths.RUNS_ROOTS_ENV)):
        if folder in OUTSIDE:
            with pytest.raises(paths.PathNotAllowedError, match=variable) as caught:
                paths.check_inside_roots(what, folder, variable)
            assert len(str(caught.value).splitlines()) == 1
    test = run_app(app("training", data="MNIST", dir=folder, train_log_dir=folder))
    assert any("expected" in element.value for element in test.sidebar.warning)
    if folder in OUTSIDE:
        assert any("log directory: expected a folder inside" in element.value for element in test.warning)
        assert button(test, "Start").disabled
        assert app_directory(folder) == "runs"
    monkeypatch.setenv(paths.DATA_ROOTS_ENV, os.pathsep.join(("/nonexistent", str(tmp_path))))
    assert paths.check_inside_roots("dataset directory", str(tmp_path), paths.DATA_ROOTS_ENV) == str(tmp_path)
    with pytest.raises(paths.PathNotAllowedError):
        paths.check_inside_roots("dataset directory", str(tmp_path.parent), paths.DATA_ROOTS_ENV)


def app_directory(folder: str) -> str:
    """Where the pages look for runs when that folder is typed."""
    script = "import streamlit as st\nfrom pages.state import runs\nst.markdown(runs.runs_directory())"
    test = AppTest.from_string(script)
    test.session_state["train_log_dir"] = folder
    return str(run_app(test).markdown[0].value)


def test_linked_folders_stay_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    idx_files.write_set(outside)
    monkeypatch.chdir(inside)
    (inside / "link").symlink_to(outside, target_is_directory=True)
    (inside / "circle").symlink_to("circle")
    for folder in ("link", "link/MNIST", "circle"):
        with pytest.raises(paths.PathNotAllowedError):
            paths.check_inside_roots("dataset directory", folder, paths.DATA_ROOTS_ENV)
    test = run_app(app(data="MNIST", dir="link"))
    assert "expected a folder inside" in test.sidebar.warning[0].value
    idx_files.write_set(inside / "own")
    assert not run_app(app(data="MNIST", dir="own")).sidebar.warning


@pytest.mark.usefixtures("registry")
def test_addresses_open_no_folder(tmp_path: Path, complete_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(run_state, "_load_run_model_cached", lambda folder, *_: opened.append(folder))
    monkeypatch.setattr(run_state, "run_names", lambda: [])
    for value in ("../outside", str(complete_run), "..", "/etc", "a\0b", "%2e%2e/x", "..\\x"):
        test = app("overview")
        for key in ("run", "dir", "data", "train_log_dir", "log", "folder"):
            test.query_params[key] = value
        test.query_params["model"] = settings.SAVED_RUN
        run_app(test)
        assert test.session_state["model"] == settings.SAVED_RUN
    assert opened == []


def test_runs_lead_nowhere(copied_run: Path) -> None:
    secret = copied_run.parent.parent / "secret"
    secret.write_text("secret")
    (copied_run / "notes.txt").symlink_to(secret)
    (copied_run / "circle").symlink_to("circle")
    (copied_run / "title.txt").symlink_to(secret)
    assert run_title(read_run(copied_run)) == copied_run.name
    assert b"secret" not in to_zip(read_run(copied_run))
    for name in ("settings.json", "last.safetensors"):
        kept = (copied_run / name).read_bytes()
        (copied_run / name).unlink()
        (copied_run / name).symlink_to(secret)
        with pytest.raises(RunError, match="a link out of it"):
            load_model(copied_run)
        (copied_run / name).unlink()
        (copied_run / name).write_bytes(kept)
    (copied_run.parent / "alias").symlink_to(copied_run, target_is_directory=True)
    assert [record.problem is None for record in list_runs(copied_run.parent)] == [True, False]


def test_nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch, copied_run: Path) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("unpickled")

    for module, names in ((pickle, ("load", "loads", "Unpickler")), (torch, ("load",))):
        for name in names:
            monkeypatch.setattr(module, name, never)
    for kind, file, damage in (*RUNS, *STATES):
        if "pickle" in kind:
            kept = (copied_run / file).read_bytes()
            damage(copied_run / file)
            with pytest.raises(RunError):
                (load_snapshot if file == "state.safetensors" else load_model)(copied_run)
            (copied_run / file).write_bytes(kept)
    load_model(copied_run)


FORBIDDEN = {"eval", "exec", "compile", "__import__", "system", "popen", "loads", "load", "Unpickler", "check_output"}
ALLOWED = {
    ("json", "loads"),
    ("re", "compile"),
    ("picture", "load"),
    ("safetensors_torch", "load"),
    ("datasets", "load"),
    ("np", "load"),
    ("torch", "load"),
}


def test_network_files_run_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    torch.save({"fc.weight": torch.ones(2, 4), "more": Exploding()}, file)
    for content in (file.getvalue(), pickle.dumps(Exploding())):
        for name in ("net.pt", "net.npz", "net.safetensors"):
            with pytest.raises(FormatError, match="expected"):
                read_network(content, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../a/0.png", "/a/0.png", "a/../../0.png", "a\\..\\0.png", "C:/a/0.png", "a/0.py", ""]
)
def test_uploads_stay_inside(name: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name or "~", b"x")
    content = file.getvalue() if name else file.getvalue().replace(b"~", b"\0")
    with pytest.raises(datasets.DataError, match="expected"):
        store_dataset_file(content, "set.zip", tmp_path / "uploads")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not any(path.name == "set" for path in tmp_path.rglob("*"))


@pytest.mark.usefixtures("view_only")
@pytest.mark.parametrize("panel", ["runs_import import import_panel", "runs_datasets import dataset_panel"])
def test_viewers_cannot_import(panel: str) -> None:
    name = panel.split()[-1]
    page = run_app(AppTest.from_string(f"from pages.views.{panel}\n{name}()"))
    assert not page.get("file_uploader") and not page.button


@pytest.mark.parametrize("value", ["1e300", "-1e300", "nan", "inf", "999999999999", "0", "-1"])
def test_links_set_constants_within_bounds(value: str, registry: TrainingRegistry) -> None:
    test = app("evidence")
    for key in ("m", "T", "beta", "tau", "tau_s", "threshold"):
        test.query_params[key] = value
    run_app(test)
    sliders = {slider.key: slider for slider in test.sidebar.slider}
    for key in ("m", "T", "beta", "tau", "tau_s", "threshold"):
        assert sliders[key].min <= sliders[key].value <= sliders[key].max


def test_no_source_evaluates_or_unpickles() -> None:
    seen = 0
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "marshal", "shelve", "dill", "joblib", "yaml", "cloudpickle"}, file
            if not isinstance(node, ast.Call):
                continue
            seen += 1
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            owner = called.value.id if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) else ""
            assert name not in FORBIDDEN or (owner, name) in ALLOWED, f"{file.name}:{node.lineno} {owner}.{name}"
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (owner, name) == ("torch", "load"):
                assert given["weights_only"] == "True"
            if (owner, name) == ("np", "load"):
                assert given.get("allow_pickle") == "False", file
            assert given.get("shell", "False") == "False", file
    assert seen > 500


def test_no_unsafe_html() -> None:
    for file in SOURCES:
        text = file.read_text()
        assert "unsafe_allow_html" not in text and "components.v1" not in text and "st.iframe" not in text, file
        if "st.html(" in text:
            assert file.name in ("charts.py", "theme_fixes.py", "presentation.py", "server.py"), (
                f"{file}: markup goes by charts.py"
            )
    for script in sorted((ROOT / "pages").rglob("*.js")):
        text = script.read_text()
        assert not re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML\s*=", text), script
        for line in text.splitlines():
            assert not re.search(r"innerHTML\s*\+?=", line), f"{script}: {line}"


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def test_names_are_only_words_in_pictures() -> None:
    classes = tuple(f"{HOSTILE}{i}" for i in range(10))
    image = TINY.test.images[0]
    decision = predict(initial_model(Settings()), image)
    arrays = decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy()
    info = figures.VoltageInfo(*arrays, decision.v_threshold, classes, 3, (3,), decision.v[:2].numpy())
    results = figures.EvaluationInfo(np.full((10, 10), 3), classes, 0.1, (0.0, 0.2))
    curve = (np.array([0.5, 0.6]),)
    rival = decision.times.numpy()
    found = figures.EvidenceInfo(
        HOSTILE, rival, rival, rival, 1.0, 5, image.numpy(), HOSTILE, rival, rival, 0.5, 4
    )  # fmt: skip
    per_class = figures.ClassAccuracyInfo(np.full(10, 0.5), np.full((10, 2), 0.5), classes)
    charts = (
        figures.traces_figure(info), figures.confusion_figure(results), figures.class_figure(per_class),
        figures.comparison_figure(figures.ComparisonInfo((HOSTILE,), curve, curve)), figures.evidence_figure(found),
        figures.neurons_figure(found),
    )  # fmt: skip
    for chart in charts:
        texts = [text for text in strings(chart.to_plotly_json()) if "src=x" in text]
        assert all("<img" not in text and "<a " not in text for text in texts)
    plates = (
        figures.peaks_html(info), figures.digit_html(image.numpy(), HOSTILE),
        figures.weights_html(np.zeros((10, 28, 28)), classes, HOSTILE), figures.html_page("", HOSTILE),
    )  # fmt: skip
    for plate in plates:
        assert "src=x" in plate and "<img src=x" not in plate and "<a href" not in plate
        assert "onerror" not in re.sub(r'"[^"]*"', "", re.sub(r">[^<]*<", "><", plate))


def test_names_are_only_words_on_pages(registry: TrainingRegistry, tmp_path: Path) -> None:
    shown = markdown.escape_markdown(f"# {HOSTILE}\n\n- item")
    assert "\n" not in shown
    for live in ("<img", "[tap]", "**b**", "`c`", "$x$", "http://a", "www.d", "<a "):
        assert live not in re.sub(r"\\.", "", shown), live
    assert markdown.escape_markdown("x_min, m_2: expected 28 x 28.") == "x_min, m_2: expected 28 x 28."
    train_small_model(registry, tmp_path / "runs")
    train_small_model(registry, tmp_path / "runs", seed=2)
    first, second = sorted((tmp_path / "runs").iterdir())
    rename(read_run(second), HOSTILE[:80])
    (first / "title.txt").write_text(f"\x1b[31m{HOSTILE}\u202e")
    (first / "settings.json").write_text('{"recipe": "[tap](http://a.bc) <img src=x onerror=alert(1)>"}')
    test = run_app(app("runs"))
    test.multiselect(key="compared").set_value([second.name])
    run_app(test)
    overview = run_app(app("overview", model=settings.SAVED_RUN, run=first.name))
    texts = [element.value for kind in (test, overview) for element in (*kind.markdown, *kind.caption, *kind.warning)]
    assert any("onerror" in text for text in texts)
    for text in texts:
        bare = re.sub(r"\\.", "", text)
        assert "<img" not in bare and "](http" not in bare and "](javascript" not in bare and "http://a" not in bare
    assert not any("<img src=x" in element.proto.body for element in test.get("html"))
    (chart,) = test.get("echarts_chart")
    # ECharts writes names as text; only templates of its tooltips are HTML.
    assert "onerror" in chart.proto.spec and '"formatter"' not in chart.proto.spec


# --- size and time --------------------------------------------------------------------------------------------------


def test_a_bomb_is_not_unpacked(
    packed_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gzip, "open", lambda *_: pytest.fail("unpacked"))
    (packed_set / f"{idx_files.FILES[0]}.gz").write_bytes(BOMB)
    with serve_folder(packed_set) as address:
        use_mirrors(monkeypatch, address)
        with pytest.raises(datasets.DataError, match="could not be downloaded"):
            datasets.download("KMNIST", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    logs = str(tmp_path)
    for too_large in (
        Settings(T=100_000, batch_size=4096, m=2000, log_dir=logs),
        Settings(epochs=2**31 - 1, log_dir=logs),
    ):
        with pytest.raises(JobError, match=r"an estimate of .* the nearest that fits is"):
            TrainingRegistry().start(too_large)


def test_endless_files_are_refused(copied_run: Path) -> None:
    large: list[Callable[[], object]] = []
    for kind, file, damage in RUNS:
        if "GB" in kind or "MB" in kind or "pipe" in kind:
            kept = (copied_run / file).read_bytes()
            damage(copied_run / file)
            large.append(damage)  # type: ignore[arg-type]
            with pytest.raises(RunError):
                load_model(copied_run)
            (copied_run / file).unlink()
            (copied_run / file).write_bytes(kept)
    assert len(large) >= 5
    os.truncate(copied_run / "environment.json", 2**32)
    with pytest.raises(RunError, match="export: expected at most"):
        to_zip(read_run(copied_run))


def test_one_training_at_a_time(registry: TrainingRegistry, tmp_path: Path) -> None:
    settings = Settings(epochs=1000, m=4, T=20, log_dir=str(tmp_path))
    registry.start(settings, TINY)
    with pytest.raises(JobError, match="Expected no training in progress"):
        registry.start(settings, TINY)


FIXED = {
    "streamlit": "1.37.0",  # CVE-2024-42474, paths of static files on Windows
    "torch": "2.6.0",  # CVE-2025-32434, torch.load; not called here
    "pillow": "11.3.0",  # CVE-2025-48379, writing DDS; CVE-2024-28219
    "tornado": "6.5.0",  # CVE-2025-47287, multipart forms
    "protobuf": "5.29.5",  # CVE-2025-4565, nested messages
    "requests": "2.32.4",  # CVE-2024-47081, netrc
    "urllib3": "2.5.0",  # CVE-2025-50181, redirects
    "jinja2": "3.1.6",  # CVE-2025-27516, sandbox
    "numpy": "1.22.0",  # CVE-2021-41496
    "markdown": "3.0",
    "werkzeug": "3.0.6",  # CVE-2024-49767, in TensorBoard
    "setuptools": "78.1.1",  # CVE-2025-47273
    "gitpython": "3.1.41",  # CVE-2024-22190
    "certifi": "2024.7.4",  # CVE-2024-39689
    "idna": "3.7",  # CVE-2024-3651
    "tqdm": "4.66.3",  # CVE-2024-34062
    "fonttools": "4.43.0",  # CVE-2023-45139
    "pyarrow": "14.0.1",  # CVE-2023-47248
}


def test_dependencies_are_fixed() -> None:
    """From the installed metadata; pip-audit checks more where its database can be reached."""
    old = {}
    for name, least in FIXED.items():
        try:
            found = version(name)
        except ModuleNotFoundError:
            continue
        if Version(found) < Version(least):
            old[name] = f"{found}, fixed in {least}"
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        required = Requirement(line)
        least = next(bound.version for bound in required.specifier if bound.operator == ">=")
        if Version(least) < Version(FIXED.get(required.name, "0")):
            old[required.name] = f"{least} allowed, fixed in {FIXED[required.name]}"
    assert old == {}
