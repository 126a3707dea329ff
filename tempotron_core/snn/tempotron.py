"""The tempotron: a leaky integrate-and-fire neuron that learns decisions from spike times.

With resting potential 0 and afferents i that spike at t_i, the membrane potential of an output neuron is

    V(t) = sum_i w_i K(t - t_i),    K(s) = V0 (exp(-s/tau) - exp(-s/tau_s)) for s >= 0, else 0

evaluated on the grid t = 0 ... T-1 (ms). V0 scales the peak of K, at s* = tau tau_s ln(tau/tau_s)/(tau - tau_s), to
v_threshold. The neuron fires, at most once, if V(t_max) reaches v_threshold at t_max = argmax V(t), and the
tempotron rule follows the gradient d V(t_max)/d w_i = K(t_max - t_i).

Two choices change this. With time='exact' the peak is the highest V at any time of the closed window [0, T]. With
after_spike='shunt' arrivals at or after the first time at which V reaches v_threshold have no effect. See exact_time.

Gutig R, Sompolinsky H. The tempotron: a neuron that learns spike timing-based decisions. Nature Neuroscience 9(3),
420-428, 2006.
"""

from __future__ import annotations

import torch
from torch import nn

from tempotron_core.snn import engine, exact_time
from tempotron_core.snn.exact_time import AFTER_SPIKE, TIMES, Mode
from tempotron_core.snn.responses import Spikes
from tempotron_core.snn.sorted_spikes import SortedSpikes, sort_spikes
from tempotron_core.validation import check_time_constants, finite_tensor, one_of, positive_integer, positive_real

__all__ = ["AFTER_SPIKE", "RET_TYPES", "TIMES", "Tempotron"]

RET_TYPES = ("v", "v_max", "spikes", "t_max", "t_spike")


