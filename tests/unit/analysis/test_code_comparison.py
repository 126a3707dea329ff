"""Comparison of two codes: counting, shares of pixels, and what is worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from helpers import idx_files

from tempotron_core.analysis.code_comparison import (
    MeasuredCode,
    comparison_settings,
    first_samples,
    measure_code,
    num_correct_by_counting,
    spread_to_pixels,
    worse_text,
)


def test_naive_bayes_counts_as_by_hand() -> None:
    random = np.random.default_rng(3)
    train, test = random.integers(0, 5, (60, 4)), random.integers(0, 5, (30, 4))
    labels, test_labels = random.integers(0, 3, 60), random.integers(0, 3, 30)
    correct = 0
    for symbols, label in zip(test, test_labels, strict=True):
        scores = []
        for c in range(3):
            of_class = train[labels == c]
            score = np.log(len(of_class) / 60)
            for position, symbol in enumerate(symbols):
                score += np.log((np.sum(of_class[:, position] == symbol) + 0.5) / (len(of_class) + 0.5 * 5))
            scores.append(score)
        correct += int(np.argmax(scores) == label)
    tensors = [torch.from_numpy(values) for values in (train, labels, test, test_labels)]
    counted = num_correct_by_counting(tensors[0], tensors[1], tensors[2], tensors[3], symbols=5, classes=3)
    assert counted == correct


def test_shares_of_pixels_keep_the_sum() -> None:
    values = np.random.default_rng(0).normal(size=(7, 9))
    assert np.isclose(spread_to_pixels(values).sum(), values.sum())
    one = np.zeros((7, 9))
    one[3, 4] = 9.0
    spread = spread_to_pixels(one)
    assert {(int(y), int(x)) for y, x in zip(*np.nonzero(spread), strict=True)} == {
        (y, x) for y in (1, 3, 5) for x in (2, 4, 6)
    }
    corner = np.zeros((7, 9))
    corner[0, 0] = 4.0
    assert np.count_nonzero(spread_to_pixels(corner)) == 4


def test_both_codes_are_trained_alike_and_compared() -> None:
    digits = first_samples(idx_files.few_digits(300, 120), 200, 100)
    first, second = (list(measure_code(settings, digits))[-1] for settings in comparison_settings(1))
    assert isinstance(first, MeasuredCode) and isinstance(second, MeasuredCode)
    assert (first.name, second.name) == ("gaussian", "local-pattern")
    for measured in (first, second):
        assert measured.samples == 100
        assert int((measured.margins > 0).sum()) == measured.correct == measured.ablation.correct
    assert "number of weights, 5.3 times that of gaussian" in worse_text(first, second)
    better = replace(second, model=first.model, spikes=0.0, step_seconds=0.0, robust=dict.fromkeys(second.robust, 100))
    assert worse_text(first, better) == "In none of these measures is gaussian clearly worse than gaussian."
    assert "0.0 instead of" in worse_text(
        replace(first, robust=dict.fromkeys(first.robust, 100)), replace(second, robust=dict.fromkeys(first.robust, 0))
    )
