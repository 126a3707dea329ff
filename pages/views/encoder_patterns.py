"""Fourth view of the page "Encoder": what a neighbourhood tells that a single pixel does not, and ablations."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from pages.components import charts
from pages.components.page import chart_heading
from pages.state.auth import is_writable
from pages.state.codes import code_of_view
from pages.state.datasets import dataset_key
from pages.state.experiment import ExperimentError, View, cache_key, resolve_view
from pages.state.training import is_live
from tempotron_core import figures
from tempotron_core.analysis.ablation import Ablation, ablate
from tempotron_core.analysis.attribution import evidence
from tempotron_core.analysis.code_comparison import (
    PERTURBATIONS,
    MeasuredCode,
    comparison_settings,
    first_samples,
    measure_code,
    num_correct_by_counting,
    spread_to_pixels,
    standard_error,
    worse_text,
)
from tempotron_core.analysis.code_statistics import LEVELS, count_values
from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.model.classifier import Model, predict
from tempotron_core.model.codes import FittedCode
from tempotron_core.model.local_patterns import nearest_preferred

PATTERNS, PATTERN_M = "local-pattern", 32
TRAIN, TEST, EPOCHS = 10_000, 1_000, 3
"""Samples and epochs of the two networks that are trained here."""
COUNTED, HELD_OUT = 8_000, 2_000
"""Training samples that are counted, and those that are held out to score them."""


@dataclass(frozen=True, eq=False)
class CountedInfo:
    """What counting tells of pixels and neighbourhoods.

    Attributes:
        pixel_bits: mutual information of each pixel's value and the class, [h, w]
        pattern_bits: the same of the nearest preferred pattern around each pixel, [h, w]
        correct: correct predictions of naive Bayes by symbol, with the number of symbols
        counted: training samples that were counted
        samples: other training samples that were predicted
    """

    pixel_bits: np.ndarray
    pattern_bits: np.ndarray
    correct: dict[str, tuple[int, int]]
    counted: int
    samples: int

    @property
    def takeaway(self) -> str:
        """Return the comparison as a sentence."""
        _, (_, pixel), _, (_, pattern) = self.correct.values()
        gain = "more" if self.pattern_bits.mean() > self.pixel_bits.mean() else "less"
        return (
            f"Counted alone, pixels give {100 * pixel / self.samples:.1f} % and neighbourhoods "
            f"{100 * pattern / self.samples:.1f} %; a neighbourhood tells {gain} of the class than its pixel: "
            f"{self.pattern_bits.mean():.3f} against {self.pixel_bits.mean():.3f} bits on average."
        )


@st.cache_resource(max_entries=4, show_spinner="Counting pixels and neighbourhoods")
def counted_info(key: str, _dataset: Dataset, _code: FittedCode) -> CountedInfo:
    """Return what counting tells, on training samples only."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(_dataset.train)))
    counted = order[: min(COUNTED, 4 * len(order) // 5)]
    held_out = order[len(counted) : len(counted) + HELD_OUT]
    images, labels, classes = _dataset.train.images, _dataset.train.labels, len(_dataset.classes)
    nearest = nearest_preferred(_code.fitted)
    codewords = torch.cat(list(_code.symbols_in_chunks(images[torch.cat((counted, held_out))])))
    pixels = images[torch.cat((counted, held_out))].flatten(1)
    symbols = {
        "one pixel, dark or bright": ((pixels > 127).byte(), 2),
        f"one pixel, {LEVELS} grey levels": ((pixels.int() * LEVELS // 256).byte(), LEVELS),
        f"neighbourhood, nearest of {len(_code.fitted['preferred'])} patterns or black": (
            nearest[codewords.int()].byte(), len(_code.fitted["preferred"]) + 1,
        ),
        "neighbourhood, codeword": (codewords, len(_code.fitted["codebook"])),
    }  # fmt: skip
    n = len(counted)
    correct = {
        name: (
            count,
            num_correct_by_counting(values[:n], labels[counted], values[n:], labels[held_out], count, classes),
        )
        for name, (values, count) in symbols.items()
    }
    _, (grey, _), (patterns, _), _ = symbols.values()
    shape = images.shape[1:]
    bits = [
        count_values(Split((values[:n].int() * scale).byte().view(n, *shape), labels[counted]), classes)
        for values, scale in ((grey, 256 // LEVELS), (patterns, 1))
    ]
    by_pattern = np.arange(256)  # every symbol is a level of its own
    pixel_bits, pattern_bits = bits[0].value_information, bits[1].with_levels(by_pattern).value_information
    return CountedInfo(pixel_bits.reshape(tuple(shape)), pattern_bits.reshape(tuple(shape)), correct, n, len(held_out))


def counting_panel(view: View, code: FittedCode) -> None:
    """Show mutual information and naive Bayes per pixel and per neighbourhood."""
    info = counted_info(dataset_key(view.dataset), view.dataset, code)
    chart_heading(info.takeaway)
    left, right = st.columns([3, 2])
    with left:
        st.markdown("**Mutual information with the class**")
        maps = np.stack([info.pixel_bits, info.pattern_bits])
        names = ("one pixel", "its neighbourhood")
        charts.html_figure(
            figures.weights_html(maps, names, info.takeaway, quantity="bits", signed=False),
            "pattern_information", info.takeaway,
            lambda: figures.columns_to_csv(dict(zip(names, maps.reshape(2, -1), strict=True))),
        )  # fmt: skip
    with right:
        st.markdown("**Naive Bayes by counting**")
        rows = [
            f"| {name} | {count} | {100 * hits / info.samples:.1f} ± {100 * standard_error(hits, info.samples):.1f} |"
            for name, (count, hits) in info.correct.items()
        ]
        st.markdown("\n".join(["| symbol of a position | symbols | correct, % |", "|---|---|---|", *rows]))
        st.markdown("**Preferred patterns**")
        charts.html_figure(figures.patterns_html(code.fitted["preferred"].numpy(), "Preferred patterns", size=26))
    st.caption(
        f"Counted on {info.counted:,} training samples; scored on {info.samples:,} other training samples, with the "
        "standard error. Naive Bayes adds what each position tells; it trains nothing. A network can do better or "
        "worse."
    )


@st.cache_data(max_entries=50, show_spinner="Measuring the ablations")
def ablation_of(key: str, _model: Model, _split: Split) -> Ablation:
    """Return the accuracies of a network without the times and without the places of its spikes."""
    return ablate(_model, _split)


def ablation_panel() -> None:
    """Show, on request, what the selected network loses without times or places."""
    st.subheader("Which neurons spike, or when?")
    st.markdown(
        "All spikes are moved to one time, so that only the place is left; or the neurons of the spikes are shuffled, "
        "so that only the times are left. The network is not trained again."
    )
    if is_live():
        st.caption("The weights are still changing: available when the run has finished.")
        return
    if not st.toggle("Measure the selected network", key="measure_ablation"):
        return
    view = resolve_view()
    result = ablation_of(cache_key(view.model, view.dataset), view.model, view.dataset.test)
    chart_heading(result.sentence)
    row = st.container(horizontal=True)
    for name, count in (
        ("All spikes", result.correct),
        ("All at one time: place only", result.place_only),
        ("Neurons shuffled: time only", result.time_only),
    ):
        row.metric(name, f"{count / result.samples:.1%}", width="content")
    st.caption(
        f"Code {view.model.code.name}, on {result.samples:,} test samples. Chance is 1 in {len(view.dataset.classes)}."
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def measured_codes(key: str) -> list[MeasuredCode]:
    """Return the measured codes of a data set, an empty list to be filled at first.

    They are not computed here, as a cached function must not draw a progress bar.
    """
    return []


def trained_codes(key: str, dataset: Dataset) -> tuple[MeasuredCode, MeasuredCode]:
    """Train both codes on the same samples and measure them, once, with a progress bar."""
    cached = measured_codes(key)
    if len(cached) < 2:
        few, bar, results = first_samples(dataset, TRAIN, TEST), st.progress(0.0, "Training both codes"), []
        for number, settings in enumerate(comparison_settings(EPOCHS)):
            for progress in measure_code(settings, few):
                if isinstance(progress, MeasuredCode):
                    results.append(progress)
                else:
                    bar.progress((number + progress) / 2, f"Training and measuring the code {settings.code}")
        bar.empty()
        cached[:] = results
    return cached[0], cached[1]


def comparison_rows(codes: tuple[MeasuredCode, MeasuredCode]) -> list[tuple[str, str, str]]:
    """Return the rows of the table."""

    def row(name: str, *values: str) -> tuple[str, str, str]:
        return name, values[0], values[1]

    def accuracy(count: int, samples: int) -> str:
        return f"{100 * count / samples:.1f} %"

    return [
        row("Accuracy", *(accuracy(c.correct, c.samples) for c in codes)),
        row("Median margin, in thresholds", *(f"{np.median(c.margins):.2f}" for c in codes)),
        *(
            row(f"Accuracy with {name}", *(accuracy(c.robust[name], c.samples) for c in codes))
            for name in PERTURBATIONS
        ),
        row("All spikes at one time", *(accuracy(c.ablation.place_only, c.ablation.samples) for c in codes)),
        row("Neurons of the spikes shuffled", *(accuracy(c.ablation.time_only, c.ablation.samples) for c in codes)),
        row("Spikes per image", *(f"{c.spikes:,.0f}" for c in codes)),
        row("Weights", *(f"{c.weights:,}" for c in codes)),
        row("Time of a training step, ms", *(f"{1000 * c.step_seconds:.2f}" for c in codes)),
    ]


def networks_panel(view: View) -> None:
    """Show, on request, two networks trained alike: decision, contributions, margins, robustness, cost."""
    st.subheader("Two networks trained alike")
    dataset = view.dataset
    train, test = min(TRAIN, len(dataset.train)), min(TEST, len(dataset.test))
    key = dataset_key(dataset)
    pressed = st.button(
        f"Train both codes on {train:,} samples", icon=":material/compare_arrows:", key="train_both_codes",
        disabled=not is_writable(),
    )  # fmt: skip
    if pressed:
        st.session_state["_both_codes"] = key
    if st.session_state.get("_both_codes") != key:
        st.caption(f"{EPOCHS} epochs each, seed 0, the presets of the two recipes; about a minute.")
        return
    codes = trained_codes(key, dataset)
    chart_heading(worse_text(*codes))
    maps, names, sentences = [], [], []
    for measured in codes:
        decision = predict(measured.model, view.image)
        peaks = decision.v_max.numpy()
        output = int(peaks.argmax())
        margin = float(peaks[output] - np.delete(peaks, output).max())
        sentences.append(
            f"{measured.name} takes it for {dataset.classes[output]}, {margin:.2f} ahead of the next class"
        )
        by_position = evidence(measured.model, decision, output).contributions.sum(dim=1).numpy()
        maps.append(by_position.reshape(view.pixels.shape))
        names.append(measured.name if measured.name != PATTERNS else f"{PATTERNS}, by position")
    maps.append(spread_to_pixels(maps[-1]))
    names.append(f"{PATTERNS}, on the pixels of the patterns")
    left, right = st.columns(2)
    with left:
        st.markdown("**Contributions to the peak of the predicted class**")
        alt = f"This sample: {'; '.join(sentences)}."
        stacked = np.stack(maps)
        charts.html_figure(
            figures.weights_html(stacked, tuple(names), alt, quantity="contribution"), "pattern_contributions", alt,
            lambda: figures.columns_to_csv(
                {name: values.reshape(-1) for name, values in zip(names, stacked, strict=True)}
            ),
        )  # fmt: skip
        st.markdown(alt)
        st.caption("On the pixels: each position's contribution in equal shares on the nine pixels of its pattern.")
    with right:
        table = [f"| | {codes[0].name} | {codes[1].name} |", "|---|---|---|"]
        st.markdown("\n".join(table + [f"| {name} | {a} | {b} |" for name, a, b in comparison_rows(codes)]))
    st.markdown(f"{codes[0].name}: {codes[0].ablation.sentence}\n\n{codes[1].name}: {codes[1].ablation.sentence}")
    st.caption(
        f"Trained on {train:,} samples for {EPOCHS} epochs with one seed and measured on {test:,} test samples: the "
        f"standard error of an accuracy near 95 % is {100 * standard_error(round(0.95 * test), test):.1f} points."
    )


def render(view: View) -> None:
    """Show pixels and neighbourhoods by counting, ablations, and two networks.

    Raises:
        ExperimentError: for tables, which have no neighbourhoods.
    """
    if not view.dataset.shape:
        raise ExperimentError("code local-pattern: expected images, got a table; choose a data set of images.")
    code = code_of_view(view, PATTERNS, PATTERN_M)
    counting_panel(view, code)
    ablation_panel()
    networks_panel(view)
