"""Export of a view as one zip: figure, numbers, selection, and the network as a run folder.

Unpacked where runs are looked for, the folder is a run like any other, so that the link inside shows the view again.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import torch
from safetensors.torch import save

from tempotron_core.model.codes import FittedCode
from tempotron_core.runs.files import CODE_FILE, serialise_weights
from tempotron_core.training.settings import Settings

__all__ = ["view_zip", "zip_files"]

_FIXED_TIMESTAMP = (2000, 1, 1, 0, 0, 0)  # the same view gives the same bytes


def view_zip(
    files: dict[str, str],
    page: str,
    query: dict[str, str],
    settings: Settings,
    weight: torch.Tensor,
    classes: tuple[str, ...],
    code: FittedCode | None = None,
    scripts: Callable[[str], Mapping[str, str]] | None = None,
) -> bytes:
    """Return a zip of these files and of the network, with view.json, which tells how to reopen the view.

    Args:
        files: name -> text
        page: path of the page in the URL
        query: URL parameters; those of the model are replaced by the run in the zip
        settings: settings the network was trained with, seed included
        weight: weights [outputs, afferents]
        classes: names of the classes
        code: code of the network, None for one that depends on no training images
        scripts: returns further files, name -> text, for the path of the run folder in the zip; None for none
    """
    weights = serialise_weights(weight, classes)
    code_files = {CODE_FILE: save(dict(code.fitted))} if code is not None and code.fitted else {}
    digest = hashlib.sha256(b"".join((weights, *code_files.values()))).hexdigest()
    run = f"shared-{digest[:12]}"
    query_without_model = {key: value for key, value in query.items() if key not in ("model", "run", "checkpoint")}
    view = {
        "page": page,
        "query": query,
        "link": f"{page}?{urlencode(query_without_model | {'model': 'saved run', 'run': run})}",
        "how": f"Unpack runs/{run} into the dashboard's log directory and open the link below its address.",
        "seed": settings.seed,
        "settings": settings.to_record(),
        "checkpoint": {"file": f"runs/{run}/last.safetensors", "sha256": digest},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    return zip_files(
        {
            **files,
            **(scripts(f"runs/{run}") if scripts is not None else {}),
            "view.json": json.dumps(view, indent=2) + "\n",
            f"runs/{run}/settings.json": json.dumps(settings.to_record(), indent=2) + "\n",
            f"runs/{run}/last.safetensors": weights,
            **{f"runs/{run}/{name}": content for name, content in code_files.items()},
        }
    )


def zip_files(contents: Mapping[str, str | bytes]) -> bytes:
    """Return a zip of these files, name -> content; the same files give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_TIMESTAMP), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()
