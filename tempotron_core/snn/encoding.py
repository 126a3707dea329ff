"""Population code: real values to spike times by Gaussian tuning curves.

For a feature with range [x_min, x_max] and m > 2 neurons, neuron j = 1 ... m has

    mu_j  = x_min + (2j - 3)/2 * (x_max - x_min)/(m - 2)
    sigma = 1/beta * (x_max - x_min)/(m - 2)
    g_j(x) = exp(-(x - mu_j)^2 / (2 sigma^2))
    t_j    = round((1 - g_j(x)) * T),   no spike where t_j >= T

Bohte S M, Kok J N, La Poutre J A. Error-backpropagation in temporally encoded networks of spiking
neurons. Neurocomputing 48(1), 17-37, 2002.
"""

from __future__ import annotations

import warnings

import torch
from torch.nn.functional import threshold

from tempotron_core.validation import finite_tensor, positive_integer, positive_real

__all__ = ["GaussianTuning"]

_CHUNK = 2**18  # float64 values at a time: what stays in a processor's cache, and little memory for a large batch


class GaussianTuning:
    """Population of m Gaussian tuning curves for each of n features.

    Args:
        n: number of features
        m: neurons per feature, above 2
        x_min: lower ends of the ranges, floating-point [n]
        x_max: upper ends, above x_min, floating-point [n]
        beta: width parameter above 0; sigma is 1/beta of the spacing of the centres

    Attributes:
        mu: centres [n, m], in the units of x
        sigma2: squared widths [n, m]

    Raises:
        TypeError: for arguments of another type.
        ValueError: for arguments out of range.
    """

    def __init__(self, n: int, m: int, x_min: torch.Tensor, x_max: torch.Tensor, beta: float = 1.5) -> None:
        self.n = positive_integer("n (features)", n)
        self.m = positive_integer("m (neurons a feature)", m, minimum=3)
        self.beta = positive_real("beta", beta, minimum=1e-3, maximum=1e3)
        self.x_min = finite_tensor("x_min", x_min, (self.n,))
        self.x_max = finite_tensor("x_max", x_max, (self.n,))
        # Times are rounded, so they are computed in float64: float32 would misplace values that lie near a half.
        low, high = self.x_min.double(), self.x_max.double().to(self.x_min.device)
        if not bool((low < high).all()):
            i = int((low >= high).nonzero()[0])
            raise ValueError(
                f"x_min, x_max: expected x_min < x_max for every feature, got x_min={low[i]:g} and x_max={high[i]:g} "
                f"for feature {i}; widen its range."
            )
        spacing = ((high - low) / (self.m - 2)).unsqueeze(1)
        j = torch.arange(1, self.m + 1, dtype=torch.float64, device=low.device)
        self._centre = low.unsqueeze(1) + (2 * j - 3) / 2 * spacing
        self._variance = (spacing / self.beta).square().expand(self.n, self.m).contiguous()
        self.mu = self._centre.to(x_min.dtype)
        self.sigma2 = self._variance.to(x_min.dtype)

    def response(self, x: torch.Tensor) -> torch.Tensor:
        """Return tuning-curve values g in [0, 1] of x [batch, n, k] as float64 [batch, n, k, m] on the device of x."""
        return self._response(finite_tensor("x", x, ("batch", self.n, "k")))

    def _response(self, x: torch.Tensor) -> torch.Tensor:
        centre, variance = self._centre.to(x.device), self._variance.to(x.device)
        distance = x.double().unsqueeze(-1) - centre.unsqueeze(1)
        return distance.square_().mul_(-0.5 / variance.unsqueeze(1)).exp_()

    def encode(self, x: torch.Tensor, max_spike_time: int = 50, rounded: bool = True) -> torch.Tensor:
        """Return the spike times of x.

        Args:
            x: floating-point values [batch, n, k]
            max_spike_time: time window T in ms
            rounded: whether times are rounded to whole ms; else they are real, (1 - g) T

        Returns:
            Spike times [batch, n, k, m] in ms in [0, T), -1 for no spike, on the device and in the dtype of x
                (float32 for 16-bit floats, which cannot represent every millisecond). They carry no gradient.

        Raises:
            TypeError: for arguments of another type.
            ValueError: for arguments out of range.

        Warns:
            UserWarning: for values more than a whole range outside [x_min, x_max], where no neuron spikes.
        """
        if not isinstance(rounded, bool):
            raise TypeError(f"rounded: expected True or False, got {rounded!r}; choose one of these.")
        window = positive_integer("max_spike_time (ms)", max_spike_time)
        x = finite_tensor("x", x, ("batch", self.n, "k")).detach()
        self._warn_if_far_outside(x)
        dtype = x.dtype if x.dtype.itemsize > 2 else torch.float32
        earliness = torch.empty(*x.shape, self.m, dtype=dtype, device=x.device)  # minus the spike time
        samples = max(1, _CHUNK // max(1, earliness[0].numel())) if len(x) else 1
        for part, out in zip(x.split(samples), earliness.split(samples), strict=True):
            response = self._response(part).mul_(window).sub_(window)
            out.copy_(response.round_() if rounded else response)
        return threshold(earliness, -window, 1, inplace=True).neg_().add_(0)  # adding 0 turns -0 into 0

    def _warn_if_far_outside(self, x: torch.Tensor) -> None:
        if not x.numel():
            return
        low, high = self.x_min.detach().to(x.device).double(), self.x_max.detach().to(x.device).double()
        smallest, largest = x.amin(dim=(0, 2)).double(), x.amax(dim=(0, 2)).double()
        excess = torch.maximum(low - smallest, largest - high) / (high - low)
        i = int(excess.argmax())
        if excess[i] > 1:
            warnings.warn(
                f"x: expected values from x_min={low[i]:g} to x_max={high[i]:g} for feature {i}, got {smallest[i]:g} "
                f"to {largest[i]:g}, which are encoded to few spikes or none; scale the values to that range.",
                stacklevel=3,
            )
