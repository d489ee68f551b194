"""What holds for every test: Hypothesis times nothing, and CI draws the same examples each time."""

import os

from hypothesis import settings

pytest_plugins = ["pytester"]

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
