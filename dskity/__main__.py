"""`python -m dskity` is the command `dskity`."""

from dskity.cli import main

if __name__ == "__main__":
    main()
