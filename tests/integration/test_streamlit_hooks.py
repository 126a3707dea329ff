"""Private names of Streamlit: each exists in the installed release, and only one module uses them."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.runtime.scriptrunner_utils.shared_run_state import SharedRunState
from streamlit.runtime.session_manager import SessionManager
from streamlit.runtime.state.query_params import QueryParams, WidgetBinding
from streamlit.runtime.state.safe_session_state import SafeSessionState

from pages import navigation, streamlit_hooks

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "app.py", *(ROOT / "pages").rglob("*.py")])
STYLESHEET = ROOT / "pages/shell/streamlit.css"


def assigned(cls: type) -> set[str]:
    """Names that a class has or assigns to self."""
    names = set(re.findall(r"self\.(\w+)\b[^=\n]*=", inspect.getsource(cls)))
    return names | set(dir(cls)) | set(getattr(cls, "__annotations__", {}))


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Runtime, ["_get_async_objs", "_session_mgr"]),
        (SessionManager, ["list_active_sessions"]),
        (AppSession, ["_scriptrunner", "_client_state", "request_rerun"]),
        (ScriptRequests, ["_lock", "_rerun_data", "_state"]),
        (RerunData, ["fragment_id_queue", "page_script_hash"]),
        (ScriptRunContext, ["script_requests", "shared", "page_script_hash"]),
        (SharedRunState, ["new_fragment_ids"]),
        (ScriptRunContext, ["session_state", "pages_manager", "is_history_navigation"]),
        (PagesManager, ["main_script_hash"]),
        (SafeSessionState, ["query_params"]),
        (QueryParams, ["get_binding_for_param", "has_param", "set_corrected_value"]),
        (WidgetBinding, ["script_hash", "value_type"]),
    ],
)
def test_the_private_names_exist(cls: type, names: list[str]) -> None:
    assert set(names) <= assigned(cls)


def test_the_private_names_of_other_objects_exist() -> None:
    assert hasattr(SharedRunState().new_fragment_ids, "snapshot")
    assert {"RERUN", "CONTINUE"} <= set(ScriptRequestType.__members__)
    assert "eventloop" in inspect.getsource(Runtime._get_async_objs) or "eventloop" in inspect.getsource(
        inspect.getmodule(Runtime)  # type: ignore[arg-type]
    )


def test_the_start_document_sets_the_base_url() -> None:
    document = streamlit_hooks.index_html(["encoder"])
    assert document.index("BACKEND_BASE_URL") < document.index('<script type="module"')
    scripts = (Path(st.__file__).parent / "static" / "static" / "js").glob("*.js")
    assert any("BACKEND_BASE_URL" in script.read_text(encoding="utf-8") for script in scripts)


def test_a_missing_name_is_logged_once_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Changed:
        pass

    streamlit_hooks._log_missing.cache_clear()
    monkeypatch.setattr("streamlit.runtime.exists", lambda: True)
    monkeypatch.setattr("streamlit.runtime.get_instance", Changed)
    for _ in range(3):
        streamlit_hooks.wait_for_flush()
        streamlit_hooks.rerun_idle_sessions()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    streamlit_hooks._log_missing.cache_clear()


def test_only_the_hooks_module_uses_private_names() -> None:
    """Names with a leading underscore of objects that are not of this project, and modules below streamlit.runtime."""
    found = []
    for file in PAGES:
        if file.name == "streamlit_hooks.py":
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        modules = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("pages", "tempotron_core"))
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("streamlit."):
                public = node.module in ("streamlit.errors", "streamlit.delta_generator")
                if not public and node.module != "streamlit.navigation.page":  # a type only
                    found.append(f"{file}:{node.lineno} {node.module}")
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                if owner not in ("self", "cls", "os") and owner not in modules and node.attr not in own:
                    found.append(f"{file}:{node.lineno} {node.attr}")
    assert found == []


def test_rules_on_streamlit_elements_stand_in_one_stylesheet() -> None:
    """Test ids and classes that Streamlit gives its elements change with releases; one file holds all such rules."""
    assert "data-testid" in STYLESHEET.read_text(encoding="utf-8")
    rule = re.compile(r"(data-testid[^{\n]*|\.st[A-Z]\w*[^{;\n]*)\{")
    files = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "pages").rglob("*.css")]
    found = [str(file) for file in files if file != STYLESHEET and rule.search(file.read_text(encoding="utf-8"))]
    assert [name for name in found if not name.endswith("theme_fixes.py")] == []
    # the colours of text in charts are computed from the theme, see theme_fixes.py
    assert set(re.findall(r"\.st[A-Z]\w*", (ROOT / "pages/shell/theme_fixes.py").read_text())) <= {".stEChartsChart"}


def test_every_page_has_a_script_named_like_its_path() -> None:
    for entry in navigation.PAGES:
        assert (ROOT / "pages" / entry.script).is_file()
        assert Path(entry.script).stem == (entry.url_path or entry.title.lower())
