"""Which server Prefect in this process speaks to.

Through the environment and not through `temporary_settings`: threads that Prefect starts (events,
logs) do not inherit a context variable, child processes neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def point(wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Sets variables of the environment; gives what `restore` needs.

    Raises:
        pydantic.ValidationError: Another variable of Prefect has a value that it cannot have;
            nothing is set then.
    """
    replaced = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        _reread_settings()
    except Exception:
        _set(replaced)
        raise
    return replaced


def restore(replaced: Mapping[str, str | None]) -> None:
    """Sets the variables as they were before `point`."""
    _set(replaced)
    _reread_settings()


@contextmanager
def pointed_at(wanted: Mapping[str, str]) -> Iterator[None]:
    """Has the variables set meanwhile."""
    replaced = point(wanted)
    try:
        yield
    finally:
        restore(replaced)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _reread_settings() -> None:
    """Lets a Prefect that is imported already see the environment as it now stands."""
    if "prefect" in sys.modules:
        import prefect.context

        prefect.context.refresh_global_settings_context()
