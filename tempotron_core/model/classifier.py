"""Network as an immutable value with its constants, and its prediction for one image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tempotron_core.model.codes import GAUSSIAN, FittedCode
from tempotron_core.snn.encoding import GaussianTuning
from tempotron_core.snn.engine import Kernel
from tempotron_core.snn.tempotron import Tempotron

__all__ = [
    "PIXELS",
    "Model",
    "Prediction",
    "log_mean_exp_pool",
    "pixel_spike_table",
    "pixel_spike_times",
    "pixel_tuning",
    "predict",
    "predict_from_spikes",
]

PIXELS = 28 * 28
"""Features of a sample of MNIST, the default everywhere."""


@dataclass(frozen=True)
class Model:
    """Weights [classes*k, features*m] on the CPU with all constants needed to use them; never written to.

    Attributes:
        v_threshold: peak of the kernel K, and the threshold of training
        tempotrons_per_class: number k of tempotrons per class, whose rows are consecutive
        firing_threshold: potential at which an output fires, None for v_threshold; it leaves the potentials as they are
        time, after_spike: those of the layer, see Tempotron; crossings and shunting refer to the firing threshold
        code: code of its samples, with what was computed from its training images
    """

    weight: torch.Tensor
    m: int = 16
    T: int = 100
    beta: float = 1.5
    tau: float = 15.0
    tau_s: float = 15.0 / 4
    v_threshold: float = 1.0
    tempotrons_per_class: int = 1
    firing_threshold: float | None = None
    time: str = "grid"
    after_spike: str = "continue"
    code: FittedCode = GAUSSIAN

    def spike_table(self) -> torch.Tensor:
        """Return the spike times of each symbol of its code: float32 [symbols, m] in ms, -1 for no spike."""
        return self.code.spike_table(self.m, self.T, self.beta)

    def spike_times(self, images: torch.Tensor) -> torch.Tensor:
        """Return the spike times of samples uint8 [batch, ...]: float32 [batch, features*m] in ms, -1 for no spike."""
        return self.code.spike_times(images, self.m, self.T, self.beta)

    @property
    def num_features(self) -> int:
        """Return the number of features whose spikes the network takes."""
        return self.weight.shape[1] // self.m

    @property
    def num_classes(self) -> int:
        """Return the number of classes."""
        return len(self.weight) // self.tempotrons_per_class

    @property
    def threshold(self) -> float:
        """Return the potential at which an output fires."""
        return self.v_threshold if self.firing_threshold is None else self.firing_threshold

    @property
    def kernel(self) -> Kernel:
        """Return the postsynaptic potential K, whose peak is v_threshold."""
        return Kernel(self.tau, self.tau_s, self.v_threshold)

    @property
    def layer_scale(self) -> float:
        """Return the factor of the weights in the layer, other than 1 where shunting depends on the firing threshold.

        V is the same with a kernel of peak theta and weights w as with one of peak theta' and weights w theta / theta',
        so a layer whose threshold is the firing threshold needs only other weights.
        """
        return self.v_threshold / self.threshold if self.after_spike == "shunt" else 1.0

    def to_layer(self) -> Tempotron:
        """Return a tempotron layer with these weights times layer_scale."""
        return self._layer(self.layer_scale)

    def to_crossing_layer(self) -> Tempotron:
        """Return a layer with the same potentials whose threshold is the firing threshold."""
        return self._layer(self.v_threshold / self.threshold)

    def _layer(self, scale: float) -> Tempotron:
        outputs, afferents = self.weight.shape
        constants = self.tau, self.tau_s, self.v_threshold / scale
        net = Tempotron(afferents, outputs, self.T, *constants, time=self.time, after_spike=self.after_spike)
        net.fc.weight.data = self.weight if scale == 1 else self.weight * scale
        return net.requires_grad_(False)


def log_mean_exp_pool(v: torch.Tensor, tempotrons_per_class: int) -> torch.Tensor:
    """Pool the k tempotrons of each class: [batch, classes*k, ...] to [batch, classes, ...].

    The pooled value is the logarithm of the mean of their exponentials. Unlike the log-sum-exp it has no offset ln k,
    which changes neither a comparison nor a softmax, and a class of silent tempotrons stays at rest.
    """
    if tempotrons_per_class == 1:
        return v
    return torch.logsumexp(v.view(len(v), -1, tempotrons_per_class, *v.shape[2:]), dim=2) - math.log(
        tempotrons_per_class
    )


def initial_weight(m: int, outputs: int, seed: int, scale: float = 1.0, features: int = PIXELS) -> torch.Tensor:
    """Return seeded initial weights U(-b, b), b = scale/sqrt(features*m): [outputs, features*m]."""
    bound = scale / math.sqrt(features * m)
    return torch.empty(outputs, features * m).uniform_(-bound, bound, generator=torch.Generator().manual_seed(seed))


def pixel_tuning(m: int, beta: float = 1.5) -> GaussianTuning:
    """Return the population code of all pixels, range [0, 1]."""
    return GaussianTuning(1, m, torch.zeros(1), torch.ones(1), beta)


def pixel_spike_table(m: int, T: int, beta: float = 1.5) -> torch.Tensor:
    """Return the spike times of the 256 pixel values in the Gaussian code: float32 [256, m], -1 for no spike."""
    return GAUSSIAN.spike_table(m, T, beta)


def pixel_spike_times(images: torch.Tensor, m: int, T: int, beta: float = 1.5) -> torch.Tensor:
    """Return the spike times of samples in the Gaussian code, -1 for no spike; neurons of a feature are consecutive.

    images: uint8 [batch, ...]. The times are float32 [batch, features*m] in ms; see Model.spike_times for other codes.
    """
    return GAUSSIAN.spike_times(images, m, T, beta)


@dataclass(frozen=True)
class Prediction:
    """Response of a network to one sample.

    With k = 1 neurons equals v; otherwise v and v_max pool the potentials and the peaks of a class, and t_max is that
    of its strongest tempotron.

    Attributes:
        times: spike times [features, m] in ms, -1 for none
        v: membrane potentials [classes, T]
        v_max: peaks [classes]
        t_max: times of the peaks [classes] in ms
        neurons: potentials [classes, k, T] of each class's tempotrons
        t_spike: first times [classes, k] in ms at which the potentials reach the threshold, -1 for none
        peaks: peaks [classes, k]
        peak_times: their times [classes, k] in ms
    """

    times: torch.Tensor
    v: torch.Tensor
    v_max: torch.Tensor
    t_max: torch.Tensor
    v_threshold: float
    neurons: torch.Tensor
    t_spike: torch.Tensor
    peaks: torch.Tensor
    peak_times: torch.Tensor


def predict(model: Model, image: torch.Tensor) -> Prediction:
    """Return the prediction for one sample, uint8 of any shape."""
    return predict_from_spikes(model, model.spike_times(image.unsqueeze(0)))


def predict_from_spikes(model: Model, times: torch.Tensor) -> Prediction:
    """Return the prediction for the spikes of one sample, [1, features*m], any real times in ms, negative for none."""
    net, k = model.to_layer(), model.tempotrons_per_class
    v = net(times, "v")
    if model.time == "grid":  # of the trace, shunted or not
        peaks, peak_times = v.max(dim=-1)
        has_fired, first = (v >= model.threshold).max(dim=-1)
        t_spike = torch.where(has_fired, first, -1).to(v.dtype)
    else:
        t_spike = model.to_crossing_layer()(times, "t_spike")
        peaks, peak_times = net(times, "v_max"), net(times, "t_max")
    strongest_tempotron = peaks.view(-1, k).argmax(dim=1, keepdim=True)
    t_max = peak_times.view(-1, k).gather(1, strongest_tempotron).view(-1)
    return Prediction(
        times.view(-1, model.m),
        log_mean_exp_pool(v, k)[0],
        log_mean_exp_pool(peaks, k)[0],
        t_max,
        model.threshold,
        v.view(-1, k, model.T),
        t_spike.view(-1, k),
        peaks.view(-1, k),
        peak_times.view(-1, k),
    )
