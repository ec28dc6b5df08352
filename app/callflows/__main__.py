"""``python -m callflows``: the command line."""

from callflows.cli import main

if __name__ == "__main__":
    main()
