"""The environment of this process, and what its children inherit of it.

No other module reads or changes it; `rivya_flows.settings` parses it into settings.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path

LOG_FORM = "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"
"""Prefect's setting for the form of its logs: ``json``, else ``standard``."""

_PROGRAM = frozenset(("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"))
_USER = _PROGRAM | {
    *("HOME", "USER", "LOGNAME", "SHELL", "LANGUAGE"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"),
    *("DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", LOG_FORM),
}


def variables() -> dict[str, str]:
    """A copy of the environment."""
    return dict(os.environ)


def data_folder() -> Path:
    """Where this user's journal, assets and local servers keep their files."""
    import platformdirs  # only where nothing says the folder

    return Path(platformdirs.user_data_dir("rivya-flows", appauthor=False))


def program_environment() -> dict[str, str]:
    """The variables that a program needs which knows neither user nor home."""
    return {name: value for name, value in os.environ.items() if name in _PROGRAM}


def machine_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of `given` that describe the machine and its user.

    An allow-list, because a variable of any name may hold a key. Proxies are left out: their
    URLs may hold passwords, and programs with this environment only call this machine.
    """
    return {name: value for name, value in given.items() if name in _USER or name.startswith("LC_")}


def set_variables(wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set or remove (None) variables; returns the replaced values, to restore them with."""
    replaced = {name: os.environ.get(name) for name in wanted}
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return replaced


def user() -> str | None:
    """The name under which the user of this process logs in; None if the machine knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None


def set_default(name: str, value: str) -> None:
    """Set a variable unless it is set."""
    os.environ.setdefault(name, value)
