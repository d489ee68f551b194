"""Serving a breakage in a process of its own."""

import argparse
from pathlib import Path

from mockmoov.config.settings import Settings
from mockmoov.web.app import create_app
from mockmoov.web.listeners import base_url, bind
from mockmoov.web.uvicorn_server import run
from tools.breakages import BREAKAGES, NONE, UNBROKEN, BrokenServer


def main() -> None:
    """Serve the breakage that is named, or list them all."""
    parser = argparse.ArgumentParser(prog="python -m tools.breakages", description=main.__doc__)
    served = [name for name, breakage in BREAKAGES.items() if breakage.ours is UNBROKEN.ours]
    parser.add_argument("name", nargs="?", choices=(NONE, *served))
    parser.add_argument("--ready-file", type=Path)
    options = parser.parse_args()
    if options.name is None:
        print("\n".join(f"{name:<40} {breakage.rule}" for name, breakage in BREAKAGES.items()))
        return
    sockets = bind("127.0.0.1", 0)
    server = BrokenServer(Settings(), BREAKAGES.get(options.name, UNBROKEN))
    app = create_app(server, exposure="loopback")
    run(app, sockets, lambda: options.ready_file.write_text(base_url("127.0.0.1", sockets)))


if __name__ == "__main__":
    main()
