"""Command that reports a study, and writes tables of the documentation: python -m tempotron_core.report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tempotron_core.command_line import CommandParser, print_error
from tempotron_core.studies.plan import StudyError
from tempotron_core.studies.storage import StudyPlace
from tempotron_core.studies.trials import StudyReader

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files that these command-line arguments name and return the exit code."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.documentation:
            from tempotron_core.studies.documentation import README, make_sections, rewrite

            text = README.read_text(encoding="utf-8")
            README.write_text(rewrite(text, make_sections()), encoding="utf-8")
            print(README)
            return 0
        return _report(options)
    except (StudyError, ValueError) as error:
        print_error(error)
    except OSError as error:
        print_error(f"report: expected a file that can be written, got {error.strerror or error}.")
    return 2


def _report(options: argparse.Namespace) -> int:
    from tempotron_core import study_report as report

    writers = {"html": report.study_page, "notebook": report.study_notebook, "record": report.study_record}
    files = {name: getattr(options, name) for name in writers if getattr(options, name) is not None}
    if options.study is None or not files:
        raise ValueError(
            "report: expected the name of a study and --html, --notebook or --record with a file, or --documentation; "
            "see --help."
        )
    reader = StudyReader(StudyPlace(options.study, options.log_dir, options.storage))
    for name, file in files.items():
        file.write_text(writers[name](reader), encoding="utf-8")
        print(file)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="tempotron-explorer report", description="Report a study.")
    parser.add_argument("study", nargs="?", help="name of the study")
    parser.add_argument("--log-dir", default="runs", help="log directory of the study (default: runs)")
    parser.add_argument("--storage", metavar="URL", help="URL of its database, or path of its journal file")
    parser.add_argument("--html", type=Path, metavar="FILE", help="one page with all figures, which needs no network")
    parser.add_argument("--notebook", type=Path, metavar="FILE", help="Jupyter notebook that repeats the study")
    parser.add_argument("--record", type=Path, metavar="FILE", help="results as JSON")
    parser.add_argument(
        "--documentation", action="store_true", help="write the tables of this package's README from stored results"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
