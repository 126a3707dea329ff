"""Joined codes: the afferents of both parts, checks of the parts, what cannot be joined."""

from dataclasses import replace

import pytest
import torch
from helpers import idx_files

from tempotron_core.model.codes import CODES, Code, CodeError, FittedCode, join_codes, restore_code, unfitted_code
from tempotron_core.snn.spike_store import SpikeStore
from tempotron_core.snn.tempotron import Tempotron

DIGITS = idx_files.few_digits(200, 10)
HALF = Code("half", "One afferent of bright pixels.", lambda images, fitted: (images > 127).flatten(1).byte(),
            lambda m, T, beta, fitted: torch.tensor([[-1.0], [3.0]]), max_m=1)  # fmt: skip


def test_the_afferents_are_those_of_both_codes() -> None:
    m, T = 6 + 5, 50
    joined = CODES["gaussian-and-local-pattern"].fit_to(DIGITS.train.images, m, 4)
    images = DIGITS.test.images
    times = joined.spike_times(images, m, T).view(len(images), -1, m)
    gaussian = unfitted_code("gaussian").spike_times(images, 6, T).view(len(images), -1, 6)
    patterns = CODES["local-pattern"].fit_to(DIGITS.train.images, 5, 4).spike_times(images, 5, T)
    assert torch.equal(times[:, :, :6], gaussian)
    assert torch.equal(times[:, :, 6:].flatten(1), patterns)
    assert set(joined.fitted) == {"second.codebook", "second.preferred"}


def test_a_store_of_pairs_gives_the_potentials_of_the_spikes() -> None:
    m, T = 1 + 4, 40
    joined = CODES["latency-and-local-pattern"].fit_to(DIGITS.train.images, m, 0)
    net = Tempotron(28 * 28 * m, 3, T, 10.0, 2.5)
    times = joined.spike_times(DIGITS.test.images, m, T)
    for budget in (None, 0):
        store = SpikeStore(joined.spike_table(m, T), joined.symbols(DIGITS.test.images), T, budget)
        list(store.fill())
        batch = store.batch(torch.tensor([7, 2, 2]))
        peaks = net.peak(batch)
        expected = net(times[[7, 2, 2]], "v_max")
        assert torch.allclose(peaks, expected, atol=1e-5)
        (grad,) = torch.autograd.grad(peaks.square().sum(), net.fc.weight)
        (expected_grad,) = torch.autograd.grad(expected.square().sum(), net.fc.weight)
        assert torch.allclose(grad, expected_grad, atol=1e-5)


def test_stored_tensors_are_checked_by_their_part() -> None:
    fitted = CODES["latency-and-local-pattern"].fit_to(DIGITS.train.images, 7, 0).fitted
    assert restore_code("latency-and-local-pattern", fitted, 7).name == "latency-and-local-pattern"
    with pytest.raises(ValueError, match="preferred of the code local-pattern: expected 7 patterns"):
        restore_code("latency-and-local-pattern", fitted, 8)
    with pytest.raises(CodeError, match="expected what was computed from the training images"):
        unfitted_code("latency-and-local-pattern").spike_table(7, 20)


def test_a_joined_code_without_tensors() -> None:
    joined = join_codes("both", CODES["latency"], HALF, first_m=1)
    assert (joined.min_m, joined.max_m, joined.fit, joined.check) == (2, 2, None, None)
    table = FittedCode(joined).spike_table(2, 10)
    assert table[255 * 256 + 1].tolist() == [0, 3]
    assert table[0].tolist() == [-1, -1]
    symbols = FittedCode(joined).symbols(torch.full((1, 1, 1), 255, dtype=torch.uint8))
    assert symbols.dtype == torch.int32
    assert symbols.tolist() == [[255 * 256 + 1]]


def test_parts_that_return_something_else_are_explained() -> None:
    images = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    values = replace(HALF, symbols=lambda images, fitted: images.flatten(1))
    for first, second in ((CODES["latency"], values), (values, CODES["latency"])):
        with pytest.raises(CodeError, match=r"code both: expected symbols of .* that have a line in their tables") as e:
            FittedCode(join_codes("both", first, second, first_m=1)).spike_times(images, 2, 10)
        assert len(str(e.value).splitlines()) == 1
    short = replace(HALF, symbols=lambda images, fitted: images.flatten(1)[:, :3] // 255)
    with pytest.raises(CodeError, match="code both: expected as many positions of half as of latency, 4, got 3"):
        FittedCode(join_codes("both", CODES["latency"], short, first_m=1)).symbols(images)


def test_what_cannot_be_joined_is_explained() -> None:
    joined = CODES["latency-and-local-pattern"]
    with pytest.raises(ValueError, match="code three: expected two codes that are not joined, got latency-and-"):
        join_codes("three", HALF, joined, first_m=1)
    with pytest.raises(ValueError, match="first_m: expected an integer of at most 1, got 2"):
        join_codes("both", CODES["latency"], HALF, first_m=2)
    with pytest.raises(TypeError, match="first_m"):
        join_codes("both", CODES["latency"], HALF, first_m="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"code latency-and-local-pattern\): expected an integer of at least 4, got 3"):
        joined.check_m(3)
