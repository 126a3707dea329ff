"""The registry of codes: symbols, spike times, codes of one's own, sentences for what does not fit."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import idx_files

from tempotron_core.model.classifier import PIXELS, Model, initial_weight, pixel_spike_times, predict
from tempotron_core.model.codes import (
    CODES,
    GAUSSIAN,
    Code,
    CodeError,
    FittedCode,
    register_code,
    require_known_code,
    restore_code,
    unfitted_code,
)

DIGITS = idx_files.few_digits(200, 10)
EVERY_VALUE = torch.arange(PIXELS).remainder(256).to(torch.uint8).view(1, 28, 28)
ON_OFF = Code(
    "on-off", "One of two afferents spikes at once: that of a dark or that of a bright pixel.",
    symbols=lambda images, fitted: (images > 127).flatten(1).byte(),
    table=lambda m, T, beta, fitted: torch.tensor([[0.0, -1.0], [-1.0, 0.0]]), min_m=2, max_m=2,
)  # fmt: skip


@pytest.fixture
def on_off() -> Iterator[Code]:
    yield register_code(ON_OFF)
    del CODES["on-off"]


@pytest.mark.parametrize(
    ("m", "T", "spikes", "checksum"),
    [(16, 100, 1084, 2296390886), (6, 100, 1024, 646156005)],
)
def test_the_gaussian_table_is_that_of_version_0_1(m: int, T: int, spikes: int, checksum: int) -> None:
    table = GAUSSIAN.spike_table(m, T)
    assert table.dtype == torch.float32
    assert table.shape == (256, m)
    assert int((table >= 0).sum()) == spikes
    assert zlib.crc32(table.numpy().astype("<i2").tobytes()) == checksum


def test_the_default_network_has_the_gaussian_code() -> None:
    model = Model(initial_weight(3, 10, 0), 3, 20)
    assert model.code is GAUSSIAN
    assert torch.equal(model.spike_times(EVERY_VALUE), pixel_spike_times(EVERY_VALUE, 3, 20))
    assert torch.equal(GAUSSIAN.symbols(EVERY_VALUE), EVERY_VALUE.view(1, PIXELS))


@pytest.mark.parametrize("T", [1, 10, 100, 5000])
def test_latencies_of_every_grey_value(T: int) -> None:
    linear = unfitted_code("latency").spike_table(1, T)[:, 0].tolist()
    logarithmic = unfitted_code("latency-logarithmic").spike_table(1, T)[:, 0].tolist()
    for value in range(256):
        time = np.rint((1 - value / 255) * T)
        assert linear[value] == (time if time < T else -1)
        time = np.rint(T * math.log(255 / value) / math.log(255)) if value else T
        assert logarithmic[value] == (time if time < T else -1)
    assert linear[255] == logarithmic[255] == 0
    assert linear[0] == logarithmic[0] == -1


@pytest.mark.parametrize("name", CODES)
def test_a_code_gives_at_most_one_spike_of_each_afferent(name: str) -> None:
    code = CODES[name]
    m = max(code.min_m, min(5, code.max_m))
    fitted = code.fit_to(DIGITS.train.images, m, 0)
    times, table = fitted.spike_times(DIGITS.test.images, m, 50), fitted.spike_table(m, 50)
    assert times.shape == (10, PIXELS * m)
    is_allowed = torch.ones_like(times, dtype=torch.bool) if code.has_real_times else times == times.round()
    assert bool(((times == -1) | ((times >= 0) & (times < 50) & is_allowed)).all())
    assert bool((times >= 0).any())
    symbols = fitted.symbols(DIGITS.test.images)
    assert torch.equal(times.view(10, PIXELS, m)[3, 400], table[int(symbols[3, 400])])
    assert torch.equal(torch.cat(list(fitted.symbols_in_chunks(DIGITS.test.images))), symbols)
    assert not fitted.symbols(torch.zeros(1, 28, 28, dtype=torch.uint8)).any(), "symbol 0 is black"


def test_a_code_of_ones_own(on_off: Code) -> None:
    assert require_known_code("on-off") is on_off
    model = Model(initial_weight(2, 10, 0), 2, 20, code=FittedCode(on_off))
    prediction = predict(model, EVERY_VALUE[0])
    assert prediction.times[100].tolist() == [0, -1]
    assert prediction.times[200].tolist() == [-1, 0]


@pytest.mark.usefixtures("on_off")
@pytest.mark.parametrize("name", ["on-off", "gaussian", "On", "", "a b", "x" * 41, "../up", 3])
def test_names_that_cannot_be_registered(name: str) -> None:
    before = dict(CODES)
    with pytest.raises(ValueError, match=r"^code: expected a name .*; choose another\.$"):
        register_code(replace(ON_OFF, name=name))
    assert before == CODES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbols": lambda images, fitted: images}, r"expected symbols uint8 \[1, positions\], got torch.uint8"),
        ({"symbols": lambda images, fitted: images.flatten(1).float()}, "expected symbols uint8"),
        ({"symbols": lambda images, fitted: images.flatten(1)}, "expected symbols from 0 to 1, got 255"),
        ({"table": lambda m, T, beta, fitted: torch.zeros(2, 3)}, "at most 256 symbols and 2 afferents"),
        ({"table": lambda m, T, beta, fitted: torch.zeros(257, 2)}, "at most 256 symbols and 2 afferents"),
        ({"table": lambda m, T, beta, fitted: torch.full((2, 2), 0.5)}, "whole spike times below T = 20 ms"),
        ({"table": lambda m, T, beta, fitted: torch.full((2, 2), 20.0)}, "whole spike times below T = 20 ms"),
        ({"table": lambda m, T, beta, fitted: torch.full((2, 2), math.nan)}, "whole spike times below T = 20 ms"),
    ],
)
def test_a_code_that_returns_something_else_is_explained(changes: dict[str, object], message: str) -> None:
    code = FittedCode(replace(ON_OFF, **changes))  # type: ignore[arg-type]
    with pytest.raises(CodeError, match=message) as caught:
        code.spike_times(EVERY_VALUE, 2, 20)
    assert str(caught.value).startswith("code on-off: expected")
    assert len(str(caught.value).splitlines()) == 1


def test_a_code_that_has_not_been_fitted_encodes_nothing() -> None:
    model = Model(initial_weight(8, 10, 0), 8, 20, code=unfitted_code("local-pattern"))
    for call in (lambda: model.spike_times(EVERY_VALUE), model.spike_table, lambda: predict(model, EVERY_VALUE[0])):
        with pytest.raises(CodeError, match="code local-pattern: expected what was computed from the training images"):
            call()


def test_stored_tensors_are_checked() -> None:
    fitted = CODES["local-pattern"].fit_to(DIGITS.train.images, 6, 0).fitted
    again = restore_code("local-pattern", fitted, 6)
    assert torch.equal(again.spike_table(6, 50), FittedCode(CODES["local-pattern"], fitted).spike_table(6, 50))
    with pytest.raises(ValueError, match="expected 7 patterns"):
        restore_code("local-pattern", fitted, 7)
    with pytest.raises(ValueError, match="code: expected one of gaussian, "):
        restore_code("of-the-future", {}, 7)
