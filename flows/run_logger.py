"""The logger of a flow run, whose lines Prefect also prints on the worker's terminal."""

from __future__ import annotations

import logging
from typing import Any

from prefect import get_run_logger

from rivya_client.printable import one_line, printable
from rivya_flows.flows.prefect_internals import ROUTINE_LINES


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of this flow run or task run, without control characters and routine lines."""
    clean_logs()
    return get_run_logger()


def clean_logs() -> None:
    """Keeps control characters and routine lines out of what this process logs of flow runs."""
    for name, routine in ROUTINE_LINES.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Cleaned) for one in logger.filters):
            logger.addFilter(_Cleaned(routine))


class _Cleaned(logging.Filter):
    """Makes each record safe to print, Prefect's own too, which quote prompts; drops routine lines."""

    def __init__(self, routine: tuple[str, ...]) -> None:
        super().__init__()
        self._routine = routine

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        record.msg, record.args = one_line(message), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = printable(logging.Formatter().formatException(record.exc_info))
        return not message.startswith(self._routine)
