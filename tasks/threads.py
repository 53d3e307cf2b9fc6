"""A plain function in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any


async def in_thread(call: Callable[..., Any], name: str, arguments: dict[str, Any]) -> Any:
    """What the function gives; raises what it raises.

    When this is cancelled, as by a time-out, the function goes on: a thread cannot be stopped.
    Unlike one of `asyncio.to_thread` it then keeps neither the event loop nor the process alive.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits any more
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def work() -> None:
        result: Any = None
        error: Exception | None = None
        try:
            result = context.run(call, **arguments)
        except StopIteration as raised:  # a future takes no such error
            error = RuntimeError(f"it raised {raised!r}")
        except BaseException as raised:  # also `SystemExit`, which is no end of this process
            error = raised if isinstance(raised, Exception) else RuntimeError(repr(raised))
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await done
