"""How a command writes its log to standard error: a line of text, or a JSON object, for each message."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from mockmoov.config.settings import Settings

_FIELDS = "mockmoov_fields"  # the attribute in which the access log leaves what its line says
_log = logging.getLogger("mockmoov")


def configure(log_format: str, worker: int = 0) -> None:
    """Write the log as `text` or `json`, unless the process has set up logging for itself.

    Each line names the worker that writes it, if there is more than one.
    """
    root = logging.getLogger()
    if all(isinstance(handler.formatter, _Formatter) for handler in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(FORMATTERS[log_format](worker))
        root.handlers = [handler]
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        sys.excepthook = lambda *error: _log.critical("mockmoov itself failed", exc_info=error)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def set_access_log(settings: Settings) -> None:
    """Write the lines of the access log only if the settings say so."""
    logging.getLogger("mockmoov.access").disabled = not settings.access_log


def report(message: str) -> None:
    """Write why a command fails."""
    if any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers):
        _log.error(message)
    else:
        click.echo(f"mockmoov: {message}", err=True)


class _Formatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The time in UTC, as in RFC 3339."""
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Text(_Formatter):
    def __init__(self, worker: int) -> None:
        who = f"worker {worker}: " if worker else ""
        super().__init__(f"%(asctime)s %(levelname)s {who}%(message)s")


class _Json(_Formatter):
    """The fields of a line of the access log are members, in place of words of its message."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, _FIELDS, {})
        members = {"time": self.formatTime(record), "level": record.levelname, "message": record.getMessage()}
        failure = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(members | self._worker | dict(fields) | failure)


FORMATTERS: Mapping[str, Callable[[int], _Formatter]] = {"text": _Text, "json": _Json}
