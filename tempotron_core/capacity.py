"""Command: python -m tempotron_core.capacity."""

import sys

from tempotron_core.experiments.capacity import main

if __name__ == "__main__":
    sys.exit(main())
