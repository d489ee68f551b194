"""Runs the command line: `python -m mockmoov`."""

from mockmoov.cli.main import main

if __name__ == "__main__":
    main(prog_name="mockmoov")
