"""Tempotron networks on Gaussian population codes: encoding, neurons, training, figures."""

from tempotron_core.snn.encoding import GaussianTuning
from tempotron_core.snn.tempotron import Tempotron

__all__ = ["GaussianTuning", "Tempotron"]
