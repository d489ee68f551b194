"""Sees to it that mockmoov works in a test that has replaced the file system."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def real_files() -> Iterator[None]:
    """Within the block, files and imports are real though pyfakefs is active.

    pyfakefs removes again what a test imports, and a second copy of a module of cryptography's fails. And
    OpenSSL reads certificates from real files only.
    """
    pyfakefs = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    patcher = pyfakefs and pyfakefs.Patcher.PATCHER
    if patcher is None or not patcher.is_patching:
        yield
        return
    patcher.pause()
    try:
        yield
    finally:
        patcher.resume()
