"""The command line by `python -m seelike`."""

import sys

from seelike.flows.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
