"""What a check of `doctor` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import ValidationError

from rivya_flows.errors import RivyaFlowsError

_LOOK = "use it once, as with `rivya-flows --verbose run`, to see what is wrong"

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        status: ok; warning, which something may suffer from; problem, which something will.
        message: What was found, lower case.
        hint: What to do; None where there is nothing to do.
    """

    name: str
    status: Status
    message: str
    hint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As `doctor --json` prints it."""
        return asdict(self)


def ok(name: str, message: str) -> Check:
    """All is well."""
    return Check(name, "ok", message)


def warning(name: str, message: str, hint: str) -> Check:
    """Something may suffer from it."""
    return Check(name, "warning", message, hint)


def problem(name: str, message: str, hint: str | None) -> Check:
    """Something will fail."""
    return Check(name, "problem", message, hint)


def looked_at(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """The checks that `look` gives; an error on its way is a problem and ends nothing else."""
    try:
        return list(look())
    except RivyaFlowsError as error:
        return [problem(name, str(error), error.hint)]
    except ValidationError as error:
        # The value itself is not shown: it could be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        return [problem(name, f"{where}: {first['msg']}", "set it right, or take it out")]
    except OSError as error:
        return [problem(name, f"{error.strerror or error}", _LOOK)]
    except Exception as error:  # a doctor that dies of one illness is no help with the others
        return [problem(name, f"{type(error).__name__} while it was looked at", _LOOK)]
