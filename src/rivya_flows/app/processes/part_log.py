"""The logs of the parts of `up`: their form and their size."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from pathlib import Path

from rivya_flows.environment import LOG_FORM, variables

MOST_BYTES = 10 << 20
"""Of a log; the one before it is kept beside it."""


def former(log: Path) -> Path:
    """Where the former log is kept."""
    return log.with_suffix(".1.log")


def keep_small(log: Path, most_bytes: int = MOST_BYTES) -> None:
    """Move what a log holds to the former one, if it is too large; its process writes on into it.

    What it writes at that very moment may be lost, and what a full disk has no place for. The
    process must append.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > most_bytes:
            try:
                shutil.copyfile(log, former(log))
            finally:
                os.truncate(log, 0)


def is_json() -> bool:
    """Whether the user wants logs as JSON, by the setting of Prefect."""
    return variables().get(LOG_FORM) == "json"


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with those of the names that Prefect's formatter writes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        document = {
            "created": record.created,
            "severity": record.levelname,
            "name": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            document["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(document)
