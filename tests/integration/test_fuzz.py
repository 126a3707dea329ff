"""Readers of files and links with random input: a bounded number here, an unbounded one in fuzz.py."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import fuzz
from helpers.pages import app, run_app
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pages.state.settings import MODELS

few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
names = st.sampled_from([*json.loads(fuzz.seeds()["settings.json"]), "x"])
cells = st.one_of(st.text(max_size=8), st.integers().map(str), st.floats().map(str))


@pytest.fixture(scope="module", autouse=True)
def clean_fuzz_state() -> Iterator[None]:
    yield
    shutil.rmtree(fuzz.folder(), ignore_errors=True)
    fuzz.folder.cache_clear()


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_whole_inputs_are_taken(name: str) -> None:
    if name not in ("path", "text"):
        assert fuzz.read_or_explain(name, fuzz.seeds()[fuzz.TARGETS[name][1]]) is None


@pytest.mark.parametrize("name", fuzz.TARGETS)
@few
@given(start=st.integers(0, 200), new=st.binary(max_size=24), size=st.none() | st.integers(0, 400))
def test_any_bytes_in_a_whole_input(name: str, start: int, new: bytes, size: int | None) -> None:
    whole = fuzz.seeds()[fuzz.TARGETS[name][1]]
    assert fuzz.accepts_or_explains(name, (whole[:start] + new + whole[start + len(new) :])[:size])


@pytest.mark.parametrize("name", fuzz.TARGETS)
@few
@given(content=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes(name: str, content: bytes) -> None:
    assert fuzz.accepts_or_explains(name, content)


@few
@given(changes=st.dictionaries(names, values, max_size=4))
@example({"recipe": {}})
def test_any_settings(changes: dict[str, Any]) -> None:
    assert fuzz.accepts_or_explains(
        "settings", json.dumps(json.loads(fuzz.seeds()["settings.json"]) | changes).encode()
    )


@few
@given(whole=values)
def test_any_json_as_settings(whole: Any) -> None:
    assert fuzz.accepts_or_explains("settings", json.dumps(whole).encode())


@pytest.mark.parametrize("name", ["epochs", "points"])
@few
@given(rows=st.lists(st.lists(cells, max_size=10), max_size=4))
def test_any_table(name: str, rows: list[list[str]]) -> None:
    head = fuzz.seeds()[fuzz.TARGETS[name][1]].split(b"\n")[0]
    assert fuzz.accepts_or_explains(
        name, head + b"\n" + "\n".join(",".join(row) for row in rows).encode(errors="replace")
    )


kinds = st.sampled_from(["F32", "F64", "I64", "U8", "BOOL", "F16", "BF16", "", "X"])
tensors = st.fixed_dictionaries(
    {
        "dtype": kinds,
        "shape": st.lists(st.integers(-1, 2**64) | st.integers(0, 9), max_size=4),
        "data_offsets": st.lists(st.integers(-1, 2**64) | st.integers(0, 64), max_size=3),
    }
)
headers = st.dictionaries(st.sampled_from(["fc.weight", "rows", "noise", "shuffle", "__metadata__"]), tensors | values)


@pytest.mark.parametrize("name", ["weights", "state"])
@few
@given(header=headers, length=st.none() | st.integers(0, 2**64 - 1), body=st.binary(max_size=64))
def test_any_header_of_tensors(name: str, header: Any, length: int | None, body: bytes) -> None:
    text = json.dumps(header).encode()
    assert fuzz.accepts_or_explains(name, struct.pack("<Q", len(text) if length is None else length) + text + body)


@few
@given(
    name=st.sampled_from(["images", "labels"]),
    numbers=st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([2049, 2051, 20, 28]), max_size=5),
    body=st.binary(max_size=64),
)
def test_any_sizes_of_a_set(name: str, numbers: list[int], body: bytes) -> None:
    assert fuzz.accepts_or_explains(name, struct.pack(f">{len(numbers)}I", *numbers) + body)


KEYS = (
    "sample", "model", "data", "run", "tau", "tau_s", "beta", "m", "T", "threshold", "time", "after_spike", "neuron",
    "t", "pin", "tour", "present", "image", "label",
)  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(query=st.dictionaries(st.sampled_from(KEYS), st.text(max_size=20) | st.floats().map(str), min_size=1))
@pytest.mark.usefixtures("registry")
def test_any_link(query: dict[str, str]) -> None:
    test = app("voltages")
    for key, value in query.items():
        test.query_params[key] = value.encode(errors="replace").decode()
    run_app(test)
    assert test.sidebar.radio(key="model").value in MODELS
