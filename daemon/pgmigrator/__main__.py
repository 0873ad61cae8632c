"""Lets `python -m pgmigrator` do what `pgmigrator` does."""

import sys

from pgmigrator.cli import main

if __name__ == "__main__":
    sys.exit(main())
