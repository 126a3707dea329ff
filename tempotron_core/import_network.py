"""Command that imports a network: python -m tempotron_core.import_network."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import fields

from tempotron_core.command_line import CommandParser, print_error, print_report
from tempotron_core.data import datasets
from tempotron_core.interchange.imported_run import ImportedRun, complete_settings, import_run
from tempotron_core.interchange.networks import PEERS, SUFFIXES, read_network
from tempotron_core.training.recipes import RECIPES
from tempotron_core.training.settings import Settings, TrainingError

__all__ = ["add_options", "import_file", "import_from_arguments", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Import the network that these command-line arguments name; the last line printed is one JSON object."""
    run = import_from_arguments(arguments, "python -m tempotron_core.import_network")
    return run if isinstance(run, int) else 0


def import_from_arguments(arguments: Sequence[str] | None, command: str) -> ImportedRun | int:
    """Import the network that the arguments name and print one JSON object; return the run, or an exit code.

    Args:
        arguments: command-line arguments, None for those of the process
        command: name of the command in the help
    """
    parser = CommandParser(
        prog=command,
        description="Import a network as a run. Constants that are left out are those of the file, else the defaults.",
    )
    add_options(parser)
    try:
        run = import_file(parser.parse_args(arguments))
    except (ValueError, TypeError, datasets.DataError, TrainingError) as error:
        print_error(error)
        return 2
    print_report(json.dumps(summarise(run)))
    return run


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of an import to a parser."""
    default = {field.name: field.default for field in fields(Settings)}
    parser.add_argument("file", metavar="FILE", help=f"network that ends in {', '.join(SUFFIXES)}")

    def add(*names: str, dest: str, kind: type = str, help: str) -> None:
        metavar = dest.rsplit("_", 1)[-1].upper()
        text = f"{help} (default: {default[dest]})"
        parser.add_argument(*names, dest=dest, type=kind, metavar=metavar, help=text)

    add("-m", "--m", "--neurons", dest="m", kind=int, help="tuning neurons a feature")
    add("-T", "--T", "--time-steps", dest="T", kind=int, help="time window, ms")
    add("--tau", dest="tau", kind=float, help="membrane time constant, ms")
    add("--tau-s", dest="tau_s", kind=float, help="synaptic time constant, ms")
    add("--v-threshold", dest="v_threshold", kind=float, help="firing threshold")
    add("--beta", dest="beta", kind=float, help="width of the tuning curves")
    parser.add_argument("--tempotrons-per-class", type=int, help="tempotrons per class (default: 1)")
    parser.add_argument("--key", help="key of the weights, where several matrices may be them")
    parser.add_argument("--peer", choices=PEERS, help="program that trained the network")
    parser.add_argument(
        "--without-shunting",
        action="store_true",
        help="evaluate a network of SpikingJelly 2.0.0 without its shunting, exact spike times and exact peaks",
    )
    parser.add_argument(
        "--untested",
        action="store_true",
        help="import a network that fits no data set here, without a test",
    )
    add("--dataset-dir", dest="dataset_dir", help="folder in torchvision's layout; without it the embedded subset")
    parser.add_argument("--dataset", help="name, or path of a file; MNIST where a folder is given, else embedded")
    add("--log-dir", dest="log_dir", help="where the run goes")
    add("-r", "--recipe", dest="recipe", help=f"recipe of a training that continues it, of {', '.join(RECIPES)}")


def import_file(options: argparse.Namespace) -> ImportedRun:
    """Import the file of these options, and print notes to the error stream.

    Raises:
        DataError: where the data set cannot be loaded.
        FormatError: where the file cannot be imported.
        TrainingError: where the run cannot be written.
        TypeError, ValueError: for constants out of range.
    """
    network = read_network(options.file, key=options.key)
    given = {field.name: getattr(options, field.name, None) for field in fields(Settings)}
    given["dataset"], given["dataset_dir"] = datasets.locate(options.dataset, options.dataset_dir)
    given["tempotrons_per_class"] = None if options.tempotrons_per_class == 1 else options.tempotrons_per_class
    settings = complete_settings(network, given, options.peer, options.without_shunting)
    dataset = None if options.untested else datasets.load(settings.dataset, settings.dataset_dir)
    run = import_run(network, settings, dataset, options.peer)
    for note in run.notes:
        print_error(note)
    return run


def summarise(run: ImportedRun) -> dict[str, object]:
    """Return what the command prints, by name."""
    network, settings = run.network, run.settings
    return {
        "file": network.file,
        "keys_found": {key: list(shape) for key, shape in network.keys.items()},
        "key_used": network.key,
        "outputs": network.outputs,
        "afferents": network.afferents,
        "constants": {name: getattr(settings, name) for name in ("m", "T", "beta", "tau", "tau_s", "v_threshold")},
        "dataset": settings.dataset,
        "test_accuracy": None if math.isnan(run.test_accuracy) else run.test_accuracy,
        "notes": list(run.notes),
        "log": str(run.path),
    }


if __name__ == "__main__":
    sys.exit(main())
