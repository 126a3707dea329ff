"""Spikes of the samples of a data set in a code, stored for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tempotron_core.model.classifier import Model
from tempotron_core.model.fitted_code import FittedCode
from tempotron_core.snn.spike_store import SpikeStore
from tempotron_core.snn.time_store import TimeStore

__all__ = ["Store", "fill_store", "store_in_steps", "store_samples"]

Store = SpikeStore | TimeStore


def store_samples(model: Model, samples: torch.Tensor) -> Store:
    """Return the spikes of samples uint8 [n, ...], or of spike times float32 [n, features, m], for a network."""
    return fill_store(
        model.code, samples, (model.m, model.T, model.beta), (model.time, model.after_spike) != ("grid", "continue")
    )


def fill_store(code: FittedCode, samples: torch.Tensor, constants: tuple[int, int, float], in_order: bool) -> Store:
    """Return what store_in_steps appends."""
    stores: list[Store] = []
    for _ in store_in_steps(code, samples, constants, in_order, stores):
        pass
    return stores[0]


def store_in_steps(
    code: FittedCode,
    samples: torch.Tensor,
    constants: tuple[int, int, float],
    in_order: bool,
    stores: list[Store],
) -> Iterator[int]:
    """Append the spikes of samples to stores; yield the number of samples done, up to twice their number.

    Args:
        code: code of the samples
        samples: uint8 [n, ...], or spike times float32 [n, features, m]
        constants: m, T in ms and beta
        in_order: whether a network with exact peaks or shunting needs real times in their order, see TimeStore
        stores: list of stores

    Raises:
        CodeError: where the code cannot encode the samples.
    """
    m, T, beta = constants
    if code.code.is_recorded:
        stores.append(TimeStore(code.spike_times(samples, m, T, beta), T, in_order=in_order))
        yield 2 * len(samples)
        return
    table = code.spike_table(m, T, beta).to(samples.device)
    parts, done = [], 0
    for symbols in code.symbols_in_chunks(samples):
        code.require_in_table(symbols, table)
        parts.append(symbols)
        done += len(symbols)
        if done < len(samples):
            yield done
    values = parts[0] if len(parts) == 1 else torch.cat(parts)
    if code.code.has_real_times:
        stores.append(TimeStore(values, T, table, in_order))
        yield 2 * len(samples)
        return
    stores.append(SpikeStore(table, values, T))
    for done in stores[-1].fill():
        yield len(samples) + done
