"""The local-pattern code against a slow one in float64: patterns, nearest codewords, tuning, spike times."""

import math

import pytest
import torch
from helpers import idx_files

from tempotron_core.model import local_patterns
from tempotron_core.model.local_patterns import check, encode_symbols, fit, spike_table

DIGITS = idx_files.few_digits(300, 20)


@pytest.fixture(scope="module")
def fitted() -> dict[str, torch.Tensor]:
    return fit(DIGITS.train.images, 8, 3)


def slow_pattern(image: list[list[int]], row: int, column: int) -> list[float]:
    """The nine grey values around a position, from 0 to 1; black outside the image."""
    values = []
    for y in (row - 2, row, row + 2):
        for x in (column - 2, column, column + 2):
            inside = 0 <= y < len(image) and 0 <= x < len(image[0])
            values.append(image[y][x] / 255 if inside else 0.0)
    return values


def squared_distance(first: list[float], second: list[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("shape", [(28, 28), (5, 9), (1, 1)])
def test_symbols_are_the_nearest_codewords(fitted: dict[str, torch.Tensor], shape: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 256, (2, *shape), generator=random, dtype=torch.uint8)
    noise[noise < 120] = 0
    images = torch.cat((noise, DIGITS.test.images[:2])) if shape == (28, 28) else noise
    symbols = encode_symbols(images, fitted)
    assert symbols.dtype == torch.uint8
    assert symbols.shape == (len(images), shape[0] * shape[1])
    codebook = fitted["codebook"].double().tolist()
    for image, found in zip(images.tolist(), symbols.view(len(images), *shape).tolist(), strict=True):
        for row in range(shape[0]):
            for column in range(shape[1]):
                pattern = slow_pattern(image, row, column)
                distances = [squared_distance(pattern, codeword) for codeword in codebook]
                # two codewords that are equally far within the rounding of float32 are both right
                assert distances[found[row][column]] <= min(distances) + 1e-5
                if not any(pattern):
                    assert found[row][column] == 0


@pytest.mark.parametrize(("T", "beta"), [(100, 1.5), (30, 1.5), (1000, 0.8), (1, 3.0)])
def test_spike_times_follow_the_tuning_of_the_preferred_patterns(
    fitted: dict[str, torch.Tensor], T: int, beta: float
) -> None:
    table = spike_table(8, T, beta, fitted)
    assert table.shape == (len(fitted["codebook"]), 8)
    preferred = fitted["preferred"].double().tolist()
    nearest = sorted(
        min(math.sqrt(squared_distance(a, b)) for j, b in enumerate(preferred) if j != i)
        for i, a in enumerate(preferred)
    )
    sigma = (nearest[3] + nearest[4]) / 2 * 0.75 / beta
    for codeword, times in zip(fitted["codebook"].double().tolist(), table.tolist(), strict=True):
        for pattern, time in zip(preferred, times, strict=True):
            g = math.exp(-squared_distance(codeword, pattern) / (2 * sigma**2))
            exact = (1 - g) * T
            if abs(g - 0.12) < 1e-9 or abs(exact % 1 - 0.5) < 1e-9:
                continue
            assert time == (round(exact) if g >= 0.12 and round(exact) < T else -1)


def test_at_the_default_width_sigma_is_half_the_distance_of_neighbours() -> None:
    preferred = torch.zeros(3, 9)
    preferred[1, 0], preferred[2, 0] = 0.4, 0.8
    codebook = torch.zeros(2, 9)
    codebook[1, 0] = 0.2  # one sigma from the first two, three from the last
    table = spike_table(3, 100, 1.5, {"codebook": codebook, "preferred": preferred})
    assert table[1].tolist() == [39, 39, -1]  # 100 (1 - exp(-1/2)) = 39.3; exp(-9/2) is below 0.12
    assert table[0].tolist() == [0, 86, -1]  # 100 (1 - exp(-2)) = 86.5, a little less in float32


def test_the_black_pattern_is_the_first_codeword(fitted: dict[str, torch.Tensor]) -> None:
    codebook = fitted["codebook"]
    assert codebook.shape == (256, 9)
    assert not codebook[0].any()
    brightness = codebook.double().sum(dim=1)
    assert bool((brightness.diff() >= 0).all())
    assert int(encode_symbols(torch.zeros(1, 28, 28, dtype=torch.uint8), fitted).max()) == 0


def test_a_seed_determines_the_code(fitted: dict[str, torch.Tensor]) -> None:
    again, other = fit(DIGITS.train.images, 8, 3), fit(DIGITS.train.images, 8, 4)
    assert set(again) == {"codebook", "preferred"}
    for name, value in fitted.items():
        assert torch.equal(value, again[name])
        assert not torch.equal(value, other[name])


def test_the_codewords_describe_the_patterns(fitted: dict[str, torch.Tensor]) -> None:
    """Most of the variance of patterns of other digits is that of their codewords."""
    patterns = local_patterns.extract_patterns(DIGITS.test.images).double() / 255
    lit = patterns[patterns.amax(dim=1) > 0]
    symbols = encode_symbols(DIGITS.test.images, fitted).view(-1)[patterns.amax(dim=1) > 0]
    error = (lit - fitted["codebook"].double()[symbols.long()]).square().sum(dim=1).mean()
    variance = (lit - lit.mean(dim=0)).square().sum(dim=1).mean()
    assert float(error) < 0.15 * float(variance)


def test_few_patterns_give_a_small_codebook() -> None:
    image = torch.zeros(1, 5, 5, dtype=torch.uint8)
    image[0, 2, 2] = 255  # nine positions see the pixel, each at another place of its pattern
    fitted = fit(image, 4, 0)
    assert fitted["codebook"].shape == (10, 9)
    assert sorted(encode_symbols(image, fitted).view(-1).tolist()) == [0] * 16 + list(range(1, 10))
    with pytest.raises(ValueError, match=r"expected at most the 10 different patterns .* got 11; choose a smaller m"):
        fit(image, 11, 0)
    with pytest.raises(ValueError, match="expected at most the 1 different patterns"):
        fit(torch.zeros(3, 28, 28, dtype=torch.uint8), 3, 0)


def damage(fitted: dict[str, torch.Tensor], case: str) -> dict[str, torch.Tensor]:
    codebook, preferred = fitted["codebook"].clone(), fitted["preferred"].clone()
    if case == "missing":
        return {"codebook": codebook}
    if case == "not a number":
        codebook[5, 5] = math.nan
    if case == "another m":
        preferred = preferred[:7]
    if case == "too many codewords":
        codebook = torch.cat((codebook, codebook))
    if case == "a first codeword that is not black":
        codebook = codebook.flip(0)
    if case == "equal preferred patterns":
        preferred[:] = 0.5
    if case == "another type":
        codebook = codebook.double()
    return {"codebook": codebook, "preferred": preferred}


@pytest.mark.parametrize(
    "case",
    [
        "missing", "not a number", "another m", "too many codewords", "a first codeword that is not black",
        "equal preferred patterns", "another type",
    ],
)  # fmt: skip
def test_damaged_tensors_are_refused(fitted: dict[str, torch.Tensor], case: str) -> None:
    check(fitted, 8)
    with pytest.raises(ValueError, match="of the code local-pattern: expected") as caught:
        check(damage(fitted, case), 8)
    assert len(str(caught.value).splitlines()) == 1
