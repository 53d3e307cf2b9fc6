"""One check of `doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
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


def ok(message: str, *, name: str = "") -> Check:
    """A check that found nothing wrong; `run_checks` names it."""
    return Check(name, "ok", message)


def warning(message: str, hint: str, *, name: str = "") -> Check:
    return Check(name, "warning", message, hint)


def problem(message: str, hint: str | None, *, name: str = "") -> Check:
    return Check(name, "problem", message, hint)


def run_checks(name: str, checks: Callable[[], Checks]) -> list[Check]:
    """The results of these checks, those without a name by this one, as an error of theirs: it becomes a problem."""

    async def gathered(found: AsyncIterator[Check]) -> list[Check]:
        return [one async for one in found]

    try:
        found = checks()
        results = asyncio.run(gathered(found)) if isinstance(found, AsyncIterator) else found
        return [replace(one, name=one.name or name) for one in results]
    except RivyaError as error:
        hint = hint_of(error)
        return [problem(with_places(str(error), hint), hint, name=name)]
    except ValidationError as error:
        # The value is not shown: it may be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        return [problem(f"{where}: {first['msg']}", "correct or unset it", name=name)]
    except OSError as error:
        return [problem(f"{error.strerror or error}", _TRY, name=name)]
    except Exception as error:  # one check that fails must not end the others
        return [problem(f"{type(error).__name__} during this check", _TRY, name=name)]
