"""Tempotron networks on Gaussian population codes: encoding, neurons, training, figures."""

from tempotron_core.encoding import GaussianTuning
from tempotron_core.neuron import Tempotron

__all__ = ["GaussianTuning", "Tempotron"]
