"""Command that writes the network of a run for another program: tempotron-explorer export RUN --format nir."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tempotron_core.command_line import CommandParser, print_error, print_report
from tempotron_core.interchange.network_files import FORMATS, network_file
from tempotron_core.runs.files import RunError
from tempotron_core.runs.reader import checkpoint_path, load_model, read_classes

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the network that these command-line arguments name; the last line printed is one JSON object."""
    parser = CommandParser(
        prog="tempotron-explorer export", description="Write the network of a run for another program."
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--format", choices=tuple(FORMATS), default="npz", help="format (default: npz)")
    parser.add_argument("--epoch", default="last", help="last, best or the number of an epoch (default: last)")
    parser.add_argument("--output", metavar="FILE", help="file to write (default: name of the run and its format)")
    options = parser.parse_args(arguments)
    folder = Path(options.run)
    try:
        model = load_model(folder, checkpoint_path(options.epoch))
        file = network_file(model, options.format, read_classes(folder, model.num_classes))
        path = Path(options.output or f"{folder.name}-{options.format}{file.suffix}")
        path.write_bytes(file.content)
    except OSError as error:
        print_error(f"export: expected a file that can be written, got {error.strerror or error}.")
        return 2
    except (RunError, ValueError) as error:
        print_error(error)
        return 2
    print_report(
        json.dumps({"file": str(path), "format": options.format, "bytes": len(file.content), "notes": file.notes})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
