"""Tempotron networks on Gaussian population codes: encoding, neurons, training, figures."""

from tempotron_core.address_space import require_address_space

require_address_space()

from tempotron_core.snn.encoding import GaussianTuning  # noqa: E402
from tempotron_core.snn.tempotron import Tempotron  # noqa: E402

__all__ = ["GaussianTuning", "Tempotron"]
