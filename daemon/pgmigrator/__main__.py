"""Lets `python -m pgmigrator` do what `pgmigrator` does."""

from pgmigrator.cli import main

if __name__ == "__main__":
    main()