class Tempotron(nn.Module):
    """Layer of tempotrons; its only parameter is fc.weight, [out_features, in_features].

    Args:
        in_features: number of afferents
        out_features: number of output neurons
        T: steps of the time grid, 1 ms each
        tau: membrane time constant in ms
        tau_s: synaptic time constant in ms, different from tau
        v_threshold: threshold above 0
        time: 'grid' for peaks and crossings at 0, 1, ... T - 1 ms, 'exact' for any time in [0, T]
        after_spike: 'continue' for a potential that does not depend on the output's spike, 'shunt' for one without
            the arrivals at or after it

    Raises:
        TypeError: for arguments of another type.
        ValueError: for arguments out of range.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        T: int,
        tau: float = 15.0,
        tau_s: float = 15.0 / 4,
        v_threshold: float = 1.0,
        time: str = "grid",
        after_spike: str = "continue",
    ) -> None:
        super().__init__()
        self.in_features = positive_integer("in_features", in_features)
        self.out_features = positive_integer("out_features", out_features)
        self.T = positive_integer("T (steps of 1 ms)", T)
        self.tau, self.tau_s = check_time_constants(tau, tau_s)
        self.v_threshold = positive_real("v_threshold", v_threshold, minimum=1e-30, maximum=1e30)
        self.time = one_of("time", time, TIMES)
        self.after_spike = one_of("after_spike", after_spike, AFTER_SPIKE)
        self.fc = nn.Linear(self.in_features, self.out_features, bias=False)

    @property
    def kernel(self) -> engine.Kernel:
        """Return the normalised kernel K of the postsynaptic potential, whose peak is v_threshold."""
        return engine.Kernel(self.tau, self.tau_s, self.v_threshold)

    @property
    def last_time(self) -> int:
        """Return the last time in ms at which a peak can lie."""
        return self.T if self.time == "exact" else self.T - 1

    def forward(self, in_spikes: torch.Tensor, ret_type: str) -> torch.Tensor:
        """Return the response to spike times.

        Args:
            in_spikes: floating-point [batch, in_features], any real times in ms, negative for no spike
            ret_type: "v", the membrane potentials [batch, out_features, T] at 0, 1, ... T - 1 ms; all others are
                [batch, out_features]: "v_max", the peaks; "t_max", their times in ms, without gradient; "t_spike",
                the first times in ms at which V reaches the threshold, -1 for none, with a gradient where time is
                'exact'; "spikes", t_max where the peak reaches the threshold, -max(t_max, 1) where it does not, with
                the gradient of the mean time under softmax(V T).

        Raises:
            TypeError: for anything but floating-point tensors.
            ValueError: for another ret_type, another shape or a time that is not finite.
        """
        if ret_type not in RET_TYPES:
            raise ValueError(
                f"ret_type: expected 'v', 'v_max', 'spikes', 't_max' or 't_spike', got {ret_type!r}; pass one of these."
            )
        times = finite_tensor("in_spikes (ms)", in_spikes, ("batch", self.in_features)).detach()
        if ret_type == "v":
            return self._trace(times)
        if ret_type == "spikes":
            return self._spike_times(times)
        if ret_type == "t_spike":
            return exact_time.crossing(self.fc.weight, _arrange(times, self.T), self.kernel, self.time)
        spikes = engine.bin_spikes(times, self.T) if self._mode == Mode() else _arrange(times, self.T)
        if isinstance(spikes, SortedSpikes):
            v_max, t_max = exact_time.peak(self.fc.weight, spikes, self.kernel, self._mode)
        elif ret_type == "v_max":
            return self.peak(spikes)
        else:
            v_max, t_max = self.peak_and_time(spikes)
        return v_max if ret_type == "v_max" else t_max.to(v_max.dtype)

    def potential(self, spikes: engine.SpikeEvents) -> torch.Tensor:
        """Return the membrane potentials [batch, out_features, T] of binned spikes, without shunting."""
        return engine.potential(self.fc.weight, spikes, self.kernel)

    def peak(self, spikes: Spikes, weight: torch.Tensor | None = None) -> torch.Tensor:
        """Return the peak potentials [batch, out_features], with other weights than fc.weight where given.

        Where time is 'exact' or after_spike 'shunt' all spikes must lie at whole times or be SortedSpikes; elsewhere
        they must not be SortedSpikes.
        """
        weight = self.fc.weight if weight is None else weight
        if self._mode == Mode():
            assert not isinstance(spikes, SortedSpikes)
            return engine.peak(weight, spikes, self.kernel)
        return exact_time.peak(weight, spikes, self.kernel, self._mode)[0]

    def peak_and_time(self, spikes: Spikes) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the peak potentials and their times in ms, [batch, out_features] each; see peak."""
        if self._mode == Mode():
            assert not isinstance(spikes, SortedSpikes)
            v_max, t_max = self.potential(spikes).max(dim=-1)
            return v_max, t_max
        return exact_time.peak(self.fc.weight, spikes, self.kernel, self._mode)

    @property
    def _mode(self) -> Mode:
        return Mode(self.time, self.after_spike)

    def _trace(self, times: torch.Tensor) -> torch.Tensor:
        if self.after_spike == "shunt":
            spikes = sort_spikes(times, self.T)
            return exact_time.shunted_potential(self.fc.weight, spikes, self.kernel, self.time)
        return self.potential(engine.bin_spikes(times, self.T))

    def _spike_times(self, times: torch.Tensor) -> torch.Tensor:
        v = self._trace(times)
        if self._mode == Mode():
            v_max, t_max = v.detach().max(dim=-1)
        else:
            with torch.no_grad():
                v_max, t_max = self(times, "v_max"), self(times, "t_max")
        has_spike = v_max >= self.v_threshold
        grid = torch.arange(self.T, dtype=v.dtype, device=v.device)
        mean_time = (torch.softmax(v * self.T, dim=-1) * grid).sum(dim=-1)
        hard = torch.where(has_spike, t_max, -t_max.clamp(min=1)).to(v.dtype)
        soft = torch.where(has_spike, mean_time, -mean_time)
        return hard + (soft - soft.detach())

    @staticmethod
    def psp_kernel(t: torch.Tensor, tau: float, tau_s: float) -> torch.Tensor:
        """Return the unnormalised kernel exp(-t/tau) - exp(-t/tau_s), 0 for negative t.

        Args:
            t: times in ms, a finite real tensor of any shape
            tau: membrane time constant in ms
            tau_s: synaptic time constant in ms, different from tau

        Raises:
            TypeError: for arguments of another type.
            ValueError: for arguments out of range.
        """
        check_time_constants(tau, tau_s)
        if not isinstance(t, torch.Tensor) or t.is_complex() or t.dtype == torch.bool:
            got = t.dtype if isinstance(t, torch.Tensor) else type(t).__name__
            raise TypeError(f"t (ms): expected a real tensor, got {got}; pass a torch.Tensor of times.")
        if not bool(torch.isfinite(t).all()):
            raise ValueError("t (ms): expected finite times, got NaN or infinity; clean the input first.")
        t = t.clamp(min=0)
        return torch.exp(-t / tau) - torch.exp(-t / tau_s)

    @staticmethod
    def mse_loss(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor, num_classes: int) -> torch.Tensor:
        """Return the squared distance of wrong peaks to the threshold, summed over outputs, divided by batch size.

        Args:
            v_max: floating-point peaks [batch, num_classes]
            v_threshold: threshold
            label: integers [batch], the class that should reach the threshold
            num_classes: number of classes

        Raises:
            TypeError: for arguments of another type.
            ValueError: where shapes or labels do not fit.
        """
        num_classes = positive_integer("num_classes", num_classes)
        v_threshold = positive_real("v_threshold", v_threshold)
        v_max = finite_tensor("v_max", v_max, ("batch", num_classes))
        _check_labels(label, v_max.shape[0], num_classes)
        return threshold_mse(v_max, v_threshold, label)


def _arrange(times: torch.Tensor, T: int) -> engine.BinnedSpikes | SortedSpikes:
    """Return the spikes on the grid where all times are whole, else in order of time."""
    if bool(((times >= 0) & (times != times.floor())).any()):
        return sort_spikes(times, T)
    return engine.bin_spikes(times, T)


def threshold_mse(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    """Return Tempotron.mse_loss without its checks, which would make the host wait for an accelerator."""
    wrong = (v_max >= v_threshold) != nn.functional.one_hot(label.long(), v_max.shape[1]).bool()
    return ((v_max - v_threshold) * wrong).square().sum() / label.shape[0]


def _check_labels(label: object, batch: int, num_classes: int) -> None:
    if not isinstance(label, torch.Tensor) or label.is_floating_point() or label.dtype == torch.bool:
        got = label.dtype if isinstance(label, torch.Tensor) else type(label).__name__
        raise TypeError(f"label: expected an integer tensor [{batch}], got {got}; pass class numbers as int64.")
    if label.shape != (batch,) or batch == 0:
        raise ValueError(
            f"label: expected shape [{batch}] with at least one sample, got {list(label.shape)}; "
            "pass one class number a sample."
        )
    low, high = int(label.min()), int(label.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"label: expected classes 0 to {num_classes - 1}, got {low} to {high}; check num_classes or the labels."
        )
