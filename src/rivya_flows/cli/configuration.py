"""The settings, with a wrong one told as an error of the call."""

from __future__ import annotations

from rivya_flows.errors import UsageError
from rivya_flows.settings import Settings, read_settings


def settings() -> Settings:
    """The settings as they stand now.

    Raises:
        UsageError: A variable has a value that it cannot have, or `.env` is not text.
    """
    from pydantic import ValidationError

    try:
        return read_settings()
    except ValidationError as error:
        # The value itself is not shown: it could be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise UsageError(f"{name}: {first['msg']}", "set it right, or take it out") from None
    except UnicodeDecodeError as error:
        raise UsageError(".env is not UTF-8 text", "save it as UTF-8, or take it away") from error
