"""Samples of a data set of any shape: grey images, or rows of a table whose features are scaled to 0 ... 255.

A feature x with the range [low, high] in the training part is stored as round(255 (x - low)/(high - low)), cut off at 0
and 255. So tables and images alike have at most 256 values, and the same population code serves both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

__all__ = [
    "MAX_BYTES",
    "MAX_CLASSES",
    "MAX_FEATURES",
    "MAX_SAMPLES",
    "DataError",
    "Dataset",
    "Split",
    "dataset_from_arrays",
    "index_classes",
    "plain_name",
    "shape_text",
    "split_samples",
]

MAX_SAMPLES, MAX_FEATURES, MAX_CLASSES = 1_000_000, 2**16, 1000
MAX_BYTES = 2**30
"""Bytes of the values of a data set as they are stored in its file."""

_TEST_FRACTION = 0.2
_SPLIT_SEED = 2006
_MAX_NAME_LENGTH = 40
_PLAIN = str.maketrans("[]<>`*$|\\", "()‹›'∗S¦/")
_DARK = 128  # grey values are kept as they are where the brightest is at least this one


class DataError(Exception):
    """Data cannot be loaded; the message is one sentence."""


@dataclass(frozen=True)
class Split:
    """Samples of one split.

    Attributes:
        images: uint8 [n, h, w], or [n, features] of a table; or spike times in ms, float32 [n, features, m], negative
            for none
        labels: int64 [n]; 0 where the data set has no classes
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Dataset:
    """Training and test samples, names of the classes, and a short text on the source.

    Attributes:
        features: names of a table's features, empty for images
        low, high: range of each feature that 0 and 255 stand for, empty for images
        sample: what one sample is called
        notes: sentences on what was converted
        is_sparse: whether spike times come from a list of spikes, which does not tell the number of silent afferents
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    features: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    sample: str = "sample"
    notes: tuple[str, ...] = ()
    is_sparse: bool = False

    @property
    def has_spike_times(self) -> bool:
        """Return whether the samples are spike times instead of values."""
        return self.train.images.is_floating_point()

    @property
    def m(self) -> int | None:
        """Return the number of afferents of a feature where the samples are spike times, else None."""
        return int(self.train.images.shape[2]) if self.has_spike_times else None

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Return height and width of an image, or the number of features."""
        return self.shape or (self.num_features,)

    @property
    def shape(self) -> tuple[int, int] | None:
        """Return height and width of the images, None for a table and for spike times."""
        if self.has_spike_times:
            return None
        shape = self.train.images.shape[1:]
        return (int(shape[0]), int(shape[1])) if len(shape) == 2 else None

    @property
    def num_features(self) -> int:
        """Return the number of values of a sample."""
        return int(self.train.images.shape[1]) if self.has_spike_times else math.prod(self.train.images.shape[1:])

    @property
    def quantity(self) -> str:
        """Return what the values of a sample are that is drawn as bars."""
        return "earliness, 1 at 0 ms" if self.has_spike_times else "value, 0 to 1"

    @property
    def feature(self) -> str:
        """Return what one value of a sample is called."""
        if self.has_spike_times and self.m == 1:
            return "afferent"
        return "feature" if self.shape is None else "pixel"

    def feature_name(self, index: int) -> str:
        """Return the name of a feature of a table, or row and column of a pixel, counted from 1."""
        if self.shape is None:
            return self.features[index] if index < len(self.features) else f"feature {index + 1}"
        row, column = divmod(index, self.shape[1])
        return f"row {row + 1}, column {column + 1}"

    def with_splits(self, train: Split, test: Split) -> Dataset:
        """Return the data set with other samples of the same kind."""
        return replace(self, train=train, test=test)


