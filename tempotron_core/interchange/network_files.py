"""Networks as files that other programs read.

    spikingjelly-0.0.0.0.14    state dict {"fc.weight": w}; the same kernel, peaks on the grid
    spikingjelly-2             state dict {"weight": w v_threshold}, as its kernel has the peak 1
    npz                        weight with constants and names of classes
    nir                        Neuromorphic Intermediate Representation, nodes Linear -> CubaLI, times in seconds

V of a tempotron is that of a current-based leaky integrator: with tau_syn I' = -I + w_in S and tau_mem V' = -V + R I,
one spike gives V(t) = R w_in / (tau - tau_s) (exp(-t/tau) - exp(-t/tau_s)), so w_in = V0 (tau - tau_s) / R.

Pedersen J E et al. Neuromorphic intermediate representation: a unified instruction set for interoperable brain-inspired
computing. Nature Communications 15, 8122, 2024.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import util
from typing import Any

import numpy as np
import torch

from tempotron_core.data.archives import FormatError
from tempotron_core.model.classifier import Model

__all__ = ["FORMATS", "NetworkFile", "available_formats", "network_file"]


@dataclass(frozen=True)
class NetworkFile:
    """A network as a file.

    Attributes:
        suffix: ending of its name
        content: its bytes
        notes: sentences on what the other program does differently
    """

    suffix: str
    content: bytes
    notes: tuple[str, ...] = ()


def network_file(model: Model, form: str, classes: tuple[str, ...] = ()) -> NetworkFile:
    """Return a network in one of FORMATS.

    Args:
        model: network, with the constants of its training
        form: name of the format
        classes: names of the classes, their numbers if empty

    Raises:
        FormatError: for an unknown format, and where a package that it needs is missing.
    """
    if form not in FORMATS:
        raise FormatError(f"format: expected one of {', '.join(FORMATS)}, got {form!r}; choose one of these.")
    names = classes or tuple(map(str, range(model.num_classes)))
    return FORMATS[form](model, names)


def available_formats() -> tuple[str, ...]:
    """Return the names of the formats whose packages are installed."""
    return tuple(name for name in FORMATS if name != "nir" or util.find_spec("nir") is not None)


def _spikingjelly_0(model: Model, classes: tuple[str, ...]) -> NetworkFile:
    notes = [f"Load it with Tempotron({_arguments(model, 'T')}).load_state_dict(torch.load(FILE))."]
    if (model.time, model.after_spike) != ("grid", "continue"):
        notes.append("SpikingJelly 0.0.0.0.14 has no exact peaks and no shunting: its decisions may differ.")
    return NetworkFile(".pt", _save({"fc.weight": model.weight.clone()}), (*notes, *_pool_note(model)))


def _spikingjelly_2(model: Model, classes: tuple[str, ...]) -> NetworkFile:
    notes = [f"Load it with Tempotron({_arguments(model, 'duration')}).load_state_dict(torch.load(FILE))."]
    if (model.time, model.after_spike) != ("exact", "shunt"):
        notes.append(
            "SpikingJelly 2.0.0 takes exact peaks over [0, T] and ignores input after the first spike: its decisions "
            "may differ."
        )
    return NetworkFile(".pt", _save({"weight": model.weight * model.v_threshold}), (*notes, *_pool_note(model)))


def _npz(model: Model, classes: tuple[str, ...]) -> NetworkFile:
    file = io.BytesIO()
    np.savez(file, weight=model.weight.numpy(), **_constants(model), classes=np.array(classes))
    return NetworkFile(".npz", file.getvalue(), _pool_note(model))


def _nir(model: Model, classes: tuple[str, ...]) -> NetworkFile:
    try:
        import nir
    except ImportError as error:
        raise FormatError("nir: expected the package nir, found none; install it with pip install nir.") from error
    outputs, afferents = model.weight.shape
    ones, slow, fast = np.ones(outputs), model.kernel.slow / 1000, model.kernel.fast / 1000
    metadata = {
        "decision": "the class with the highest V in [0, T) wins; there is no threshold that resets V",
        "unit_of_time": "s",
        "classes": json.dumps(list(classes)),
        "tempotrons_per_class": model.tempotrons_per_class,
        "time": model.time,
        "after_spike": model.after_spike,
        "code": model.code.name,
        **{f"{name}_ms" if name in ("T", "tau", "tau_s") else name: value for name, value in _constants(model).items()},
    }
    graph = nir.NIRGraph(
        {
            "input": nir.Input(input_type=np.array([afferents])),
            "linear": nir.Linear(weight=model.weight.numpy()),
            "tempotrons": nir.CubaLI(
                tau_syn=fast * ones, tau_mem=slow * ones, r=ones, v_leak=0 * ones,
                w_in=model.kernel.scale * (slow - fast) * ones,
            ),
            "output": nir.Output(output_type=np.array([outputs])),
        },
        [("input", "linear"), ("linear", "tempotrons"), ("tempotrons", "output")],
        metadata,
    )  # fmt: skip
    file = io.BytesIO()
    nir.write(file, graph)
    notes = () if model.after_spike == "continue" else ("CubaLI has no shunting: V after a spike may differ.",)
    return NetworkFile(".nir", file.getvalue(), (*notes, *_pool_note(model)))


FORMATS: dict[str, Callable[[Model, tuple[str, ...]], NetworkFile]] = {
    "spikingjelly-0.0.0.0.14": _spikingjelly_0,
    "spikingjelly-2": _spikingjelly_2,
    "npz": _npz,
    "nir": _nir,
}
"""Name of a format -> function that writes it."""


def _constants(model: Model) -> dict[str, Any]:
    names = ("m", "T", "beta", "tau", "tau_s", "v_threshold")
    return {name: getattr(model, name) for name in names}


def _arguments(model: Model, window: str) -> str:
    outputs, afferents = model.weight.shape
    values = f"{window}={model.T}, tau={model.tau!r}, tau_s={model.tau_s!r}, v_threshold={model.v_threshold!r}"
    return f"{afferents}, {outputs}, {values}"


def _pool_note(model: Model) -> tuple[str, ...]:
    k = model.tempotrons_per_class
    if k == 1:
        return ()
    return (
        f"Each class has {k} consecutive outputs; their peaks are pooled by the logarithm of the mean exponential.",
    )


def _save(state: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()
