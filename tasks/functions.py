"""Python functions that are registered as steps."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from pathlib import Path
from typing import Any

from prefect import task
from pydantic_core import PydanticSerializationError, to_jsonable_python

from rivya_flows.errors import RivyaFlowsError, UsageError
from rivya_flows.runs.keeping import keep
from rivya_flows.spec.functions import BrokenFunctionError, Function, function_of
from rivya_flows.spec.values import is_asset
from tasks.session import PLAIN, session


class FunctionError(RivyaFlowsError):
    """A function failed, or gave what it had not said it gives."""

    code = "function"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


@task(name="function", **PLAIN)
async def call_function(
    name: str, arguments: dict[str, Any], idempotency_key: str = ""
) -> dict[str, Any]:
    """Calls a registered function; one that is no coroutine works in a thread.

    Args:
        name: As it is registered.
        arguments: Plain data; an asset is brought to this machine first.
        idempotency_key: Names the purchase, where the function costs credits.

    Returns:
        Its model as plain data, with an asset for each `Path`.

    Raises:
        UsageError: There is no such function here, or it cannot be a step.
        FunctionError: It raised something, or its result is not of its model.
        MediaError: A file that it gave is not a medium.
    """
    function = _known(name)
    local = {key: _brought(value) for key, value in arguments.items()}
    with tempfile.TemporaryDirectory(dir=session().scratch, prefix="function-") as folder:
        try:
            # What is left out takes the function's own default.
            typed = {key: function.takes[key].validate_python(one) for key, one in local.items()}
            extra = {"folder": Path(folder), "idempotency_key": idempotency_key}
            typed |= {key: extra[key] for key in function.extra}
            if inspect.iscoroutinefunction(function.call):
                given = await function.call(**typed)
            else:
                given = await asyncio.to_thread(function.call, **typed)
            dumped = function.gives.model_validate(given).model_dump()
        except RivyaFlowsError:
            raise
        except Exception as error:  # whatever a function of somebody else raises
            raise FunctionError(f"{name}: {type(error).__name__}: {error}") from error
        kept = _kept(dumped)
    try:
        plain: dict[str, Any] = to_jsonable_python(kept)
    except PydanticSerializationError as error:
        raise FunctionError(f"{name}: its result is no JSON: {error}") from error
    return plain


def _known(name: str) -> Function:
    try:
        function = function_of(name)
    except BrokenFunctionError as error:
        raise UsageError(f"the kind of step {name!r} is broken: {error}") from error
    if function is None:
        raise UsageError(f"there is no kind of step {name!r} here", "install what registers it")
    return function


def _brought(value: Any) -> Any:
    """The same with every asset at a path of this machine."""
    if isinstance(value, list):
        return [_brought(one) for one in value]
    if isinstance(value, dict):
        changed = {key: _brought(one) for key, one in value.items()}
        if is_asset(value):
            changed["path"] = str(session().assets.local_path(value["sha256"]))
        return changed
    return value


def _kept(value: Any) -> Any:
    """The same with an asset for every file."""
    if isinstance(value, Path):
        return keep(session().assets, value)
    if isinstance(value, list | tuple):
        return [_kept(one) for one in value]
    if isinstance(value, dict):
        return {key: _kept(one) for key, one in value.items()}
    return value
