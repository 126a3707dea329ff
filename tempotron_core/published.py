"""Command: python -m tempotron_core.published."""

import sys

from tempotron_core.experiments.published_curve import main

if __name__ == "__main__":
    sys.exit(main())
