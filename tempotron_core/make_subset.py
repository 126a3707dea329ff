"""Command: python -m tempotron_core.make_subset."""

import sys

from tempotron_core.data.make_subset import main

if __name__ == "__main__":
    sys.exit(main())