def dataset_from_arrays(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    x_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
    *,
    classes: tuple[str, ...] = (),
    features: tuple[str, ...] = (),
    source: str = "",
) -> Dataset:
    """Return a data set of arrays of any shape.

    Without a test part a fifth of the samples of each class is taken for it, always the same ones.

    Args:
        name: name of the data set
        x: images [n, h, w], colour images [n, h, w, 3] or [n, 3, h, w], or a table [n, features]
        y: labels [n], whole numbers or text
        x_test: samples of the test part
        y_test: labels of the test part
        classes: names of the classes 0, 1, ...; the sorted labels if empty
        features: names of a table's features
        source: short text on the source

    Raises:
        DataError: for arrays of another shape or type, NaN, labels that are no classes, and fewer than two classes.
    """
    if (x_test is None) != (y_test is None):
        raise DataError(f"{name}: expected samples and labels of the test part, got one of them; add the other.")
    x, notes = _to_grey(name, x)
    _check_labels(name, x, y)
    parts = [(x, y)]
    if x_test is not None and y_test is not None:
        x_test, _ = _to_grey(name, x_test)
        _check_labels(name, x_test, y_test)
        if x_test.shape[1:] != x.shape[1:]:
            raise DataError(
                f"{name}: expected test samples of the shape of the training samples, {shape_text(x.shape[1:])}, got "
                f"{shape_text(x_test.shape[1:])}; store both with one shape."
            )
        parts.append((x_test, y_test))
    labels, names = index_classes(name, [labels.reshape(-1) for _, labels in parts], classes)
    if len(parts) == 1:
        train, test = split_samples(labels[0])
        parts, labels = [(x[train], y), (x[test], y)], [labels[0][train], labels[0][test]]
        notes.append("no test part: a fifth of the samples of each class is the test set, chosen with a fixed seed")
    _check_training_part(name, parts[0][0], labels[0], names)
    if unseen := [names[i] for i in np.setdiff1d(labels[1], labels[0]).tolist()]:
        notes.append(f"the training part has no samples of {', '.join(unseen[:5])}{' ...' if len(unseen) > 5 else ''}")
    values = [values for values, _ in parts]
    scaled, low, high, scaling = _scale(name, values)
    notes += scaling
    train_split, test_split = (
        Split(torch.from_numpy(np.ascontiguousarray(part)), torch.from_numpy(label))
        for part, label in zip(scaled, labels, strict=True)
    )
    is_table = x.ndim == 2
    given = tuple(plain_name(text) for text in features) if len(features) == x.shape[1] else ()
    kind = f"{x.shape[1]} features" if is_table else f"{x.shape[1]} x {x.shape[2]} pixels"
    return Dataset(
        name,
        train_split,
        test_split,
        names,
        source or f"{len(train_split):,} training samples of {kind}",
        (given or tuple(f"feature {i + 1}" for i in range(x.shape[1]))) if is_table else (),
        low,
        high,
        notes=tuple(f"{note[0].upper()}{note[1:]}." for note in notes),
    )


