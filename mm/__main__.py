"""`python -m mm` is the `mm` command."""

from mm.cli import main

if __name__ == "__main__":
    main()
