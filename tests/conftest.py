"""Settings shared by all tests."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_settings_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the shell sets, folders are those below the working directory, and viewers may do all."""
    for name in ("TEMPOTRON_VIEW_ONLY", "TEMPOTRON_DATA", "TEMPOTRON_RUNS"):
        monkeypatch.delenv(name, raising=False)
