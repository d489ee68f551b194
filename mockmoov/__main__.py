"""Owns `python -m mockmoov`. Must not know more than the command line."""

from mockmoov.cli.main import main

if __name__ == "__main__":
    main(prog_name="mockmoov")
