"""Python functions as steps."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import tempfile
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from rivya_flows.assets import Asset, Outputs, as_asset, looks_like_asset
from rivya_flows.engine.files import fetched, kept
from rivya_flows.engine.run import Run
from rivya_flows.errors import LostMediumError, RivyaError
from rivya_flows.queue.actions import Buy, Work
from rivya_flows.steps.function import Function
from rivya_flows.store.assets import AssetStore


class FunctionError(RivyaError):
    """A function failed, or its result does not match its model."""

    code = "function"


async def call_function(run: Run, action: Buy | Work) -> Outputs:
    """Do the work of a kind, or call its function, with local copies of assets."""
    planned = run.state.planned(action.step)
    kind, name, seconds = planned.kind, planned.kind.uses, planned.step.timeout
    if isinstance(action, Buy):
        key, arguments = action.bought.idempotency_key, json.loads(action.bought.body)["arguments"]
    else:
        key, arguments = "", action.arguments
    local = {}
    for argument, value in arguments.items():
        fetches = isinstance(kind, Function) and kind.wants_files(argument, value)
        found = await fetched(run, value) if fetches else value
        local[argument] = await asyncio.to_thread(_local_copies, run.context.assets, found)
    # A thread that runs on after its timeout may still write there.
    with tempfile.TemporaryDirectory(
        dir=run.context.scratch, prefix="function-", ignore_cleanup_errors=True
    ) as folder:
        extra: dict[str, Any] = {"folder": Path(folder), "idempotency_key": key}
        try:
            if isinstance(kind, Function):
                # Omitted arguments take the default of the function.
                typed = {
                    one: kind.types[one].validate_python(value) for one, value in local.items()
                }
                typed |= {one: extra[one] for one in kind.extra}
                given = await _called(partial(kind.call, **typed), name, seconds)
                dumped = kind.result.model_validate(given).model_dump()
            else:
                dumped = await _called(partial(kind.work, arguments=local, **extra), name, seconds)
        except RivyaError:
            raise
        except Exception as error:  # a foreign function raises anything
            raise FunctionError(f"{name}: {type(error).__name__}: {error}") from error
        with_assets = await _with_assets(run.context.assets, dumped)
    try:
        plain: Outputs = to_jsonable_python(with_assets)
    except PydanticSerializationError as error:
        raise FunctionError(f"{name}: its result is not JSON: {error}") from error
    return plain


async def _called(work: Callable[[], Any], name: str, seconds: float | None) -> Any:
    running = _contained(work) if inspect.iscoroutinefunction(work) else _in_thread(work, name)
    task = asyncio.create_task(running)  # of its own: a function may cancel its task
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await task
    except asyncio.CancelledError as error:
        here = asyncio.current_task()
        if here is not None and here.cancelling():
            raise  # the run is stopped
        raise FunctionError(f"{name}: it was cancelled from within") from error
    except TimeoutError as error:
        if not limit.expired():
            raise  # raised by the function
        raise FunctionError(f"{name}: it took longer than {seconds:g} s") from error


def _local_copies(assets: AssetStore, value: Any) -> Any:
    """Set the path of every asset to a file on this machine."""
    if isinstance(value, list):
        return [_local_copies(assets, one) for one in value]
    if isinstance(value, dict):
        changed = {key: _local_copies(assets, one) for key, one in value.items()}
        if looks_like_asset(value):
            changed["path"] = str(assets.local_path(str(value["sha256"])))
        return changed
    return value


async def _with_assets(assets: AssetStore, value: Any) -> Any:
    """Replace every file in a result with an asset."""
    if isinstance(value, Path):
        return (await kept(assets, value)).as_json()
    if isinstance(value, Asset):
        value = value.model_dump()
    if (asset := as_asset(value)) and (stored := await asyncio.to_thread(_stored, assets, asset)):
        rest = {key: await _with_assets(assets, one) for key, one in value.items() if key != "path"}
        return {**asset.as_json(), **rest, "path": str(stored)}
    if isinstance(value, list | tuple):
        return [await _with_assets(assets, one) for one in value]
    if isinstance(value, dict):
        return {key: await _with_assets(assets, one) for key, one in value.items()}
    return value


def _stored(assets: AssetStore, asset: Asset) -> Path | None:
    """The file of an asset that is in the store; None for one that a function invented."""
    try:
        return assets.local_path(asset.sha256)
    except LostMediumError:
        return None


async def _contained(work: Callable[[], Awaitable[Any]]) -> Any:
    """Call a coroutine function; what would end the event loop, as `SystemExit`, is an error."""
    try:
        return await work()
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as raised:
        raise RuntimeError(repr(raised)) from raised


async def _in_thread(work: Callable[[], Any], name: str) -> Any:
    """Call a function in a daemon thread, which keeps nothing alive when it runs on after a timeout."""
    done: Future[Any] = Future()
    done.set_running_or_notify_cancel()  # from now on it cannot be cancelled
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as raised:
            # No future takes a `StopIteration`, and a `SystemExit` must not end this process.
            plain = isinstance(raised, Exception) and not isinstance(raised, StopIteration)
            done.set_exception(raised if plain else RuntimeError(repr(raised)))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(done)
