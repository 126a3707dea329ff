"""Check before PyTorch is loaded: under a small limit of memory its libraries abort the process without a message."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["require_address_space"]

_ALWAYS_ENOUGH = 2**34  # bytes of address space; the largest builds of PyTorch map less
_LIMITS = {"RLIMIT_AS": "address space (ulimit -v)", "RLIMIT_DATA": "data (ulimit -d)"}
_COMMANDS = ("-m", "tempotron-explorer", "tempotron-explorer.exe")


def require_address_space() -> None:
    """Check that this process can load PyTorch, by a process that tries it where a limit is low.

    A command prints the sentence and ends with status 2.

    Raises:
        ImportError: where the limits of the process are too low; its name is "torch".
    """
    limits = _low_limits()
    if not limits or "torch" in sys.modules:
        return
    with suppress(OSError):
        trial = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False)
        if trial.returncode == 0:
            return
    described = " and ".join(f"{size / 1e9:.1f} GB of {name}" for name, size in limits.items())
    message = (
        f"memory: expected room to load PyTorch, got a limit of {described}; raise the limit, for example with "
        "ulimit -v unlimited."
    )
    if Path(sys.argv[0]).name in _COMMANDS:
        print(message, file=sys.stderr)
        raise SystemExit(2)
    raise ImportError(message, name="torch")


def _low_limits() -> dict[str, int]:
    """Return the limits of this process in bytes that may be too low, by description."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return {}
    soft = {text: resource.getrlimit(getattr(resource, name))[0] for name, text in _LIMITS.items()}
    return {text: size for text, size in soft.items() if size != resource.RLIM_INFINITY and size < _ALWAYS_ENOUGH}