def split_samples(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training and of the test part, 80 : 20 within each class, ascending.

    A class of one sample is in the training part only.
    """
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        count = max(1, round(_TEST_FRACTION * len(members))) if len(members) > 1 else 0
        is_test[members[:count]] = True
    if not is_test.any():
        is_test[order[: max(1, round(_TEST_FRACTION * len(labels)))]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _to_grey(name: str, x: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return images [n, h, w] or a table [n, features], and a note where colour was converted."""
    if x.dtype.kind not in "buif":
        raise DataError(f"{name}: expected samples as numbers, got {x.dtype}; store them as uint8 or float32.")
    if x.ndim == 4 and x.shape[3] in (1, 3, 4):
        channels = [x[..., i] for i in range(min(x.shape[3], 3))]
    elif x.ndim == 4 and x.shape[1] in (1, 3, 4):
        channels = [x[:, i] for i in range(min(x.shape[1], 3))]
    elif x.ndim in (2, 3):
        channels = [x]
    else:
        raise DataError(
            f"{name}: expected samples [n, height, width], [n, height, width, 3] or [n, features], got "
            f"{shape_text(x.shape)}; change the shape."
        )
    shape = channels[0].shape
    features = math.prod(shape[1:])
    if not len(x) or not 1 <= features <= MAX_FEATURES or len(x) > MAX_SAMPLES:
        raise DataError(
            f"{name}: expected 1 to {MAX_SAMPLES:,} samples of 1 to {MAX_FEATURES:,} values, got "
            f"{shape_text(x.shape)}; choose fewer."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
        raise DataError(
            f"{name}: expected finite values, got {x[where]} in sample {where[0]:,} of {len(x):,}, counted from 0; "
            "replace or remove such samples."
        )
    if len(channels) == 1:
        return channels[0], []
    grey = np.empty(shape, np.uint8 if x.dtype == np.uint8 else np.float32)
    for start in range(0, len(x), 1000):
        part = slice(start, start + 1000)
        # ITU-R BT.601, as in other readers of pictures
        mixed = sum(
            factor * channel[part].astype(np.float32)
            for factor, channel in zip((0.299, 0.587, 0.114), channels, strict=True)
        )
        grey[part] = np.rint(mixed) if grey.dtype == np.uint8 else mixed
    return grey, ["colour images were converted to grey"]


def _check_labels(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if y.size != len(x) or y.ndim > 2:
        hint = "store classes instead of one-hot rows" if y.ndim == 2 else "store one label for each sample"
        raise DataError(f"{name}: expected {len(x):,} labels, one for each sample, got {shape_text(y.shape)}; {hint}.")


def _check_training_part(name: str, x: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    if labels.min() == labels.max():
        raise DataError(
            f"{name}: expected training samples of 2 classes or more, got {len(labels):,} of {classes[labels[0]]!r}; "
            "add samples of another class."
        )
    if (x == x[:1]).all():
        raise DataError(
            f"{name}: expected training samples that differ, got {len(x):,} equal ones; check how they were stored."
        )


def index_classes(
    name: str, parts: list[np.ndarray], classes: tuple[str, ...]
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return the labels of the parts as indices of the classes, int64, and the names of the classes."""
    remedy = "store whole numbers or names of classes"
    labels = np.concatenate(parts)
    if labels.dtype.kind == "f":
        bad = ~np.isfinite(labels)
        bad[~bad] = labels[~bad] != np.rint(labels[~bad])
        if bad.any():
            first = int(bad.argmax())
            raise DataError(f"{name}: expected labels that are classes, got {labels[first]} (label {first}); {remedy}.")
        if np.abs(labels).max() >= 2**53:
            raise DataError(f"{name}: expected labels that are classes, got {np.abs(labels).max():g}; {remedy}.")
        labels = labels.astype(np.int64)
    elif labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    elif labels.dtype.kind not in "buiU":
        raise DataError(f"{name}: expected labels as numbers or text, got {labels.dtype}; {remedy}.")
    unique, indices = np.unique(labels, return_inverse=True)
    if classes and labels.dtype.kind in "bui" and int(unique[0]) >= 0 and int(unique[-1]) < len(classes):
        unique, indices = np.arange(len(classes)), labels.astype(np.int64)
        names = [plain_name(text) for text in classes]
    else:
        names = [plain_name(str(label)) for label in unique.tolist()]
    if not 2 <= len(unique) <= MAX_CLASSES:
        raise DataError(
            f"{name}: expected labels of 2 to {MAX_CLASSES:,} classes, got {len(unique):,}; "
            f"{'add samples of another class' if len(unique) < 2 else remedy}."
        )
    seen: dict[str, int] = {}
    for i, text in enumerate(names):
        seen[text] = seen.get(text, 0) + 1
        if seen[text] > 1:
            names[i] = f"{text[: _MAX_NAME_LENGTH - 8]} ({seen[text]})"
    order = np.arange(len(names))
    if labels.dtype.kind == "U" and all(text.isascii() and text.isdecimal() for text in unique.tolist()):
        order = np.argsort([int(text) for text in unique.tolist()], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    indices = rank[indices.reshape(-1)].astype(np.int64)
    split = np.split(indices, np.cumsum([len(part) for part in parts])[:-1])
    return split, tuple(names[i] for i in order)


def _scale(
    name: str, parts: list[np.ndarray]
) -> tuple[list[np.ndarray], tuple[float, ...], tuple[float, ...], list[str]]:
    """Return the parts as uint8, the ranges of a table's features, and notes."""
    train = parts[0]
    is_table = train.ndim == 2
    if any(part.dtype == bool for part in parts):
        parts = [part.astype(np.uint8) for part in parts]
        train = parts[0]
    if not is_table and all(part.dtype == np.uint8 for part in parts) and int(train.max()) >= _DARK:
        return parts, (), (), []
    axis = 0 if is_table else None
    low, high = (np.atleast_1d(find(train, axis=axis).astype(np.float64)) for find in (np.min, np.max))
    if not is_table and train.dtype.kind == "f" and low[0] >= 0 and 0.5 <= high[0] <= 1:
        low, high = np.zeros(1), np.ones(1)
    with np.errstate(over="ignore"):
        span = high - low
    if not np.isfinite(span).all():
        raise DataError(f"{name}: expected values below 1e300, got {np.abs(train).max():g}; scale them.")
    notes = []
    constant = high <= low
    if constant.any() and is_table:
        notes.append(f"{int(constant.sum()):,} of {len(low):,} features have one value only and carry no information")
    if is_table:
        notes.append("each feature is scaled from its range in the training part to 0 ... 255 and rounded")
    elif (low[0], high[0]) not in ((0.0, 1.0), (0.0, 255.0)):
        notes.append(f"grey values are scaled from {low[0]:g} ... {high[0]:g} to 0 ... 255")
    span = np.where(constant, 1.0, span)
    scaled = []
    for part in parts:
        out = np.empty(part.shape, np.uint8)
        for start in range(0, len(part), 1000):
            rows = slice(start, start + 1000)
            values = (part[rows].astype(np.float64) - low) / span * 255
            out[rows] = np.rint(np.clip(values, 0, 255))
        scaled.append(out)
    if not is_table:
        return scaled, (), (), notes
    return scaled, tuple(low.tolist()), tuple(np.where(constant, low + 1, high).tolist()), notes


def plain_name(text: str) -> str:
    """Return a name of one line of at most 40 characters, without those that Markdown or HTML would interpret."""
    text = "".join(letter if letter.isprintable() else "_" for letter in text.strip()).translate(_PLAIN)
    return text if 0 < len(text) <= _MAX_NAME_LENGTH else f"{text[: _MAX_NAME_LENGTH - 3]}..." if text else "(empty)"


def shape_text(shape: tuple[int, ...]) -> str:
    """Return the sizes as text."""
    return f"[{', '.join(f'{size:,}' for size in shape)}]"
