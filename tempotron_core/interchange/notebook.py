"""Jupyter notebooks of generated code."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["to_notebook"]


def to_notebook(code: str) -> str:
    """Return the code as a Jupyter notebook: its title as text, each paragraph as a cell."""
    title, *paragraphs = code.strip("\n").split("\n\n")
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": title.strip('"')},
        *(
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": paragraph,
            }
            for number, paragraph in enumerate(paragraphs, 1)
        ),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
