"""One check of `doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from rivya_flows.errors import RivyaError, hint_of
from rivya_flows.setting_mistakes import with_places

_TRY = "use it once, as with `rivya-flows --verbose run`, to see what is wrong"


@dataclass(frozen=True)
class Check:
    """The result of one check: ``warning`` if something may fail, ``problem`` if something will."""

    name: str
    status: Literal["ok", "warning", "problem"]
    message: str
    hint: str | None = None


Checks = Iterable[Check] | AsyncIterator[Check]


def ok(name: str, message: str) -> Check:
    return Check(name, "ok", message)


def warning(name: str, message: str, hint: str) -> Check:
    return Check(name, "warning", message, hint)


def problem(name: str, message: str, hint: str | None) -> Check:
    return Check(name, "problem", message, hint)


def run_checks(name: str, checks: Callable[[], Checks]) -> list[Check]:
    """The results of these checks; an error of theirs becomes a problem of this name."""

    async def gathered(found: AsyncIterator[Check]) -> list[Check]:
        return [one async for one in found]

    try:
        found = checks()
        return asyncio.run(gathered(found)) if isinstance(found, AsyncIterator) else list(found)
    except RivyaError as error:
        hint = hint_of(error)
        return [problem(name, with_places(str(error), hint), hint)]
    except ValidationError as error:
        # The value is not shown: it may be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        return [problem(name, f"{where}: {first['msg']}", "correct or unset it")]
    except OSError as error:
        return [problem(name, f"{error.strerror or error}", _TRY)]
    except Exception as error:  # one check that fails must not end the others
        return [problem(name, f"{type(error).__name__} during this check", _TRY)]
