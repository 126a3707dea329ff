"""Records of experiments: JSON files that an editor may have touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tempotron_core.runs.files import RunError, read_text
from tempotron_core.validation import one_line_error

__all__ = ["read_record"]


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of an experiment.

    Raises:
        ValueError: for another file.
    """
    try:
        record = json.loads(read_text(path.parent, path.name))
    except (RunError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path.name}: expected the record of an experiment (JSON), got {one_line_error(error)[:120]}; restore it "
            "or name another file."
        ) from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{path.name}: expected the record of an experiment (a JSON object), got {type(record).__name__}; restore "
            "it or name another file."
        )
    return record
