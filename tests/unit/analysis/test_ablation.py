"""Ablations: spikes at one time, neurons shuffled, and what is concluded from the accuracies."""

import pytest
import torch
from helpers import idx_files

from tempotron_core.analysis.ablation import Ablation, ablate, move_to_one_time, shuffle_neurons
from tempotron_core.analysis.robustness import Perturbation, num_correct
from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import PIXELS, Model
from tempotron_core.model.codes import unfitted_code

DIGITS = idx_files.few_digits(20, 60)


def test_spikes_at_one_time_keep_their_neurons() -> None:
    times = torch.tensor([[5.0, -1.0, 0.0, 99.0]])
    assert move_to_one_time(times).tolist() == [[0, -1, 0, 0]]
    assert times.tolist() == [[5, -1, 0, 99]]


def test_shuffled_neurons_keep_the_times_of_each_sample() -> None:
    times = DIGITS.test.images[:5].flatten(1).float() - 1
    shuffled = shuffle_neurons(times, torch.Generator().manual_seed(3))
    assert torch.equal(shuffled.sort(dim=1).values, times.sort(dim=1).values)
    assert not torch.equal(shuffled, times)
    assert torch.equal(shuffle_neurons(times, torch.Generator().manual_seed(3)), shuffled)


def model_of(weight: torch.Tensor) -> Model:
    return Model(weight, 1, 50, tau=10, tau_s=2.5, code=unfitted_code("latency"))


def images(*pixels: tuple[int, int]) -> torch.Tensor:
    result = torch.zeros(len(pixels), PIXELS, dtype=torch.uint8)
    for row, (index, value) in zip(result, pixels, strict=True):
        row[index] = value
    return result.view(-1, 28, 28)


def test_a_network_that_tells_places_needs_no_times() -> None:
    weight = torch.zeros(2, PIXELS)
    weight[0, 3] = weight[1, 7] = 1
    split = Split(images((3, 200), (7, 90), (3, 255), (7, 255)), torch.tensor([0, 1, 0, 1]))
    result = ablate(model_of(weight), split, seed=1)
    assert (result.samples, result.correct, result.place_only) == (4, 4, 4)
    assert result.time_only == 2, "no spike reaches a weight: class 0 is predicted"


def test_a_network_that_tells_times_fails_with_all_at_one() -> None:
    """Class 0: both pixels spike together. Class 1: the inhibitory pixel is late, so that the peak is high."""
    weight = torch.zeros(2, PIXELS)
    weight[1, :2] = torch.tensor([2.0, -2.0])
    weight[0, 2] = 0.5
    early = torch.zeros(2, PIXELS, dtype=torch.uint8)
    early[:, 0] = early[:, 2] = 255
    early[0, 1], early[1, 1] = 255, 20
    result = ablate(model_of(weight), Split(early.view(2, 28, 28), torch.tensor([0, 1])))
    assert (result.correct, result.place_only) == (2, 1)
    assert 0 <= result.different <= 2


def test_the_result_is_deterministic_and_that_of_the_network() -> None:
    random = torch.Generator().manual_seed(0)
    model = model_of(torch.randn(10, PIXELS, generator=random))
    result = ablate(model, DIGITS.test, seed=2)
    assert result == ablate(model, DIGITS.test, seed=2)
    assert result.correct == num_correct(model, DIGITS.test, Perturbation())
    with pytest.raises(ValueError, match=r"^ablation: expected at least one sample, got none"):
        ablate(model, Split(DIGITS.test.images[:0], DIGITS.test.labels[:0]))


@pytest.mark.parametrize(
    ("place", "time", "different", "conclusion"),
    [
        (1800, 200, 1640, "it relies more on which neurons spike than on when they do."),
        (200, 1800, 1640, "it relies more on when neurons spike than on which of them do."),
        (1000, 1010, 30, "these two do not differ by more than chance."),
        (1020, 1000, 104, "it relies more on which neurons spike than on when they do."),
        (1020, 1000, 106, "these two do not differ by more than chance."),
        (0, 0, 0, "these two do not differ by more than chance."),
    ],
)
def test_the_sentence_says_what_the_accuracies_support(place: int, time: int, different: int, conclusion: str) -> None:
    sentence = Ablation(2000, 1960, place, time, different).sentence
    assert sentence.startswith(
        f"Of 2,000 samples the network classifies 98.0 % correctly, {place / 20:.1f} % with all spikes at one time and "
        f"{time / 20:.1f} % with the neurons of the spikes shuffled: "
    )
    assert sentence.endswith(conclusion)
