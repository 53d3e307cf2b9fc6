"""The log of a flow run, which Prefect prints on the worker's terminal too."""

from __future__ import annotations

import logging
from typing import Any

from prefect import get_run_logger

from rivya_flows.printable import one_line, printable

# What Prefect says, by logger: of each task run that nothing is wrong with it, which the graph
# shows; and of a cancelled flow run, as an error, that it has finished and runs.
_CHATTER = {
    "prefect.task_runs": "Finished in state Completed",
    "prefect.flow_runs": "Finished in state Running",
}


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of this flow run or task run; from now on, its log shows what would act in a terminal."""
    for name, words in _CHATTER.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Cleaned) for one in logger.filters):
            logger.addFilter(_Cleaned(words))
    return get_run_logger()


class _Cleaned(logging.Filter):
    """Makes each record safe to print, and leaves out those that begin with these words.

    Prefect's own lines go through it as well: they name runs after prompts, and quote errors.
    """

    def __init__(self, chatter: str) -> None:
        super().__init__()
        self._chatter = chatter

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        record.msg, record.args = one_line(message), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = printable(logging.Formatter().formatException(record.exc_info))
        return not message.startswith(self._chatter)
