"""The logger of a flow run, whose lines Prefect also prints on the worker's terminal."""

from __future__ import annotations

import logging
from typing import Any

from prefect import get_run_logger

from rivya_flows.engine.observers import CleanedLines
from rivya_flows.flows.prefect_internals import ROUTINE_LINES


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of this flow run or task run, without control characters and routine lines."""
    clean_logs()
    return get_run_logger()


def clean_logs() -> None:
    """Keeps control characters and routine lines out of what this process logs of flow runs."""
    for name, routine in ROUTINE_LINES.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, CleanedLines) for one in logger.filters):
            logger.addFilter(CleanedLines(routine))
